"""Everything that is only read, once for all engines: each look is a single statement, and so has one consistent view.

Statements keep to what every engine understands; placeholders are question marks.
"""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import chain, groupby

from callgate.errors import StorageUnavailable
from callgate.ledger.transfer import Transfer
from callgate.ledger.wallet import Wallet
from callgate.protocol.call import CallKey
from callgate.rating.deck_pages import add_page
from callgate.rating.rates import Rates
from callgate.rating.supplier_mapping import SupplierMapping
from callgate.service.application import ApplicationRow
from callgate.service.audit_entry import AuditEntry
from callgate.service.books import AccountKey, DeckHead, UserKey
from callgate.service.decided_call import DecidedCall
from callgate.service.delivery import Delivery, DeliveryState
from callgate.service.did import Did
from callgate.service.endpoint import REMOVED, Endpoint
from callgate.service.export_file import ExportFile
from callgate.service.number_list import ListChange, ListHead
from callgate.service.open_account import OpenedAccount
from callgate.service.operator_rows import Operator, Session
from callgate.service.ports import AuditFilter, CallPosition, RecordPosition, RecordRange
from callgate.service.records import Call, Callback, CallRecord
from callgate.service.rule_book import RulesVersion
from callgate.service.signature_fault import SignatureFault
from callgate.service.token import Token
from callgate.service.user import User
from callgate.storage import (
    call_rows,
    deck_rows,
    did_rows,
    list_rows,
    mapping_rows,
    outbox_rows,
    rows,
    rule_rows,
    sign_in_rows,
)
from callgate.storage.audit_rows import AUDIT, to_audit_entry
from callgate.storage.deck_rows import to_rates
from callgate.storage.export_rows import EXPORT, to_export
from callgate.storage.figure_reads import FigureReads
from callgate.storage.operator_rows import OPERATOR, OPERATOR_KEY, SESSION, SESSION_KEY, to_operator, to_session
from callgate.storage.rows import Row
from callgate.storage.sql import select, select_named, select_one
from callgate.storage.watch_reads import NAMED_AT_ONCE, WatchReads, owned_by

AT_LIMIT_FOR = timedelta(minutes=10)
"""How long after a call was refused for too many at once those of its account are asked about before all others."""

MAX_MAPPINGS = 1_000
"""Headers of suppliers that are looked at, at most."""

_AT_LIMIT = """SELECT c.application, c.call_id FROM calls AS c CROSS JOIN usages AS u
    WHERE c.ask_at <= ? AND u.application = c.application AND u.account = c.account AND u.at_limit_at > ?
    ORDER BY c.ask_at LIMIT ?"""


