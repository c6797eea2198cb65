"""A shop's page with a button: "call me". The shop rings its own desk, then the customer, and pays for both.

The page knows neither the API token nor the desk's number: this backend holds them. Who presses twice is rung once, since
each page has a name for its request. Run it with: uvicorn shop:app --port 8090
"""

import json
import os
import secrets
import urllib.error
import urllib.request
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

PAGE = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")
GATE = os.environ.get("CALLGATE_URL", "http://127.0.0.1:8080")
TOKEN = os.environ["CALLGATE_TOKEN"]  # of role operator: callgate token create shop --role operator
ACCOUNT, DESK = os.environ.get("SHOP_ACCOUNT", "shop"), os.environ.get("SHOP_DESK", "+46701740605")

TELL = {
    201: "We are calling you.",
    202: "We are calling you.",
    409: "We cannot call this number.",
    429: "Too many calls at the moment. Please try again.",
}


async def show(_: Request) -> HTMLResponse:
    return HTMLResponse(PAGE.replace("NAME", secrets.token_urlsafe(16)))


async def call_me(request: Request) -> JSONResponse:
    if request.headers.get("sec-fetch-site") not in {None, "same-origin"}:
        return JSONResponse({"told": "Only our own page may ask."}, 403)
    said = await request.json()
    status = await run_in_threadpool(place, str(said.get("number", ""))[:32], str(said.get("name", ""))[:64])
    return JSONResponse(
        {"told": TELL.get(status, "Something went wrong. Please try again.")}, 200 if status in TELL else 502
    )


def place(number: str, name: str) -> int:
    """Ask Callgate, and return the status of its answer. `name` makes the request the same one however often it comes."""
    body = {"account": ACCOUNT, "kind": "bridge", "from": DESK, "to": number, "max_duration_s": 900}
    request = urllib.request.Request(  # noqa: S310 - our own server
        f"{GATE}/api/v1/callouts",
        json.dumps(body).encode(),
        {"authorization": f"Bearer {TOKEN}", "content-type": "application/json", "idempotency-key": f"call-me {name}"},
    )
    try:
        with urllib.request.urlopen(request, timeout=20) as reply:  # noqa: S310 - our own server
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 502


app = Starlette(routes=[Route("/", show), Route("/call-me", call_me, methods=["POST"])])
