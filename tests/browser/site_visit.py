"""A whole server with the demonstration in it, in a thread of this process, and what a visitor sees of its pages."""

import asyncio
import contextlib
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Request, expect

from callgate.app import build_store, build_vault, clock, opened
from callgate.demo import prepare_demo
from callgate.emulator import demo
from callgate.emulator.place import connect
from callgate.emulator.scenario import Scenario, parse_callee, parse_caller
from callgate.emulator.serve import serving
from callgate.server import Gate
from callgate.service.add_endpoint import add_endpoint
from callgate.service.ports import Store
from callgate.settings import Settings
from callgate.vault import new_key

PATIENCE_MS = 10_000
SWEDEN = demo.PRICED[0]


class Site(NamedTuple):
    """A whole server with the demonstration in it, running in a thread of its own, and a token that signs in. `platform` is
    the port where calls can be ended, of the one that is placed in its own time.
    """

    url: str
    token: str
    loop: asyncio.AbstractEventLoop
    platform: int
    store: Store
    seal: Callable[[str], bytes]

    def place(self, caller: str, talk_s: int = 65, *, pace: float = 0.0) -> Future[None]:
        """Have the emulated platform place a call; the future is done when the call is over."""
        scenario = Scenario(caller=parse_caller(caller), callee=parse_callee(SWEDEN), talk_s=talk_s, ring_s=1)

        async def steps() -> None:
            async with (
                connect(f"{self.url}callbacks/sinch", demo.KEY, demo.SECRET, pace=pace) as platform,
                serving(platform, "127.0.0.1", self.platform if pace else 0),
            ):
                await platform.place(scenario)

        return asyncio.run_coroutine_threadsafe(steps(), self.loop)

    @contextlib.contextmanager
    def platform_open(self, pace: float = 1.0) -> Iterator[None]:
        """The platform's own interfaces and its phone, for as long as the block runs."""
        opened, close = Future[None](), asyncio.Event()

        async def stand() -> None:
            async with (
                connect(f"{self.url}callbacks/sinch", demo.KEY, demo.SECRET, pace=pace) as platform,
                serving(platform, "127.0.0.1", self.platform),
            ):
                opened.set_result(None)
                await close.wait()

        standing = asyncio.run_coroutine_threadsafe(stand(), self.loop)
        opened.result(timeout=10)
        try:
            yield
        finally:
            self.loop.call_soon_threadsafe(close.set)
            standing.result(timeout=10)

    def add_endpoint(self, url: str) -> str:
        """A receiver of every record; returns its id."""

        async def add() -> str:
            endpoint, _ = await add_endpoint(
                self.store, url, (), allow_private=True, seal=self.seal, resolve=nobody, now=clock()
            )
            return endpoint.id

        return asyncio.run_coroutine_threadsafe(add(), self.loop).result(timeout=10)


async def nobody(_host: str) -> list[str]:
    """Nobody's address is asked for."""
    return []


@contextlib.contextmanager
def running(tmp_path: Path, port: int = 0, **more: str) -> Iterator[Site]:
    """A server that asks for a token, with nothing but the demonstration's accounts. `more` are settings."""
    database = f"sqlite:///{tmp_path / 'gate.db'}"
    settings = msgspec.structs.replace(Settings(database_url=database, secret_key=new_key()), **more)
    platform = free_port()
    started: Future[tuple[str, str, asyncio.AbstractEventLoop, Store]] = Future()
    stop: list[asyncio.Event] = []

    async def serve() -> None:
        store = build_store(settings)
        await store.migrate()
        async with opened(store):
            token = await prepare_demo(store, settings, clock(), f"http://127.0.0.1:{platform}")
            gate = Gate(settings, store)
            listening = socket.create_server(("127.0.0.1", port))
            config = uvicorn.Config(gate, ws="none", lifespan="off", log_level="error")  # type: ignore[arg-type]
            server = uvicorn.Server(config)
            async with gate.working():
                serving = asyncio.create_task(server._serve([listening]))  # noqa: SLF001 - without its signal handlers
                stop.append(asyncio.Event())
                url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
                started.set_result((url, token, asyncio.get_running_loop(), store))
                await stop[0].wait()
                gate.stopping.set()
                server.should_exit = True
                await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    url, token, loop, store = started.result(timeout=30)
    try:
        wait_for_pages(url)
        yield Site(url, token, loop, platform, store, build_vault(settings).seal)
    finally:
        loop.call_soon_threadsafe(stop[0].set)
        thread.join(timeout=20)
        assert not thread.is_alive(), "the server did not stop while a page was open"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


def wait_for_pages(url: str) -> None:
    """The server answers callbacks at once, pages when their framework is loaded."""
    give_up_at = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(url).close()  # noqa: S310 - our own server
        except urllib.error.HTTPError as error:
            error.close()
            if error.code != 503 or time.monotonic() > give_up_at:
                raise
            time.sleep(0.1)
        else:
            return


class Visitor:
    """A page, every host that it spoke to and every complaint of its console; a form that will not do is none."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", self._note)
        page.on("console", lambda message: None if "status of 422" in message.text else self._complain(message.text))
        page.on("pageerror", lambda error: self._complain(str(error)))

    def _complain(self, words: str) -> None:
        self.complaints.append(words)

    def _note(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).hostname or "")

    def is_usable(self) -> None:
        """axe-core finds nothing that keeps anybody from using the page as it is now."""
        found = Axe().run(self.page).response["violations"]
        assert not found, "\n".join(f"{each['id']}: {each['nodes'][0]['html'][:200]}" for each in found)

    def is_well(self) -> None:
        """Nothing was asked of another host, and the browser has no complaint."""
        assert self.hosts == {"127.0.0.1"}
        assert not self.complaints, self.complaints


@contextlib.contextmanager
def visiting(browser: Browser, site: Site) -> Iterator[Visitor]:
    """Signed in by keyboard: the field has the focus, Enter sends it."""
    with contextlib.closing(browser.new_context(timezone_id="Asia/Kolkata", locale="en-GB")) as context:
        visitor = Visitor(context.new_page())
        visitor.page.goto(site.url)
        expect(visitor.page.get_by_label("API token")).to_be_focused(timeout=PATIENCE_MS)
        visitor.page.keyboard.type(site.token)
        visitor.page.keyboard.press("Enter")
        expect(visitor.page.get_by_role("heading", name="Up now")).to_be_visible(timeout=PATIENCE_MS)
        yield visitor


def card(page: Page, name: str) -> Locator:
    """The part of a page under this heading."""
    return page.locator("section.card", has=page.get_by_role("heading", name=name, exact=True))
