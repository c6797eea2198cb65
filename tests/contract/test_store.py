"""What every engine must do, see `service.ports.Store`: batches, bad jobs, bounds, and what the schema says again."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg
import msgspec
import pytest

from callgate.errors import Conflict, NotFound, StorageOverloaded, StorageUnavailable
from callgate.ledger.transfer import Occasion
from callgate.ledger.verify import verify
from callgate.ledger.wallet import top_up
from callgate.policy.limits import UNLIMITED
from callgate.policy.number_list import ListKind
from callgate.protocol.call import CallKey
from callgate.rating.deck_change import DeckComparison
from callgate.rating.deck_merge import ImportMode
from callgate.rating.deck_options import Said
from callgate.rating.deck_pages import PAGE_ROWS
from callgate.rating.rate import Rate
from callgate.rating.supplier_mapping import SupplierMapping, id_of
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.apply_rules import ApplyRules
from callgate.service.books import AccountKey, Books, DeckHead, Job, Keys
from callgate.service.decided_call import DecidedCall
from callgate.service.deliver import Conclude, Concluded
from callgate.service.delivery import DeliveryState
from callgate.service.endpoint import Endpoint, RecordType
from callgate.service.forget_mapping import ForgetMapping
from callgate.service.import_deck import PublishDeck, import_deck
from callgate.service.load_deck import load_deck
from callgate.service.number_list import ListKey
from callgate.service.number_lists import (
    ListDiff,
    change_list,
    create_list,
    drop_list,
    find_list,
    import_list,
    load_list,
    page_of_list,
    read_entries,
    shown_entries,
)
from callgate.service.open_account import OpenAccount
from callgate.service.ports import CallPosition, RecordPosition, RecordRange
from callgate.service.probe import Probe
from callgate.service.resend import Resend, resend_since
from callgate.service.rule_book import RulesVersion
from callgate.service.set_limits import SetAccountLimits, SetApplicationLimits
from callgate.service.top_up import TopUp
from callgate.service.watch import CallFilter, Sums
from callgate.storage import call_rows, rows
from callgate.storage.postgres import PostgresStore
from callgate.storage.sqlite import MEMORY, SqliteStore

if TYPE_CHECKING:
    from tests.conftest import House, Postgres

T = TypeVar("T")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALICE = AccountKey("app", "alice")


Store = SqliteStore | PostgresStore


@dataclass
class Engine:
    """One engine under test: `make` makes stores on one database, which is at `url`."""

    make: Callable[..., Store]
    url: str


@pytest.fixture
def file(tmp_path: Path, file_store: Callable[..., SqliteStore]) -> Engine:
    path = tmp_path / "books.db"
    return Engine(partial(file_store, path), str(path))


@pytest.fixture(params=["sqlite", "postgres"])
def shared(request: pytest.FixtureRequest) -> Engine:
    """Every engine that several stores, and others, may work on at once."""
    if request.param == "sqlite":
        found: Engine = request.getfixturevalue("file")
        return found
    url = request.getfixturevalue("postgres_url")
    return Engine(partial(PostgresStore, url), url)


@pytest.fixture(params=["sqlite", "memory", "postgres"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Every engine there is."""
    if request.param == "sqlite":
        found: Engine = request.getfixturevalue("file")
        return found
    if request.param == "memory":
        return Engine(request.getfixturevalue("memory_store"), MEMORY)
    url = request.getfixturevalue("postgres_url")
    return Engine(partial(PostgresStore, url), url)


def add(micros: int, reference: str, account: str = "alice") -> TopUp:
    return TopUp(application="app", account=account, amount_micros=micros, reference=reference, now=NOW)


async def prepare(store: Store) -> None:
    """Open the store, with one application and one account in it."""
    await store.open()
    await store.perform(
        AddApplication(
            provider="sinch", key="app", secret="c2VjcmV0", name="", seal=str.encode, now=NOW, limits=UNLIMITED
        )
    )
    await store.perform(OpenAccount(application="app", account="alice", currency="USD", limits=UNLIMITED))


def work(engine: Engine, steps: Callable[[Store], Coroutine[Any, Any, T]], **words: Any) -> T:
    """Run steps on a prepared store, and find the books sound after them."""

    async def run() -> T:
        store = engine.make(**words)
        await prepare(store)
        try:
            result = await steps(store)
            assert await store.inspect_ledger(lambda rows: verify(rows).faults) == ()
            return result
        finally:
            await store.close()

    return asyncio.run(run())


async def posted(store: Store) -> int:
    found = await store.account(ALICE)
    assert found is not None
    return found[1].posted_micros


@dataclass
class Blocker:
    """A job that keeps the writer busy until it is let go; what is performed meanwhile waits in one batch behind it."""

    has_begun: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    def keys(self) -> Keys:
        return Keys()

    def run(self, books: Books) -> None:  # noqa: ARG002 - reads and writes nothing
        self.has_begun.set()
        assert self.may_end.wait(30)

    async def block(self, store: Store) -> "asyncio.Task[None]":
        task = asyncio.create_task(store.perform(self))
        await asyncio.to_thread(self.has_begun.wait, 30)
        return task


class Do:
    """A job in one function, on the wallet of alice."""

    def __init__(self, act: Callable[[Books], T], keys: Keys | None = None) -> None:
        self._act, self._keys = act, keys or Keys(accounts=(ALICE,))

    def keys(self) -> Keys:
        return self._keys

    def run(self, books: Books) -> Any:
        return self._act(books)


async def together(store: Store, *jobs: Job[Any]) -> list[Any]:
    """Perform jobs in one batch; return results and errors."""
    blocker = Blocker()
    blocking = await blocker.block(store)
    tasks = [asyncio.create_task(store.perform(job)) for job in jobs]
    await asyncio.sleep(0)  # each is queued now
    blocker.may_end.set()
    await blocking
    return await asyncio.gather(*tasks, return_exceptions=True)


