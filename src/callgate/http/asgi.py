"""ASGI in a few words: the types that its specification describes, and how a whole reply is sent."""

from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from callgate.protocol import WireReply

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]


async def send_reply(send: Send, reply: WireReply, more: Sequence[tuple[bytes, bytes]] = ()) -> None:
    """Send status, type, length, `more` headers and body."""
    headers = [
        (b"content-type", reply.content_type.encode()),
        (b"content-length", str(len(reply.body)).encode()),
        *more,
    ]
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
