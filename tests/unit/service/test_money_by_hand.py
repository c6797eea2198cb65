"""Money that operators move: adjustments, refunds, credit limits; closing; the statement that shows it all."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from callgate.errors import AmountInvalid, Conflict, Invalid, NotFound
from callgate.ledger.hold import Hold, HoldState
from callgate.ledger.transfer import Occasion
from callgate.ledger.verify import EndedCall, LedgerRows, verify
from callgate.ledger.wallet import debit_unheld, place_hold, post_hold
from callgate.policy.account import Status
from callgate.policy.limits import UNLIMITED
from callgate.protocol.call import CallKey
from callgate.protocol.life import CallState
from callgate.service.add_application import AddApplication
from callgate.service.adjust import Adjust, Moved
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.open_account import OpenAccount
from callgate.service.records import Call, CallRecord, SettledBy
from callgate.service.refund import Refund
from callgate.service.reports import ledger_verdict
from callgate.service.set_account import SetAccount
from callgate.service.set_status import SetAccountStatus
from callgate.service.statement import account_statement
from callgate.service.top_up import TopUp
from callgate.storage.sqlite import SqliteStore

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALICE = AccountKey("app", "alice")
CENT = 10_000


def on_books(test: Callable[[SqliteStore], Awaitable[None]]) -> None:
    """Run the test on fresh books with one account, and look afterwards whether they are still sound."""

    async def run() -> None:
        store = SqliteStore(":memory:")
        await store.migrate()
        await store.open()
        try:
            await store.perform(
                AddApplication(
                    provider="sinch",
                    key="app",
                    secret="c2VjcmV0",
                    name="",
                    seal=lambda clear: clear.encode(),
                    now=NOW,
                    limits=UNLIMITED,
                )
            )
            await store.perform(OpenAccount(application="app", account="alice", currency="USD", limits=UNLIMITED))
            await test(store)
            assert (await ledger_verdict(store)).faults == ()
        finally:
            await store.close()

    asyncio.run(run())


def top_up(cents: int, reference: str = "paid") -> TopUp:
    return TopUp(application="app", account="alice", amount_micros=cents * CENT, reference=reference, now=NOW)


def adjustment(cents: int, reference: str = "a1", why: str = "goodwill") -> Adjust:
    return Adjust(
        application="app",
        account="alice",
        amount_micros=cents * CENT,
        why=why,
        reference=reference,
        now=NOW,
        who="ops",
    )


def refund_of(call_id: str, cents: int, reference: str = "r1") -> Refund:
    return Refund(
        call=CallKey("app", call_id),
        amount_micros=cents * CENT,
        why="bad line",
        reference=reference,
        now=NOW,
        who="ops",
    )


class HoldFor:
    """A call is let through: the part of `Authorize` that the books see."""

    def __init__(self, call_id: str, cents: int) -> None:
        self.key, self.micros = CallKey("app", call_id), cents * CENT

    def keys(self) -> Keys:
        return Keys(calls=(self.key,), accounts=(ALICE,))

    def run(self, books: Books) -> None:
        books.wallets.put(ALICE, place_hold(books.wallet(*ALICE), self.micros))
        hold = Hold(amount_micros=self.micros, placed_at=NOW)
        call = Call(
            key=self.key,
            state=CallState.ARRIVED,
            account="alice",
            currency="USD",
            hold=hold,
            granted_s=60,
            decided_at=NOW,
            ask_at=NOW + timedelta(minutes=6),
        )
        books.calls.put(self.key, call)


class ChargeFor(HoldFor):
    """A call has ended: its hold is posted, and what it cost beyond the wallet is owed."""

    def run(self, books: Books) -> None:
        call = books.calls.get(self.key)
        at = Occasion(subject=self.key.call_id, at=NOW, call_id=self.key.call_id)
        wallet = books.wallet(*ALICE)
        if call is None or call.hold is None:
            call = Call(key=self.key, state=CallState.ENDED, account="alice", currency="USD", decided_at=NOW)
            movement = debit_unheld(wallet, self.micros, at)
        else:
            movement = post_hold(wallet, call.hold.amount_micros, self.micros, at)
        books.move(movement)
        hold = None if call.hold is None else call.hold.end(HoldState.POSTED)
        fields = {name: getattr(call, name) for name in call.__struct_fields__}
        fields |= {
            "state": CallState.ENDED,
            "hold": hold,
            "ask_at": None,
            "charge_micros": self.micros,
            "ended_at": NOW,
        }
        books.calls.put(self.key, Call(**fields))
        books.records.add(
            CallRecord(
                record_id=f"app/{self.key.call_id}",
                key=self.key,
                account="alice",
                caller="",
                destination="",
                started_at=NOW,
                answered_at=NOW,
                ended_at=NOW,
                duration_s=60,
                billed_s=60,
                charge_micros=self.micros,
                currency="USD",
                cost=None,
                cost_currency=None,
                result="answered",
                reason="",
                settled_by=SettledBy.DISCONNECT,
                sequence=sum(map(ord, self.key.call_id)),
            )
        )


async def available(store: SqliteStore) -> int:
    found = await store.account(ALICE)
    assert found is not None
    return found[1].available_micros // CENT


def test_an_adjustment_adds_or_takes() -> None:
    """Both directions, each with its counterpart among the house's accounts."""

    async def test(store: SqliteStore) -> None:
        await store.perform(adjustment(500, "a1"))
        taken = await store.perform(adjustment(-120, "a2"))
        assert taken == Moved("adjustment/adjustments/alice/a2", taken.wallet, is_repeat=False)
        assert taken.wallet.available_micros == 380 * CENT

    on_books(test)


