"""Every page of the dashboard and every list of the API on a database with ten million calls, with callbacks beside them.

    python tests/soak/lists.py [--file FILE] [--calls 10000000] [--for SECONDS] [--rate CALLS_PER_S] [--only WORD] [--json]

`large_database.py` makes the database, unless `--file` names one that it has made. `callgate serve` works on it. `callgate load`,
a process of its own, places calls at a fixed rate; how long a callback took counts from when it was due. For a while they come
alone; then while somebody opens a page a second; then beside a program that fetches one thing after the other without a pause,
which has the figures of the fetches; then alone again.

It exits with 1 when the 95th of a hundred fetches of anything takes longer than it may, or when callbacks take longer beside
somebody than alone, at the 99th of a hundred.
"""

import argparse
import asyncio
import itertools
import json
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from dashboard import PATH, free_port, serving, signed_in
from large_database import RARE, SMALL, make

from callgate.emulator import demo
from callgate.settings import Settings

T = TypeVar("T")

P95_MS = 100.0
"""What 95 of a hundred fetches must take at most."""

MORE_MS, MORE = 3.0, 1.5
"""What the 99th of a hundred callbacks may take more than alone: so many milliseconds, or this times as much."""

CLICK_S = 1.0
"""From one page that somebody opens to the next."""

DELIVERY_STATES = ("delivered", "parked", "waiting", "next")

PAGES = 40
"""Fetches of one list that go on from where the one before ended, before it begins anew."""


class Look(NamedTuple):
    """Something that is fetched. `is_followed`: each fetch is the page behind the one before."""

    name: str
    path: str
    is_followed: bool = False


def looks(newest: str, heard: datetime) -> list[Look]:
    app = demo.KEY
    month = {"since": "31d", "until": "30d"}

    def page(path: str, **query: str) -> str:
        return f"{path}?{urlencode(query)}" if query else path

    def api(path: str, **query: str) -> str:
        return page(f"api/v1/{path}", **query)

    pages = [
        Look("live", ""),
        Look("calls", "calls", is_followed=True),
        Look("calls of an account", page("calls", account="soak7")),
        Look("calls of a rare account", page("calls", account=RARE)),
        Look("calls of the account with most", page("calls", account="soak0"), is_followed=True),
        Look("calls of an application", page("calls", app=app)),
        Look("calls of a small application", page("calls", app=SMALL)),
        Look("part of a number", page("calls", number="7919"), is_followed=True),
        Look("a whole number", page("calls", number="+46700007919")),
        Look("a number that is not there", page("calls", number="99999999999"), is_followed=True),
        Look("refused", page("calls", outcome="refused"), is_followed=True),
        Look("refused for a rare reason", page("calls", outcome="spend_cap_reached"), is_followed=True),
        Look("refused for no reason there is", page("calls", outcome="rule")),
        Look("up now", page("calls", outcome="live")),
        Look("connected", page("calls", outcome="connected")),
        Look("flagged", page("calls", outcome="flagged")),
        Look("a day a month ago", page("calls", **month)),
        Look("that day, a number", page("calls", number="99999999999", **month)),
        Look("that day, of a small application", page("calls", app=SMALL, **month)),
        Look("one call", page(f"calls/{newest}", app=app)),
        Look("accounts", "accounts", is_followed=True),
        Look("accounts by name", page("accounts", find="soak77")),
        Look("one account", page("accounts/soak7", app=app)),
        Look("the account with most", page("accounts/soak0", app=app)),
        Look("statement", page("accounts/soak0/statement", app=app), is_followed=True),
        Look("figures of a day", "figures"),
        Look("figures of a month", page("figures", span="30d")),
        *(Look(f"deliveries {state}", page("deliveries", state=state)) for state in ("", *DELIVERY_STATES)),
        Look("rates", "rates"),
        Look("rules", "rules"),
        Look("lists", "lists"),
        Look("applications", "applications"),
        Look("one application", f"applications/{app}"),
        Look("audit", "audit", is_followed=True),
        Look("audit of an account", page("audit", kind="account", subject="soak77")),
        Look("health", "health"),
        Look("start", "start"),
    ]  # fmt: skip
    files = [
        Look(f"{name}.{form}", path.replace(name, f"{name}.{form}", 1))
        for form in ("json", "csv")
        for name, path in (
            ("calls", "calls"), ("calls", page("calls", number="7919")), ("accounts", "accounts"), ("figures", "figures"),
            ("statement", page("accounts/soak0/statement", app=app)), ("deliveries", "deliveries"), ("rates", "rates"),
            ("rules", "rules"), ("lists", "lists"), ("applications", "applications"), ("audit", "audit"),
        )
    ]  # fmt: skip
    of_api = [
        Look("calls", api("calls"), is_followed=True),
        Look("calls up", api("calls", state="live"), is_followed=True),
        Look("calls of an account", api("calls", app=app, account="soak7")),
        Look("calls of any application's account", api("calls", account=RARE)),
        Look("calls of an application", api("calls", app=app), is_followed=True),
        Look("calls of a small application", api("calls", app=SMALL)),
        Look("live calls of a small application", api("calls", app=SMALL, state="live")),
        Look("one call", api(f"calls/{newest}", app=app)),
        Look("records", api("cdrs"), is_followed=True),
        Look("records from the first day on", api("cdrs", since="2026-01-01T00:00:00Z"), is_followed=True),
        Look("records of an application", api("cdrs", app=app, since=(heard - timedelta(days=30)).isoformat()), is_followed=True),
        Look("records of a small application", api("cdrs", app=SMALL, since="2026-01-01T00:00:00Z")),
        Look("records of an account", api("cdrs", app=app, account="soak7", since="2026-01-01T00:00:00Z")),
        Look("records of any application's account", api("cdrs", account=RARE, since="2026-01-01T00:00:00Z")),
        Look("accounts", api("accounts", app=app), is_followed=True),
        Look("one account", api("accounts/soak0", app=app)),
        Look("statement", api("accounts/soak0/statement", app=app), is_followed=True),
        *(Look(f"deliveries {state}", api("deliveries", **({"state": state} if state else {})), is_followed=True)
            for state in ("", *DELIVERY_STATES)),
        Look("deliveries of an endpoint", api("deliveries", endpoint="ep_soak", app=app), is_followed=True),
        Look("deliveries of an endpoint, parked", api("deliveries", endpoint="ep_soak", state="parked"), is_followed=True),
        Look("audit", api("audit"), is_followed=True),
        Look("audit of somebody", api("audit", who="operator:op3"), is_followed=True),
        Look("audit of a kind", api("audit", kind="account"), is_followed=True),
        Look("audit of a subject", api("audit", kind="account", subject="soak77")),
        Look("blocks", api("blocks", app=app)),
        Look("lists", api("lists", app=app)),
        Look("decks", api("decks")),
        Look("users", api("users", app=app)),
        Look("rented numbers", api("dids", app=app)),
        Look("applications", api("applications")),
        Look("endpoints", api("endpoints")),
        Look("tokens", api("tokens")),
    ]  # fmt: skip
    return [
        *pages,
        *(
            look._replace(name=f"file {look.name}{'?' + look.path.partition('?')[2] if '?' in look.path else ''}")
            for look in files
        ),
        *(look._replace(name=f"api {look.name}") for look in of_api),
    ]


