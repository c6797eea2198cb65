"""Several nodes on one PostgreSQL, and connections that are lost at the worst moment: nothing is lost, nothing is doubled."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from callgate.errors import StorageUnavailable
from callgate.ledger.transfer import Occasion
from callgate.ledger.verify import verify
from callgate.ledger.wallet import top_up
from callgate.outbox.worker import Turns
from callgate.policy.limits import UNLIMITED
from callgate.protocol.call import CallKey
from callgate.protocol.life import CallState
from callgate.service.add_application import AddApplication
from callgate.service.add_endpoint import KeepEndpoint
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.deliver import Conclude, Concluded
from callgate.service.delivery import Delivery, DeliveryState, Lane
from callgate.service.endpoint import Endpoint, RecordType
from callgate.service.open_account import OpenAccount
from callgate.service.probe import Probe
from callgate.service.records import Call, Callback
from callgate.service.take_lease import Holder
from callgate.service.top_up import TopUp
from callgate.storage.batch import Step
from callgate.storage.postgres import PostgresStore

if TYPE_CHECKING:
    from tests.conftest import Postgres

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
ALICE = AccountKey("app", "alice")


def add(micros: int, reference: str, account: str = "alice") -> TopUp:
    return TopUp(application="app", account=account, amount_micros=micros, reference=reference, now=NOW)


class Do:
    """A job in one function."""

    def __init__(self, act: Callable[[Books], Any], keys: Keys | None = None) -> None:
        self._act, self._keys = act, keys or Keys(accounts=(ALICE,))

    def keys(self) -> Keys:
        return self._keys

    def run(self, books: Books) -> Any:
        return self._act(books)


@asynccontextmanager
async def nodes(*stores: PostgresStore) -> AsyncIterator[None]:
    """Open stores on one database with one account in it, and find the books sound afterwards."""
    for store in stores:
        await store.open()
    first = stores[0]
    await first.perform(
        AddApplication(provider="sinch", key="app", secret="c2Vj", name="", seal=str.encode, now=NOW, limits=UNLIMITED)
    )
    await first.perform(OpenAccount(application="app", account="alice", currency="USD", limits=UNLIMITED))
    try:
        yield
        assert await first.inspect_ledger(lambda rows: verify(rows).faults) == ()
    finally:
        for store in stores:
            await store.close()


async def posted(store: PostgresStore) -> int:
    found = await store.account(ALICE)
    assert found is not None
    return found.wallet.posted_micros


# -- connections that are lost -------------------------------------------------------------------------------------------


class Killer:
    """Ends all sessions of a database but its own when a batch first reaches a step after `arm`."""

    def __init__(self, postgres: "Postgres", url: str, step: Step) -> None:
        self._postgres, self._database, self._step = postgres, url.partition("?")[0].rpartition("/")[2], step
        self.is_armed = False

    def __call__(self, step: Step) -> None:
        if self.is_armed and step is self._step:
            self.is_armed = False
            thread = threading.Thread(target=self._kill)  # the writer's own event loop is busy in this thread
            thread.start()
            thread.join()

    def _kill(self) -> None:
        self._postgres.ask(
            f"""SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
            WHERE datname = '{self._database}' AND pid <> pg_backend_pid()"""  # noqa: S608 - a name of ours
        )


@pytest.mark.parametrize("step", [Step.BEGUN, Step.LOADED, Step.RUN, Step.SAVED, Step.COMMITTED])
def test_a_session_that_is_killed_at_any_step(postgres: "Postgres", postgres_url: str, step: Step) -> None:
    """The batch is done once, and each job gets the answer of the one time that it was done."""
    killer = Killer(postgres, postgres_url, step)
    store = PostgresStore(postgres_url, on_step=killer)

    async def steps() -> None:
        async with nodes(store):
            for number in range(3):
                killer.is_armed = True
                results = await asyncio.gather(*(store.perform(add(1, f"{number}-{each}")) for each in range(20)))
                assert not killer.is_armed
                assert [result.is_repeat for result in results] == [False] * 20
            assert await posted(store) == 60

    asyncio.run(steps())


class Cutter:
    """Stands between a store and PostgreSQL. Once armed it forwards the next COMMIT, and what it is told of it to nobody."""

    def __init__(self, folder: Path, behind: str, *, tells_the_database: bool) -> None:
        self._socket, self._behind = folder / ".s.PGSQL.5432", behind
        self._tells_the_database = tells_the_database
        self.is_armed = False
        self.cuts = 0
        self._serving: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def standing(self) -> AsyncIterator[None]:
        async with await asyncio.start_unix_server(self._begin, self._socket):
            yield
        await asyncio.gather(*self._serving)

    async def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._serving.append(asyncio.ensure_future(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_unix_connection(f"{self._behind}/.s.PGSQL.5432")
        answers = asyncio.create_task(self._copy(back_reader, writer))
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if self.is_armed and b"COMMIT" in data:
                    self.is_armed = False
                    self.cuts += 1
                    answers.cancel()
                    await asyncio.gather(answers, return_exceptions=True)
                    if self._tells_the_database:
                        back_writer.write(data)
                        await back_reader.read(1)  # it is done by now
                    break
                back_writer.write(data)
        answers.cancel()
        await asyncio.gather(answers, return_exceptions=True)
        for each in (writer, back_writer):
            each.close()
            with suppress(ConnectionError):
                await each.wait_closed()

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                writer.write(data)


@pytest.mark.parametrize("is_committed", [True, False], ids=["committed", "not committed"])
def test_a_commit_whose_outcome_nobody_was_told(postgres: "Postgres", postgres_url: str, is_committed: bool) -> None:  # noqa: FBT001
    """Committed: the answers that were computed are given. Not committed: it is done again. Either way once.

    A repeat of a top-up says that it is one; a deposit that names no reference would be paid in twice.
    """
    folder = Path(postgres.folder) / f"cut{is_committed}"
    folder.mkdir()
    folder.chmod(0o777)
    cutter = Cutter(folder, postgres.socket_folder, tells_the_database=is_committed)
    store = PostgresStore(f"{postgres_url.partition('?')[0]}?host={folder}")
    runs = []

    def deposit(books: Books) -> int:
        runs.append(len(runs))
        books.move(top_up(books.wallet(*ALICE), 10, Occasion(subject=f"run{len(runs)}", at=NOW)))
        return len(runs)

    async def steps() -> None:
        async with cutter.standing(), nodes(store):
            cutter.is_armed = True
            top, run = await asyncio.gather(store.perform(add(1, "x")), store.perform(Do(deposit)))
            assert cutter.cuts == 1
            assert not top.is_repeat
            assert run == (1 if is_committed else 2)
            assert await posted(store) == 11

    asyncio.run(steps())


def test_a_database_that_goes_away_and_comes_back(postgres: "Postgres", postgres_url: str) -> None:
    """Who is patient waits for it; who is not is told, and goes on by itself when it is back."""
    patient, impatient = PostgresStore(postgres_url), PostgresStore(postgres_url, patience_s=0.2)

    async def steps() -> None:
        async with nodes(patient, impatient):
            await impatient.perform(Probe())
            await asyncio.to_thread(postgres.stop)
            waiting = asyncio.create_task(patient.perform(add(1, "patient")))
            with pytest.raises(StorageUnavailable) as told:
                await impatient.perform(add(10, "impatient"))
            assert told.value.state == "unreachable"
            with pytest.raises(StorageUnavailable):
                await impatient.call(CallKey("app", "c1"))
            assert not waiting.done()
            await asyncio.to_thread(postgres.start)
            assert not (await waiting).is_repeat
            assert not (await impatient.perform(add(10, "impatient"))).is_repeat
            assert await posted(patient) == 11

    asyncio.run(steps())


# -- several nodes -------------------------------------------------------------------------------------------------------


def test_nodes_that_do_the_same_at_once(postgres_url: str) -> None:
    """One of them is first, the others see what it did; nobody is told of a row that was there already."""
    stores = [PostgresStore(postgres_url) for _ in range(3)]

    async def steps() -> None:
        async with nodes(*stores):
            results = await asyncio.gather(
                *(store.perform(add(1, f"r{number}")) for number in range(100) for store in stores)
            )
            assert sum(not result.is_repeat for result in results) == 100
            assert await posted(stores[0]) == 100
            opened = await asyncio.gather(
                *(
                    store.perform(
                        OpenAccount(application="app", account=f"a{number}", currency="USD", limits=UNLIMITED)
                    )
                    for number in range(20)
                    for store in stores
                ),
                return_exceptions=True,
            )
            assert sum(not isinstance(each, Exception) for each in opened) == 20
            assert not any(isinstance(each, StorageUnavailable) for each in opened)

    asyncio.run(steps())


@pytest.fixture
def no_deadlocks(postgres: "Postgres", postgres_url: str) -> str:
    """A database that does not find out who waits in a circle: whoever does, waits until the test has had enough."""
    name = postgres_url.partition("?")[0].rpartition("/")[2]
    postgres.ask(f"ALTER DATABASE {name} SET deadlock_timeout = '100s'")
    return postgres_url


def test_nodes_that_hear_of_the_same_calls_in_any_order(no_deadlocks: str) -> None:
    """Each call is new to one of them, and nobody waits in a circle."""
    barrier = threading.Barrier(2)

    def meet(step: Step) -> None:
        """Both write at the same moment, where both have something to write."""
        if step is Step.RUN:
            with suppress(threading.BrokenBarrierError):
                barrier.wait(0.1)
            barrier.reset()

    stores = [PostgresStore(no_deadlocks, on_step=meet) for _ in range(2)]

    def hear(key: CallKey) -> Do:
        def act(books: Books) -> bool:
            is_new = books.calls.get(key) is None
            books.calls.put(key, Call(key=key, state=CallState.REFUSED, decided_at=NOW))
            return is_new

        return Do(act, Keys(calls=(key,)))

    async def steps() -> None:
        async with nodes(*stores):
            for turn in range(6):
                portion = [CallKey("app", f"c{turn}-{number}") for number in range(400)]
                both = (
                    [stores[0].perform(hear(key)) for key in portion],
                    [stores[1].perform(hear(key)) for key in reversed(portion)],
                )
                first, second = await asyncio.gather(asyncio.gather(*both[0]), asyncio.gather(*both[1]))
                assert [one + two for one, two in zip(first, reversed(second), strict=True)] == [1] * 400

    asyncio.run(steps())


def test_nodes_that_lock_the_same_rows_in_any_order(no_deadlocks: str) -> None:
    """However jobs name them: rows are locked in one order, so that nobody waits in a circle."""
    stores = [PostgresStore(no_deadlocks) for _ in range(3)]
    keys = tuple(AccountKey("app", f"a{number}") for number in range(10))

    def shuffle(amount: int) -> Callable[[Books], None]:
        def act(books: Books) -> None:
            for key in keys:
                books.move(top_up(books.wallet(*key), 1, Occasion(subject=f"s{amount}", at=NOW)))

        return act

    async def steps() -> None:
        async with nodes(*stores):
            for key in keys:
                await stores[0].perform(
                    OpenAccount(application="app", account=key.account, currency="USD", limits=UNLIMITED)
                )
            jobs = [
                stores[number % 3].perform(Do(shuffle(number), Keys(accounts=keys[:: 1 if number % 2 else -1])))
                for number in range(60)
            ]
            async with asyncio.timeout(8):
                await asyncio.gather(*jobs)
            accounts = await stores[0].accounts("app", after="", limit=100)
            assert {each.wallet.posted_micros for each in accounts if each.account.id != "alice"} == {60}

    asyncio.run(steps())


def test_a_follower_misses_nothing(postgres_url: str) -> None:
    """Callbacks of two nodes: whatever is seen behind a number, nothing comes before it afterwards."""
    stores = [PostgresStore(postgres_url) for _ in range(2)]

    def heard(call_id: str) -> Do:
        row = Callback(key=CallKey("app", call_id), at=NOW, name="ice", body=b"{}", answer=b"{}")
        return Do(lambda books: books.callbacks.add(row), Keys())

    async def follow(seen: list[str], is_over: asyncio.Event) -> None:
        mark = 0
        while True:
            was_over = is_over.is_set()
            found = await stores[0].heard_since(mark, 1_000)
            assert [number for number, _ in found] == list(range(mark + 1, mark + 1 + len(found)))
            seen += [key.call_id for _, key in found]
            mark = found[-1][0] if found else mark
            if was_over and not found:
                return

    async def steps() -> None:
        async with nodes(*stores):
            seen: list[str] = []
            is_over = asyncio.Event()
            following = asyncio.create_task(follow(seen, is_over))
            for number in range(40):
                await asyncio.gather(
                    *(
                        store.perform(heard(f"{place}-{number}-{each}"))
                        for place, store in enumerate(stores)
                        for each in range(5)
                    )
                )
            is_over.set()
            await following
            assert len(seen) == len(set(seen)) == 400

    asyncio.run(steps())


def test_several_workers_share_what_is_due(postgres_url: str) -> None:
    """No two get the same, none waits for another; what a worker that died had taken is due again when its claim ends."""
    stores = [PostgresStore(postgres_url) for _ in range(3)]
    endpoint = Endpoint(
        id="ep_1", url="https://crm.example.com/", types=(), allow_private=False, created_at=NOW, sealed_secrets=(b"s",)
    )

    def queue(books: Books) -> None:
        for number in range(90):
            delivery = Delivery(
                id=f"msg_{number}", lane=Lane("ep_1", "app", f"a{number}"), type=RecordType.CALL_ENDED, sequence=1,
                body=b"{}", occurred_at=NOW, due_at=NOW,
            )  # fmt: skip
            books.deliveries.put(delivery.id, delivery)

    async def claim(store: PostgresStore, now: datetime, *, until: datetime) -> list[str]:
        taken: list[str] = []
        while some := await store.claim_deliveries("ep_1", now, until, 7):
            taken += [each.id for each in some]
            await asyncio.sleep(0)
        return taken

    async def steps() -> None:
        async with nodes(*stores):
            await stores[0].perform(KeepEndpoint(endpoint=endpoint))
            await stores[0].perform(Do(queue))
            until = NOW + timedelta(seconds=30)
            shares = await asyncio.gather(*(claim(store, NOW, until=until) for store in stores))
            taken = [name for share in shares for name in share]
            assert len(taken) == len(set(taken)) == 90
            assert sum(map(bool, shares)) > 1
            assert await stores[1].claim_deliveries("ep_1", until - timedelta(microseconds=1), until, 90) == []
            again = await stores[1].claim_deliveries("ep_1", until, until + timedelta(seconds=30), 90)
            assert [each.attempt_count for each in again] == [2] * 90

    asyncio.run(steps())


def test_a_paced_endpoint_is_served_by_one_worker_at_a_time(postgres_url: str) -> None:
    """Whoever has its lease; the other one has it when that is left, and keeps what is not paced meanwhile."""

    async def steps() -> None:
        one, two = PostgresStore(postgres_url), PostgresStore(postgres_url)
        async with nodes(one, two):
            turns = [Turns(Holder(store, f"node-{number}", _now)) for number, store in enumerate((one, two))]
            for each in turns:
                each.want({"ep_paced"})
                assert each.has("ep_other")
            async with asyncio.timeout(20):
                while not any(each.has("ep_paced") for each in turns):  # noqa: ASYNC110 - a lease has no event
                    await asyncio.sleep(0.05)
            await asyncio.sleep(0.2)
            first, second = sorted(turns, key=lambda each: each.has("ep_paced"), reverse=True)
            assert first.has("ep_paced") and not second.has("ep_paced")
            await first.close()
            async with asyncio.timeout(20):
                while not second.has("ep_paced"):  # noqa: ASYNC110 - a lease has no event
                    await asyncio.sleep(0.05)
            await second.close()

    asyncio.run(steps())


def _now() -> datetime:
    return datetime.now(UTC)


def test_lanes_under_two_nodes(postgres_url: str) -> None:
    """One node queues while the other delivers: the first that waits always steps forward, and order is kept."""
    one, two = PostgresStore(postgres_url), PostgresStore(postgres_url)
    endpoint = Endpoint(
        id="ep_1", url="https://crm.example.com/", types=(), allow_private=False, created_at=NOW, sealed_secrets=(b"s",)
    )
    lane = Lane("ep_1", "app", "alice")

    def queue(number: int) -> Do:
        delivery = Delivery(
            id=f"msg_{number}", lane=lane, type=RecordType.CALL_ENDED, sequence=number, body=b"{}", occurred_at=NOW, due_at=NOW
        )  # fmt: skip
        return Do(lambda books: books.deliveries.put(delivery.id, delivery))

    async def deliver(store: PostgresStore, delivered: list[str]) -> bool:
        due = await store.claim_deliveries("ep_1", NOW, NOW + timedelta(seconds=30), 8)
        for taken in due:
            done = Delivery(
                **{name: getattr(taken, name) for name in Delivery.__struct_fields__}
                | {"state": DeliveryState.DELIVERED}
            )
            await store.perform(Conclude(of=(Concluded(taken, done),)))
            delivered.append(taken.id)
        return bool(due)

    async def steps() -> None:
        async with nodes(one, two):
            await one.perform(KeepEndpoint(endpoint=endpoint))
            delivered: list[str] = []
            for number in range(60):
                await asyncio.gather(one.perform(queue(number)), deliver(two, delivered))
            while await deliver(two, delivered):
                pass
            assert delivered == [f"msg_{number}" for number in range(60)]

    asyncio.run(steps())


def test_statements_that_are_not_kept_prepared(postgres_url: str) -> None:
    """As behind a pooler that gives a session to one transaction: all of it works."""
    store = PostgresStore(f"{postgres_url}&statement_cache_size=0")

    async def steps() -> None:
        async with nodes(store):
            results = await asyncio.gather(*(store.perform(add(1, f"r{number}")) for number in range(50)))
            assert not any(result.is_repeat for result in results)
            assert await posted(store) == 50

    asyncio.run(steps())


@pytest.fixture(autouse=True)
def _no_thread_stays_behind() -> Iterator[None]:
    """Whatever happened, the writers have ended."""
    yield
    assert [thread.name for thread in threading.enumerate() if thread.name == "callgate-writer"] == []