def take_money_out_of_nowhere(books: Books) -> None:
    """The wallet's law is broken, even where a later job of the batch would put it right."""
    wallet = books.wallet(*ALICE)
    books.wallets.put(ALICE, msgspec.structs.replace(wallet, posted_micros=-1))


def hold_more_than_there_is(books: Books) -> None:
    wallet = books.wallet(*ALICE)
    books.wallets.put(ALICE, msgspec.structs.replace(wallet, held_micros=wallet.posted_micros + 1))


def hold_less_than_nothing(books: Books) -> None:
    books.wallets.put(ALICE, msgspec.structs.replace(books.wallet(*ALICE), held_micros=-1))


def owe_less_than_nothing(books: Books) -> None:
    books.wallets.put(ALICE, msgspec.structs.replace(books.wallet(*ALICE), owed_micros=-1))


def move_the_same_again(books: Books) -> None:
    """A transfer whose id was used before, which the job did not look for."""
    books.move(top_up(books.wallet(*ALICE), 500, Occasion(subject="taken", at=NOW)))


def fail_half_way(books: Books) -> None:
    """Everything that it wrote before is undone."""
    books.move(top_up(books.wallet(*ALICE), 500, Occasion(subject="half", at=NOW)))
    books.accounts.put(ALICE, msgspec.structs.replace(books.accounts.get(ALICE), deck="half"))
    raise ZeroDivisionError


def run_out_of_values(_: Books) -> None:
    """The one exception that a future does not take."""
    next(iter(()))


def hold_too_large_a_number(books: Books) -> None:
    books.wallets.put(ALICE, msgspec.structs.replace(books.wallet(*ALICE), posted_micros=2**63))


def open_for_nobody(books: Books) -> None:
    """A wallet without an account: parents come first."""
    key = AccountKey("app", "ghost")
    books.wallets.put(key, msgspec.structs.replace(books.wallet(*ALICE), account="ghost"))


BAD = {
    take_money_out_of_nowhere: AssertionError,
    hold_more_than_there_is: AssertionError,
    hold_less_than_nothing: AssertionError,
    owe_less_than_nothing: AssertionError,
    move_the_same_again: StorageUnavailable,
    open_for_nobody: StorageUnavailable,
    fail_half_way: ZeroDivisionError,
    run_out_of_values: RuntimeError,
    hold_too_large_a_number: (OverflowError, StorageUnavailable),
}


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_job_is_undone_alone(engine: Engine, bad: Callable[[Books], None], place: int) -> None:
    """Wherever it stands in its batch: those beside it are done, once, and the writer lives on."""

    async def steps(store: Store) -> None:
        await store.perform(add(1, "taken"))
        jobs: list[Any] = [add(10, "a"), add(100, "b")]
        jobs.insert(place, Do(bad))
        results = await together(store, *jobs)
        assert isinstance(results.pop(place), BAD[bad])
        assert [result.is_repeat for result in results] == [False, False]
        assert [result.wallet.posted_micros for result in results] == [11, 111]
        assert await posted(store) == 111
        await store.perform(add(1_000, "c"))
        assert await posted(store) == 1_111
        found = await store.account(ALICE) or pytest.fail("no account")
        assert found.account.deck == "standard"

    work(engine, steps)


def test_a_batch_of_bad_jobs_is_undone_whole(engine: Engine) -> None:
    """Each caller hears of its own error."""

    async def steps(store: Store) -> None:
        await store.perform(add(1, "taken"))
        results = await together(store, *(Do(bad) for bad in BAD))
        assert all(isinstance(result, kind) for result, kind in zip(results, BAD.values(), strict=True))
        assert await posted(store) == 1

    work(engine, steps)


def test_a_job_sees_what_those_before_it_in_the_batch_did(engine: Engine) -> None:
    """As if each had been alone; nothing of a failed one is seen."""

    async def steps(store: Store) -> None:
        results = await together(
            store,
            OpenAccount(application="app", account="bob", currency="USD", identities=("user:rob",), limits=UNLIMITED),
            OpenAccount(application="app", account="carol", currency="USD", identities=("user:rob",), limits=UNLIMITED),
            add(5, "x", "bob"),
            add(5, "x", "bob"),
            add(6, "x", "bob"),
            Do(fail_half_way),
            add(7, "half"),
        )
        assert [type(result).__name__ for result in results] == [
            "OpenedAccount", "Conflict", "ToppedUp", "ToppedUp", "Conflict", "ZeroDivisionError", "ToppedUp",
        ]  # fmt: skip
        assert [results[place].is_repeat for place in (2, 3, 6)] == [False, True, False]
        assert await store.account(AccountKey("app", "carol")) is None

    work(engine, steps)


def test_a_row_that_a_job_did_not_name_is_our_own_bug(engine: Engine) -> None:
    """It fails, rather than to read past the lock."""

    async def steps(store: Store) -> None:
        with pytest.raises(KeyError):
            await store.perform(Do(lambda books: books.wallets.get(AccountKey("app", "bob"))))

    work(engine, steps)


def test_a_caller_who_goes_away_takes_its_job_back(engine: Engine) -> None:
    """Unless it has begun: then it is done, and only the answer is lost."""

    async def steps(store: Store) -> None:
        blocker = Blocker()
        blocking = await blocker.block(store)
        gone, stays = (asyncio.create_task(store.perform(job)) for job in (add(10, "gone"), add(100, "stays")))
        await asyncio.sleep(0)
        gone.cancel()
        blocking.cancel()
        await asyncio.gather(gone, blocking, return_exceptions=True)
        assert gone.cancelled() and blocking.cancelled()
        blocker.may_end.set()
        assert (await stays).wallet.posted_micros == 100
        assert not (await store.perform(add(10, "gone"))).is_repeat

    work(engine, steps)