class Reads(WatchReads, FigureReads, ABC):
    """The half of `service.ports.Store` that never writes."""

    order_written: str
    """The column that tells in which order rows were written: those of one moment, and of one batch, have equal times."""

    @abstractmethod
    async def fetch(self, statement: str, *values: object) -> Sequence[Row]:
        """Return all rows of a statement. Raises `StorageUnavailable`."""

    async def configuration_version(self) -> int:
        return await self._number("SELECT version FROM configuration")

    async def applications(self) -> Sequence[ApplicationRow]:
        statement = f"{select('applications', rows.APPLICATION)} ORDER BY created_at, key"
        return [rows.to_application(row) for row in await self.fetch(statement)]

    async def application_keys(self) -> Sequence[str]:
        return [row[0] for row in await self.fetch("SELECT key FROM applications ORDER BY key")]

    async def deck_heads(self) -> Sequence[DeckHead]:
        statement = f"{select('decks', rows.DECK)} ORDER BY name"
        return [rows.to_deck_head(row) for row in await self.fetch(statement)]

    async def deck_rows(self, head: DeckHead) -> Rates:
        rates = Rates()
        for (content,) in await self.fetch(_PAGES, head.name, head.version):
            try:
                await asyncio.to_thread(add_page, rates, content)  # a few milliseconds, and calls go on meanwhile
            except ValueError as error:
                raise StorageUnavailable(f"deck {head.name}: {error}; import it again") from error
        if not rates:
            rates = to_rates(await self.fetch(_ROWS_OF_BEFORE, head.name, head.version))
        return rates

    # -- lists ---------------------------------------------------------------------------------------------------------

    async def list_heads(self) -> Sequence[ListHead]:
        statement = f"{select('lists', list_rows.LIST)} ORDER BY application, name"
        return [list_rows.to_list(row) for row in await self.fetch(statement)]

    async def list_entries(self, version: int, after: int = -1, limit: int | None = None) -> Sequence[int]:
        statement = "SELECT entry FROM list_entries WHERE version = ? AND entry > ? ORDER BY entry LIMIT ?"
        found = await self.fetch(statement, version, after, _NO_LIMIT if limit is None else limit)
        return [row[0] for row in found]

    async def list_changes(self, version: int, after: int, until: int) -> Sequence[ListChange]:
        statement = f"""{select("list_changes", list_rows.LIST_CHANGE)}
            WHERE version = ? AND revision > ? AND revision <= ? ORDER BY revision, is_added"""
        return [list_rows.to_list_change(row) for row in await self.fetch(statement, version, after, until)]

    async def list_has(self, head: ListHead, entries: Sequence[int]) -> set[int]:
        there: set[int] = set()
        for start in range(0, len(entries), _ASKED_AT_ONCE):
            asked = entries[start : start + _ASKED_AT_ONCE]
            marks = ", ".join("?" * len(asked))
            statement = f"SELECT entry FROM list_entries WHERE version = ? AND entry IN ({marks})"  # noqa: S608 - marks
            there.update(row[0] for row in await self.fetch(statement, head.version, *asked))
        for change in await self.list_changes(head.version, 0, head.revision) if head.revision else ():
            (there.add if change.is_added else there.discard)(change.entry)
        return there.intersection(entries)

    async def rules_in_force(self) -> Sequence[RulesVersion]:
        statement = f"""SELECT {_of("v", rule_rows.RULES_VERSION)} FROM rules AS r JOIN rules_versions AS v
            ON v.application = r.application AND v.version = r.version ORDER BY r.application"""  # noqa: S608 - ours
        return [rule_rows.to_rules_version(row) for row in await self.fetch(statement)]

    async def rules_versions(
        self, application: str, *, version: int | None = None, limit: int = 1
    ) -> Sequence[RulesVersion]:
        condition, values = ("", ()) if version is None else (" AND version = ?", (version,))
        statement = f"""{select("rules_versions", rule_rows.RULES_VERSION)}
            WHERE application = ?{condition} ORDER BY version DESC LIMIT ?"""
        found = await self.fetch(statement, application, *values, limit)
        return [rule_rows.to_rules_version(row) for row in found]

    async def supplier_mappings(self, supplier: str | None = None) -> Sequence[SupplierMapping]:
        condition, values = ("", ()) if supplier is None else (" WHERE supplier = ?", (supplier,))
        statement = f"{select('supplier_mappings', mapping_rows.MAPPING)}{condition} ORDER BY id LIMIT ?"
        found = await self.fetch(statement, *values, MAX_MAPPINGS)
        return [mapping_rows.to_mapping(row) for row in found]

    async def dids(self) -> Sequence[Did]:
        statement = f"{select('dids', did_rows.DID)} ORDER BY application, number"
        return [did_rows.to_did(row) for row in await self.fetch(statement)]

    async def blocked_accounts(self, application: str, now: datetime, limit: int) -> Sequence[tuple[str, datetime]]:
        statement = """SELECT account, blocked_until FROM usages WHERE blocked_until > ? AND application = ?
            ORDER BY blocked_until DESC, account LIMIT ?"""
        found = await self.fetch(statement, rows.to_us(now), application, limit)
        return [(account, rows.from_us(until)) for account, until in found]

    # -- accounts ------------------------------------------------------------------------------------------------------

    async def account(self, key: AccountKey) -> OpenedAccount | None:
        statement = f"{_OPENED} WHERE a.application = ? AND a.id = ? ORDER BY i.identity"
        found = _opened(await self.fetch(statement, *key))
        return found[0] if found else None

    async def accounts(self, application: str, *, after: str, limit: int) -> Sequence[OpenedAccount]:
        statement = f"""{_OPENED} WHERE a.application = ? AND a.id IN
            (SELECT id FROM accounts WHERE application = ? AND id > ? ORDER BY id LIMIT ?) ORDER BY a.id, i.identity"""  # noqa: S608 - names are ours
        return _opened(await self.fetch(statement, application, application, after, limit))

    async def transfers(
        self, key: AccountKey, limit: int, *, behind: str | None = None
    ) -> tuple[Wallet, Sequence[Transfer]] | None:
        written = self.order_written
        place = f"AND {written} < (SELECT {written} FROM transfers WHERE application = ? AND id = ?)" if behind else ""  # noqa: S608
        statement = f"""SELECT {_of("w", rows.WALLET)}, {_of("t", rows.TRANSFER)} FROM wallets AS w LEFT JOIN
            (SELECT {", ".join(rows.TRANSFER)}, {written} AS written FROM transfers
             WHERE application = ? AND account = ? {place} ORDER BY {written} DESC LIMIT ?) AS t
            ON TRUE WHERE w.application = ? AND w.account = ? ORDER BY t.written DESC"""  # noqa: S608 - names are ours
        found = await self.fetch(statement, *key, *((key.application, behind) if behind else ()), limit, *key)
        if not found:
            return None
        width = len(rows.WALLET)
        moved = [rows.to_transfer(row[width:]) for row in found if row[width] is not None]
        return rows.to_wallet(found[0][:width]), moved

    async def accounts_on_deck(self, deck: str, other_than: str) -> Sequence[AccountKey]:
        statement = "SELECT application, id FROM accounts WHERE deck = ? AND currency <> ? ORDER BY id"
        return [AccountKey(*row) for row in await self.fetch(statement, deck, other_than)]

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def call(self, key: CallKey) -> Call | None:
        found = await self.fetch(_CALL, *key)
        return call_rows.to_call(found[0]) if found else None

    async def callbacks(self, key: CallKey) -> Sequence[Callback]:
        statement = f"{select('callbacks', call_rows.CALLBACK)} WHERE application = ? AND call_id = ? ORDER BY id"
        return [call_rows.to_callback(row) for row in await self.fetch(statement, *key)]

    async def last_callback(self) -> int:
        return await self._number("SELECT coalesce(max(id), 0) FROM callbacks")

    async def heard_since(self, number: int, limit: int) -> Sequence[tuple[int, CallKey]]:
        statement = "SELECT id, application, call_id FROM callbacks WHERE id > ? ORDER BY id LIMIT ?"
        return [(row[0], CallKey(*row[1:])) for row in await self.fetch(statement, number, limit)]

    async def calls(
        self,
        application: str | None,
        *,
        account: str | None = None,
        only_live: bool = False,
        before: CallPosition | None = None,
        limit: int,
    ) -> Sequence[Call]:
        if application is None and account is not None:
            return await self._calls_of_account(account, only_live=only_live, before=before, limit=limit)
        conditions, values = owned_by(application, account, only_live=only_live)
        if before is not None:
            conditions.append("(decided_at, application, call_id) < (?, ?, ?)")
            values += (rows.to_us(before.decided_at), *before.key)
        where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
        statement = f"""{select("calls", call_rows.CALL)} {where}
            ORDER BY decided_at DESC, application DESC, call_id DESC LIMIT ?"""
        return [call_rows.to_call(row) for row in await self.fetch(statement, *values, limit)]

    async def _calls_of_account(
        self, account: str, *, only_live: bool, before: CallPosition | None, limit: int
    ) -> Sequence[Call]:
        """Of every application's account of that id: an index has those of one application in order."""
        found = [
            call
            for key in await self.application_keys()
            for call in await self.calls(key, account=account, only_live=only_live, before=before, limit=limit)
        ]
        found.sort(key=lambda call: (call.decided_at, call.key), reverse=True)
        return found[:limit]

    async def calls_named(self, keys: Sequence[CallKey]) -> Sequence[Call]:
        found: list[Call] = []
        for start in range(0, len(keys), NAMED_AT_ONCE):
            asked = keys[start : start + NAMED_AT_ONCE]
            statement = select_named("calls", call_rows.CALL, call_rows.CALL_KEY, len(asked))
            found += [call_rows.to_call(row) for row in await self.fetch(statement, *chain.from_iterable(asked))]
        return found

    async def decided_calls(
        self, application: str, *, since: datetime, until: datetime, before: CallPosition | None, limit: int
    ) -> Sequence[DecidedCall]:
        values: list[object] = [application, rows.to_us(since), rows.to_us(until)]
        position = ""
        if before is not None:
            position = "AND (c.decided_at, c.application, c.call_id) < (?, ?, ?)"
            values += (rows.to_us(before.decided_at), *before.key)
        statement = f"""{_DECIDED} WHERE c.application = ? AND c.decided_at >= ? AND c.decided_at < ? {position}
            AND coalesce(c.refusal, '') <> 'not_decided_in_time' AND length(c.answer) > 0
            ORDER BY c.decided_at DESC, c.application DESC, c.call_id DESC LIMIT ?"""
        return [_decided(row) for row in await self.fetch(statement, *values, limit)]

    async def parked_since(self, before: datetime, limit: int) -> Sequence[Call]:
        statement = f"""{select("calls", call_rows.CALL)} WHERE state = 'parked' AND decided_at <= ?
            ORDER BY decided_at LIMIT ?"""
        return [call_rows.to_call(row) for row in await self.fetch(statement, rows.to_us(before), limit)]

    async def calls_to_ask(self, now: datetime, limit: int) -> Sequence[CallKey]:
        since = rows.to_us(now - AT_LIMIT_FOR)
        hurried = await self.fetch(_AT_LIMIT, rows.to_us(now), since, limit)
        first = dict.fromkeys(CallKey(*row) for row in hurried)
        if len(first) < limit:
            first |= dict.fromkeys(await self._due("ask_at", now, limit))
        return list(first)[:limit]

    async def calls_to_extend(self, now: datetime, limit: int) -> Sequence[CallKey]:
        return await self._due("extend_at", now, limit)

    async def bridges_to_tend(self, limit: int) -> Sequence[tuple[CallKey, CallKey]]:
        statement = """SELECT c.application, c.call_id, p.application, p.call_id FROM calls AS c
            JOIN calls AS p ON p.reference = c.peer AND p.application || '' = c.application
            WHERE c.peer IS NOT NULL AND c.hold_state = 'open'
            AND (p.state NOT IN ('arrived', 'answered') OR (p.state = 'answered' AND c.call_id = c.reference))
            ORDER BY c.decided_at + 0 LIMIT ?"""  # by time, SQLite would look through all that ever were
        return [(CallKey(*row[:2]), CallKey(*row[2:])) for row in await self.fetch(statement, limit)]

    async def call_referred(self, application: str, reference: str) -> Call | None:
        statement = f"{select('calls', call_rows.CALL)} WHERE reference = ? AND application || '' = ?"
        found = await self.fetch(statement, reference, application)
        return call_rows.to_call(found[0]) if found else None

    async def _due(self, timer: str, now: datetime, limit: int) -> Sequence[CallKey]:
        """Calls with a timer that has gone off; few have one set, and an index has those alone."""
        statement = f"{select('calls', call_rows.CALL_KEY)} WHERE {timer} <= ? ORDER BY {timer} LIMIT ?"
        return [CallKey(*row) for row in await self.fetch(statement, rows.to_us(now), limit)]

    async def records(self, wanted: RecordRange, *, after: RecordPosition | None, limit: int) -> Sequence[CallRecord]:
        if wanted.application is None and wanted.account is not None:  # an index has those of one application in order
            found = [
                record
                for key in await self.application_keys()
                for record in await self.records(wanted._replace(application=key), after=after, limit=limit)
            ]
            found.sort(key=lambda record: (record.ended_at, record.record_id))
            return found[:limit]
        conditions = ["ended_at < ?", "ended_at >= ?" if after is None else "(ended_at, record_id) > (?, ?)"]
        values: list[object] = [rows.to_us(wanted.until)]
        values += [rows.to_us(wanted.since)] if after is None else [rows.to_us(after.ended_at), after.record_id]
        for name, value in (("application", wanted.application), ("account", wanted.account)):
            if value is not None:
                conditions.append(f"{name} = ?")
                values.append(value)
        statement = f"""SELECT record FROM records WHERE {" AND ".join(conditions)}
            ORDER BY ended_at, record_id LIMIT ?"""  # noqa: S608 - names are ours
        return [call_rows.to_record(row) for row in await self.fetch(statement, *values, limit)]

    async def numbered_records(self, *, after: int, up_to: int, limit: int) -> Sequence[tuple[int, CallRecord]]:
        number = self.order_written
        statement = f"""SELECT record, {number} FROM records WHERE {number} > ? AND {number} <= ?
            ORDER BY {number} LIMIT ?"""  # noqa: S608 - names are ours
        return [(row[1], call_rows.to_record(row)) for row in await self.fetch(statement, after, up_to, limit)]

    async def due_exports(self) -> Sequence[ExportFile]:
        statement = f"{select('exports', EXPORT)} WHERE written_at IS NULL ORDER BY until"
        return [to_export(row) for row in await self.fetch(statement)]

    async def last_export(self) -> ExportFile | None:
        found = await self.fetch(f"{select('exports', EXPORT)} ORDER BY until DESC LIMIT 1")
        return to_export(found[0]) if found else None

    # -- tokens and faults ---------------------------------------------------------------------------------------------

    async def token(self, digest: str) -> Token | None:
        found = await self.fetch(_TOKEN, digest)
        return rows.to_token(found[0]) if found else None

    async def tokens(self) -> Sequence[Token]:
        statement = f"{select('tokens', rows.TOKEN)} ORDER BY created_at, digest"
        return [rows.to_token(row) for row in await self.fetch(statement)]

    async def audit_entries(self, wanted: AuditFilter, *, before: int | None, limit: int) -> Sequence[AuditEntry]:
        named = [(name, value) for name, value in zip(AuditFilter._fields, wanted, strict=True) if value is not None]
        conditions = [f"{name} = ?" for name, _ in named] + (["id < ?"] if before is not None else [])
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        values = [value for _, value in named] + ([before] if before is not None else [])
        statement = f"{select('audit_log', ('id', *AUDIT))}{where} ORDER BY id DESC LIMIT ?"
        return [to_audit_entry(row) for row in await self.fetch(statement, *values, limit)]

    async def operator(self, name: str) -> Operator | None:
        found = await self.fetch(select_one("operators", OPERATOR, OPERATOR_KEY), name)
        return to_operator(found[0]) if found else None

    async def operators(self) -> Sequence[Operator]:
        return [to_operator(row) for row in await self.fetch(f"{select('operators', OPERATOR)} ORDER BY name")]

    async def session(self, digest: str) -> Session | None:
        found = await self.fetch(select_one("sessions", SESSION, SESSION_KEY), digest)
        return to_session(found[0]) if found else None

    async def sessions_of(self, subject: str) -> Sequence[Session]:
        statement = f"{select('sessions', SESSION)} WHERE subject = ? ORDER BY created_at, digest"
        return [to_session(row) for row in await self.fetch(statement, subject)]

    async def has_tokens(self) -> bool:
        return bool(await self.fetch("SELECT 1 FROM tokens LIMIT 1"))

    async def faults(self, limit: int) -> Sequence[SignatureFault]:
        statement = f"{select('signature_faults', rows.FAULT)} ORDER BY id DESC LIMIT ?"
        return [rows.to_fault(row) for row in await self.fetch(statement, limit)]

    async def user(self, key: UserKey) -> User | None:
        found = await self.fetch(_USER, *key)
        return sign_in_rows.to_user(found[0]) if found else None

    async def users(self, application: str, *, after: str, limit: int) -> Sequence[User]:
        statement = f"""{select("users", sign_in_rows.USER)} WHERE application = ? AND name > ? ORDER BY name LIMIT ?"""
        return [sign_in_rows.to_user(row) for row in await self.fetch(statement, application, after, limit)]

    # -- the outbox ----------------------------------------------------------------------------------------------------

    async def endpoints(self) -> Sequence[Endpoint]:
        statement = f"{select('endpoints', outbox_rows.ENDPOINT)} WHERE kind <> ? ORDER BY created_at, id"
        return [outbox_rows.to_endpoint(row) for row in await self.fetch(statement, REMOVED)]

    async def delivery(self, named: str) -> Delivery | None:
        found = await self.fetch(_DELIVERY, named)
        return outbox_rows.to_delivery(found[0]) if found else None

    async def deliveries(
        self,
        state: DeliveryState | None,
        limit: int,
        *,
        endpoint: str | None = None,
        application: str | None = None,
        behind: str | None = None,
    ) -> Sequence[Delivery]:
        behind_it = " AND number < (SELECT number FROM deliveries WHERE id = ?)" if behind is not None else ""
        place = () if behind is None else (behind,)
        of: list[tuple[str, str]] = []  # indexes have those of one endpoint or application and one state in order
        if application is not None:
            of = [("application", application)]
        elif endpoint is not None:
            of = [("endpoint", endpoint)]
        elif state is not None:
            of = [("endpoint", row[0]) for row in await self.fetch("SELECT id FROM endpoints")]
        else:
            statement = (
                f"{select('deliveries', outbox_rows.DELIVERY)} WHERE TRUE{behind_it} ORDER BY number DESC LIMIT ?"
            )
            return [outbox_rows.to_delivery(row) for row in await self.fetch(statement, *place, limit)]
        also, its = (" AND endpoint = ?", (endpoint,)) if application is not None and endpoint is not None else ("", ())
        parts: list[str] = []
        values: list[object] = []
        for column, value in of:
            for each in (state,) if state is not None else tuple(DeliveryState):
                parts.append(
                    f"""SELECT number FROM (SELECT number FROM deliveries WHERE {column} = ? AND {_in(each)}{also}{behind_it}
                    ORDER BY number DESC LIMIT ?) AS n{len(parts)}"""  # noqa: S608 - names are ours
                )
                values += [value, *its, *place, limit]
        if not parts:
            return []
        statement = f"""{select("deliveries", outbox_rows.DELIVERY)} WHERE number IN ({" UNION ALL ".join(parts)})
            ORDER BY number DESC LIMIT ?"""
        return [outbox_rows.to_delivery(row) for row in await self.fetch(statement, *values, limit)]

    async def deliveries_since(self, state: DeliveryState, since: datetime) -> Sequence[tuple[str, str]]:
        statement = f"""{select("deliveries", ("id", "endpoint"))}
            WHERE {_in(state)} AND occurred_at >= ? ORDER BY number"""
        return [(row[0], row[1]) for row in await self.fetch(statement, rows.to_us(since))]

    async def live_count(self) -> int:
        return await self._number("SELECT count(*) FROM calls WHERE hold_state = 'open'")

    async def delivery_counts(self) -> Mapping[str, int]:
        statement = "SELECT count(*) FROM deliveries WHERE "
        counted = (DeliveryState.NEXT, DeliveryState.WAITING, DeliveryState.PARKED)
        return {state.value: await self._number(statement + _in(state)) for state in counted}

    async def _number(self, statement: str) -> int:
        """The one number that a statement gives."""
        return int((await self.fetch(statement))[0][0])


