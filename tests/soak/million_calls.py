"""A million warped calls through a real server: its books must equal the generator's own account, to the micro.

Calls of many accounts, of which some run dry, go through `callgate serve` in a scratch folder: answered, busy, cancelled, cut
at their grant, refused, each hundredth with all its events twice. What they cost is worked out here from the deck's text, in
fractions and by the rules as they are written, with nothing of the project's own arithmetic.

    python tests/soak/million_calls.py [--calls N] [--seed N] [--json]
"""

import argparse
import asyncio
import csv
import io
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any, NamedTuple

import uvloop

from callgate.app import build_store, build_vault, clock, opened
from callgate.emulator.load.drive import Load, LoadPlan
from callgate.emulator.load.figures import LoadReport
from callgate.emulator.load.mix import Fate, Mix
from callgate.emulator.load.talk_log import TalkLog
from callgate.emulator.target import read_target
from callgate.money import MICROS
from callgate.policy.limits import UNLIMITED
from callgate.rating.deck_csv import read_deck
from callgate.rating.deck_merge import ImportMode
from callgate.service.add_application import AddApplication
from callgate.service.books import AccountKey, Job
from callgate.service.import_deck import import_deck
from callgate.service.open_account import OpenAccount
from callgate.service.reconcile import Agreement, Claim, Claims, reconcile
from callgate.service.set_limits import SetAccountLimits, SetApplicationLimits
from callgate.service.top_up import TopUp
from callgate.settings import Settings
from callgate.vault import new_key

KEY = "50a40000-0000-4000-8000-000000000001"
SECRET = "c29hay1zZWNyZXQ="

DECK = """\
prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from
1,United States and Canada,0.0095,0,1,1,2020-01-01
44,United Kingdom,0.0150,0.05,30,6,2020-01-01
46,Sweden,0.0105,0,30,6,2020-01-01
4670,Sweden mobile,0.0200,0,60,60,2020-01-01
61,Australia,0.0000005,0,1,1,2020-01-01
49,Germany,0.0123457,0.001,1,1,2020-01-01
"""

NUMBERS = ("+46701740605", "+46846500400", "+442079460123", "+12025550143", "+61491570156", "+491751234567")

RICH, POOR = 900, 100
"""Accounts that never run dry, and accounts that soon do: with cents left, calls are cut and refused."""

RICH_UNITS, POOR_MICROS = 1_000_000, 130_003

MIX = Mix(
    fates={Fate.ANSWERED: 78, Fate.NO_ANSWER: 7, Fate.BUSY: 6, Fate.CANCEL: 4, Fate.FAILED: 2, Fate.REFUSED: 3},
    callers=tuple(f"rich-{n:03}" for n in range(RICH)) + tuple(f"poor-{n:03}" for n in range(POOR)),
    numbers=NUMBERS,
)

MAX_SECONDS = 200
"""The accounts' longest grant: a fifth of all talk would be longer, and is cut."""


class Price(NamedTuple):
    """A row of the deck, as it is written."""

    per_minute: Fraction
    fee: Fraction
    first_s: int
    next_s: int


def read_prices() -> dict[str, Price]:
    """Price every number by the longest prefix of the deck's text."""
    rows = {row["prefix"]: row for row in csv.DictReader(io.StringIO(DECK))}

    def price(number: str) -> Price:
        row = rows[max((prefix for prefix in rows if number.startswith(f"+{prefix}")), key=len)]
        return Price(
            Fraction(row["rate_per_min"]), Fraction(row["connect_fee"]), int(row["first_s"]), int(row["next_s"])
        )

    return {number: price(number) for number in NUMBERS}


def cost_micros(price: Price, seconds: int) -> int:
    """What so many seconds cost by the rules: increments begun are billed, nothing but the whole is rounded, and up."""
    if seconds == 0:
        return 0
    begun = max(0, ceil(Fraction(seconds - price.first_s, price.next_s)))
    billed_s = price.first_s + begun * price.next_s
    return ceil((price.fee + price.per_minute * billed_s / 60) * MICROS)


def start_micros(caller: str) -> int:
    return RICH_UNITS * MICROS if caller.startswith("rich") else POOR_MICROS


