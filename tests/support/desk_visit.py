"""A served dashboard with an application and an account in it, and a browser of sorts, for tests over HTTP."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import uvicorn
from aiohttp import ClientResponse, ClientSession, CookieJar
from litestar import Litestar

from callgate.money import MICROS
from callgate.platform.platforms import platforms
from callgate.policy.limits import UNLIMITED
from callgate.protocol import sinch
from callgate.protocol.call import CallArrived, CallEnded, CallKey, CallResult, Endpoint, EndpointKind, Origin
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.server import api_tools
from callgate.service.add_application import AddApplication
from callgate.service.application import Application
from callgate.service.authorize import Authorize
from callgate.service.catalog import Catalogs
from callgate.service.issue_token import issue_token
from callgate.service.open_account import OpenAccount
from callgate.service.settle import Settle
from callgate.service.token import Role
from callgate.service.top_up import TopUp
from callgate.settings import Settings
from callgate.storage.sqlite import SqliteStore
from callgate.vault import Vault, new_key
from callgate.web.app import build_dashboard

APP = "app"
SWEDEN = "+46701740605"
RATE = Rate(
    prefix="46",
    destination="Sweden",
    rate_nanos_per_min=20_000_000,
    connect_fee_micros=0,
    first_increment_s=60,
    increment_s=60,
    effective_from=datetime(2020, 1, 1, tzinfo=UTC),
)
SETTINGS = Settings(secret_key=new_key())
VAULT = Vault(SETTINGS.secret_key)
MULTIPART = "multipart/form-data; boundary=x"
EVIL = """<script>alert("x")</script><img src=x onerror='y'>&{{ 7 * 7 }}\u202e"""


class Desk:
    """A served dashboard with an application and the account alice, and a browser of sorts that keeps its cookies."""

    def __init__(
        self, url: str, store: SqliteStore, browser: ClientSession, stopping: asyncio.Event, catalogs: Catalogs
    ) -> None:
        self.catalogs = catalogs
        self.url = url
        self.store = store
        self.browser = browser
        self.stopping = stopping
        self.now = datetime(2026, 11, 23, 12, tzinfo=UTC)
        self.token = ""
        self.app: Litestar | None = None

    async def furnish(self) -> None:
        self.token = await issue_token(self.store, "viewer", Role.VIEWER, self.now)
        self.application = await self.store.perform(
            AddApplication(
                provider="sinch", key=APP, secret="c2VjcmV0", name="", seal=VAULT.seal, now=self.now, limits=UNLIMITED
            )
        )
        await self.store.perform(OpenAccount(application=APP, account="alice", currency="USD", limits=UNLIMITED))
        await self.store.perform(
            TopUp(application=APP, account="alice", amount_micros=MICROS, reference="first", now=self.now)
        )

    async def place(self, call_id: str, user: str = "alice", to: str = SWEDEN) -> None:
        """A call arrives and is decided."""
        call = CallArrived(
            key=CallKey(APP, call_id),
            name="ice",
            destination=Endpoint(EndpointKind.NUMBER, to),
            fingerprint=call_id,
            user=user,
            origin=Origin.IN_APP,
        )
        job = Authorize(
            call=call,
            body=b'{"event": "ice", "amount": 0.10}',
            provider=sinch,
            application=self.application,
            decks={"standard": Deck(name="standard", currency="USD", rows=[RATE])},
            now=self.now,
            orphan_after=timedelta(minutes=10),
        )
        await self.store.perform(job)

    async def end(self, call_id: str, seconds: int) -> None:
        """It was answered and is over."""
        ended = CallEnded(key=CallKey(APP, call_id), name="dice", result=CallResult.ANSWERED, duration_s=seconds)
        endpoints = await self.store.endpoints()
        await self.store.perform(Settle(ended=ended, body=b"{}", provider=sinch, now=self.now, endpoints=endpoints))

    async def sign_in(self, token: str | None = None, **words: Any) -> ClientResponse:
        return await self.post("sign-in", {"token": self.token if token is None else token}, **words)

    async def get(self, path: str = "", **words: Any) -> ClientResponse:
        return await self.browser.get(self.url + path, allow_redirects=False, **words)

    async def post(self, path: str, form: dict[str, str], **words: Any) -> ClientResponse:
        """Send a form as a page of the server's has it, with its token."""
        form = form | {"form_token": await self.form_token()}
        return await self.browser.post(self.url + path, data=form, allow_redirects=False, **words)

    async def form_token(self) -> str:
        """What the first page puts into its forms for this browser."""
        found = re.search(r'name="form_token" value="([^"]+)"', await self.text())
        assert found is not None
        return found[1]

    async def text(self, path: str = "", **words: Any) -> str:
        return await (await self.get(path, **words)).text()


Visit = Callable[..., None]
"""Runs steps against a dashboard that is served for them: the fixture `visit`."""


def migrated(path: Path) -> bytes:
    """A database of this version with nothing in it: migrating takes half a second, copying nothing."""

    async def migrate() -> None:
        store = SqliteStore(str(path))
        await store.migrate()
        await store.close()

    asyncio.run(migrate())
    return path.read_bytes()


def visiting(empty: bytes, path: Path) -> Visit:
    """Serve a dashboard on a copy of the empty database for each run."""

    def run(steps: Callable[[Desk], Awaitable[None]], *, is_open: bool = False) -> None:
        async def all_of_it() -> None:
            async with served(path, is_open=is_open) as desk, asyncio.timeout(30):
                await steps(desk)

        path.write_bytes(empty)
        asyncio.run(all_of_it())

    return run


@asynccontextmanager
async def served(path: Path, *, is_open: bool) -> AsyncIterator[Desk]:
    store, stopping = SqliteStore(str(path)), asyncio.Event()
    await store.open()
    listening = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
    catalogs = Catalogs(store, VAULT.unseal)

    def known(key: str) -> Application | None:
        return catalogs.now.applications.get(key)

    async with (
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser,
        platforms(known, lambda: datetime.now(UTC)) as platform,
    ):
        desk = Desk(url, store, browser, stopping, catalogs)
        await desk.furnish()
        await catalogs.refresh()
        app = desk.app = build_dashboard(
            store, catalogs, platform, vault=VAULT, settings=SETTINGS, clock=lambda: desk.now, is_open=is_open,
            stopping=stopping, tools=api_tools(store, VAULT),
        )  # fmt: skip
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", ws="none", log_level="error"))
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        try:
            yield desk
        finally:
            stopping.set()
            server.should_exit = True
            await serving
            await store.close()


async def next_event(reply: ClientResponse) -> tuple[str, str]:
    """Name and data of the next server-sent event."""
    block = (await reply.content.readuntil(b"\n\n")).decode()
    name, *data = block.strip("\n").split("\n")
    return name.removeprefix("event: "), "\n".join(line.removeprefix("data: ") for line in data)


async def event_with(reply: ClientResponse, name: str, text: str) -> str:
    """The next event of that name whose data has the text."""
    while True:
        named, data = await next_event(reply)
        if named == name and text in data:
            return data
