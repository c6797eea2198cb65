"""Can the simulator fail: bugs are planted into copies of the source, one each, and it must find every one of them.

    python tests/soak/planted_bugs.py [NAME ...] [--events 10000] [--seed 1] [--json]

A bug is a text that stands in the source once, and what to put in its place. Where the source has moved on, this fails
loudly: the bug must be planted anew.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

SOURCE = Path(__file__).parents[2] / "src"


class Change(NamedTuple):
    file: str
    old: str
    new: str


STILL_OPEN = Change(
    "ledger/hold.py",
    '        assert self.state is HoldState.OPEN, f"hold is {self.state} already"\n'
    "        return msgspec.structs.replace(self, s",
    "        return msgspec.structs.replace(self, s",
)
"""A hold that does not mind to end twice."""

BUGS: dict[str, tuple[Change, ...]] = {
    "do not look at what is held": (
        Change(
            "ledger/wallet.py",
            "        return self.posted_micros + self.credit_limit_micros - self.held_micros\n",
            "        return self.posted_micros + self.credit_limit_micros\n",
        ),
    ),
    "skip the lock": (
        Change(
            "service/books.py",
            "        if key in self._changed:\n            return self._changed[key]\n        return self._loaded[key]\n",
            "        return self._loaded[key]\n",
        ),
    ),
    "charge on a duplicate": (
        Change(
            "service/settle.py",
            "        if call.state in LIVE:\n",
            "        if call.state in LIVE or call.hold is not None:\n",
        ),
        STILL_OPEN,
    ),
    "acknowledge before the commit": (
        Change(
            "storage/sqlite/store.py",
            "                waiting.run(books)\n",
            "                waiting.run(books)\n"
            "            from callgate.storage.queue import _answer\n\n"
            "            _answer(batch)\n",
        ),
        Change("storage/batch.py", "        if self.future.cancelled():\n", "        if self.future.done():\n"),
    ),
    "forget the void": (
        Change("service/settle.py", "Movement(void_hold(wallet, held_micros), ()), 0, 0", "Movement(wallet, ()), 0, 0"),
    ),
    "forget to void a late decision": (
        Change(
            "service/overrule.py",
            "                AccountKey(wallet.application, wallet.account), void_hold(wallet, known.hold.amount_micros)\n",
            "                AccountKey(wallet.application, wallet.account), wallet\n",
        ),
    ),
    "round down": (
        Change(
            "rating/charge.py",
            "ceil_div(rate.rate_nanos_per_min * metered_s, _NANO_SECONDS_PER_MICRO_MINUTE)",
            "rate.rate_nanos_per_min * metered_s // _NANO_SECONDS_PER_MICRO_MINUTE",
        ),
    ),
    "settle again after a restart": (
        Change(
            "service/respond.py",
            "        self._deciding: dict",
            "        self._settled = set()\n        self._deciding: dict",
        ),
        Change(
            "service/respond.py",
            "                settle = Settle(\n                    ended=",
            "                is_known = event.key in self._settled\n"
            "                self._settled.add(event.key)\n"
            "                settle = Settle(\n                    is_known=is_known, ended=",
        ),
        Change(
            "service/settle.py",
            "    ended: CallEnded\n    body: bytes\n",
            "    ended: CallEnded\n    is_known: bool\n    body: bytes\n",
        ),
        Change(
            "service/settle.py",
            "        if call.state in LIVE:\n",
            "        if call.state in LIVE or (call.hold is not None and not self.is_known):\n",
        ),
        Change(
            "service/settle.py", "Occasion(subject=call.key.call_id,", "Occasion(subject=f'{call.key.call_id} {at}',"
        ),
        Change(
            "service/settle.py",
            "record_id=record_id(call.key) if corrects",
            'record_id=f"{sequence}/{record_id(call.key)}" if corrects',
        ),
        STILL_OPEN,
    ),
    "lose the overrule": (
        Change(
            "service/respond.py",
            "        self._overrule(overrule, may_be_held=may_be_held)\n",
            "",
        ),
    ),
    "forget what is owed": (
        Change("ledger/wallet.py", "    owed_micros = amount_micros - taken_micros\n", "    owed_micros = 0\n"),
    ),
    "post more than the hold": (
        Change(
            "ledger/wallet.py",
            "    posted_micros = min(held_micros, charge_micros)\n",
            "    posted_micros = charge_micros\n",
        ),
    ),
    "pay nothing of what is owed": (
        Change(
            "ledger/wallet.py",
            "    repaid_micros = min(amount_micros, wallet.owed_micros)\n",
            "    repaid_micros = 0\n",
        ),
    ),
    "decide a repeat anew": (
        Change(
            "service/authorize.py",
            '            return self._answer(books, known.answer, note="repeat")\n',
            "            return self._decide(books)\n",
        ),
    ),
    "keep what a failed job did": (
        Change("service/books.py", "            layer.undo()\n", "            layer.keep()\n"),
    ),
    "give back more than was charged": (
        Change("service/refund.py", "        if self.amount_micros > left_micros:\n", "        if left_micros < 0:\n"),
    ),
    "charge by the deck of today": (
        Change(
            "service/respond.py",
            "            case CallEnded():\n",
            "            case CallEnded():\n"
            "                import callgate.service.settle as settling\n\n"
            "                settling.DECKS = catalog.decks\n",
        ),
        Change(
            "service/settle.py",
            "    held_micros = call.hold.amount_micros\n",
            "    held_micros = call.hold.amount_micros\n"
            "    deck = DECKS.get(books.accounts.get((call.key.application, call.account)).deck)\n"
            "    today = deck and deck.currency == call.currency and deck.rate_for(call.destination, ended_at)\n"
            "    call = msgspec.structs.replace(call, rate=today or call.rate)\n",
        ),
    ),
    "commit in two halves": (
        Change(
            "storage/sqlite/save.py",
            "        _write(db, change)\n",
            "        _write(db, change)\n"
            "        if change.table == 'wallets':\n"
            '            db.execute("COMMIT")\n'
            '            db.execute("BEGIN IMMEDIATE")\n',
        ),
    ),
    "keep what another process changed": (
        Change(
            "storage/sqlite/kept.py", "        if version != self._version:\n", "        if self._version is None:\n"
        ),
    ),
    "keep what was never committed": (
        Change("storage/sqlite/store.py", "        self._kept.renew(books)\n", ""),
        Change(
            "storage/sqlite/store.py",
            "            self._on_step(Step.RUN)\n",
            "            self._on_step(Step.RUN)\n            self._kept.renew(books)\n",
        ),
    ),
    "queue no record of a call that cost nothing": (
        Change(
            "service/settle.py",
            "    queue_record(books, record, endpoints, kinds)\n",
            "    queue_record(books, record, endpoints if charged_micros else (), kinds)\n",
        ),
    ),
    "bill the moment after the cut": (Change("service/settle.py", "CUT_TOLERANCE_S = 2\n", "CUT_TOLERANCE_S = 1\n"),),
    "top up for the same reference again": (
        Change(
            "service/top_up.py",
            "        if before is not None:\n            return",
            "        if before is not None and not wallet:\n            return",
        ),
        Change(
            "service/top_up.py", "Occasion(subject=self.reference,", "Occasion(subject=f'{self.reference} {self.now}',"
        ),
    ),
    "do not end calls of suspended accounts": (
        Change(
            "service/settle.py",
            "        if call.state in LIVE:\n",
            "        account = call.account and books.accounts.get((call.key.application, call.account))\n"
            "        if account and account.status != 'active':\n"
            "            return call, ''\n"
            "        if call.state in LIVE:\n",
        ),
    ),
    "close accounts that hold": (
        Change("service/set_status.py", "self.status is Status.CLOSED and (count :=", "not account and (count :="),
    ),
    "give ends up too early": (
        Change(
            "service/expire.py",
            "    parked = await store.parked_since(before, PORTION)\n",
            "    from datetime import timedelta\n\n"
            "    parked = await store.parked_since(before + timedelta(seconds=60), PORTION)\n",
        ),
    ),
    "never apply a parked end": (
        Change(
            "service/authorize.py",
            "            call = settle(books, call, parked.parked, ended_at=parked.decided_at, endpoints=self.endpoints)\n",
            "            pass\n",
        ),
    ),
    "answer after the deadline": (
        Change("service/respond.py", "+ self._decision_deadline_s\n", "+ 2 * self._decision_deadline_s\n"),
    ),
    "take any age for fresh": (
        Change("http/callbacks.py", "now, freshness_s=freshness_s)", "now, freshness_s=86_400)"),
    ),
    "ask before the time": (
        Change("service/due.py", "SLACK = timedelta(seconds=120)\n", "SLACK = timedelta(seconds=0)\n"),
    ),
    "never ask": (
        Change("service/ask.py", "call.ask_at <= self.now:\n", "call.ask_at <= self.now and call.ask_count:\n"),
    ),
    "take no answer for an unknown call": (
        Change("service/heal.py", "            found = CallOngoing()\n", "            found = None\n"),
    ),
    "estimate in full what nobody answered": (
        Change("service/ask.py", "(rule is LostEnd.AUTO and call.answered_at is not None)", "rule is LostEnd.AUTO"),
    ),
    "correct an estimate again": (
        Change(
            "service/settle.py",
            "        SettledBy.DISCONNECT,\n        endpoints,\n        kinds,\n        corrects,\n",
            "        SettledBy.ESTIMATE,\n        endpoints,\n        kinds,\n        corrects,\n",
        ),
    ),
    "correct by the whole charge": (
        Change("service/settle.py", "charged_micros - call.charge_micros, occasion", "charged_micros, occasion"),
    ),
    "extend past the credit": (
        Change(
            "service/extend.py",
            "        return wallet.available_micros if room is None else min(wallet.available_micros, room.left_micros)\n",
            "        return wallet.posted_micros\n",
        ),
    ),
    "extend without holding": (
        Change(
            "service/extend.py",
            "        hold = call.hold.grow(charge_micros(call.rate, held_s))\n",
            "        hold = call.hold\n",
        ),
    ),
    "ring the second side twice": (
        Change(
            "service/tend_callout.py",
            "and is_unplaced(call) and not call.callout.is_asked:\n            dialled",
            "and is_unplaced(call):\n            dialled",
        ),
    ),
    "ring again when nobody knows whether it rings": (
        Change(
            "service/dial.py",
            "        if error.may_be_done:\n            return None\n",
            "        if error.may_be_done:\n"
            "            return await dial_leg(store, platform, call, clock, others=others, endpoints=endpoints)\n",
        ),
    ),
    "let the first side take what the second needs": (
        Change(
            "service/place_callout.py",
            "        calls, refusal = self._decide(books, 1)\n        if refusal",
            "        return self._decide(books, self.longest_s)\n        if refusal",
        ),
    ),
    "keep what is held for a bridge that is refused": (
        Change(
            "service/place_callout.py",
            "        books.wallets.put(self.payer, void_hold(wallet, call.hold.amount_micros))\n",
            "        books.wallets.put(self.payer, wallet)\n",
        ),
    ),
    "ring before the other side has answered": (
        Change(
            "service/tend_callout.py",
            "        if peer.state is CallState.ANSWERED and",
            "        if peer.state in LIVE and",
        ),
        Change("storage/reads.py", "OR (p.state = 'answered' AND c.call_id", "OR (p.state <> 'x' AND c.call_id"),
    ),
    "leave the other side talking": (
        Change(
            "service/heal.py",
            "            await self._platform.hang_up(call.key, call.resource)\n            await self._store.perform(Confirm",
            "            await self._store.perform(Confirm",
        ),
    ),
    "believe any caller's number": (
        Change(
            "service/authorize.py",
            "number is None or NUMBER not in self.application.settings.trust:",
            "number is None:",
        ),
    ),
}


class Found(NamedTuple):
    """What a simulation said of a planted bug; `rule` is empty where it noticed nothing."""

    bug: str
    rule: str
    explanation: str
    events: int
    took_s: float


def plant(bug: str, folder: Path) -> Path:
    """Copy the source and plant the bug in it. Raises `LookupError` where the source is not what it was made for."""
    source = folder / "src"
    shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__", "static"))
    for change in BUGS[bug]:
        path = source / "callgate" / change.file
        text = path.read_text()
        if (count := text.count(change.old)) != 1:
            raise LookupError(f"{bug}: {change.file} has {count} times, not once:\n{change.old}")
        path.write_text(text.replace(change.old, change.new))
    return source


def simulate(source: Path, seed: int, events: int) -> dict[str, Any]:
    """Run the simulator of that source in a process of its own."""
    words = ["simulate", "--seed", str(seed), "--events", str(events), "--shrink-s", "0", "--json"]
    done = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "callgate", *words],
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        check=False,
        text=True,
    )
    if done.returncode not in (0, 1) or not done.stdout:
        raise RuntimeError(done.stderr)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def hunt(bug: str, events: int, seed: int = 1) -> Found:
    """Look for a planted bug within so many events of a seed."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="callgate-bug-") as folder:
        report = simulate(plant(bug, Path(folder)), seed, events)
    broken = report["broken"] or {"rule": "", "explanation": ""}
    return Found(bug, broken["rule"], broken["explanation"], report["events"], time.perf_counter() - started)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("bug", nargs="*", help="plant only these")
    parser.add_argument("--events", type=int, default=10_000, help="within which each must be found")
    parser.add_argument("--seed", type=int, default=1, help="of the simulation")
    parser.add_argument("--at-once", type=int, default=2, help="processes")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    asked = parser.parse_args()
    found = []
    with ThreadPoolExecutor(asked.at_once) as pool:
        for each in pool.map(lambda bug: hunt(bug, asked.events, asked.seed), asked.bug or BUGS):
            found.append(each)
            if not asked.json:
                what = f"{each.rule}: {each.explanation}" if each.rule else "NOT FOUND"
                sys.stdout.write(f"{each.bug:45} {each.events:6} events  {what[:150]}\n")
                sys.stdout.flush()
    missed = [each.bug for each in found if not each.rule]
    if asked.json:
        sys.stdout.write(json.dumps([each._asdict() for each in found], indent=2) + "\n")
    else:
        sys.stdout.write(
            f"{len(found) - len(missed)} of {len(found)} planted bugs found within {asked.events} events\n"
        )
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
