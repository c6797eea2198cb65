"""The examples, each in its framework, behind a real server: signed requests come in over a socket.

Paths are what this is about: whatever a framework, a mount or a proxy does to them, the one that was requested is signed.
"""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from wsgiref.types import WSGIApplication

import msgspec
import pytest
import uvicorn
from fastapi import FastAPI
from litestar import Litestar, asgi
from litestar.types import Receive, Scope, Send
from starlette.applications import Starlette
from starlette.routing import Mount
from werkzeug.exceptions import NotFound
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.serving import make_server

from callgate import Callgate
from callgate.protocol import sinch

EXAMPLES = Path(__file__).parents[2] / "examples"
KEY, SECRET = "669E367E-6BBA-48AB-AF15-266871C28135", "BeIukql3pTKJ8RGL5zo0DA=="
CALLBACKS = "/callbacks/sinch"
CONNECT = {"action": {"name": "connectPstn", "maxDuration": 600}}
HANG_UP = {"action": {"name": "hangup"}}
START_WITHIN_S = 30

Apps = dict[str, ModuleType]


@pytest.fixture(scope="module")
def apps() -> Iterator[Apps]:
    """Every example's module, by its name; imported once, since Django is set up once a process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SINCH_KEY", KEY)
        patch.setenv("SINCH_SECRET", SECRET)
        patch.syspath_prepend(EXAMPLES)
        yield {file.stem: import_module(file.stem) for file in sorted(EXAMPLES.glob("*.py"))}


@contextmanager
def asgi_server(app: Any, **options: Any) -> Iterator[int]:
    """Serve with uvicorn as it comes; gives the port."""
    config = uvicorn.Config(app, port=0, log_level="warning", **options)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    give_up_at = time.monotonic() + START_WITHIN_S
    while not server.started:
        assert thread.is_alive() and time.monotonic() < give_up_at
        time.sleep(0.005)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(START_WITHIN_S)


@contextmanager
def wsgi_server(app: WSGIApplication) -> Iterator[int]:
    """Serve with Werkzeug's own server; gives the port."""
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server.port
    finally:
        server.shutdown()
        thread.join(START_WITHIN_S)
        server.server_close()


def post(port: int, path: str, body: dict[str, Any], by: tuple[str, str] = (KEY, SECRET), sent_as: str = "") -> Any:
    """Post a callback signed for a path, sent as the proxy would send it on; returns status and answer."""
    text = msgspec.json.encode(body)
    headers = sinch.sign("POST", path, text, *by, datetime.now(UTC))
    connection = HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", sent_as or path, text, headers)
        reply = connection.getresponse()
        return reply.status, msgspec.json.decode(reply.read() or b"null")
    finally:
        connection.close()


def call_to(number: str) -> dict[str, Any]:
    return {"event": "ice", "callid": "a-call", "to": {"type": "number", "endpoint": number}}


ALLOWED, OTHER = call_to("+15612600684"), call_to("+15612600685")

FRAMEWORKS = {
    "starlette_app": ("app", asgi_server),
    "fastapi_app": ("app", asgi_server),
    "litestar_app": ("app", asgi_server),
    "django_app": ("application", asgi_server),
    "flask_app": ("app", wsgi_server),
}


def test_every_example_is_tested() -> None:
    """A new file in the folder wants its line here."""
    assert {file.stem for file in EXAMPLES.glob("*.py")} == {*FRAMEWORKS, "tutorial"}


def test_the_tutorial_is_at_most_twelve_lines() -> None:
    """The promise of library mode."""
    assert len((EXAMPLES / "tutorial.py").read_text(encoding="utf-8").splitlines()) <= 12


def test_the_tutorial_on_its_own(apps: Apps) -> None:
    """It is an application by itself, on any path."""
    with asgi_server(apps["tutorial"].gate) as port:
        for path in ("/", CALLBACKS, f"{CALLBACKS}/", "/a%20b/c%2Fd"):
            assert post(port, path, ALLOWED, ("KEY", "SECRET")) == (200, CONNECT)
            assert post(port, path, OTHER, ("KEY", "SECRET")) == (200, HANG_UP)


