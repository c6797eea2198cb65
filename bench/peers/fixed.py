"""The fixed reply: our own uvicorn and protocol class, which read a request and always answer the same bytes.

It verifies, decides and stores nothing: what is left is the floor under everything that this stack can serve.
"""

import argparse

import uvicorn

from callgate.http.asgi import Receive, Scope, Send, send_reply
from callgate.http.callbacks import read_body
from callgate.http.protocol import CallbackProtocol
from callgate.protocol import WireReply


def main() -> None:
    """Serve on loopback until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--body", required=True, help="what every request is answered with")
    parser.add_argument("--ace", help="what an ACE is answered with instead")
    parser.add_argument("--dice", help="what a DiCE is answered with instead")
    words = parser.parse_args()
    reply = WireReply(body=words.body.encode())
    ace = WireReply(body=(words.ace or words.body).encode())
    dice = WireReply(body=(words.dice or words.body).encode())

    async def answer(_scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(receive)
        if isinstance(body, WireReply):
            await send_reply(send, body)
        elif b'"event":"ace"' in body:
            await send_reply(send, ace)
        elif b'"event":"dice"' in body:
            await send_reply(send, dice)
        else:
            await send_reply(send, reply)

    config = uvicorn.Config(
        answer,
        host="127.0.0.1",
        port=words.port,
        http=CallbackProtocol,
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        server_header=False,
    )
    uvicorn.Server(config).run()


if __name__ == "__main__":
    main()
