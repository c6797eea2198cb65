"""The dashboard in a real browser: a call appears while one looks, by keyboard alone, and without a word to other hosts."""

import asyncio
import contextlib
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import uvicorn
from playwright.sync_api import Browser, Page, Request, expect

from callgate.app import build_store, clock, opened
from callgate.demo import prepare_demo
from callgate.emulator import demo
from callgate.emulator.place import connect
from callgate.emulator.scenario import Scenario, parse_callee, parse_caller
from callgate.server import Gate
from callgate.settings import Settings
from callgate.vault import new_key

PATIENCE_MS = 10_000
SWEDEN = demo.PRICED[0]


class Site(NamedTuple):
    """A whole server with the demonstration in it, running in a thread of its own, and a token that signs in."""

    url: str
    token: str
    loop: asyncio.AbstractEventLoop

    def place(self, caller: str, talk_s: int = 65, *, pace: float = 0.0) -> Future[None]:
        """Have the emulated platform place a call; the future is done when the call is over."""
        scenario = Scenario(caller=parse_caller(caller), callee=parse_callee(SWEDEN), talk_s=talk_s, ring_s=1)

        async def steps() -> None:
            async with connect(f"{self.url}callbacks/sinch", demo.KEY, demo.SECRET, pace=pace) as platform:
                await platform.place(scenario)

        return asyncio.run_coroutine_threadsafe(steps(), self.loop)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A server that asks for a token, with nothing but the demonstration's accounts."""
    settings = Settings(database_url=f"sqlite:///{tmp_path / 'gate.db'}", secret_key=new_key())
    started: Future[tuple[str, str, asyncio.AbstractEventLoop]] = Future()
    stop: list[asyncio.Event] = []

    async def serve() -> None:
        store = build_store(settings)
        await store.migrate()
        async with opened(store):
            token = await prepare_demo(store, settings, clock())
            gate = Gate(settings, store)
            listening = socket.create_server(("127.0.0.1", 0))
            config = uvicorn.Config(gate, ws="none", lifespan="off", log_level="error")  # type: ignore[arg-type]
            server = uvicorn.Server(config)
            async with gate.working():
                serving = asyncio.create_task(server._serve([listening]))  # noqa: SLF001 - without its signal handlers
                stop.append(asyncio.Event())
                url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
                started.set_result((url, token, asyncio.get_running_loop()))
                await stop[0].wait()
                gate.stopping.set()
                server.should_exit = True
                await serving

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    url, token, loop = started.result(timeout=30)
    try:
        wait_for_pages(url)
        yield Site(url, token, loop)
    finally:
        loop.call_soon_threadsafe(stop[0].set)
        thread.join(timeout=20)
        assert not thread.is_alive(), "the server did not stop while a page was open"


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
    """A page, every host that it spoke to and every complaint of its console."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.hosts: set[str] = set()
        self.complaints: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("request", self._note)
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, request: Request) -> None:
        self.hosts.add(urlsplit(request.url).hostname or "")


@pytest.fixture
def visitor(browser: Browser, site: Site) -> Iterator[Visitor]:
    """Signed in by keyboard: the field has the focus, Enter sends it."""
    with contextlib.closing(browser.new_context(timezone_id="Asia/Kolkata", locale="en-GB")) as context:
        visitor = Visitor(context.new_page())
        visitor.page.goto(site.url)
        expect(visitor.page.get_by_label("API token")).to_be_focused(timeout=PATIENCE_MS)
        visitor.page.keyboard.type(site.token)
        visitor.page.keyboard.press("Enter")
        expect(visitor.page.get_by_role("heading", name="Up now")).to_be_visible(timeout=PATIENCE_MS)
        yield visitor


def rows(page: Page, table: str) -> Any:
    return page.locator(f"#{table} tr:not(.none)")


def test_calls_come_and_go_without_a_reload(visitor: Visitor, site: Site) -> None:
    """Up while they last, then recent, each with what it cost; and nothing is fetched from elsewhere."""
    page = visitor.page
    page.evaluate("window.isTheSamePage = true")
    expect(page.locator("#pulse")).to_have_text("live", timeout=PATIENCE_MS)
    talking = site.place("user:alice", talk_s=3, pace=1.0)
    expect(rows(page, "live")).to_have_count(1, timeout=PATIENCE_MS)
    expect(rows(page, "live")).to_contain_text(SWEDEN)
    expect(rows(page, "live")).to_contain_text("talking", timeout=PATIENCE_MS)
    expect(rows(page, "live").locator("b")).to_have_text(re.compile("59[0-9]"), timeout=PATIENCE_MS)
    expect(rows(page, "recent")).to_have_count(1, timeout=PATIENCE_MS)
    expect(rows(page, "live")).to_have_count(0, timeout=PATIENCE_MS)
    expect(rows(page, "recent")).to_contain_text("connected")
    expect(rows(page, "recent")).to_contain_text("3 / 60 s")
    expect(rows(page, "recent")).to_contain_text("0.02 USD")
    talking.result(timeout=10)
    site.place("user:frank").result(timeout=10)
    expect(rows(page, "recent")).to_have_count(2, timeout=PATIENCE_MS)
    expect(rows(page, "recent").first).to_contain_text("refused: caller unknown")
    assert page.evaluate("window.isTheSamePage") is True
    assert visitor.hosts == {"127.0.0.1"}
    assert visitor.complaints == []


def test_times_are_the_viewers_own(visitor: Visitor, site: Site) -> None:
    """With UTC to be had by pointing at them."""
    site.place("user:alice").result(timeout=10)
    shown = rows(visitor.page, "recent").locator("time")
    expect(shown).to_have_count(1, timeout=PATIENCE_MS)
    utc = re.search(r"(\d\d):(\d\d):(\d\d) UTC", shown.get_attribute("title") or "")
    assert utc is not None
    hour, minute, second = (int(part) for part in utc.groups())
    minutes = (hour * 60 + minute + 330) % 1_440  # India is five and a half hours ahead
    expect(shown).to_contain_text(f"{minutes // 60:02}:{minutes % 60:02}:{second:02}")


def test_a_call_is_reached_and_left_by_keyboard(visitor: Visitor, site: Site) -> None:
    """Focus follows a call that ends from one table to the other; Enter opens it, and its page says why and what."""
    page = visitor.page
    talking = site.place("user:alice", talk_s=3, pace=1.0)
    link = rows(page, "live").get_by_role("link")
    expect(link).to_have_count(1, timeout=PATIENCE_MS)
    page.get_by_role("button", name="Sign out").focus()
    page.keyboard.press("Tab")
    expect(link).to_be_focused()
    expect(rows(page, "recent").get_by_role("link")).to_be_focused(timeout=PATIENCE_MS)
    talking.result(timeout=10)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="How it was decided")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator(".timeline .name")).to_have_text(["ice", "ace", "dice"])
    expect(page.locator("main")).to_contain_text("connectPstn")
    assert visitor.complaints == []


def test_a_paused_page_stands_still_until_it_may_go_on(visitor: Visitor, site: Site) -> None:
    """What happened meanwhile is then there at once."""
    page = visitor.page
    expect(page.locator("#pulse")).to_have_text("live", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Pause").press("Enter")
    expect(page.locator("#pulse")).to_have_text("paused")
    site.place("user:frank").result(timeout=10)
    page.wait_for_timeout(1_500)  # twice what a page that is not paused would take
    expect(rows(page, "recent")).to_have_count(0)
    page.get_by_role("button", name="Pause").press("Enter")
    expect(rows(page, "recent")).to_have_count(1, timeout=PATIENCE_MS)


def test_a_name_that_is_markup_is_only_a_name(visitor: Visitor, site: Site) -> None:
    """Also when it comes by the stream."""
    site.place("user:<img/src=x/onerror=document.title='taken'>").result(timeout=10)
    expect(rows(visitor.page, "recent")).to_contain_text("<img/src=x", timeout=PATIENCE_MS)
    expect(visitor.page).to_have_title("Calls - Callgate")
    assert visitor.complaints == []


def test_a_wrong_token_is_said_to_be_wrong(browser: Browser, site: Site) -> None:
    """In the words of the page, with the field ready for another."""
    with contextlib.closing(browser.new_context()) as context:
        page = context.new_page()
        page.goto(site.url)
        page.get_by_label("API token").fill("cg_wrong")
        page.get_by_role("button", name="Sign in").press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("not a token of this server", timeout=PATIENCE_MS)
        expect(page.get_by_label("API token")).to_be_focused()


def test_no_width_scrolls_sideways(visitor: Visitor, site: Site) -> None:
    """From a small phone to a wide screen; nor is a number cut off that there is room for."""
    page = visitor.page
    site.place("user:alice").result(timeout=10)
    expect(rows(page, "recent")).to_have_count(1, timeout=PATIENCE_MS)
    for width in (360, 390, 768, 1_000, 1_440):
        page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == width
        is_whole = "[...document.querySelectorAll('a.sides')].every(link => link.scrollWidth <= link.clientWidth)"
        assert page.evaluate(is_whole), f"cut off at a width of {width}"