def test_a_job_that_has_begun_is_done_though_nobody_waits(engine: Engine) -> None:
    """Its transaction goes on."""

    async def steps(store: Store) -> None:
        has_begun, may_end = threading.Event(), threading.Event()

        def act(books: Books) -> None:
            has_begun.set()
            assert may_end.wait(30)
            books.move(top_up(books.wallet(*ALICE), 10, Occasion(subject="begun", at=NOW)))

        task = asyncio.create_task(store.perform(Do(act)))
        await asyncio.to_thread(has_begun.wait, 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        may_end.set()
        await store.perform(Probe())
        assert await posted(store) == 10

    work(engine, steps)


def test_beyond_its_bound_a_store_refuses_at_once(engine: Engine) -> None:
    """Nothing of what was refused is queued; what is urgent still is; and what waited is done."""

    async def steps(store: Store) -> None:
        blocker = Blocker()
        blocking = await blocker.block(store)
        waiting = [asyncio.create_task(store.perform(add(1, f"w{number}"))) for number in range(3)]
        await asyncio.sleep(0)
        for number in range(5):
            with pytest.raises(StorageOverloaded):
                async with asyncio.timeout(1):
                    await store.perform(add(100, f"refused{number}"))
        urgent = asyncio.create_task(store.perform(add(10, "urgent"), is_urgent=True))
        await asyncio.sleep(0)
        blocker.may_end.set()
        await asyncio.gather(blocking, urgent, *waiting)
        assert await posted(store) == 13
        await store.perform(add(100, "refused0"))
        assert await posted(store) == 113

    work(engine, steps, queue_limit=3)


def test_closing_finishes_what_waits(engine: Engine) -> None:
    """Every caller is answered; whoever comes later is told that the store is closed."""

    async def steps() -> None:
        store = engine.make()
        await prepare(store)
        blocker = Blocker()
        blocking = await blocker.block(store)
        waiting = [asyncio.create_task(store.perform(add(1, f"w{number}"))) for number in range(700)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(store.close())
        while not store._writer._is_closing:  # noqa: ASYNC110, SLF001 - closing begins in a thread of its own
            await asyncio.sleep(0)
        with pytest.raises(StorageUnavailable, match="closed"):
            await store.perform(add(1, "late"))
        blocker.may_end.set()
        results = await asyncio.gather(*waiting)
        await asyncio.gather(closing, blocking)
        assert max(result.wallet.posted_micros for result in results) == 700

    asyncio.run(steps())


def test_more_jobs_than_a_batch_takes(engine: Engine) -> None:
    """All are done, each once, with the right answer to each."""

    async def steps(store: Store) -> None:
        results = await asyncio.gather(*(store.perform(add(1, f"r{number % 600}")) for number in range(1_200)))
        assert sum(result.is_repeat for result in results) == 600
        assert [result.transfer_id for result in results[:600]] == [result.transfer_id for result in results[600:]]
        assert await posted(store) == 600

    work(engine, steps)


# -- what the schema says again ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transfers SET amount_micros = 2",
        "DELETE FROM transfers",
        "UPDATE records SET account = 'bob'",
        "DELETE FROM records",
        *(
            f"{verb} INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns)} FROM {table}"  # noqa: S608
            for verb in ("INSERT", "INSERT OR REPLACE", "REPLACE")
            for table, columns in (("transfers", rows.TRANSFER), ("records", call_rows.RECORD))
        ),
        *(
            f"INSERT OR REPLACE INTO {table} (rowid, {', '.join(columns)}) SELECT rowid, {', '.join(others)} FROM {table}"  # noqa: S608
            for table, columns, others in (
                ("transfers", rows.TRANSFER, (*rows.TRANSFER[:1], "'x'", *rows.TRANSFER[2:])),
                ("records", call_rows.RECORD, ("'x'", *call_rows.RECORD[1:4], "9", *call_rows.RECORD[5:])),
            )
        ),
        "UPDATE OR REPLACE transfers SET id = 'x'",
        "UPDATE calls SET ask_at = 1",
        "UPDATE calls SET extend_at = 1",
        "UPDATE calls SET hold_state = 'open'",
        "UPDATE calls SET state = 'arrived'",
        "UPDATE calls SET hold_micros = -1",
        "UPDATE calls SET hold_micros = NULL",
        "UPDATE wallets SET posted_micros = -1",
        "UPDATE wallets SET held_micros = posted_micros + credit_limit_micros + 1",
        "UPDATE wallets SET credit_limit_micros = -1",
        "UPDATE wallets SET owed_micros = -1",
        """INSERT INTO wallets (application, account, currency, posted_micros, held_micros, credit_limit_micros, owed_micros,
        record_count) SELECT application, 'ghost', currency, 0, 0, 0, 0, 0 FROM wallets""",
        "DELETE FROM accounts",
    ],
)
def test_the_database_itself_refuses(file: Engine, new_house: Callable[..., Any], statement: str) -> None:
    """Transfers and records are never changed, and no row breaks an invariant, whoever writes it."""
    house: House
    with new_house(file.make()) as house:
        house.open("alice", "0.07")
        house.hear(house.arrived())
        house.hear(house.ended(seconds=61))
    db = sqlite3.connect(Path(file.url))
    db.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError):
        db.execute(statement)
    db.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE transfers SET amount_micros = 2",
        "DELETE FROM transfers",
        "TRUNCATE transfers",
        "UPDATE records SET account = 'bob'",
        "DELETE FROM records",
        "TRUNCATE records",
        *(f"INSERT INTO {table} SELECT * FROM {table}" for table in ("records", "wallets")),  # noqa: S608 - ours
        "UPDATE calls SET ask_at = 1",
        "UPDATE calls SET extend_at = 1",
        "UPDATE calls SET hold_state = 'open'",
        "UPDATE calls SET state = 'arrived'",
        "UPDATE wallets SET posted_micros = -1",
    ],
)
def test_postgres_itself_refuses(
    postgres: "Postgres", postgres_url: str, new_house: Callable[..., Any], statement: str
) -> None:
    """The same, of what can be said there."""
    house: House
    with new_house(PostgresStore(postgres_url)) as house:
        house.open("alice", "0.07")
        house.hear(house.arrived())
        house.hear(house.ended(seconds=61))
    with pytest.raises(asyncpg.IntegrityConstraintViolationError):
        postgres.ask(statement, postgres_url.partition("?")[0].rpartition("/")[2])


