"""The embedded engine: SQLite in WAL mode with full sync, one writer thread, group commit.

Load what a batch names, run its jobs, save what changed as sets, one commit. No rule lives here.
"""

import asyncio
import sqlite3
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

import msgspec

from callgate.errors import StorageUnavailable
from callgate.ledger.accounts import is_of_house, overruns_owed
from callgate.ledger.accounts import wallet as wallet_name
from callgate.ledger.transfer import Transfer
from callgate.ledger.verify import Balance, EndedCall, LedgerRows, Moved, OpenHolds
from callgate.ledger.wallet import Wallet
from callgate.protocol.call import CallKey
from callgate.rating.rate import Rate
from callgate.service.application import ApplicationRow
from callgate.service.books import AccountKey, Books, DeckHead, IdentityKey, Job, Keys, Shelf
from callgate.service.delivery import Delivery, DeliveryState
from callgate.service.endpoint import Endpoint
from callgate.service.open_account import OpenedAccount
from callgate.service.ports import CallPosition
from callgate.service.records import Call, Callback
from callgate.service.signature_fault import SignatureFault
from callgate.service.token import Token
from callgate.storage import rows, sqlite_outbox
from callgate.storage.queue import Waiting, Writer
from callgate.storage.sql import insert, select, select_one, upsert

T = TypeVar("T")
K = TypeVar("K")
V = TypeVar("V")

SCHEMA = "0004"
"""The migration that this code was written for."""

MEMORY = ":memory:"

READERS = 4
"""Threads that read beside the writer."""

STAGE_PORTION = 2_000
"""Rows of a deck written in one transaction: about 10 ms, so that decisions go on between them."""

_BUSY_MS = 250
"""How long SQLite itself waits for another process's lock before we look whether it is time to give up."""


