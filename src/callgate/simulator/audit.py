"""Are the books as the oracle says: looked at after each commit, at what it touched, and from time to time at everything.

Reads the database past the engine, with SQL of its own.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from itertools import chain

import msgspec

from callgate.simulator.oracle import Case, Oracle

_PURSE = ("posted", "held", "credit limit", "owed", "records", "status", "deck")


CallId = tuple[str, str]


class _Record(msgspec.Struct):
    """What is looked at of a call record."""

    charge_micros: int


_read = msgspec.json.Decoder(_Record).decode


class Audit:
    """Each look returns the first fault that it finds, a sentence, or an empty string.

    Transfers are replayed as they come, so that balances are compared with them to the micro all along.
    """

    def __init__(self, path: str, oracle: Oracle) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._oracle = oracle
        self._last_transfer = 0
        self._last_record = 0
        self._replayed: dict[tuple[str, str, str], int] = defaultdict(int)
        self._moved: dict[tuple[str, str], int] = defaultdict(int)  # charges of calls
        self._given_back: dict[tuple[str, str], int] = defaultdict(int)
        self._records: dict[tuple[str, str], int] = defaultdict(int)
        self._corrections: dict[CallId, int] = defaultdict(int)
        self._sequences: dict[tuple[str, str], int] = defaultdict(int)  # of an account's last record

    def close(self) -> None:
        self._db.close()

    def commit(self) -> str:
        """Look at what the last commit touched, by the oracle and by the rows that it added."""
        oracle = self._oracle
        cases, oracle.touched_cases = oracle.touched_cases, set()
        purses, oracle.touched_purses = oracle.touched_purses, set()
        fault, houses = self._new_transfers(cases, purses)
        fault = fault or self._new_records(cases)
        for key in purses:
            fault = fault or self._purse(key)
        for house in houses:
            fault = fault or self._house(house)
        for key in cases:
            fault = fault or self._case(key)
        return fault

    def everything(self) -> str:
        """All wallets, all of the house's accounts, what is held, and what is queued."""
        faults = chain([self.commit()], self._all_purses(), self._all_houses(), self._all_holds(), self._queue())
        return next(filter(None, faults), "")

    def all_calls(self) -> str:
        """Every call that was ever heard of."""
        count = self._number("SELECT count(*) FROM calls")
        missing = f"there are {count} calls, {len(self._oracle.cases)} were heard of"
        faults = chain(map(self._case, self._oracle.cases), [missing if count != len(self._oracle.cases) else ""])
        return next(filter(None, faults), "")

    def _all_purses(self) -> Iterator[str]:
        count = self._number("SELECT count(*) FROM wallets")
        if count != len(self._oracle.purses):
            yield f"there are {count} wallets, {len(self._oracle.purses)} were opened"
        yield from map(self._purse, self._oracle.purses)

    def _all_houses(self) -> Iterator[str]:
        stored = self._db.execute("SELECT application, currency, name FROM house_accounts").fetchall()
        yield from map(self._house, {*stored, *self._oracle.house})
        for currency, micros in self._db.execute(
            """SELECT currency, sum(micros) FROM (SELECT currency, posted_micros AS micros FROM house_accounts
            UNION ALL SELECT currency, posted_micros - owed_micros FROM wallets) GROUP BY currency"""
        ):
            if micros:
                yield f"all accounts in {currency} add up to {micros}, not to 0"

    def _all_holds(self) -> Iterator[str]:
        cases = self._oracle.cases
        held = self._db.execute("SELECT application, call_id FROM calls WHERE hold_state = 'open'").fetchall()
        for key in held:
            if (case := cases.get(key)) is None or case.state != "live":
                yield f"call {key} holds money, and must not"
        live = sum(case.state == "live" for case in cases.values())
        if live != len(held):
            yield f"{len(held)} calls hold money, {live} must"

    def _queue(self) -> Iterator[str]:
        """A record is queued in the transaction that writes it, or neither is there."""
        queued = self._number("SELECT count(*) FROM deliveries WHERE type = 'call.ended'")
        if queued != sum(purse.records - purse.corrections for purse in self._oracle.purses.values()):
            yield f"{queued} call records are queued, not one for each"

    def _number(self, statement: str) -> int:
        return int(self._db.execute(statement).fetchone()[0])

    def _new_transfers(
        self, cases: set[tuple[str, str]], purses: set[tuple[str, str]]
    ) -> tuple[str, set[tuple[str, str, str]]]:
        houses = set()
        fault = ""
        for rowid, application, kind, debit, credit, micros, currency, call in self._db.execute(
            """SELECT rowid, application, kind, debit, credit, amount_micros, currency, call_id
            FROM transfers WHERE rowid > ? ORDER BY rowid""",
            (self._last_transfer,),
        ):
            self._last_transfer = rowid
            if micros <= 0:
                fault = fault or f"a transfer of {micros} micros"
            for side, signed in ((debit, -micros), (credit, micros)):
                self._replayed[application, currency, side] += signed
                what, _, whose = side.partition(":")
                if what in ("wallet", "owed"):
                    purses.add((application, whose))
                else:
                    houses.add((application, currency, side))
            if call is not None:
                cases.add((application, call))
                if kind in ("charge", "overrun", "correction"):
                    self._moved[application, call] += micros if credit.startswith("revenue:") else -micros
                elif kind == "refund":
                    self._given_back[application, call] += micros
        return fault, houses

    def _new_records(self, cases: set[CallId]) -> str:
        """Records are numbered without a gap, and the last one of a call says what it was charged."""
        said: dict[CallId, int] = {}
        fault = ""
        for rowid, application, call, account, sequence, is_correction, record in self._db.execute(
            """SELECT rowid, application, call_id, account, sequence, corrects IS NOT NULL, record
            FROM records WHERE rowid > ? ORDER BY rowid""",
            (self._last_record,),
        ):
            self._last_record = rowid
            key = (application, call)
            (self._corrections if is_correction else self._records)[key] += 1
            cases.add(key)
            said[key] = _read(record).charge_micros
            expected = self._sequences[application, account] = self._sequences[application, account] + 1
            if sequence != expected:
                fault = fault or f"the record of call {key} has number {sequence} of its account, must be {expected}"
        for key, charge in said.items():
            if (case := self._oracle.cases.get(key)) is None or case.charge != charge:
                fault = fault or f"the record of call {key} says {charge}, must be {case and case.charge}"
        return fault

    def _purse(self, key: tuple[str, str]) -> str:
        row = self._db.execute(
            """SELECT posted_micros, held_micros, credit_limit_micros, owed_micros, record_count, status, deck
            FROM wallets AS w JOIN accounts AS a ON a.application = w.application AND a.id = w.account
            WHERE w.application = ? AND w.account = ?""",
            key,
        ).fetchone()
        purse = self._oracle.purses.get(key)
        if purse is None:
            return f"wallet {key} exists, and must not" if row is not None else ""
        expected = (purse.posted, purse.held, purse.credit, purse.owed, purse.records, purse.status, purse.deck)
        if row != expected:
            return f"account {key} is {_named(row)}, must be {_named(expected)}"
        if not row[0] + row[2] >= row[1] >= 0:
            return f"wallet {key} breaks its law: posted, held, credit limit {row[:3]}"
        for name, stored in ((f"wallet:{key[1]}", row[0]), (f"owed:{key[1]}", -row[3])):
            replayed = self._replayed.get((key[0], purse.currency, name), 0)
            if replayed != stored:
                return f"{name} ({key[0]}) is stored as {stored}, its transfers give {replayed}"
        return ""

    def _house(self, key: tuple[str, str, str]) -> str:
        row = self._db.execute(
            "SELECT posted_micros FROM house_accounts WHERE application = ? AND currency = ? AND name = ?", key
        ).fetchone()
        stored, expected, replayed = row[0] if row else 0, self._oracle.house.get(key, 0), self._replayed.get(key, 0)
        if not stored == expected == replayed:
            return f"{key[2]} ({key[0]}) is {stored}, must be {expected}, its transfers give {replayed}"
        return ""

    def _case(self, key: tuple[str, str]) -> str:
        row = self._db.execute(
            """SELECT state, hold_state, hold_micros, charge_micros, granted_s FROM calls
            WHERE application = ? AND call_id = ?""",
            key,
        ).fetchone()
        case = self._oracle.cases.get(key)
        if case is None:
            return f"call {key} is stored, and must not be" if row is not None else ""
        if row is None:
            return f"call {key} is not stored, must be {case.state}"
        return self._compare(key, case, *row)

    def _compare(  # noqa: PLR0913, PLR0917 - the columns of a call
        self,
        key: tuple[str, str],
        case: Case,
        state: str,
        hold_state: str | None,
        hold: int | None,
        charge: int | None,
        granted_s: int,
    ) -> str:
        if ("live" if state in ("arrived", "answered") else state) != case.state:
            return f"call {key} is {state}, must be {case.state}"
        held = hold if hold_state == "open" else 0
        if held != case.hold or (hold_state == "open") != (case.state == "live"):
            return f"call {key} holds {held} ({hold_state}), must hold {case.hold}"
        if case.state == "live" and granted_s != case.granted_s:
            return f"call {key} was granted {granted_s} s, must be {case.granted_s}"
        if charge != case.charge:
            return f"call {key} was charged {charge}, must be {case.charge}"
        if (moved := self._moved.get(key, 0)) != (case.charge or 0):
            return f"for call {key} {moved} moved, must be {case.charge or 0}"
        if (records := self._records.get(key, 0)) != (case.charge is not None):
            return f"call {key} has {records} records, was charged {case.charge}"
        if (corrections := self._corrections.get(key, 0)) != case.corrections:
            return f"call {key} was corrected {corrections} times, must be {case.corrections}"
        back, most = self._given_back.get(key, 0), case.charge or 0
        if back != sum(case.refunds.values()) or (back > most and not case.corrections):
            return f"of call {key} {back} was given back, must be {sum(case.refunds.values())} of {case.charge}"
        return ""


def _named(values: tuple[object, ...]) -> str:
    return ", ".join(f"{name} {value}" for name, value in zip(_PURSE, values, strict=True))