def test_no_more_is_taken_than_is_free() -> None:
    """What is held for calls stays: the refusal says how much could be taken."""

    async def test(store: SqliteStore) -> None:
        await store.perform(top_up(1000))
        await store.perform(HoldFor("c1", 400))
        with pytest.raises(Conflict, match=r"at most 6\.00 USD is possible"):
            await store.perform(adjustment(-601))
        await store.perform(adjustment(-600))
        assert await available(store) == 0
        await store.perform(ChargeFor("c1", 400))

    on_books(test)


def test_an_adjustment_pays_first_what_is_owed() -> None:
    """Like a top-up: what calls cost beyond the wallet is paid before anything can be spent again."""

    async def test(store: SqliteStore) -> None:
        await store.perform(ChargeFor("orphan", 70))
        done = await store.perform(adjustment(100))
        assert (done.wallet.owed_micros, done.wallet.posted_micros) == (0, 30 * CENT)

    on_books(test)


def test_one_reference_adjusts_once() -> None:
    """The same again moves nothing; with another amount, or the other direction, it conflicts."""

    async def test(store: SqliteStore) -> None:
        await store.perform(adjustment(100, "ref"))
        assert (await store.perform(adjustment(100, "ref"))).is_repeat
        for cents in (101, -100):
            with pytest.raises(Conflict, match=r"reference ref was used for 1\.00 USD before"):
                await store.perform(adjustment(cents, "ref"))
        await store.perform(top_up(100, "ref"))
        assert await available(store) == 200

    on_books(test)


@pytest.mark.parametrize("why", ["", "  ", "two\nlines", "x" * 501])
def test_money_by_hand_needs_a_reason(why: str) -> None:
    """Who looks at the books in a year wants to know."""

    async def test(store: SqliteStore) -> None:
        with pytest.raises(Invalid, match="why"):
            await store.perform(adjustment(100, why=why))

    on_books(test)


def test_nothing_is_no_adjustment() -> None:
    """An amount of 0 is a mistake."""

    async def test(store: SqliteStore) -> None:
        with pytest.raises(AmountInvalid, match="amount"):
            await store.perform(adjustment(0))

    on_books(test)