# -- configuration -------------------------------------------------------------------------------------------------------


def test_the_configuration_version_moves_with_applications_and_decks(engine: Engine) -> None:
    """And with nothing else, so that servers reload only then."""

    async def steps(store: Store) -> None:
        head = DeckHead(name="standard", currency="USD", version=1)
        changing: list[Job[Any]] = [
            AddApplication(
                provider="sinch", key="second", secret="c2VjcmV0", name="", seal=str.encode, now=NOW, limits=UNLIMITED
            ),
            SetApplication(key="app", words=("trust=number",)),
            SetApplicationLimits(application="app", words=("max_seconds=5",)),
            PublishDeck(head=head, base=None),
            ApplyRules(application="app", document="# none", who="test", now=NOW),
        ]
        quiet: list[Job[Any]] = [
            Probe(),
            SetApplication(key="app", words=()),
            SetApplication(key="app", words=("trust=number",)),
            SetApplicationLimits(application="app", words=("max_seconds=5",)),
            OpenAccount(application="app", account="bob", currency="USD", limits=UNLIMITED),
            SetAccountLimits(application="app", account="bob", words=("max_seconds=5",)),
            add(5, "x"),
            ApplyRules(application="app", document="# none", who="test", now=NOW),
        ]
        for jobs, moves in ((changing, True), (quiet, False)):
            for job in jobs:
                before = await store.configuration_version()
                await store.perform(job)
                assert (await store.configuration_version() != before) is moves, job
        before = await store.configuration_version()
        with pytest.raises(Conflict):
            await store.perform(PublishDeck(head=head, base=None))
        assert await store.configuration_version() == before

    work(engine, steps)


def test_how_a_supplier_is_read_is_remembered_with_its_deck_and_forgotten(engine: Engine) -> None:
    """In the transaction of the deck, or not at all; another header beside it, the same one over it."""

    async def steps(store: Store) -> None:
        def mapping(*header: str, **answers: str) -> SupplierMapping:
            return SupplierMapping(
                id=id_of("acme", header), supplier="acme", header=header, said=Said(answers=answers, ignored=("Old",)),
                file="a.csv", remembered_at=NOW, remembered_by="eva",
            )  # fmt: skip

        base, kept = None, {}
        for version, each in enumerate((mapping("A", "B"), mapping("C", dates="dmy"), mapping("A", "B", tz="CET"))):
            head = DeckHead(name="standard", currency="USD", version=version)
            await store.perform(PublishDeck(head=head, base=base, mapping=each))
            base, kept[each.id] = head, each
        with pytest.raises(Conflict):
            await store.perform(PublishDeck(head=head, base=None, mapping=mapping("D")))
        assert {each.id: each for each in await store.supplier_mappings("acme")} == kept
        assert await store.supplier_mappings("other") == []
        version_before = await store.configuration_version()
        for each in kept.values():
            assert await store.perform(ForgetMapping(id=each.id)) == each
        assert await store.supplier_mappings() == []
        assert await store.configuration_version() == version_before

    work(engine, steps)


def test_lists_are_changed_imported_and_deleted(engine: Engine) -> None:
    """Each change moves the configuration version, and what is stored is what was asked for, page by page."""

    async def steps(store: Store) -> None:
        key = ListKey("app", "fraud")

        async def stored() -> list[str]:
            head = await find_list(store, key)
            whole = shown_entries(await load_list(store, head))
            assert shown_entries(await page_of_list(store, head, -1, 1_000)) == whole
            return whole

        async def moved(step: Awaitable[Any]) -> Any:
            before = await store.configuration_version()
            done = await step
            assert await store.configuration_version() != before
            return done

        await moved(create_list(store, *key, ListKind.DENY, "alice"))
        await moved(change_list(store, key, added=read_entries(["+4690*", "+881*", "+46701740605"], "")))
        changing = change_list(store, key, added=read_entries(["+1*"], ""), removed=read_entries(["+881*"], ""))
        assert await moved(changing) == ListDiff(added=1, removed=1, unchanged=2)
        assert await stored() == ["+1*", "+46701740605", "+4690*"]
        bringing = import_list(store, key, read_entries(["+2*", "+4690*"], ""), mode=ImportMode.MERGE, is_dry_run=False)
        assert await moved(bringing) == ListDiff(added=1, removed=0, unchanged=3)
        assert await stored() == ["+1*", "+2*", "+46701740605", "+4690*"]
        assert (await find_list(store, key)).account == "alice"
        await moved(drop_list(store, key))
        assert await store.list_heads() == []
        for table in ("list_entries", "list_changes"):
            assert await store.fetch(f"SELECT * FROM {table}") == []  # noqa: S608 - ours

    work(engine, steps)


def test_changes_of_one_list_by_many_all_count(shared: Engine) -> None:
    """Each is tried again on what the others left."""

    async def steps(store: Store) -> None:
        key = ListKey("app", "fraud")
        await create_list(store, *key, ListKind.DENY, None)
        entries = read_entries([f"+{digit}*" for digit in range(1, 5)], "")
        await asyncio.gather(*(change_list(store, key, added=[entry]) for entry in entries))
        head = await find_list(store, key)
        assert (list(await load_list(store, head)), head.entry_count) == (entries, 4)

    work(shared, steps)