_NO_LIMIT = 2**62

_ASKED_AT_ONCE = 500
"""Entries of a list that one statement asks for."""

_PAGES = "SELECT content FROM deck_pages WHERE deck = ? AND version = ? ORDER BY number"
_ROWS_OF_BEFORE = f"{select('rates', deck_rows.RATE)} WHERE deck = ? AND version = ?"
_CALL = select_one("calls", call_rows.CALL, call_rows.CALL_KEY)
_TOKEN = select_one("tokens", rows.TOKEN, rows.TOKEN_KEY)
_USER = select_one("users", sign_in_rows.USER, sign_in_rows.USER_KEY)
_DELIVERY = select_one("deliveries", outbox_rows.DELIVERY, outbox_rows.DELIVERY_KEY)


def _of(table: str, columns: Iterable[str]) -> str:
    return ", ".join(f"{table}.{name}" for name in columns)


_OPENED = f"""SELECT {_of("a", rows.ACCOUNT)}, {_of("w", rows.WALLET)}, i.identity FROM accounts AS a
    JOIN wallets AS w ON w.application = a.application AND w.account = a.id
    LEFT JOIN identities AS i ON i.application = a.application AND i.account = a.id"""  # noqa: S608 - names are ours
"""Accounts with all that belongs to them: a row for each identity, or one where there is none."""