def test_a_refund_gives_back_a_charge_in_parts() -> None:
    """All refunds of a call together are at most its charge; the refusal says what is left."""

    async def test(store: SqliteStore) -> None:
        await store.perform(top_up(1000))
        await store.perform(HoldFor("c1", 400))
        await store.perform(ChargeFor("c1", 100))
        await store.perform(refund_of("c1", 60, "r1"))
        with pytest.raises(Conflict, match=r"was charged 1\.00 USD, at most 0\.40 USD is possible"):
            await store.perform(refund_of("c1", 41, "r2"))
        await store.perform(refund_of("c1", 40, "r3"))
        assert await available(store) == 1000
        with pytest.raises(Conflict, match=r"at most 0\.00 USD"):
            await store.perform(refund_of("c1", 1, "r4"))

    on_books(test)


def test_refunds_of_one_batch_see_each_other() -> None:
    """Two operators press the button at once: the charge is given back once."""

    async def test(store: SqliteStore) -> None:
        await store.perform(top_up(1000))
        await store.perform(HoldFor("c1", 400))
        await store.perform(ChargeFor("c1", 100))
        both = [store.perform(refund_of("c1", 80, reference)) for reference in ("r1", "r2")]
        outcomes = await asyncio.gather(*both, return_exceptions=True)
        assert [type(outcome) for outcome in outcomes] == [Moved, Conflict]
        assert await available(store) == 980

    on_books(test)


def test_one_reference_refunds_once() -> None:
    """The same again moves nothing; with another amount it conflicts."""

    async def test(store: SqliteStore) -> None:
        await store.perform(top_up(1000))
        await store.perform(HoldFor("c1", 400))
        await store.perform(ChargeFor("c1", 100))
        await store.perform(refund_of("c1", 60))
        assert (await store.perform(refund_of("c1", 60))).is_repeat
        with pytest.raises(Conflict, match=r"used for 0\.60 USD of call c1 before"):
            await store.perform(refund_of("c1", 10))

    on_books(test)


def test_a_refund_pays_first_what_is_owed() -> None:
    """A call that could not be paid for is forgiven, not paid out."""

    async def test(store: SqliteStore) -> None:
        await store.perform(top_up(30))
        await store.perform(ChargeFor("orphan", 100))
        done = await store.perform(refund_of("orphan", 100))
        assert (done.wallet.owed_micros, done.wallet.posted_micros) == (0, 30 * CENT)

    on_books(test)


def test_a_call_that_was_not_charged_is_not_refunded() -> None:
    """Neither one that is still up nor one that nobody heard of."""

    async def test(store: SqliteStore) -> None:
        await store.perform(top_up(1000))
        await store.perform(HoldFor("c1", 400))
        with pytest.raises(Conflict, match="was not charged: it is arrived"):
            await store.perform(refund_of("c1", 1))
        with pytest.raises(NotFound, match="there is no call c2"):
            await store.perform(refund_of("c2", 1))

    on_books(test)


def test_a_credit_limit_covers_what_is_held() -> None:
    """A cut below what open holds need is refused with the least that is possible."""

    async def test(store: SqliteStore) -> None:
        await store.perform(SetAccount(application="app", account="alice", words=("credit_limit=10.00",)))
        await store.perform(HoldFor("c1", 400))
        with pytest.raises(Conflict, match=r"at least 4\.00 is possible"):
            await store.perform(SetAccount(application="app", account="alice", words=("credit_limit=3.99",)))
        await store.perform(SetAccount(application="app", account="alice", words=("credit_limit=4",)))
        assert await available(store) == 0

    on_books(test)


