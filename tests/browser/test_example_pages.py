"""The example pages in a real browser: a page that signs its user in, and a button that connects two people."""

import contextlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

ROOT = Path(__file__).parents[2]
KEY, SECRET = "5f1c7a2e-93d0-4b57-8a6e-0c2b7d4e9f10", "YSBzZWNyZXQgb2YgdGhpcnR5LXR3byBieXRlcywgc28="
WITHIN_MS = 30_000


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Platform:
    """As far as these pages need one: it places every call."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        platform = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                platform.asked.append(body[body["method"]])
                said = b'{"callId":"call-%d"}' % len(platform.asked)
                self.send_response(200)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


class Pages(http.server.SimpleHTTPRequestHandler):
    """The page from an origin of its own."""

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(server: http.server.ThreadingHTTPServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def running(words: list[str], cwd: Path, environment: dict[str, str], port: int) -> Iterator[None]:
    process = subprocess.Popen(words, cwd=cwd, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # noqa: S603
    try:
        end = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert process.poll() is None and time.monotonic() < end, "it does not start"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(30)


def until_loaded(url: str) -> None:
    """The API is there a moment after the callbacks are."""
    end = time.monotonic() + 60
    while True:
        with (
            contextlib.suppress(urllib.error.HTTPError),
            urllib.request.urlopen(f"{url}/api/v1/openapi.json", timeout=60),  # noqa: S310 - our own server
        ):
            return
        assert time.monotonic() < end, "its API does not load"
        time.sleep(0.1)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[tuple[str, dict[str, str], Platform]]:
    """A server with a rich account and one user; its address, its environment, and the platform that it asks."""
    platform, port = Platform(), free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLGATE_")}
    environment |= {
        "PYTHONPATH": str(ROOT / "src"),
        "CALLGATE_PORT": str(port),
        "CALLGATE_DATABASE_URL": f"sqlite:///{tmp_path}/gate.db",
    }
    deck = tmp_path / "deck.csv"
    deck.write_text(
        "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n4670,Sweden,0.02,0,60,60,2020-01-01\n"
    )
    (tmp_path / "password").write_text("correct horse battery")

    def must(*words: str) -> str:
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "callgate", *words], cwd=tmp_path, env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, (words, done)
        return done.stdout.decode()

    with served(platform.server):
        must("init")
        must("app", "add", KEY, SECRET)
        must("app", "limits", KEY, "open")
        must("app", "set", KEY, f"platform={platform.url}")
        must("rates", "import", str(deck), "--deck", "standard")
        must("account", "create", "shop", "--currency", "USD")
        must("account", "limits", "shop", "open")
        must("account", "topup", "shop", "10")
        must("user", "add", "zoe", "--account", "shop", "--password-file", "password")
        environment["CALLGATE_TOKEN"] = json.loads(must("token", "create", "x", "--role", "operator", "--json"))[
            "token"
        ]
        yield f"http://127.0.0.1:{port}", environment, platform


def test_a_page_signs_its_user_in(gate: tuple[str, dict[str, str], Platform], browser: Browser, tmp_path: Path) -> None:
    """From an origin that the operator named. A wrong password says so; each call gets a ticket; the page holds no secret."""
    url, environment, _ = gate
    pages = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Pages, directory=str(ROOT / "examples" / "web_phone"))
    )
    origin = f"http://127.0.0.1:{pages.server_address[1]}"
    serve = [sys.executable, "-m", "callgate", "serve"]
    port = int(environment["CALLGATE_PORT"])
    settings = {name: value for name, value in environment.items() if name != "CALLGATE_TOKEN"}
    with served(pages), running(serve, tmp_path, settings | {"CALLGATE_APP_ORIGINS": origin}, port):
        page = browser.new_page()
        page.add_init_script("addEventListener('ready-to-call', (event) => { window.ready = event.detail; }, true);")
        page.goto(f"{origin}/?gate={url}")
        for password, told in (
            ("wrong password", "nobody who may sign in"),
            ("correct horse battery", "Signed in until"),
        ):
            page.get_by_label("User").fill("zoe")
            page.get_by_label("Password").fill(password)
            page.get_by_role("button", name="Sign in").click()
            expect(page.get_by_role("status")).to_contain_text(told, timeout=WITHIN_MS)
        page.get_by_label("Number").fill("+46701740605")
        page.get_by_role("button", name="Call").click()
        expect(page.get_by_role("status")).to_have_text("Ready to call +46701740605", timeout=WITHIN_MS)
        ready = page.evaluate("window.ready")
        assert ready["to"] == "+46701740605" and ready["ticket"].startswith("cgt1_")
        assert SECRET not in page.content() and "correct horse" not in page.content()
        page.close()


def test_a_button_that_connects_two_people(
    gate: tuple[str, dict[str, str], Platform], browser: Browser, tmp_path: Path
) -> None:
    """The shop's desk is rung, once, however often the button is pressed; the page never holds the API token."""
    url, environment, platform = gate
    port = free_port()
    backend = [sys.executable, "-m", "uvicorn", "shop:app", "--port", str(port)]
    settings = {name: value for name, value in environment.items() if name != "CALLGATE_TOKEN"}
    serve = running([sys.executable, "-m", "callgate", "serve"], tmp_path, settings, int(environment["CALLGATE_PORT"]))
    shop = running(backend, ROOT / "examples" / "click_to_call", environment | {"CALLGATE_URL": url}, port)
    with serve, shop:
        until_loaded(url)
        page = browser.new_page()
        seen: list[str] = []
        page.on("request", lambda request: seen.append(f"{request.url} {request.headers} {request.post_data}"))
        page.goto(f"http://127.0.0.1:{port}/")
        page.get_by_label("Your number").fill("+46701740606")
        for _ in range(3):
            page.get_by_role("button", name="Call me").click()
        expect(page.get_by_role("status")).to_have_text("We are calling you.", timeout=WITHIN_MS)
        page.wait_for_load_state("networkidle")
        assert [each["destination"]["endpoint"] for each in platform.asked] == ["+46701740605"]
        page.reload()
        page.get_by_label("Your number").fill("+33123456789")
        page.get_by_role("button", name="Call me").click()
        expect(page.get_by_role("status")).to_have_text("We cannot call this number.", timeout=WITHIN_MS)
        assert environment["CALLGATE_TOKEN"] not in page.content() + "".join(seen)
        page.close()