class Reader:
    """Somebody who fetches one thing after the other. `took_ms` has how long each took, by its name."""

    def __init__(self, pages: aiohttp.ClientSession, api: aiohttp.ClientSession, wanted: list[Look]) -> None:
        self._pages = pages
        self._api = api
        self._wanted = wanted
        self._next: dict[str, Iterator[int] | str] = {}
        self._following: dict[str, tuple[str, int]] = {}
        self.took_ms: dict[str, list[float]] = {look.name: [] for look in wanted}

    async def read(self, until: asyncio.Event, pause_s: float = 0.0) -> None:
        for look in itertools.cycle(self._wanted):
            if until.is_set():
                return
            await self._fetch(look)
            await asyncio.sleep(pause_s)

    async def once(self) -> None:
        for look in self._wanted:
            await self._fetch(look)
        for took_ms in self.took_ms.values():
            took_ms.clear()

    async def _fetch(self, look: Look) -> None:
        path, number = self._following.pop(look.name, (look.path, 0))
        began = time.perf_counter()
        session = self._api if path.startswith("api/") else self._pages
        async with session.get(path, allow_redirects=False) as reply:
            body = await reply.read()
            assert reply.status == 200, (look.name, path, reply.status, body[:300])
        self.took_ms[look.name].append((time.perf_counter() - began) * 1_000)
        following = _following(look, body) if look.is_followed and number < PAGES else ""
        if following:
            self._following[look.name] = (following, number + 1)


def _following(look: Look, body: bytes) -> str:
    """The path of the page behind this one, empty where there is none."""
    base = look.path.partition("?")[0]
    if look.path.startswith("api/"):
        cursor = json.loads(body)["next"]
        return f"{look.path}{'&' if '?' in look.path else '?'}cursor={cursor}" if cursor else ""
    mark = b'rel="next" href="'
    found = body.partition(mark)[2].partition(b'"')[0].decode().replace("&amp;", "&")
    return f"{base}?{found.partition('?')[2]}" if found else ""


