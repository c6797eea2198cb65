"""The emulator's phone in a real browser: dial with the pad, press a key in a menu, hang up, send a callback again."""

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from aiohttp import web
from playwright.sync_api import Browser, expect

from callgate.emulator.applications import Application, CallbackUrls
from callgate.emulator.clock import RealClock
from callgate.emulator.demo import KEY, SECRET
from callgate.emulator.emulated import Platform
from callgate.emulator.place import opened
from callgate.emulator.serve import serving

PATIENCE_MS = 10_000

MENU = {"action": {"name": "runMenu", "menus": [{"id": "main", "maxDigits": 1, "timeoutMills": 600_000}]}}
CONNECT = {"action": {"name": "connectPstn", "number": "+46701740605"}}
ANSWERS = {"ice": MENU, "pie": CONNECT, "ace": {"action": {"name": "continue"}}}


async def backend(request: web.Request) -> web.Response:
    return web.json_response(ANSWERS.get((await request.json())["event"], {}))


@pytest.fixture
def url() -> Iterator[str]:
    """A platform ten times as fast as the real one, and a backend with a menu, in a thread of their own."""
    started: Future[tuple[str, asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/callbacks", backend)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        target = f"http://127.0.0.1:{runner.addresses[0][1]}/callbacks"
        async with opened() as session:
            platform = Platform(session, RealClock(0.1))
            platform.add(Application(key=KEY, secret=SECRET, urls=CallbackUrls(primary=target)))
            async with serving(platform, "127.0.0.1", 0) as address:
                stop = asyncio.Event()
                started.set_result((address, asyncio.get_running_loop(), stop))
                await stop.wait()
        await runner.cleanup()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    address, loop, stop = started.result(timeout=30)
    yield f"{address}/"
    loop.call_soon_threadsafe(stop.set)
    thread.join(timeout=20)
    assert not thread.is_alive()


def test_a_call_is_led_with_the_pad(url: str, browser: Browser) -> None:
    """Everything is seen to happen without loading a page again, and no word of complaint is in the console."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    for key in "46701740605":
        page.get_by_role("group", name="Keypad").get_by_role("button", name=key, exact=True).click()
    assert page.get_by_label("To", exact=True).input_value() == "46701740605"
    page.get_by_role("button", name="Call", exact=True).click()
    expect(page.get_by_text("in a menu")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("group", name="Keypad").get_by_role("button", name="7", exact=True).click()
    expect(page.get_by_text("menu main: sequence 7")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.get_by_text("talking")).to_be_visible(timeout=PATIENCE_MS)
    page.get_by_role("button", name="Hang up", exact=True).click()
    expect(page.get_by_text("CALLERHANGUP").first).to_be_visible(timeout=PATIENCE_MS)
    page.goto(url)
    page.get_by_role("link", name="1", exact=True).click()
    page.get_by_label("Body").fill('{"event": "ice", "edited": "by hand"}')
    page.get_by_role("button", name="Send edited, freshly signed").click()
    expect(page.get_by_text("replay")).to_be_visible(timeout=PATIENCE_MS)
    expect(page.locator("figure").first).to_contain_text("by hand")
    assert complaints == []
    page.close()