def test_a_staged_deck_is_seen_by_nobody_until_it_is_published(engine: Engine, house: "House") -> None:
    """Then it is seen whole, and the one before it is still there for whoever reads it."""

    async def steps(store: Store) -> None:
        old_rows = [house.rate("46", "0.02"), house.rate("49", "0.03")]
        new_rows = [house.rate(f"46{number}", "0.01") for number in range(10, 99)]
        old = DeckHead(name="standard", currency="USD", version=await store.next_deck_version())
        await store.stage_deck(old, old_rows)
        assert await store.deck_heads() == []
        await store.perform(PublishDeck(head=old, base=None))
        version = await store.configuration_version()
        new = DeckHead(name="standard", currency="USD", version=await store.next_deck_version())
        assert new.version != old.version
        await store.stage_deck(new, new_rows)
        assert await store.configuration_version() == version
        assert await store.deck_heads() == [old]
        assert list(await store.deck_rows(old)) == old_rows
        await store.perform(PublishDeck(head=new, base=old))
        assert await store.deck_heads() == [new]
        assert list(await store.deck_rows(new)) == new_rows
        assert list(await store.deck_rows(old)) == old_rows
        await store.drop_deck_rows(old)
        assert (await store.deck_rows(old), len(await store.deck_rows(new))) == ([], 89)

    work(engine, steps)


def test_a_deck_of_many_pages_comes_back_as_it_was(engine: Engine, house: "House") -> None:
    """Whatever order its rows came in, and wherever a page ends; a damaged page is said to be so."""

    async def steps(store: Store) -> None:
        like = house.rate("46", "0.02")
        rows = [
            msgspec.structs.replace(
                like, prefix=f"4{number:05}", destination=f"to {number % 999}", connect_fee_micros=number % 7, origin=origin,
                line=number,
            )
            for number in range(10_000, 10_000 + PAGE_ROWS)
            for origin in ("46", "")
        ]  # fmt: skip
        head = DeckHead(name="standard", currency="USD", version=await store.next_deck_version(), row_count=len(rows))
        await store.stage_deck(head, rows)
        found = await store.deck_rows(head)
        assert found == sorted(rows, key=lambda rate: (rate.prefix, rate.origin))
        deck = await load_deck(store, head)
        assert [deck.rate_for("+410000", NOW, caller) for caller in (None, "+46701234567")] == list(found)[:2]
        with pytest.raises(StorageUnavailable, match="standard was replaced while it was read; try again"):
            await load_deck(store, msgspec.structs.replace(head, row_count=1))

    work(engine, steps)


OLD_ROW = """INSERT INTO rates (deck, version, prefix, effective_from, destination, rate_nanos_per_min, connect_fee_micros,
    first_increment_s, increment_s, minimum_charge_micros, grace_s, is_blocked)
    VALUES ('standard', 1, '46', 5, 'Sweden', 7, 0, 60, 60, 0, 0, 1)"""


def test_a_deck_is_read_as_it_was_stored_before_there_were_pages(shared: Engine) -> None:
    """Until it is imported again, which removes those rows."""

    async def steps(store: Store) -> None:
        if isinstance(store, PostgresStore):
            await store.fetch(f"{OLD_ROW} RETURNING 1")
        else:
            with sqlite3.connect(shared.url) as db:
                db.execute(OLD_ROW)
        head = DeckHead(name="standard", currency="USD", version=1)
        (rate,) = await store.deck_rows(head)
        assert (rate.prefix, rate.rate_nanos_per_min, rate.effective_to, rate.is_blocked) == ("46", 7, None, True)
        await store.drop_deck_rows(head)
        assert await store.deck_rows(head) == []

    work(shared, steps)


class Meanwhile:
    """A store on which something else is done while the rows of a deck are staged."""

    def __init__(self, store: Store, work: Callable[[], Awaitable[object]]) -> None:
        self._store = store
        self._work = work

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def stage_deck(self, head: DeckHead, rates: Iterable[Rate]) -> None:
        await self._work()
        await self._store.stage_deck(head, rates)


def test_of_two_imports_at_once_one_is_refused(engine: Engine, house: "House") -> None:
    """It was made from what is no longer in force; its rows do not stay behind."""

    async def steps(store: Store) -> None:
        first, second = ([house.rate("46", price)] for price in ("0.02", "0.03"))

        def put_in_force(where: Any, rates: list[Rate]) -> Awaitable[DeckComparison]:
            return import_deck(where, "standard", "USD", rates, mode=ImportMode.REPLACE, is_dry_run=False, now=NOW)

        overtaken = Meanwhile(store, lambda: put_in_force(store, first))
        with pytest.raises(Conflict, match="imported by somebody else meanwhile; nothing was changed, try again"):
            await put_in_force(overtaken, second)
        (head,) = await store.deck_heads()
        assert list(await store.deck_rows(head)) == [msgspec.structs.replace(rate, deck="standard") for rate in first]
        other = msgspec.structs.replace(head, version=3 - head.version)
        assert await store.deck_rows(other) == []

    work(engine, steps)


def test_an_import_that_is_stopped_while_it_is_published(engine: Engine, house: "House") -> None:
    """Either it was not, or its rows are there: a deck in force is never without them."""

    async def steps(store: Store) -> None:
        await import_deck(
            store, "standard", "USD", [house.rate("46", "0.02")], mode=ImportMode.REPLACE, is_dry_run=False, now=NOW
        )
        blocker = Blocker()
        importing = asyncio.create_task(
            import_deck(
                _BlockedBefore(store, blocker), "standard", "USD", [house.rate("46", "0.03")],
                mode=ImportMode.REPLACE, is_dry_run=False, now=NOW,
            )
        )  # fmt: skip
        await asyncio.to_thread(blocker.has_begun.wait, 30)
        importing.cancel()
        await asyncio.sleep(0)
        blocker.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await importing
        (head,) = await store.deck_heads()
        assert [rate.rate_nanos_per_min for rate in await store.deck_rows(head)] == [30_000_000]

    work(engine, steps)