class SqliteStore:
    """The books in one SQLite file, see `service.ports.Store`.

    Several processes may open the same file: the server and the commands beside it. `patience_s` is how long a batch waits
    while another process holds the lock; once the store is closing it waits no longer.
    """

    connection_class = sqlite3.Connection

    def __init__(self, path: str, *, queue_limit: int = 10_000, patience_s: float = 30.0) -> None:
        self._path = path
        self._patience_s = patience_s
        self._writer = Writer(self._commit, queue_limit=queue_limit)
        self._lock = threading.Lock()  # one transaction at a time on the writer's connection
        self._readers = ThreadPoolExecutor(1 if path == MEMORY else READERS, thread_name_prefix="callgate-reader")
        self._per_thread = threading.local()
        self._reading: list[sqlite3.Connection] = []
        self._connection: sqlite3.Connection | None = None

    async def open(self) -> None:
        await asyncio.to_thread(self._open)
        self._writer.start()

    async def close(self) -> None:
        await asyncio.to_thread(self._close)

    async def migrate(self) -> None:
        """Bring the schema to this version, creating the file where there is none. Before `open`."""
        await asyncio.to_thread(self._migrate)

    async def perform(self, job: Job[T], *, is_urgent: bool = False) -> T:
        return await self._writer.perform(job, is_urgent=is_urgent)

    # -- a batch -------------------------------------------------------------------------------------------------------

    def _commit(self, batch: list[Waiting]) -> None:
        """One transaction for all; where that fails, one for each, so that a bad job fails alone."""
        try:
            with self._writing() as connection:
                books = Books()
                for waiting in batch:
                    _load(connection, books, waiting.keys)
                for waiting in batch:
                    waiting.run(books)
                _save(connection, books)
        except StorageUnavailable:
            raise  # it would not take one alone either
        except Exception as error:  # noqa: BLE001 - whatever it is, the jobs beside the bad one are still good
            if len(batch) == 1:
                is_engine = isinstance(error, sqlite3.Error)
                batch[0].error = StorageUnavailable(f"SQLite: {error}") if is_engine else error
                return
            self._commit_one_by_one(batch)

    def _commit_one_by_one(self, batch: list[Waiting]) -> None:
        """What was committed before the engine gave up stays answered as such; the rest was not written."""
        for place, waiting in enumerate(batch):
            try:
                self._commit([waiting])
            except StorageUnavailable as error:
                for unwritten in batch[place:]:
                    unwritten.error = error
                return

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction on the writer's connection: committed at the end, rolled back when anything is raised."""
        assert self._connection is not None, "the store is not open"
        with self._lock:
            connection = self._connection
            self._begin(connection)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _begin(self, connection: sqlite3.Connection) -> None:
        give_up_at = time.monotonic() + self._patience_s
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                is_over = self._writer.is_closing or time.monotonic() > give_up_at
                if is_over or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise StorageUnavailable(f"SQLite: {error}") from error
            else:
                return

    # -- opening and closing -------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._path != MEMORY and not Path(self._path).exists():
            raise StorageUnavailable(f"there is no database {self._path}; create it with: callgate init")
        connection = self._connection = self._connection or self._connect()
        found = self._schema_of(connection)
        if found != SCHEMA:
            does = "a newer version made it, use that one" if (found or "") > SCHEMA else "run: callgate migrate"
            has = found or "none"
            raise StorageUnavailable(f"{self._path} has schema {has}, this version works with {SCHEMA}; {does}")

    def _schema_of(self, connection: sqlite3.Connection) -> str | None:
        """The last migration that the database has seen, None for none."""
        try:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return None
        except sqlite3.DatabaseError as error:
            raise StorageUnavailable(f"{self._path} is not a database of ours: {error}") from error
        return found and str(found[0])

    def _connect(self) -> sqlite3.Connection:
        try:
            connection = sqlite3.connect(
                self._path,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
                factory=self.connection_class,
            )
            connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error as error:
            raise StorageUnavailable(f"cannot open {self._path}: {error}") from error
        return connection

    def _migrate(self) -> None:
        connection = self._connection = self._connection or self._connect()
        with self._lock:
            if self._schema_of(connection) != SCHEMA:
                from callgate.storage.migrate import migrate_sqlite  # noqa: PLC0415 - takes half a second to load

                migrate_sqlite(connection)

    def _close(self) -> None:
        self._writer.close()
        self._readers.shutdown()
        for reader in self._reading:  # the last connection to close folds the log back into the file
            reader.close()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # -- reading -------------------------------------------------------------------------------------------------------

    async def _read(self, look: Callable[[sqlite3.Connection], T]) -> T:
        """Call `look` on a reader's connection, in a thread, with one consistent view."""
        return await asyncio.get_running_loop().run_in_executor(self._readers, self._look, look)

    def _look(self, look: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._path == MEMORY:  # a database in memory has the one connection
                with self._writing() as connection:
                    return look(connection)
            connection = self._reader()
            connection.execute("BEGIN")
            try:
                return look(connection)
            finally:
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            raise StorageUnavailable(f"SQLite: {error}") from error

    def _reader(self) -> sqlite3.Connection:
        if not hasattr(self._per_thread, "connection"):
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            self._per_thread.connection = connection
            self._reading.append(connection)
        reader: sqlite3.Connection = self._per_thread.connection
        return reader

    async def configuration_version(self) -> int:
        return await self._read(lambda db: int(db.execute("SELECT version FROM configuration").fetchone()[0]))

    async def applications(self) -> Sequence[ApplicationRow]:
        sql = f"{select('applications', rows.APPLICATION)} ORDER BY created_at, key"
        return await self._read(lambda db: [rows.to_application(row) for row in db.execute(sql)])

    async def deck_heads(self) -> Sequence[DeckHead]:
        sql = f"{select('decks', rows.DECK)} ORDER BY name"
        return await self._read(lambda db: [rows.to_deck_head(row) for row in db.execute(sql)])

    async def deck_rows(self, head: DeckHead) -> Sequence[Rate]:
        sql = f"{select('rates', rows.RATE[2:])} WHERE deck = ? AND version = ?"
        key = (head.name, head.version)
        return await self._read(lambda db: [rows.to_rate(row) for row in db.execute(sql, key)])

    async def account(self, key: AccountKey) -> OpenedAccount | None:
        def look(db: sqlite3.Connection) -> OpenedAccount | None:
            row = db.execute(_ACCOUNT, key).fetchone()
            return None if row is None else _opened(db, row)

        return await self._read(look)

    async def accounts(self, application: str, *, after: str, limit: int) -> Sequence[OpenedAccount]:
        sql = f"{select('accounts', rows.ACCOUNT)} WHERE application = ? AND id > ? ORDER BY id LIMIT ?"
        return await self._read(lambda db: [_opened(db, row) for row in db.execute(sql, (application, after, limit))])

    async def transfers(self, key: AccountKey, limit: int) -> tuple[Wallet, Sequence[Transfer]] | None:
        # In the order in which they were written: rows of one moment, and of one batch, have equal times.
        sql = f"""{select("transfers", rows.TRANSFER)} WHERE application = :application
            AND (debit IN (:wallet, :owed) OR credit IN (:wallet, :owed)) ORDER BY rowid DESC LIMIT :limit"""
        named = {
            "application": key.application,
            "wallet": wallet_name(key.account),
            "owed": overruns_owed(key.account),
            "limit": limit,
        }

        def look(db: sqlite3.Connection) -> tuple[Wallet, Sequence[Transfer]] | None:
            wallet = db.execute(_WALLET, key).fetchone()
            if wallet is None:
                return None
            return rows.to_wallet(wallet), [rows.to_transfer(row) for row in db.execute(sql, named)]

        return await self._read(look)

    async def accounts_on_deck(self, deck: str, other_than: str) -> Sequence[AccountKey]:
        sql = "SELECT application, id FROM accounts WHERE deck = ? AND currency <> ? ORDER BY id"
        return await self._read(lambda db: [AccountKey(*row) for row in db.execute(sql, (deck, other_than))])

    async def call(self, key: CallKey) -> Call | None:
        found = await self._read(lambda db: db.execute(_CALL, key).fetchone())
        return None if found is None else rows.to_call(found)

    async def callbacks(self, key: CallKey) -> Sequence[Callback]:
        sql = f"{select('callbacks', rows.CALLBACK)} WHERE application = ? AND call_id = ? ORDER BY id"
        return await self._read(lambda db: [rows.to_callback(row) for row in db.execute(sql, key)])

    async def last_callback(self) -> int:
        return await self._read(lambda db: int(db.execute("SELECT coalesce(max(id), 0) FROM callbacks").fetchone()[0]))

    async def heard_since(self, number: int, limit: int) -> Sequence[tuple[int, CallKey]]:
        sql = "SELECT id, application, call_id FROM callbacks WHERE id > ? ORDER BY id LIMIT ?"
        return await self._read(lambda db: [(row[0], CallKey(*row[1:])) for row in db.execute(sql, (number, limit))])

    async def calls(
        self,
        application: str | None,
        *,
        account: str | None = None,
        only_live: bool = False,
        before: CallPosition | None = None,
        limit: int,
    ) -> Sequence[Call]:
        conditions = ["state IN ('arrived', 'answered')"] if only_live else ["TRUE"]
        named: dict[str, object] = {"limit": limit}
        if application is not None:
            conditions.append("application = :application")
            named["application"] = application
        if account is not None:
            conditions.append("account = :account")
            named["account"] = account
        if before is not None:
            conditions.append("(decided_at, application, call_id) < (:at, :before_application, :before_call)")
            named |= {
                "at": rows.to_us(before.decided_at),
                "before_application": before.key.application,
                "before_call": before.key.call_id,
            }
        sql = f"""{select("calls", rows.CALL)} WHERE {" AND ".join(conditions)}
            ORDER BY decided_at DESC, application DESC, call_id DESC LIMIT :limit"""
        return await self._read(lambda db: [rows.to_call(row) for row in db.execute(sql, named)])

    async def parked_since(self, before: datetime, limit: int) -> Sequence[Call]:
        sql = f"{select('calls', rows.CALL)} WHERE state = 'parked' AND decided_at <= ? ORDER BY decided_at LIMIT ?"
        return await self._read(lambda db: [rows.to_call(row) for row in db.execute(sql, (rows.to_us(before), limit))])

    async def token(self, digest: str) -> Token | None:
        found = await self._read(lambda db: db.execute(_TOKEN, (digest,)).fetchone())
        return None if found is None else rows.to_token(found)

    async def tokens(self) -> Sequence[Token]:
        sql = f"{select('tokens', rows.TOKEN)} ORDER BY created_at, digest"
        return await self._read(lambda db: [rows.to_token(row) for row in db.execute(sql)])

    async def has_tokens(self) -> bool:
        return await self._read(lambda db: db.execute("SELECT 1 FROM tokens LIMIT 1").fetchone() is not None)

    async def endpoints(self) -> Sequence[Endpoint]:
        return await self._read(sqlite_outbox.endpoints)

    async def due_deliveries(self, endpoint: str, now: datetime, limit: int) -> Sequence[str]:
        return await self._read(lambda db: sqlite_outbox.due_deliveries(db, endpoint, now, limit))

    async def delivery(self, named: str) -> Delivery | None:
        return await self._read(lambda db: sqlite_outbox.delivery(db, named))

    async def deliveries(self, state: DeliveryState | None, limit: int) -> Sequence[Delivery]:
        return await self._read(lambda db: sqlite_outbox.deliveries(db, state, limit))

    async def deliveries_since(self, state: DeliveryState, since: datetime) -> Sequence[tuple[str, str]]:
        return await self._read(lambda db: sqlite_outbox.deliveries_since(db, state, since))

    async def keep_faults(self, faults: Sequence[SignatureFault], most: int) -> None:
        await asyncio.to_thread(self._keep_faults, faults, most)

    def _keep_faults(self, faults: Sequence[SignatureFault], most: int) -> None:
        with self._writing() as connection:
            connection.executemany(insert("signature_faults", rows.FAULT), map(rows.from_fault, faults))
            connection.executemany(_FORGET_FAULTS, [(is_known, is_known, most) for is_known in (0, 1)])

    async def faults(self, limit: int) -> Sequence[SignatureFault]:
        sql = f"{select('signature_faults', rows.FAULT)} ORDER BY id DESC LIMIT ?"
        return await self._read(lambda db: [rows.to_fault(row) for row in db.execute(sql, (limit,))])

    async def inspect_ledger(self, look: Callable[[LedgerRows], T]) -> T:
        return await self._read(lambda db: look(_ledger_rows(db)))

    async def forget_replies(self, before: datetime) -> None:
        await asyncio.to_thread(self._forget_replies, before)

    def _forget_replies(self, before: datetime) -> None:
        sql = "DELETE FROM replies WHERE scope IN (SELECT scope FROM replies WHERE at < ? LIMIT ?)"
        with self._writing() as connection:
            connection.execute(sql, (rows.to_us(before), STAGE_PORTION))

    # -- decks, in portions --------------------------------------------------------------------------------------------

    async def next_deck_version(self) -> int:
        return await asyncio.to_thread(self._next_deck_version)

    def _next_deck_version(self) -> int:
        with self._writing() as connection:
            sql = "UPDATE configuration SET deck_versions = deck_versions + 1 RETURNING deck_versions"
            return int(connection.execute(sql).fetchone()[0])

    async def stage_deck(self, head: DeckHead, rates: Iterable[Rate]) -> None:
        staged = (rows.from_rate(head.name, head.version, rate) for rate in rates)
        while portion := list(islice(staged, STAGE_PORTION)):
            await asyncio.to_thread(self._stage, portion)

    def _stage(self, portion: list[rows.Row]) -> None:
        with self._writing() as connection:
            connection.executemany(insert("rates", rows.RATE), portion)

    async def drop_deck_rows(self, head: DeckHead) -> None:
        while await asyncio.to_thread(self._drop_portion, head):
            pass

    def _drop_portion(self, head: DeckHead) -> int:
        with self._writing() as connection:
            sql = """DELETE FROM rates WHERE (deck, version, prefix, effective_from) IN
                (SELECT deck, version, prefix, effective_from FROM rates WHERE deck = ? AND version = ? LIMIT ?)"""
            return connection.execute(sql, (head.name, head.version, STAGE_PORTION)).rowcount


# -- SQL ---------------------------------------------------------------------------------------------------------------


_IDENTITIES = "SELECT identity FROM identities WHERE application = ? AND account = ? ORDER BY identity"
_CALL = select_one("calls", rows.CALL, rows.CALL_KEY)
_ACCOUNT = select_one("accounts", rows.ACCOUNT, rows.ACCOUNT_KEY)
_WALLET = select_one("wallets", rows.WALLET, rows.WALLET_KEY)
_IDENTITY = "SELECT account FROM identities WHERE application = ? AND identity = ?"
_APPLICATION = select_one("applications", rows.APPLICATION, rows.APPLICATION_KEY)
_DECK = select_one("decks", rows.DECK, rows.DECK_KEY)
_TRANSFER = select_one("transfers", rows.TRANSFER, rows.TRANSFER_KEY)
_REPLY = select_one("replies", rows.REPLY, rows.REPLY_KEY)
_TOKEN = select_one("tokens", rows.TOKEN, rows.TOKEN_KEY)
_REFUNDED = """SELECT coalesce(sum(amount_micros), 0) FROM transfers
    WHERE application = ? AND call_id = ? AND kind = 'refund'"""
_OPEN_HOLDS = "SELECT count(*) FROM calls WHERE application = ? AND account = ? AND hold_state = 'open'"

_SAVE_CALL = upsert("calls", rows.CALL, rows.CALL_KEY)
_SAVE_ACCOUNT = upsert("accounts", rows.ACCOUNT, rows.ACCOUNT_KEY)
_SAVE_WALLET = upsert("wallets", rows.WALLET, rows.WALLET_KEY)
_SAVE_IDENTITY = upsert("identities", ("application", "identity", "account"), ("application", "identity"))
_SAVE_APPLICATION = upsert("applications", rows.APPLICATION, rows.APPLICATION_KEY)
_SAVE_DECK = upsert("decks", rows.DECK, rows.DECK_KEY)
_SAVE_REPLY = upsert("replies", rows.REPLY, rows.REPLY_KEY)
_SAVE_TOKEN = upsert("tokens", rows.TOKEN, rows.TOKEN_KEY)
_ADD_TRANSFER = insert("transfers", rows.TRANSFER)
_ADD_RECORD = insert("records", rows.RECORD)
_ADD_CALLBACK = insert("callbacks", rows.CALLBACK)
_FORGET_FAULTS = """DELETE FROM signature_faults WHERE is_known = ?
    AND id NOT IN (SELECT id FROM signature_faults WHERE is_known = ? ORDER BY id DESC LIMIT ?)"""
_ADD_TO_HOUSE = """INSERT INTO house_accounts (application, currency, name, posted_micros) VALUES (?, ?, ?, ?)
    ON CONFLICT (application, currency, name) DO UPDATE SET posted_micros = posted_micros + excluded.posted_micros"""


def _opened(db: sqlite3.Connection, row: rows.Row) -> OpenedAccount:
    """An account with all that belongs to it."""
    account = rows.to_account(row)
    key = (account.application, account.id)
    wallet = rows.to_wallet(db.execute(_WALLET, key).fetchone())
    return OpenedAccount(account, wallet, tuple(identity for (identity,) in db.execute(_IDENTITIES, key)))


def _load(db: sqlite3.Connection, books: Books, keys: Keys) -> None:
    """Bring the rows that a job names onto the shelves, each once a batch."""
    for call in keys.calls:
        _load_call(db, books, call)
    for identity in keys.identities:
        _load_identity(db, books, identity)
    for account in keys.accounts:
        _load_account(db, books, account)
    _load_plain(db, books.applications, _APPLICATION, keys.applications, rows.to_application)
    _load_plain(db, books.decks, _DECK, keys.decks, rows.to_deck_head)
    _load_plain(db, books.moved, _TRANSFER, keys.transfers, rows.to_transfer)
    _load_plain(db, books.tokens, _TOKEN, keys.tokens, rows.to_token)
    _load_plain(db, books.refunded, _REFUNDED, keys.refunds, _only)
    _load_plain(db, books.open_holds, _OPEN_HOLDS, keys.open_holds, _only)
    _load_plain(db, books.endpoints, sqlite_outbox.LOAD_ENDPOINT, keys.endpoints, rows.to_endpoint)
    _load_plain(db, books.deliveries, sqlite_outbox.LOAD_DELIVERY, keys.deliveries, rows.to_delivery)
    _load_plain(db, books.replies, _REPLY, keys.replies, rows.to_reply)


def _load_plain(
    db: sqlite3.Connection, shelf: Shelf[K, V], sql: str, keys: Iterable[K], to_struct: Callable[[rows.Row], V]
) -> None:
    """Rows that bring no others with them."""
    for key in keys:
        if not shelf.is_loaded(key):
            row = db.execute(sql, key if isinstance(key, tuple) else (key,)).fetchone()
            shelf.load(key, None if row is None else to_struct(row))


def _only(row: rows.Row) -> int:
    """The one number of a sum."""
    return int(row[0])


def _load_call(db: sqlite3.Connection, books: Books, key: CallKey) -> None:
    if books.calls.is_loaded(key):
        return
    row = db.execute(_CALL, key).fetchone()
    call = row and rows.to_call(row)
    books.calls.load(key, call)
    if call is not None and call.account is not None:
        _load_account(db, books, AccountKey(key.application, call.account))


def _load_identity(db: sqlite3.Connection, books: Books, key: IdentityKey) -> None:
    if books.identities.is_loaded(key):
        return
    row = db.execute(_IDENTITY, key).fetchone()
    books.identities.load(key, row and row[0])
    if row is not None:
        _load_account(db, books, AccountKey(key.application, row[0]))


def _load_account(db: sqlite3.Connection, books: Books, key: AccountKey) -> None:
    if books.accounts.is_loaded(key):
        return
    account = db.execute(_ACCOUNT, key).fetchone()
    wallet = db.execute(_WALLET, key).fetchone()
    books.accounts.load(key, account and rows.to_account(account))
    books.wallets.load(key, wallet and rows.to_wallet(wallet))


def _save(db: sqlite3.Connection, books: Books) -> None:
    """Write what the batch changed, as sets; parents before those that refer to them."""
    db.executemany(_SAVE_APPLICATION, map(rows.from_application, books.applications.changes().values()))
    db.executemany(_SAVE_ACCOUNT, map(rows.from_account, books.accounts.changes().values()))
    db.executemany(_SAVE_WALLET, map(rows.from_wallet, books.wallets.changes().values()))
    db.executemany(_SAVE_IDENTITY, [(*key, account) for key, account in books.identities.changes().items()])
    db.executemany(_SAVE_DECK, map(msgspec.structs.astuple, books.decks.changes().values()))
    db.executemany(_SAVE_TOKEN, map(rows.from_token, books.tokens.changes().values()))
    db.executemany("DELETE FROM tokens WHERE digest = ?", [(digest,) for digest in books.tokens.removed()])
    db.executemany(_SAVE_REPLY, map(rows.from_reply, books.replies.changes().values()))
    db.executemany(_SAVE_CALL, map(rows.from_call, books.calls.changes().values()))
    db.executemany(_ADD_TRANSFER, map(rows.from_transfer, books.transfers))
    db.executemany(_ADD_TO_HOUSE, _house_changes(books))
    db.executemany(_ADD_RECORD, map(rows.from_record, books.records))
    db.executemany(_ADD_CALLBACK, map(rows.from_callback, books.callbacks))
    if books.endpoints.changes():
        sqlite_outbox.save_endpoints(db, books.endpoints.changes().values())
    if books.deliveries.changes():
        sqlite_outbox.save_deliveries(db, books.deliveries.changes().values())
    if books.applications.changes() or books.decks.changes() or books.endpoints.changes():
        db.execute("UPDATE configuration SET version = version + 1")


def _house_changes(books: Books) -> list[rows.Row]:
    """What the batch's transfers add to the house's own ledger accounts, one row for each."""
    changes: dict[tuple[str, str, str], int] = defaultdict(int)
    for transfer in books.transfers:
        for side, micros in ((transfer.debit, -transfer.amount_micros), (transfer.credit, transfer.amount_micros)):
            if is_of_house(side):
                changes[transfer.application, transfer.currency, side] += micros
    return [(*key, micros) for key, micros in changes.items()]


def _ledger_rows(db: sqlite3.Connection) -> LedgerRows:
    return LedgerRows(
        transfers=(
            Moved(*row)
            for row in db.execute("SELECT application, currency, debit, credit, amount_micros FROM transfers")
        ),
        house=(
            Balance(*row) for row in db.execute("SELECT application, currency, name, posted_micros FROM house_accounts")
        ),
        wallets=(rows.to_wallet(row) for row in db.execute(select("wallets", rows.WALLET))),
        open_holds=(
            OpenHolds(*row)
            for row in db.execute(
                """SELECT application, account, sum(hold_micros) FROM calls
                WHERE hold_state = 'open' GROUP BY application, account"""
            )
        ),
        ended_calls=(
            EndedCall(row[0], row[1], row[2] == "open", *row[3:])
            for row in db.execute(
                """SELECT application, call_id, hold_state, CASE WHEN state = 'ended' THEN charge_micros END,
                (SELECT coalesce(sum(amount_micros), 0) FROM transfers AS t
                  WHERE t.application = k.application AND t.call_id = k.call_id AND t.kind IN ('charge', 'overrun')),
                (SELECT count(*) FROM records AS r
                  WHERE r.application = k.application AND r.call_id = k.call_id AND r.corrects IS NULL),
                (SELECT coalesce(sum(amount_micros), 0) FROM transfers AS t
                  WHERE t.application = k.application AND t.call_id = k.call_id AND t.kind = 'refund')
                FROM (SELECT application, call_id FROM calls WHERE state = 'ended'
                  UNION SELECT application, call_id FROM transfers WHERE call_id IS NOT NULL
                  UNION SELECT application, call_id FROM records) AS k
                LEFT JOIN calls USING (application, call_id)"""
            )
        ),
        stray_holds=db.execute(
            "SELECT application, call_id FROM calls WHERE hold_state = 'open' AND state NOT IN ('arrived', 'answered')"
        ),
    )