_DECIDED = f"""SELECT b.body, {_of("c", call_rows.CALL)}, {_of("a", rows.ACCOUNT)}, {_of("w", rows.WALLET)} FROM calls AS c
    JOIN callbacks AS b ON b.application = c.application AND b.call_id = c.call_id AND b.at = c.decided_at
    LEFT JOIN accounts AS a ON a.application = c.application AND a.id = c.account
    LEFT JOIN wallets AS w ON w.application = c.application AND w.account = c.account"""  # noqa: S608 - names are ours
"""Calls with the question that they were decided by, which came at that very time, and with who pays."""


def _decided(row: Row) -> DecidedCall:
    account = 1 + len(call_rows.CALL)
    wallet = account + len(rows.ACCOUNT)
    return DecidedCall(
        call=call_rows.to_call(row[1:account]),
        body=row[0],
        account=None if row[account] is None else rows.to_account(row[account:wallet]),
        wallet=None if row[wallet] is None else rows.to_wallet(row[wallet:]),
    )


def _opened(found: Sequence[Row]) -> list[OpenedAccount]:
    """Accounts, in the order of rows that stand together."""
    account, wallet = len(rows.ACCOUNT), len(rows.ACCOUNT) + len(rows.WALLET)
    return [
        OpenedAccount(
            rows.to_account(key[:account]),
            rows.to_wallet(key[account:]),
            tuple(row[wallet] for row in group if row[wallet] is not None),
        )
        for key, group in groupby(found, key=lambda row: row[:wallet])
    ]


def _in(state: DeliveryState) -> str:
    """As a constant: only then do engines see that an index over one state will do."""
    return f"state = '{state.value}'"