def test_the_emulator_places_a_whole_call(apps: Apps) -> None:
    """As the guide says: from the command line, through ICE, ACE and DiCE."""
    command = ("call", "--from", "alice", "--to", "+15612600684", "--talk", "65s", "--key", "KEY", "--secret", "SECRET")
    with asgi_server(apps["tutorial"].gate) as port:
        target = f"http://127.0.0.1:{port}{CALLBACKS}"
        done = subprocess.run(  # noqa: S603 - our own command
            [sys.executable, "-m", "callgate", *command, "--target", target, "--json"],
            capture_output=True, text=True, check=False, timeout=30,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    events = msgspec.json.decode(done.stdout)["events"]
    assert [each["sent"]["event"] for each in events] == ["ice", "ace", "dice"]
    assert [each["answer"] for each in events] == [CONNECT, {"action": {"name": "continue"}}, {}]


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_callbacks_are_answered_in_every_framework(apps: Apps, name: str) -> None:
    """Each event of a call, a query in the URL, and the refusals."""
    attribute, server = FRAMEWORKS[name]
    with server(getattr(apps[name], attribute)) as port:
        assert post(port, CALLBACKS, ALLOWED) == (200, CONNECT)
        assert post(port, CALLBACKS, OTHER) == (200, HANG_UP)
        assert post(port, CALLBACKS, {"event": "ace", "callid": "a-call"}) == (200, {"action": {"name": "continue"}})
        assert post(port, CALLBACKS, {"event": "dice", "callid": "a-call"}) == (200, {})
        assert post(port, CALLBACKS, ALLOWED, sent_as=f"{CALLBACKS}?x=1") == (200, CONNECT)
        assert post(port, CALLBACKS, ALLOWED, (KEY, "b3RoZXI="))[0] == 401
        assert post(port, "/elsewhere", ALLOWED, sent_as=CALLBACKS)[0] == 401
        assert post(port, CALLBACKS, ALLOWED | {"custom": "x" * 65_536})[0] == 413


@pytest.mark.parametrize("name", FRAMEWORKS)
def test_callbacks_are_answered_under_a_prefix(apps: Apps, name: str) -> None:
    """The whole application mounted in another one, as the framework's own family does it."""
    attribute, server = FRAMEWORKS[name]
    app = getattr(apps[name], attribute)
    if server is wsgi_server:
        mounted = DispatcherMiddleware(NotFound(), {"/company": app})
    elif name == "fastapi_app":
        mounted = FastAPI()
        mounted.mount("/company", app)
    else:
        mounted = Starlette(routes=[Mount("/company", app=app)])
    with server(mounted) as port:
        assert post(port, f"/company{CALLBACKS}", ALLOWED) == (200, CONNECT)
        assert post(port, CALLBACKS, ALLOWED, sent_as=f"/company{CALLBACKS}")[0] == 401


@pytest.mark.parametrize("name", [name for name, (_, server) in FRAMEWORKS.items() if server is asgi_server])
def test_callbacks_are_answered_behind_a_proxy_that_strips_a_prefix(apps: Apps, name: str) -> None:
    """Where the server is told of it: `uvicorn --root-path`."""
    with asgi_server(getattr(apps[name], FRAMEWORKS[name][0]), root_path="/company") as port:
        assert post(port, f"/company{CALLBACKS}", ALLOWED, sent_as=CALLBACKS) == (200, CONNECT)


def test_a_flask_mount_takes_the_last_slash_too(apps: Apps) -> None:
    """With and without, each signed as it was requested."""
    with wsgi_server(apps["flask_app"].app) as port:
        assert post(port, f"{CALLBACKS}/", ALLOWED) == (200, CONNECT)
        assert post(port, CALLBACKS, ALLOWED, sent_as=f"{CALLBACKS}/")[0] == 401


def mounted_in_litestar(gate: Callgate) -> Litestar:
    @asgi("/voice", is_mount=True, copy_scope=True)
    async def voice(scope: Scope, receive: Receive, send: Send) -> None:
        await gate(scope, receive, send)

    return Litestar([voice])


def mounted_in_fastapi(gate: Callgate) -> FastAPI:
    app = FastAPI()
    app.mount("/voice", gate)
    return app


@pytest.mark.parametrize(
    "mount",
    [mounted_in_litestar, mounted_in_fastapi, lambda gate: Starlette(routes=[Mount("/voice", app=gate)])],
    ids=["litestar", "fastapi", "starlette"],
)
@pytest.mark.parametrize("path", ["/voice/", "/voice/a/b", "/voice/a/b/", "/voice/a%20b"])
def test_a_mounted_gate_answers_on_every_path_below(apps: Apps, mount: Callable[[Callgate], Any], path: str) -> None:
    """Escapes and the last slash included."""
    with asgi_server(mount(apps["starlette_app"].gate)) as port:
        assert post(port, path, ALLOWED) == (200, CONNECT)


@pytest.mark.parametrize("mount", [mounted_in_fastapi, lambda gate: Starlette(routes=[Mount("/voice", app=gate)])])
def test_a_mount_without_its_slash_redirects(apps: Apps, mount: Callable[[Callgate], Any]) -> None:
    """Why the examples add a route, and why the guide says so."""
    with asgi_server(mount(apps["starlette_app"].gate)) as port:
        assert post(port, "/voice", ALLOWED)[0] == 307


def test_a_gate_before_django(apps: Apps) -> None:
    """Callbacks that need not go through its middleware; the rest is Django's."""
    gate, django = apps["django_app"].gate, apps["django_app"].application

    async def application(scope: Any, receive: Any, send: Any) -> None:
        app = gate if scope.get("path") == "/voice" else django
        await app(scope, receive, send)

    with asgi_server(application, lifespan="off") as port:
        assert post(port, "/voice", ALLOWED) == (200, CONNECT)
        assert post(port, CALLBACKS, ALLOWED) == (200, CONNECT)


@pytest.mark.parametrize("handler", ["async", "blocking"])
def test_many_calls_at_once(handler: str) -> None:
    """While some handlers wait or block, other calls are answered."""
    gate = Callgate({KEY: SECRET})
    released = threading.Event()

    def blocking(call: sinch.Ice) -> sinch.ConnectConf:
        if call.custom == "slow":
            released.wait(10)
        return sinch.ConnectConf(conference_id=call.callid)

    async def waiting(call: sinch.Ice) -> sinch.ConnectConf:
        import asyncio  # noqa: PLC0415

        return await asyncio.to_thread(blocking, call)

    gate.ice(waiting if handler == "async" else blocking)
    slow: list[Any] = []
    with asgi_server(gate) as port:
        calls = [
            threading.Thread(target=lambda: slow.append(post(port, "/", ALLOWED | {"custom": "slow"})))
            for _ in range(4)
        ]
        for call in calls:
            call.start()
        for index in range(8):
            expected = {"action": {"name": "connectConf", "conferenceId": f"call-{index}"}}
            assert post(port, "/", ALLOWED | {"callid": f"call-{index}"}) == (200, expected)
        assert slow == []
        released.set()
        for call in calls:
            call.join(10)
    assert [status for status, _ in slow] == [200] * 4