async def fill(settings: Settings) -> None:
    """An application without limits, the deck, and the accounts with their money."""
    store, now = build_store(settings), clock()
    await store.migrate()
    async with opened(store):
        seal = build_vault(settings).seal
        await store.perform(
            AddApplication(provider="sinch", key=KEY, secret=SECRET, name="soak", seal=seal, now=now, limits=UNLIMITED)
        )
        await store.perform(SetApplicationLimits(application=KEY, words=("open",)))
        rows = read_deck(DECK.encode(), "the soak's deck", now).rows
        await import_deck(store, "standard", "USD", list(rows), mode=ImportMode.REPLACE, is_dry_run=False, now=now)
        steps: list[list[Job[Any]]] = [
            [OpenAccount(application=KEY, account=each, currency="USD", limits=UNLIMITED) for each in MIX.callers],
            [SetAccountLimits(application=KEY, account=each, words=("open",)) for each in MIX.callers],
            [
                SetAccountLimits(application=KEY, account=each, words=(f"max_seconds={MAX_SECONDS}",))
                for each in MIX.callers
            ],
            [
                TopUp(
                    application=KEY,
                    account=each,
                    amount_micros=start_micros(each),
                    reference="first",
                    now=now,
                    who="soak",
                )
                for each in MIX.callers
            ],
        ]
        for jobs in steps:
            await asyncio.gather(*(store.perform(job) for job in jobs))


@contextmanager
def serving(folder: Path, settings: Settings) -> Iterator[str]:
    """Run `callgate serve` on the folder's database; gives its callback URL."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CALLGATE_")} | {
        "CALLGATE_DATABASE_URL": settings.database_url,
        "CALLGATE_SECRET_KEY": settings.secret_key,
        "CALLGATE_PORT": str(settings.port),
        "CALLGATE_LOG_LEVEL": "error",
    }
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "callgate", "serve"], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        for _ in range(1_000):
            with socket.socket() as knock:
                if knock.connect_ex(("127.0.0.1", settings.port)) == 0:
                    break
            time.sleep(0.02)
        yield f"http://127.0.0.1:{settings.port}/callbacks/sinch"
    finally:
        process.terminate()
        process.wait(30)


async def run(folder: Path, calls: int, seed: int) -> dict[str, Any]:
    """Load, then look into the books."""
    settings = Settings(database_url=f"sqlite:///{folder}/gate.db", secret_key=new_key(), port=free_port())
    await fill(settings)
    with serving(folder, settings) as url:
        load = Load(
            LoadPlan(
                read_target(url),
                KEY,
                SECRET,
                rate_per_s=None,
                seconds=86_400,
                seed=seed,
                mix=MIX,
                calls=calls,
                connections=64,
            )
        )
        report = await load.run()
    return await compare(settings, load.talk_log, report)


async def compare(settings: Settings, talk_log: TalkLog, report: LoadReport) -> dict[str, Any]:
    """Everything that is not as it must be, in words, and the figures."""
    prices = read_prices()
    spent: dict[str, int] = dict.fromkeys(MIX.callers, 0)
    let_through = talked_s = 0
    for _, talk in talk_log.talks():
        spent[talk.caller] += cost_micros(prices[talk.number], talk.seconds)
        let_through += 1
        talked_s += talk.seconds
    async with opened(build_store(settings)) as store:
        differing = []
        for caller in MIX.callers:
            found = await store.account(AccountKey(KEY, caller))
            due = start_micros(caller) - spent[caller]
            if found is None or (found.wallet.posted_micros, found.wallet.held_micros) != (due, 0):
                differing.append(f"{caller}: {found and found.wallet}, due are {due} posted and 0 held")
        agreement = await agree(store, talk_log)
    unknown = sum(not talk_log.is_known(index) for index in range(len(talk_log)))
    return {
        "calls": len(talk_log),
        "callbacks": report.callbacks,
        "seconds": report.seconds,
        "callbacks_per_s": report.callbacks_per_s,
        "ended_as": report.ended_as,
        "let_through": let_through,
        "talked_s": talked_s,
        "charged_micros": sum(spent.values()),
        "moved_micros": agreement.moved_micros.get("USD", 0),
        "faults": [
            *differing[:20],
            *(f"{wrong.count} x {wrong.kind}: {wrong.first}" for wrong in report.wrong),
            *agreement.faults,
            *agreement.verdict.faults,
            *([f"{unknown} calls whose end is not known"] if unknown else []),
        ],
    }


async def agree(store: Any, talk_log: TalkLog) -> Agreement:
    """Call by call, with the server's own arithmetic, and the four invariants."""

    def claim(index: int) -> Claim | None:
        talk = talk_log.talk(index)
        return None if talk is None else Claim(f"user:{talk.caller}", talk.number, talk.seconds)

    return await reconcile(store, Claims(KEY, len(talk_log), talk_log.index_of, claim), clock())


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def main() -> int:
    """Run once, print the figures; exit 1 when anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="callgate-soak-") as folder:
        result = uvloop.run(run(Path(folder), words.calls, words.seed))
    if words.json:
        sys.stdout.write(json.dumps(result) + "\n")
    else:
        sys.stdout.write("".join(f"{name:16}{value}\n" for name, value in result.items() if name != "faults"))
        sys.stdout.write("\n".join(result["faults"]) or "the books equal the generator's own account, to the micro")
        sys.stdout.write("\n")
    return 1 if result["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
