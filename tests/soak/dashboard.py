"""The dashboard under load: Live with 2,000 calls up. What pages take on a large database is measured by `lists.py`.

`callgate serve` in a scratch folder is sent 200 signed callbacks a second that keep 2,000 calls up, while a real browser
has the page open. What is measured is how late each row appears, by its own time of decision, how many rows there are, and
how long the browser was busy without a break; and on the other side, how long the callbacks took.

    python tests/soak/dashboard.py [--up N] [--events N] [--for SECONDS]

It exits with 1 when a figure misses its goal.
"""

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
from playwright.async_api import async_playwright

from callgate.app import build_store, clock, opened
from callgate.demo import prepare_demo
from callgate.emulator import demo
from callgate.money import MICROS
from callgate.protocol import sinch
from callgate.service.set_limits import SetAccountLimits, SetApplicationLimits
from callgate.service.top_up import TopUp
from callgate.settings import Settings
from callgate.vault import new_key

PATH = "/callbacks/sinch"
LATE_MS = 3_000
"""A row that appears later than that after its decision has fallen behind: the page looks every 0.7 s."""

CHROMIUM = ("--no-sandbox", "--disable-gpu", "--disable-background-networking")

MEASURE = """() => {
  window.late = []; window.busy = [];
  new PerformanceObserver((list) => list.getEntries().forEach((each) => window.busy.push(each.duration)))
    .observe({ type: "longtask" });
  new MutationObserver((changes) => {
    const now = Date.now();
    for (const change of changes) for (const row of change.addedNodes) {
      if (row.classList?.contains("fresh")) window.late.push(now - Date.parse(row.querySelector("time").dateTime));
    }
  }).observe(document.getElementById("live"), { childList: true });
}"""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


async def prepared(settings: Settings) -> str:
    """A database with the demonstration in it, whose accounts can pay for thousands of calls at once; and a token."""
    store = build_store(settings)
    await store.migrate()
    async with opened(store):
        token = await prepare_demo(store, settings, clock())
        await store.perform(SetApplicationLimits(application=demo.KEY, words=("open",)))
        for account in ("alice", "bob", "erin"):
            await store.perform(SetAccountLimits(application=demo.KEY, account=account, words=("open",)))
            job = TopUp(
                application=demo.KEY, account=account, amount_micros=10**6 * MICROS, reference="soak", now=clock()
            )
            await store.perform(job)
    return token


@contextlib.contextmanager
def serving(settings: Settings) -> Iterator[None]:
    environment = os.environ | {
        "CALLGATE_DATABASE_URL": settings.database_url,
        "CALLGATE_SECRET_KEY": settings.secret_key,
        "CALLGATE_PORT": str(settings.port),
        "CALLGATE_LOG_LEVEL": "error",
    }
    command = [str(Path(sys.executable).parent / "callgate"), "serve"]
    server = subprocess.Popen(command, env=environment, cwd=Path(settings.sqlite_file or "").parent)  # noqa: S603 - ours
    try:
        yield
    finally:
        server.terminate()
        server.wait(timeout=30)