@pytest.mark.parametrize("word", ["credit_limit", "credit_limit=-1", "credit_limit=much", "deck=nowhere", "colour=red"])
def test_account_settings_that_cannot_be_used(word: str) -> None:
    """Each is refused by name, and nothing is changed."""

    async def test(store: SqliteStore) -> None:
        with pytest.raises((Invalid, NotFound)):
            await store.perform(SetAccount(application="app", account="alice", words=("credit_limit=5", word)))
        assert await available(store) == 0

    on_books(test)


def test_an_account_with_open_holds_is_not_closed() -> None:
    """Not even when nothing is held for them; the refusal counts them, those of the same batch included."""

    async def test(store: SqliteStore) -> None:
        close = SetAccountStatus(application="app", account="alice", status=Status.CLOSED)
        await store.perform(HoldFor("free", 0))
        holding = asyncio.ensure_future(store.perform(HoldFor("free too", 0)))
        with pytest.raises(Conflict, match="has 2 open holds"):
            await asyncio.gather(holding, store.perform(close))
        await store.perform(ChargeFor("free", 0))
        with pytest.raises(Conflict, match="has 1 open hold:"):
            await store.perform(close)
        ending = asyncio.ensure_future(store.perform(ChargeFor("free too", 0)))
        _, closed = await asyncio.gather(ending, store.perform(close))
        assert closed.status is Status.CLOSED

    on_books(test)


def test_a_status_that_is_so_already_is_fine() -> None:
    """Repeats change nothing; a closed account comes back active, and is not suspended."""

    async def test(store: SqliteStore) -> None:
        def becomes(status: Status) -> SetAccountStatus:
            return SetAccountStatus(application="app", account="alice", status=status)

        for status in (Status.SUSPENDED, Status.SUSPENDED, Status.CLOSED, Status.CLOSED):
            assert (await store.perform(becomes(status))).status is status
        with pytest.raises(Conflict, match="is closed"):
            await store.perform(becomes(Status.SUSPENDED))
        assert (await store.perform(becomes(Status.ACTIVE))).status is Status.ACTIVE

    on_books(test)


def test_a_statement_runs_back_from_what_stands() -> None:
    """Newest first, each line with the balance after it, and what is owed beside it."""

    async def test(store: SqliteStore) -> None:
        await store.perform(top_up(100))
        await store.perform(ChargeFor("orphan", 130))
        await store.perform(adjustment(50))
        lines = await account_statement(store, ALICE)
        assert lines is not None
        assert [(line.kind, line.amount, line.posted, line.owed) for line in lines] == [
            ("repay", "-0.30", "0.20", "0.00"),
            ("adjustment", "0.50", "0.50", "0.30"),
            ("overrun", "0.00", "0.00", "0.30"),
            ("overrun", "-1.00", "0.00", "0.00"),
            ("topup", "1.00", "1.00", "0.00"),
        ]
        assert (lines[1].who, lines[1].why, lines[2].call_id) == ("ops", "goodwill", "orphan")
        assert await account_statement(store, ALICE, limit=2) == lines[:2]
        assert await account_statement(store, AccountKey("app", "bob")) is None

    on_books(test)


def test_times_of_money_by_hand_are_kept() -> None:
    """To the microsecond, as every time in the books."""

    async def test(store: SqliteStore) -> None:
        at = NOW + timedelta(microseconds=123_000)
        job = Adjust(
            application="app", account="alice", amount_micros=1, why="odd", reference="r", now=at, who="cli:anna"
        )
        await store.perform(job)
        lines = await account_statement(store, ALICE)
        assert lines is not None and lines[0].at == "2026-03-01T12:00:00.123Z"

    on_books(test)


def test_refunding_more_than_was_charged_is_seen() -> None:
    """Were it ever to happen, the third invariant says so."""
    ended = EndedCall("app", "c1", False, 990_000, 990_000, 1, 1_000_000)
    faults = verify(LedgerRows((), (), (), (), (ended,), ())).faults
    assert faults == ("3: call c1 (app) ended and was refunded 1.00, more than its charge of 0.99",)