class _BlockedBefore:
    """A store on which a publication has begun, and is not done, until it is let go."""

    def __init__(self, store: Store, blocker: Blocker) -> None:
        self._store, self._blocker = store, blocker

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def perform(self, job: Job[T], *, is_urgent: bool = False, is_patient: bool = False) -> T:
        if not isinstance(job, PublishDeck):
            return await self._store.perform(job, is_urgent=is_urgent, is_patient=is_patient)

        def act(books: Books) -> T:
            self._blocker.run(books)
            return job.run(books)

        return await self._store.perform(Do(act, job.keys()))


# -- several on one database ---------------------------------------------------------------------------------------------


ANOTHER_PROCESS = """
import asyncio, sys
from datetime import UTC, datetime
from callgate.service.top_up import TopUp
from callgate.service.watch import CallFilter, Sums
from callgate.app import build_store
from callgate.settings import Settings

def add(micros, reference):
    now = datetime.now(UTC)
    return TopUp(application="app", account="alice", amount_micros=micros, reference=reference, now=now)

async def main():
    store = build_store(Settings(database_url=sys.argv[1]))
    await store.open()
    print("open", flush=True)
    sys.stdin.readline()
    for number in range(60):
        await store.perform(add(1, f"r{number % 50}-{sys.argv[2]}"))
        await store.perform(add(1000, f"shared{number}"))
    await store.close()

asyncio.run(main())
"""


def test_two_processes_work_on_one_database(shared: Engine) -> None:
    """Neither loses what the other writes, and what both do is done once."""

    async def steps(store: Store) -> None:
        processes = [
            await asyncio.create_subprocess_exec(
                sys.executable, "-c", ANOTHER_PROCESS, shared.url if "://" in shared.url else f"sqlite:///{shared.url}", name,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            )
            for name in ("one", "two")
        ]  # fmt: skip
        for process in processes:
            assert process.stdout is not None and process.stdin is not None
            assert await process.stdout.readline() == b"open\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        for number in range(60):
            await store.perform(add(1_000, f"shared{number}"))
        for process in processes:
            await process.communicate()
            assert process.returncode == 0
        assert await posted(store) == 60 * 1_000 + 2 * 50

    work(shared, steps)


def test_a_lock_that_outlasts_the_patience(file: Engine) -> None:
    """Everybody who waits is told that nothing was written, and nothing is; then it goes on."""

    async def steps(store: Store) -> None:
        with locked(Path(file.url)):
            results = await asyncio.gather(
                *(store.perform(add(1, f"r{number}")) for number in range(5)), return_exceptions=True
            )
            assert [type(result) for result in results] == [StorageUnavailable] * 5
        assert await posted(store) == 0
        assert not (await store.perform(add(1, "r0"))).is_repeat

    work(file, steps, patience_s=0.1)