async def calling(settings: Settings, rate: float, seconds: float) -> dict[str, Any]:
    """Place calls, and return how long the decisions and the ends took, and how many answers were wrong."""
    target = f"http://127.0.0.1:{settings.port}{PATH}"
    words = [
        "load",
        "--rate",
        f"{rate:g}",
        "--for",
        f"{seconds:g}s",
        "--target",
        target,
        "--json",
        "--seed",
        str(time.time_ns() % 10**9),
    ]
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).parent / "callgate"), *words, stdout=asyncio.subprocess.PIPE,
        cwd=Path(settings.sqlite_file or "").parent,
    )  # fmt: skip
    said, _ = await process.communicate()
    report = json.loads(said)
    kinds = report["latency"]
    return {
        "callbacks": report["callbacks"],
        "wrong": sum(each["count"] for each in report["wrong"]),
        **{
            f"{kind}_{name}": figures[name]
            for kind, figures in kinds.items()
            for name in ("p50_ms", "p99_ms", "worst_ms")
        },
    }


async def measure(settings: Settings, token: str, options: argparse.Namespace) -> dict[str, Any]:
    database = sqlite3.connect(settings.sqlite_file or "")
    newest, at = database.execute(
        "SELECT call_id, decided_at FROM calls WHERE state = 'ended' AND application = ? ORDER BY decided_at DESC LIMIT 1",
        (demo.KEY,),
    ).fetchone()
    database.close()
    wanted = [look for look in looks(newest, datetime.fromtimestamp(at / 1e6, UTC)) if options.only in look.name]
    base = f"http://127.0.0.1:{settings.port}/"
    with serving(settings):
        async with (
            signed_in(settings, token) as pages,
            aiohttp.ClientSession(base, headers={"authorization": f"Bearer {token}"}) as api,
        ):
            reader = Reader(pages, api, wanted)
            await reader.once()
            before = await calling(settings, options.rate, options.seconds)
            somebody = Reader(pages, api, [look for look in wanted if not look.path.startswith("api/")])
            beside = await reading(somebody, CLICK_S, calling(settings, options.rate, options.seconds))
            busy = await reading(reader, 0.0, calling(settings, options.rate, options.seconds * 2))
            after = await calling(settings, options.rate, options.seconds)
    return {
        "took_ms": {
            name: (len(took), _percentile(took, 50), _percentile(took, 95), max(took, default=0.0))
            for name, took in reader.took_ms.items()
        },
        "callbacks": {
            "alone": before, "beside somebody": beside, "beside a program that reads": busy, "alone again": after,
        },
    }  # fmt: skip


async def reading(reader: Reader, pause_s: float, work: Awaitable[T]) -> T:
    """Do the work while the reader reads."""
    is_over = asyncio.Event()
    task = asyncio.create_task(reader.read(is_over, pause_s))
    try:
        return await work
    finally:
        is_over.set()
        await task


def _percentile(values: list[float], percent: int) -> float:
    if len(values) < 2:
        return values[0] if values else 0.0
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def is_enough(found: dict[str, Any]) -> bool:
    alone, beside = found["callbacks"]["alone"], found["callbacks"]["beside somebody"]
    is_quick = all(p95 <= P95_MS for _, _, p95, _ in found["took_ms"].values())
    kinds = [name for name in beside if name.endswith("_p99_ms")]
    is_unmoved = all(beside[kind] <= max(alone[kind] + MORE_MS, MORE * alone[kind]) for kind in kinds)
    return is_quick and is_unmoved and not any(each["wrong"] for each in found["callbacks"].values())


def main() -> int:
    parser = argparse.ArgumentParser(description="Pages and lists on a large database.")
    parser.add_argument("--file", type=Path, help="a database that large_database.py has made")
    parser.add_argument("--calls", type=int, default=10_000_000)
    parser.add_argument(
        "--for", dest="seconds", type=float, default=60, help="of callbacks alone; beside the reader, twice that"
    )
    parser.add_argument("--rate", type=float, default=20, help="calls a second")
    parser.add_argument("--only", default="", help="what the names of pages and lists contain")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callgate-lists-") as folder:
        if options.file is None:
            settings, token = make(Path(folder) / "gate.db", calls=options.calls)
        else:
            said = json.loads(options.file.with_suffix(".json").read_text())
            settings = Settings(
                database_url=f"sqlite:///{options.file.resolve()}", secret_key=said["key"], log_level="error"
            )
            token = said["token"]
        settings = msgspec.structs.replace(settings, port=free_port())
        found = asyncio.run(measure(settings, token, options))
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        for name, (count, p50, p95, worst) in found["took_ms"].items():
            mark = " " if p95 <= P95_MS else "*"
            sys.stdout.write(
                f"{mark} {name:44} {count:4} times   p50 {p50:7.1f}   p95 {p95:7.1f}   longest {worst:7.1f} ms\n"
            )
        for when, figures in found["callbacks"].items():
            sys.stdout.write(f"callbacks {when}: {figures}\n")
    return 0 if is_enough(found) else 1


if __name__ == "__main__":
    sys.exit(main())