@asynccontextmanager
async def signed_in(settings: Settings, token: str) -> AsyncIterator[aiohttp.ClientSession]:
    """A browser of sorts, as soon as the pages have loaded."""
    base = f"http://127.0.0.1:{settings.port}/"
    async with aiohttp.ClientSession(base, cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
        for _ in range(300):
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get("") as page:
                    form = re.search(r'name="form_token" value="([^"]+)"', await page.text())
                sent = {"token": token, "form_token": form[1] if form else ""}
                async with session.post("sign-in", data=sent, allow_redirects=False) as reply:
                    if reply.status == 303:
                        break
            await asyncio.sleep(0.2)
        yield session


# -- calls -------------------------------------------------------------------------------------------------------------


class Churn:
    """Keeps calls up: for each that ends another begins and is answered."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session
        self.up: deque[str] = deque()
        self.took_ms: list[float] = []
        self.wrong = 0
        self._numbers = itertools.count()

    async def send(self, event: dict[str, Any]) -> None:
        body = json.dumps({"version": 1, "applicationKey": demo.KEY, **event}).encode()
        headers = sinch.sign("POST", PATH, body, demo.KEY, demo.SECRET, datetime.now(UTC))
        began = time.perf_counter()
        async with self.session.post(PATH, data=body, headers=headers) as reply:
            answer = await reply.read()
            self.wrong += reply.status != 200 or b"hangup" in answer
        self.took_ms.append((time.perf_counter() - began) * 1_000)

    async def begin(self) -> None:
        number = next(self._numbers)
        call = f"soak-{number}"
        user = ("alice", "bob", "erin")[number % 3]
        to = {"type": "number", "endpoint": demo.PRICED[number % len(demo.PRICED)]}
        await self.send(
            {"event": "ice", "callid": call, "user": user, "cli": "private", "to": to, "originationType": "MXP"}
        )
        self.up.append(call)

    async def answer(self) -> None:
        await self.send({"event": "ace", "callid": self.up[-1]})

    async def end(self) -> None:
        await self.send(
            {
                "event": "dice",
                "callid": self.up.popleft(),
                "result": "ANSWERED",
                "reason": "CALLERHANGUP",
                "duration": 30,
            }
        )

    async def go_on(self, events_per_s: float, seconds: float) -> None:
        """In threes, each when it is due, whoever still waits."""
        began, sent = time.perf_counter(), 0
        going: set[asyncio.Task[None]] = set()
        while (now := time.perf_counter() - began) < seconds:
            while sent < now * events_per_s / 3:
                task = asyncio.create_task(self._three())
                going.add(task)
                task.add_done_callback(going.discard)
                sent += 1
            await asyncio.sleep(0.005)
        await asyncio.gather(*going)

    async def _three(self) -> None:
        await self.end()
        await self.begin()
        await self.answer()


async def live(options: argparse.Namespace, folder: Path) -> bool:
    settings = Settings(
        database_url=f"sqlite:///{folder / 'gate.db'}", secret_key=new_key(), port=free_port(), log_level="error"
    )
    token = await prepared(settings)
    with serving(settings):
        async with signed_in(settings, token), aiohttp.ClientSession(f"http://127.0.0.1:{settings.port}") as session:
            churn = Churn(session)
            for _ in range(options.up):
                await churn.begin()
                await churn.answer()
            churn.took_ms.clear()
            await churn.go_on(options.events, options.seconds / 4)
            alone, churn.took_ms = churn.took_ms, []
            async with async_playwright() as playwright:
                chromium = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=CHROMIUM)
                page = await chromium.new_page()
                await page.goto(f"http://127.0.0.1:{settings.port}/")
                await page.get_by_label("API token").fill(token)
                await page.keyboard.press("Enter")
                await page.locator("#live[data-count]").wait_for(state="attached")
                await page.evaluate(MEASURE)
                await churn.go_on(options.events, options.seconds)
                late = await page.evaluate("window.late")
                busy = await page.evaluate("window.busy")
                count = await page.evaluate("Number(document.getElementById('live').dataset.count)")
                await chromium.close()
    figures = {
        "calls_up": count,
        "rows_that_came": len(late),
        "row_late_p50_ms": round(percentile(late, 50)),
        "row_late_p95_ms": round(percentile(late, 95)),
        "row_late_max_ms": round(max(late)),
        "browser_busy_longest_ms": round(max(busy, default=0)),
        "callback_p99_alone_ms": round(percentile(alone, 99), 1),
        "callback_p99_watched_ms": round(percentile(churn.took_ms, 99), 1),
        "wrong_answers": churn.wrong,
    }
    say(figures)
    is_enough = len(late) >= options.seconds * options.events / 3 * 0.9
    return is_enough and count >= options.up * 0.9 and percentile(late, 95) <= LATE_MS and churn.wrong == 0


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1] if len(values) > 1 else values[0]


def say(figures: dict[str, Any]) -> None:
    for name, value in figures.items():
        print(f"{name:32} {value}")  # noqa: T201 - a program's output


def main() -> int:
    parser = argparse.ArgumentParser(description="The dashboard under load.")
    parser.add_argument("--up", type=int, default=2_000, help="calls that are up")
    parser.add_argument("--events", type=float, default=200, help="callbacks a second")
    parser.add_argument("--for", dest="seconds", type=float, default=60, help="seconds that are measured")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callgate-soak-") as folder:
        is_well = asyncio.run(live(options, Path(folder)))
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