class locked:  # noqa: N801 - a context manager, used as a word
    """Another connection holds the lock for writing."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, *_: object) -> None:
        self._db.execute("ROLLBACK")
        self._db.close()


def test_what_was_committed_alone_is_not_reported_as_lost(file: Engine) -> None:
    """A batch falls back to one by one, and half way another process takes the lock: those before have their answers."""

    async def steps(store: Store) -> None:
        await store.perform(add(1, "taken"))
        lock = locked(Path(file.url))
        begun = []

        def watch(statement: str) -> None:
            if statement == "BEGIN IMMEDIATE":
                begun.append(statement)
                if len(begun) == 5:  # the blocker, the batch, and the third of those that go alone
                    lock.__enter__()

        assert store._connection is not None  # noqa: SLF001 - to know where it stands
        store._connection.set_trace_callback(watch)  # noqa: SLF001
        jobs = add(10, "before"), Do(move_the_same_again), add(100, "after"), add(100, "after too")
        results = await together(store, *jobs)
        store._connection.set_trace_callback(None)  # noqa: SLF001
        lock.__exit__()
        assert results[0].wallet.posted_micros == 11
        assert [type(result) for result in results[1:]] == [StorageUnavailable] * 3
        assert await posted(store) == 11

    work(file, steps, patience_s=0.1)


def test_a_closed_database_is_one_file(file: Engine) -> None:
    """Its log has been folded back, so that a copy of the file is a copy of the books."""
    work(file, lambda store: store.perform(add(70_000, "inv-1")))
    assert [path.name for path in Path(file.url).parent.iterdir()] == ["books.db"]


def test_answers_survive_a_restart(shared: Engine) -> None:
    """What was acknowledged is there for the next one who opens the file."""
    work(shared, lambda store: store.perform(add(70_000, "inv-1")))

    async def again() -> int:
        store = shared.make()
        await store.open()
        repeat = await store.perform(add(70_000, "inv-1"))
        assert repeat.is_repeat
        await store.close()
        return repeat.wallet.posted_micros

    assert asyncio.run(again()) == 70_000


@pytest.fixture(autouse=True)
def _no_thread_stays_behind() -> Iterator[None]:
    """Whatever happened, the writer has ended."""
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "callgate-writer"] == []


# -- timers, statements, retention -------------------------------------------------------------------------------------


def test_due_calls_come_in_the_order_in_which_they_have_waited(engine: Engine, new_house: Callable[..., Any]) -> None:
    """Those of elastic calls apart; what is settled is not due."""
    house: House
    with new_house(engine.make()) as house:
        house.open("alice", "1", max_seconds=60)
        house.open("bob", "1")
        house.set_elastic("bob")
        for number in range(4):
            house.hear(house.arrived(f"c{number}"))
        house.hear(house.arrived("elastic", user="bob"))
        house.hear(house.answered("c0"))
        house.hear(house.ended("c1"))
        house.tick(10_000)

        def due(look: Callable[..., Coroutine[Any, Any, Any]], limit: int) -> list[str]:
            return [key.call_id for key in house.run(look(house.now, limit))]

        assert due(house.store.calls_to_ask, 10) == ["c0", "c2", "c3", "elastic"]
        assert due(house.store.calls_to_ask, 2) == ["c0", "c2"]
        assert due(house.store.calls_to_extend, 10) == ["elastic"]
        house.now -= timedelta(seconds=10_000)
        assert (due(house.store.calls_to_ask, 10), due(house.store.calls_to_extend, 10)) == ([], [])


def test_a_statement_has_all_of_an_account_and_nothing_of_others(engine: Engine, new_house: Callable[..., Any]) -> None:
    """Charges, overruns, what is owed and repaid, corrections; newest first, on either side of the account."""
    house: House
    with new_house(engine.make()) as house:
        for name in ("alice", "alice2", "lic"):
            house.open(name, "0.03", max_seconds=60)
        house.hear(house.arrived())
        house.hear(house.ended(seconds=121))
        house.hear(house.arrived("other", user="alice2"))
        house.hear(house.ended("other", 1))
        house.top_up("alice", "1", "second")
        house.hear(house.arrived("lost"))
        house.tick(10_000)
        house.heal(None)
        house.hear(house.ended("lost", 1))
        found = house.run(house.store.transfers(AccountKey("app", "alice"), 100))
        assert found is not None
        kinds = [str(transfer.kind) for transfer in found[1]]
        assert kinds == ["correction", "repay", "topup", "overrun", "overrun", "charge", "topup"]
        assert {transfer.occasion.call_id for transfer in found[1]} == {None, "c1", "lost"}
        few = house.run(house.store.transfers(AccountKey("app", "alice"), 2))
        assert few is not None and few[1] == found[1][:2]


def test_delivered_records_are_forgotten_after_their_time(engine: Engine, new_house: Callable[..., Any]) -> None:
    """Those alone: what waits or is parked stays, and so do call, record and callbacks."""
    house: House
    with new_house(engine.make()) as house:
        endpoint = Endpoint(
            id="crm", url="https://crm.example.com/", types=(RecordType.CALL_ENDED,), allow_private=False,
            created_at=house.now, sealed_secrets=(b"x",),
        )  # fmt: skip
        house.add_endpoint(endpoint)
        house.endpoints = (endpoint,)
        house.open("alice", "1", max_seconds=60)
        for call in ("c1", "c2", "c3"):
            house.hear(house.arrived(call))
            house.hear(house.ended(call, 1))
            house.tick(1)
        states = (DeliveryState.DELIVERED, DeliveryState.PARKED, DeliveryState.DELIVERED)
        queued = sorted(house.run(house.store.deliveries(None, 10)), key=lambda each: each.sequence)
        for state in states:
            (current,) = house.run(house.store.claim_deliveries("crm", house.now, house.now + timedelta(seconds=30), 9))
            house.perform(Conclude(of=(Concluded(current, msgspec.structs.replace(current, state=state)),)))
        house.run(house.store.forget_deliveries(queued[2].occurred_at))
        left = {each.sequence: each.state for each in house.run(house.store.deliveries(None, 10))}
        assert left == {2: DeliveryState.PARKED, 3: DeliveryState.DELIVERED}
        assert [record.sequence for record in house.records()] == [1, 2, 3]
        assert house.hear(house.arrived("c1")) == (house.hang_up, "call_conflict")
        assert house.run(resend_since(house.store, DeliveryState.DELIVERED, queued[0].occurred_at, house.now)) == 1
        assert house.perform(Resend(ids=(queued[0].id,), endpoints=frozenset(), now=house.now)) == 0


def test_records_are_read_in_order_and_in_pages_that_meet(engine: Engine, new_house: Callable[..., Any]) -> None:
    """By when calls ended, then by name; from a time on, before another, behind a position."""
    with new_house(engine.make()) as house:
        for account in ("alice", "bob"):
            house.open(account, "10")
        for number in range(5):
            account = ("alice", "bob")[number % 2]
            house.hear(house.arrived(f"c{number}", user=account))
            house.hear(house.ended(f"c{number}", 61, user=account))
        ever = RecordRange(house.now - timedelta(days=1), house.now)
        every = house.run(house.store.records(ever, after=None, limit=10))
        assert [record.key.call_id for record in every] == [f"c{number}" for number in range(5)]
        behind = RecordPosition(every[1].ended_at, every[1].record_id)
        assert house.run(house.store.records(ever, after=behind, limit=2)) == every[2:4]
        late = ever._replace(since=every[2].ended_at, until=every[4].ended_at)
        assert house.run(house.store.records(late, after=None, limit=10)) == every[2:4]
        assert house.run(house.store.records(ever._replace(account="bob"), after=None, limit=10)) == every[1::2]
        assert house.run(house.store.records(ever._replace(application="x"), after=None, limit=10)) == []


def test_what_calls_came_to_is_summed(engine: Engine, new_house: Callable[..., Any]) -> None:
    """Of a time, by application and currencies; of a correction the difference, in the time in which it came."""
    with new_house(engine.make()) as house:
        house.open("alice", "10")
        house.set_application("lost_dice=post_full")
        start = house.now
        for call, seconds, debit in (
            ("c1", 61, "0.0123"),
            ("c2", 0, None),
            ("c3", 120, "0.000000001"),
            ("c4", 5, "9" * 9),
        ):
            house.hear(house.arrived(call))
            house.hear(house.ended(call, seconds or None, debit=debit))
        house.hear(house.arrived("c5", user="nobody"))
        house.hear(house.ended("c6", 5))
        house.hear(house.arrived("c7"))
        house.hear(house.answered("c7"))
        charged = sum(record.charge_micros for record in house.records())
        decided = house.run(house.store.decided(start, house.now))
        assert set(decided) == {("app", None, 5), ("app", "caller_unknown", 1)}
        found = house.run(house.store.sums(start, house.now))
        assert sorted(found, key=str) == [
            Sums("app", "USD", "USD", 2, 181, 80_000, 12_300_001),
            Sums("app", "USD", None, 1, 5, charged - 80_000, 0),
        ]
        house.tick(36_000)
        house.heal(None)
        estimated = house.call("c7").charge_micros
        house.tick(10)
        house.hear(house.ended("c7", 60))
        corrected = Sums("app", "USD", None, 0, 0, 20_000 - (estimated or 0), 0)
        assert corrected in house.run(house.store.sums(start, house.now))
        assert house.run(house.store.sums(house.now, house.now + timedelta(days=1))) == []


def test_calls_are_found_by_name_by_account_and_by_what_is_known_of_them(
    engine: Engine, new_house: Callable[..., Any]
) -> None:
    """Each way leads to the same calls, the newest first."""
    with new_house(engine.make()) as house:
        for account in ("alice", "bob"):
            house.open(account, "10")
        for number in range(6):
            account = ("alice", "bob", "nobody")[number % 3]
            house.hear(house.arrived(f"c{number}", user=account))
            if number < 3:
                house.hear(house.ended(f"c{number}", 61, user=account))
            house.tick(1)
        store, run = house.store, house.run
        keys = [CallKey("app", f"c{number}") for number in (0, 3, 4, 99)]

        def names(calls: Iterable[Any]) -> list[str]:
            return [call.key.call_id for call in calls]

        assert sorted(names(run(store.calls_named(keys)))) == ["c0", "c3", "c4"]
        assert sorted(names(run(store.live_named(keys)))) == ["c3", "c4"]
        assert run(store.calls_named([])) == run(store.live_named([])) == []
        assert names(run(store.calls(None, account="bob", limit=9))) == ["c4", "c1"]
        assert names(run(store.calls(None, account="bob", only_live=True, limit=9))) == ["c4"]
        assert names(run(store.calls("app", only_live=True, limit=9))) == ["c4", "c3"]
        ever = RecordRange(house.now - timedelta(days=1), house.now, account="alice")
        assert names(run(store.records(ever, after=None, limit=9))) == ["c0"]

        def found(**wanted: Any) -> list[str]:
            calls = run(store.search_calls(CallFilter(**wanted), before=None, limit=9))
            assert calls.looked_until is None
            return names(calls.calls)

        assert found(outcome="live") == found(outcome="live", application="app") == ["c4", "c3"]
        assert found(outcome="refused") == found(outcome="caller_unknown", application="app") == ["c5", "c2"]
        assert found(outcome="caller_unknown", fragment="nobo") == ["c5", "c2"]
        assert found(account="alice") == found(account="alice", application="app") == ["c3", "c0"]
        assert found(fragment="ali", outcome="connected") == ["c0"]


def test_every_version_of_rules_is_kept(engine: Engine) -> None:
    """The same document again is no new one; a version that somebody else has replaced meanwhile is no base."""

    async def steps(store: Store) -> None:
        async def put(document: str, base: int | None = None) -> int:
            job = ApplyRules(application="app", document=document, who="test", now=NOW, base=base)
            return (await store.perform(job)).version

        assert await store.rules_in_force() == []
        assert [await put("# one"), await put("# two"), await put("# two"), await put("# one", base=2)] == [1, 2, 2, 3]
        with pytest.raises(Conflict):
            await put("# three", base=2)
        with pytest.raises(NotFound):
            await store.perform(ApplyRules(application="none", document="", who="test", now=NOW))
        [in_force] = await store.rules_in_force()
        expected = RulesVersion(application="app", version=3, document="# one", applied_at=NOW, applied_by="test")
        assert in_force == expected
        newest, second = await store.rules_versions("app", limit=2)
        assert (newest, second.version, second.document) == (expected, 2, "# two")
        [first] = await store.rules_versions("app", version=1)
        assert (first.version, first.document) == (1, "# one")
        assert await store.rules_versions("app", version=4) == []

    work(engine, steps)


def test_decided_calls_come_with_their_question_and_their_payer(engine: Engine, new_house: Callable[..., Any]) -> None:
    """Newest first, in pages that meet; not what was never asked, and not what was decided too late."""
    house: House
    with new_house(engine.make()) as house:
        house.open("alice", "5")
        begun = house.now
        for number in range(5):
            house.hear(house.arrived(f"c{number}"))
            house.hear(house.ended(f"c{number}", 30))
        house.hear(house.arrived("stranger", user="nobody"))
        house.hear(house.ended("orphan", 30))
        late = house.now
        house.perform(house.job(house.arrived("late")))
        house.overrule(house.arrived("late"), late)

        def page(before: CallPosition | None = None, since: datetime = begun, limit: int = 4) -> list[DecidedCall]:
            asked = house.store.decided_calls("app", since=since, until=house.now, before=before, limit=limit)
            return list(house.run(asked))

        first = page()
        second = page(CallPosition(first[-1].call.decided_at, first[-1].call.key))
        assert [each.call.key.call_id for each in first] == ["stranger", "c4", "c3", "c2"]
        assert [each.call.key.call_id for each in second] == ["c1", "c0"]
        assert {each.body for each in first} == {b"{}"}
        assert (first[0].account, first[0].wallet) == (None, None)
        assert first[1].account is not None and first[1].account.id == "alice"
        assert first[1].wallet == house.wallet()
        assert first[1].call == house.call("c4")
        assert [each.call.key.call_id for each in page(since=first[1].call.decided_at)] == ["stranger", "c4"]
        asked = house.store.decided_calls("other", since=begun, until=house.now, before=None, limit=9)
        assert house.run(asked) == []
