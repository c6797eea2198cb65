"""A deck of a million prefixes: imported with its diff by a server that decides calls meanwhile, then loaded from the store.

The server has a deck of a million already, so that each price of the file is compared with another. Calls come at a fixed rate:
alone, and while the file is read, compared, written and taken up. Then the server is started anew, and asked for a quote.

    python tests/soak/large_deck.py [--prefixes N] [--calls-per-s N] [--json]

It exits with 1 when one of the goals is missed, which it names.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import million_calls as calls
import uvloop
from beside_calls import load

from callgate.app import build_store, clock, opened
from callgate.service.issue_token import issue_token
from callgate.service.token import Role
from callgate.settings import Settings
from callgate.vault import new_key

IMPORT_S, LOAD_S, LOADED_MB = 30.0, 5.0, 400.0
"""What importing with the diff, loading, and all that the server then holds may come to."""

MORE_MS, MORE = 10.0, 2.0
"""What the 99th of a hundred callbacks may take more during the import: so many milliseconds, or this times as much."""

ALONE_S = 30.0
HEADER = "prefix,destination,rate,connect_fee,first_increment,increment,effective_from\n"


def deck(prefixes: int, spread: int) -> bytes:
    """A file in our own columns; with another spread nearly every price is another."""
    rows = (f"8{n:07},Label {n % 5_000},0.{10_000 + n % spread * 10:06},0,60,60,2026-01-01\n" for n in range(prefixes))
    return "".join([HEADER, *rows]).encode()


async def run(folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Import twice, the second time beside calls, and start again. Return the figures."""
    settings = Settings(database_url=f"sqlite:///{folder}/gate.db", secret_key=new_key(), port=calls.free_port())
    await calls.fill(settings)
    store = build_store(settings)
    async with opened(store):
        token = await issue_token(store, "soak", Role.ADMIN, clock())
    base = f"http://127.0.0.1:{settings.port}/api/v1/"
    found: dict[str, Any] = {}
    async with aiohttp.ClientSession(base, headers={"authorization": f"Bearer {token}"}) as api:
        with calls.serving(folder, settings) as url:
            await _until(lambda: _quote(api, "standard", "+46701740605"))
            await _put(api, deck(asked.prefixes, 977))
            found["alone"] = await load(url, asked.calls_per_s, ALONE_S, seed=1)
            found |= await _import_beside(api, url, asked)
        began = time.monotonic()
        with calls.serving(folder, settings):
            await _until(lambda: _quote(api, "large", "+80000000123"))
            found["start_s"] = round(time.monotonic() - began, 2)
            found["memory_mb"] = round(_memory_mb(folder))
    found["faults"] = list(_faults(found))
    return found


async def _import_beside(api: aiohttp.ClientSession, url: str, asked: argparse.Namespace) -> dict[str, Any]:
    file = deck(asked.prefixes, 577)
    took: dict[str, float] = {}

    async def importing() -> dict[str, Any]:
        began = time.monotonic()
        report = await _put(api, file)
        took["import_s"] = round(time.monotonic() - began, 2)
        return report

    reading = asyncio.create_task(importing())
    beside = await load(url, asked.calls_per_s, IMPORT_S, seed=2)
    report = await reading
    return took | {"beside": beside, "changes": {name: report[name] for name in ("dearer", "cheaper", "unchanged")}}


async def _put(api: aiohttp.ClientSession, file: bytes) -> dict[str, Any]:
    async with api.put("decks/large", params={"currency": "USD"}, data=file) as reply:
        said: dict[str, Any] = await reply.json()
        assert reply.status == 200, said
        return said


async def _quote(api: aiohttp.ClientSession, name: str, to: str) -> bool:
    try:
        async with api.get("quote", params={"deck": name, "destination": to, "seconds": 60}) as reply:
            return reply.status == 200
    except aiohttp.ClientError:
        return False


async def _until(answers: Callable[[], Awaitable[bool]]) -> None:
    for _ in range(3_000):
        if await answers():
            return
        await asyncio.sleep(0.02)
    raise TimeoutError("the server gave no quote within a minute")


def _memory_mb(folder: Path) -> float:
    """What the server that works in this folder holds, in units of 10**6 bytes."""
    (server,) = (each for each in Path("/proc").glob("[0-9]*") if _works_in(each, folder))
    lines = dict(line.split(":", 1) for line in (server / "status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) * 1024 / 1e6


def _works_in(process: Path, folder: Path) -> bool:
    try:
        return (process / "cwd").readlink() == folder.resolve() and b"serve" in (process / "cmdline").read_bytes()
    except OSError:  # it has ended, or is somebody else's
        return False


def _faults(found: dict[str, Any]) -> list[str]:
    p99_ms, most_ms = (
        found["beside"]["p99_ms"],
        max(found["alone"]["p99_ms"] * MORE, found["alone"]["p99_ms"] + MORE_MS),
    )
    wanted = (
        (found["import_s"] <= IMPORT_S, f"the import took {found['import_s']} s"),
        (p99_ms <= most_ms, f"the 99th callback took {p99_ms} ms beside the import"),
        (found["start_s"] <= LOAD_S, f"the first quote came after {found['start_s']} s"),
        (found["memory_mb"] <= LOADED_MB, f"the server holds {found['memory_mb']} MB"),
    )
    return [fault for is_well, fault in wanted if not is_well]


def main() -> int:
    """Run once, print the figures; exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prefixes", type=int, default=1_000_000)
    parser.add_argument("--calls-per-s", type=float, default=20, help="each of two or three callbacks")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callgate-soak-") as folder:
        found = uvloop.run(run(Path(folder), asked))
    if asked.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        for name, figure in found.items():
            sys.stdout.write(f"{name:12} {figure}\n")
    return 1 if found["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
