"""What the books must say, worked out a second time and naively, from `charging.md` and the facts as they were delivered.

Nothing of `rating`, `policy`, `ledger` or `service` is imported here. The oracle is told of each step that was committed, in
that order: which callback or order of an operator it did the work of, and the time on the server's clock.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import inf

from callgate.simulator.charges import affordable, cost, price_for
from callgate.simulator.promises import MICROSECONDS
from callgate.simulator.schedule import IN_APP, Plan, Price

DAY_GRANT_S = 14_400
TOLERANCE_S = 2
RINGING_S, SLACK_S, DAY_S = 180, 120, 86_400
PARTING_S = 10
"""How long before the end of its time a call is ended that no platform ends."""

SLICE_S, LONGEST_S, LEAD_S = 300, 1_800, 60
OVERDUE_S = 7_200
"""Longer than any clock is wrong, or any server down."""


# -- what it keeps -----------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Purse:
    """An account and its money, in micros."""

    application: str
    account: str
    currency: str
    deck: str
    numbers: frozenset[str]
    posted: int = 0
    held: int = 0
    credit: int = 0
    owed: int = 0
    status: str = "active"
    limit_s: int | None = None
    records: int = 0
    corrections: int = 0  # of these
    open_calls: int = 0
    is_elastic: bool = False
    references: dict[str, int] = field(default_factory=dict)

    @property
    def available(self) -> int:
        return self.posted + self.credit - self.held


@dataclass(frozen=True, slots=True)
class Side:
    """A phone that the server is to ring: our reference for it, and the conference that it joins, empty for none."""

    key: tuple[str, str]
    to: str
    is_valid: bool
    room: str


@dataclass(slots=True)
class Placed:
    """What is known of a call that the server places, beside what is known of any. `left_at` is when the other side had gone, by
    the world's time, and `over_at` when the server had found that, by a right clock, of a call that has a name.
    """

    ref: tuple[str, str]
    room: str
    peer: tuple[str, str] | None
    is_asked: bool
    is_over: bool = False
    dialled_at_us: int | None = None
    left_at: float | None = None
    over_at: float = inf


@dataclass(slots=True)
class Case:
    """A call. `state` is live, refused, parked or ended; `decided_by` is the delivery that it was decided for."""

    state: str
    key: tuple[str, str] = ("", "")
    asked: tuple[str, ...] | None = None
    answer: tuple[object, ...] = ()
    decided_by: object = None
    purse: Purse | None = None
    price: Price | None = None
    granted_s: int = 0
    hold: int = 0
    charge: int | None = None
    end: "End | None" = None
    parked_at_us: int = 0
    decided_at_us: int = 0
    answered_at_us: int | None = None
    is_unclear: bool = False  # its end contradicted itself
    is_asked: bool = False  # the platform was asked about it
    is_estimated: bool = False
    is_elastic: bool = False
    held_s: int = 0  # how long it may go on for what is held
    hung_up_at_us: int | None = None  # the platform confirmed that it ended it for us
    corrections: int = 0
    refunds: dict[str, int] = field(default_factory=dict)
    side: Placed | None = None  # of a call that the server places

    @property
    def is_unplaced(self) -> bool:
        """Whether the platform has not named it yet."""
        return self.side is not None and self.key == self.side.ref


@dataclass(frozen=True, slots=True)
class Start:
    """A start as it was delivered."""

    user: str
    cli: str
    to: str
    to_kind: str
    is_valid: bool
    origin: str

    @property
    def asked(self) -> tuple[str, ...]:
        return (self.user, self.cli, self.to, self.to_kind, self.origin)


@dataclass(frozen=True, slots=True)
class End:
    """An end as it was delivered."""

    result: str
    reason: str
    duration_s: int | None
    user: str
    to: str
    to_kind: str
    is_valid: bool
    is_costly: bool = False  # the platform charged us for it


@dataclass(slots=True)
class Setup:
    """What decisions look up without a lock, as the server saw it when the callback came."""

    suspended: frozenset[str]
    limits: dict[str, int | None]
    decks: dict[str, tuple[str, tuple[Price, ...]]]


HANG_UP = ("hangup",)
GO_ON = ("continue",)
NOTHING: tuple[object, ...] = ()

UNANSWERED = ("BUSY", "NOANSWER", "FAILED", "N/A")


NEVER = End("FAILED", "", None, "", "", "", is_valid=True)
"""The end of a call that was never rung."""


class Oracle:
    """The books as they must be. Methods say what a step must have answered, or the name of the error that it must raise."""

    def __init__(self, plan: Plan, *, orphan_after_s: int) -> None:
        self._orphan_after_us = orphan_after_s * MICROSECONDS
        self._trusting = frozenset(plan.trusting)
        self.purses: dict[tuple[str, str], Purse] = {}
        self.owners: dict[tuple[str, str], Purse] = {}
        self.cases: dict[tuple[str, str], Case] = {}
        self.house: dict[tuple[str, str, str], int] = {}  # application, currency, name
        self.setup = Setup(frozenset(), {}, {})
        self.parked: dict[tuple[str, str], Case] = {}
        self.live: dict[tuple[str, str], Case] = {}
        self.time, self.is_clock_right = 0.0, True  # the world's
        self._requests: dict[tuple[str, str], tuple[int, str]] = {}  # what programs asked for, and were answered
        self._named: dict[tuple[str, str], tuple[str, str]] = {}  # platform's ids by our references
        self._lost_dice = dict(zip(plan.applications, plan.lost_dice, strict=False))
        self.touched_cases: set[tuple[str, str]] = set()
        self.touched_purses: set[tuple[str, str]] = set()

    # -- calls: sections 3 and 4 ---------------------------------------------------------------------------------------

    def starts(
        self, key: tuple[str, str], start: Start, setup: Setup, delivery: object, now_us: int
    ) -> tuple[object, ...]:
        case = self.cases.get(key)
        self.touched_cases.add(key)
        if case is None:
            self.cases[key] = case = self._decided(key, start, setup, delivery, now_us)
            return case.answer
        if case.state == "parked" and now_us - case.parked_at_us < self._orphan_after_us:
            end = case.end
            assert end is not None
            self.parked.pop(key)
            self.cases[key] = case = self._decided(key, start, setup, delivery, now_us, slice_s=LONGEST_S)
            case.answer = HANG_UP
            if case.state == "live":
                self._settle(case, end)
            return HANG_UP
        if case.state in ("live", "refused") and case.asked == start.asked:
            return case.answer
        return HANG_UP

    def _decided(  # noqa: PLR0913, PLR0917 - what a decision rests on
        self, key: tuple[str, str], start: Start, setup: Setup, delivery: object, now_us: int, slice_s: int = SLICE_S
    ) -> Case:
        application = key[0]
        refused = Case("refused", asked=start.asked, answer=HANG_UP, decided_by=delivery)
        if application in setup.suspended:
            return refused
        purse = self._payer(application, start)
        if purse is None or purse.status != "active" or start.to_kind != "number" or not start.is_valid:
            return refused
        currency, prices = setup.decks.get(purse.deck, ("", ()))
        price = price_for(prices, start.to, now_us) if currency == purse.currency else None
        if price is None:
            return refused
        longest_s = affordable(price, purse.available, DAY_GRANT_S)
        if longest_s < price.first_s:
            return refused
        limits = [each for each in (purse.limit_s, setup.limits.get(application)) if each is not None]
        granted_s = held_s = min([longest_s, *limits])
        is_elastic = purse.is_elastic and granted_s > slice_s
        if is_elastic:
            granted_s, held_s = min([LONGEST_S, *limits]), slice_s
        hold = cost(price, held_s)
        purse.held += hold
        purse.open_calls += 1
        self._touch(purse)
        shown = start.cli if start.cli in purse.numbers else "private"
        case = self.live[key] = Case(
            "live",
            key=key,
            asked=start.asked,
            answer=("connectpstn", start.to, shown, granted_s),
            decided_by=delivery,
            purse=purse,
            price=price,
            granted_s=granted_s,
            hold=hold,
            decided_at_us=now_us,
            is_elastic=is_elastic,
            held_s=held_s,
        )
        return case

    def _payer(self, application: str, start: Start) -> Purse | None:
        if start.user and start.origin == IN_APP:
            purse = self.owners.get((application, f"user:{start.user}"))
            if purse is not None:
                return purse
        if application in self._trusting and start.cli.startswith("+"):
            return self.owners.get((application, f"number:{start.cli}"))
        return None

    def answered(self, key: tuple[str, str], now_us: int) -> tuple[object, ...]:
        case = self.cases.get(key)
        self.touched_cases.add(key)
        if case is None or case.state != "live":
            return HANG_UP
        if case.answered_at_us is None:
            case.answered_at_us = now_us
        if case.side is not None and case.side.is_over:
            return HANG_UP
        return ("connectconf", case.side.room) if case.side is not None and case.side.room else GO_ON

    def ends(self, key: tuple[str, str], end: End, now_us: int) -> tuple[object, ...]:
        case = self.cases.get(key)
        self.touched_cases.add(key)
        if case is None:
            self.cases[key] = self.parked[key] = Case("parked", end=end, parked_at_us=now_us)
        elif case.state == "live":
            self._settle(case, end)
        elif case.is_estimated and reading(end) != "unclear":
            self._correct(case, end)
        return NOTHING

    def _settle(self, case: Case, end: End) -> None:
        kind = reading(end)
        if kind == "unclear":
            case.is_unclear = True
            return
        purse, price = case.purse, case.price
        assert purse is not None and price is not None
        self._let_go(case)
        charge = 0
        if kind == "billable":
            charge = self._charge(case, end)
            from_hold = min(charge, case.hold)
            purse.posted -= from_hold
            self._book(purse, "revenue", from_hold)
            self._unheld(purse, charge - from_hold)
        self._ended(case, purse, charge)

    def _let_go(self, case: Case) -> None:
        assert case.purse is not None
        if case.side is not None and case.side.peer is not None:
            other = self.live.get(self._named.get(case.side.peer, case.side.peer))
            if other is not None and other.side is not None:
                other.side.left_at = self.time
        case.purse.held -= case.hold
        case.purse.open_calls -= 1
        del self.live[case.key]

    def _charge(self, case: Case, end: End) -> int:
        assert case.price is not None and end.duration_s is not None
        seconds = end.duration_s
        if end.reason == "TIMEOUT" and case.granted_s < seconds <= case.granted_s + TOLERANCE_S:
            seconds = case.granted_s
        return cost(case.price, seconds)

    def _correct(self, case: Case, end: End) -> None:
        """The true end of a call that was settled by estimate: once."""
        assert case.purse is not None and case.charge is not None
        charge = self._charge(case, end) if reading(end) == "billable" else 0
        if charge >= case.charge:
            self._unheld(case.purse, charge - case.charge)
        else:
            self._pay_in(case.purse, "revenue", case.charge - charge)
        case.is_estimated = False
        case.corrections += 1
        case.purse.corrections += 1
        self._ended(case, case.purse, charge)

    # -- ends that do not come: section 4 ------------------------------------------------------------------------------

    def _due_at_us(self, case: Case) -> int:
        return self._begins_at_us(case, case.decided_at_us) + (case.granted_s + SLACK_S) * MICROSECONDS

    def _ask_at_us(self, case: Case) -> int:
        """The second side of a bridge rings from when it is dialled."""
        dialled_at_us = None if case.side is None else case.side.dialled_at_us
        since_us = self._begins_at_us(case, case.decided_at_us if dialled_at_us is None else dialled_at_us)
        return since_us + (case.granted_s + SLACK_S) * MICROSECONDS

    def _begins_at_us(self, case: Case, rings_at_us: int) -> int:
        return rings_at_us + RINGING_S * MICROSECONDS if case.answered_at_us is None else case.answered_at_us

    def may_ask(self, key: tuple[str, str], now_us: int) -> bool:
        """Whether the platform may be asked about it: past its time, or at once where its end was unclear."""
        case = self.cases.get(key)
        if case is None:
            return False
        if case.hung_up_at_us is not None and now_us >= case.hung_up_at_us:
            return True
        return case.state != "live" or case.is_unclear or now_us >= self._ask_at_us(case)

    def is_asked(self, key: tuple[str, str]) -> None:
        if (case := self.cases.get(key)) is not None:  # a call that we place may have another name by now
            case.is_asked = True

    def overdue(self, now_us: int) -> tuple[str, str] | None:
        """A call that should have been asked about long ago, and was not."""
        latest_us = now_us - OVERDUE_S * MICROSECONDS
        overdue = (key for key, case in self.live.items() if not case.is_asked and self._ask_at_us(case) < latest_us)
        return next(overdue, None)

    def is_told(self, key: tuple[str, str], end: End) -> None:
        """The platform, asked, says how it ended."""
        case = self.cases[key]
        self.touched_cases.add(key)
        if case.state == "live":
            self._settle(case, end)

    def is_given_up(self, key: tuple[str, str], now_us: int, *, is_unknown: bool) -> None:
        """Nobody can say how it ended: by the rule of its application, where the platform does not know it or was asked
        for a day.
        """
        case = self.cases.get(key)
        self.touched_cases.add(key)
        if (
            case is None
            or case.state != "live"
            or not (is_unknown or now_us - self._due_at_us(case) >= DAY_S * MICROSECONDS)
        ):
            return
        rule = self._lost_dice.get(key[0], "auto")
        is_posted = rule == "post_full" or (rule == "auto" and case.answered_at_us is not None)
        is_posted = is_posted and not case.is_unplaced  # nothing was ever heard of it
        result, seconds = ("ANSWERED", case.held_s) if is_posted else ("N/A", None)
        self._settle(case, End(result, "", seconds, "", "", "", is_valid=True))
        case.is_estimated = True

    # -- elastic holds: section 4 --------------------------------------------------------------------------------------

    def extends(self, key: tuple[str, str], now_us: int, outcome: str) -> str:
        """A timer went off; return what is wrong with what came of it."""
        case = self.cases.get(key)
        self.touched_cases.add(key)
        if outcome == "NOTHING" or case is None:
            return ""
        if case.side is not None:
            return self._ends_in_time(case, case.side, now_us, outcome)
        if case.state != "live" or not case.is_elastic or case.purse is None or case.price is None:
            return f"{key} is not one that is extended"
        began_us = case.decided_at_us if case.answered_at_us is None else case.answered_at_us
        gone_s = (now_us - began_us) // MICROSECONDS
        wanted_s = min(case.granted_s, max(case.held_s, gone_s) + SLICE_S)
        held_s = affordable(case.price, case.hold + case.purse.available, wanted_s)
        if outcome != "HELD":
            return f"{key} could be held for {held_s} s, and was refused" if held_s > case.held_s else ""
        if held_s <= case.held_s or gone_s < case.held_s - LEAD_S:
            return f"{key} was extended from {case.held_s} s after {gone_s} s, for at most {held_s} s"
        case.purse.held += cost(case.price, held_s) - case.hold
        case.hold, case.held_s = cost(case.price, held_s), held_s
        self._touch(case.purse)
        return ""

    def is_hung_up(self, key: tuple[str, str], now_us: int) -> None:
        """The platform says that it ended the call for us."""
        if (case := self.cases.get(key)) is not None:
            case.hung_up_at_us = now_us

    def sets_elastic(self, application: str, account: str, *, is_on: bool) -> str | None:
        purse = self.purses.get((application, account))
        if purse is None:
            return "NotFound"
        purse.is_elastic = is_on
        return None

    # -- calls that the server places: section 3.2 ---------------------------------------------------------------------

    def places(  # noqa: PLR0913, PLR0917 - what a decision rests on
        self,
        request: tuple[str, str],
        account: str,
        sides: tuple[Side, ...],
        longest_s: int,
        setup: Setup,
        now_us: int,
    ) -> tuple[int, str]:
        """A program asks for a call; return what it must be told: that it is held for, and by which reference, or refused."""
        if (told := self._requests.get(request)) is not None:
            return told
        application, purse = request[0], self.purses[request[0], account]
        currency, prices = setup.decks.get(purse.deck, ("", ()))
        is_open = application not in setup.suspended and purse.status == "active" and currency == purse.currency
        found = [price_for(prices, side.to, now_us) if is_open and side.is_valid else None for side in sides]
        limits = [each for each in (purse.limit_s, setup.limits.get(application)) if each is not None]
        refused, grants = self._share(purse.available, found, min([longest_s, DAY_GRANT_S, *limits]))
        if refused is not None:
            for side in sides[: refused + 1]:  # those behind it are not even looked at
                self.cases[side.key] = Case("refused", key=side.key)
                self.touched_cases.add(side.key)
            told = (409, "")
        else:
            for number, (side, price, granted_s) in enumerate(zip(sides, found, grants, strict=True)):
                assert price is not None
                peer = sides[1 - number].key if len(sides) > 1 else None
                self._hold_for(side, purse, price, granted_s, now_us, peer, is_first=number == 0)
            told = (202, sides[0].key[1])
        self._requests[request] = told
        return told

    def _share(self, available: int, prices: list[Price | None], longest_s: int) -> tuple[int | None, tuple[int, ...]]:
        """The place of the first side that is refused, or what each may talk: two as long as pays for both."""

        def share(seconds: int) -> tuple[int | None, tuple[int, ...]]:
            left, grants = available, []
            for number, price in enumerate(prices):
                affordable_s = 0 if price is None else affordable(price, left, DAY_GRANT_S)
                if price is None or affordable_s < price.first_s:
                    return number, ()
                grants.append(min(affordable_s, seconds))
                left -= cost(price, grants[-1])
            return None, tuple(grants)

        if len(prices) == 1:
            return share(longest_s)
        shared = share(1)
        if shared[0] is not None:
            return shared
        low_s, high_s = 1, longest_s
        while low_s < high_s:
            middle_s = (low_s + high_s + 1) // 2
            if share(middle_s) == (None, (middle_s,) * len(prices)):
                low_s = middle_s
            else:
                high_s = middle_s - 1
        return share(low_s)

    def _hold_for(  # noqa: PLR0913, PLR0917 - a hold, and what for
        self,
        side: Side,
        purse: Purse,
        price: Price,
        granted_s: int,
        now_us: int,
        peer: tuple[str, str] | None,
        *,
        is_first: bool,
    ) -> None:
        hold = cost(price, granted_s)
        purse.held += hold
        purse.open_calls += 1
        self._touch(purse)
        self.touched_cases.add(side.key)
        self.cases[side.key] = self.live[side.key] = Case(
            "live",
            key=side.key,
            purse=purse,
            price=price,
            granted_s=granted_s,
            held_s=granted_s,
            hold=hold,
            decided_at_us=now_us,
            side=Placed(ref=side.key, room=side.room, peer=peer, is_asked=is_first),
        )

    def may_dial(self, ref: tuple[str, str]) -> str:
        """The platform is asked to ring a phone; return what is wrong with that."""
        case = self.cases.get(self._named.get(ref, ref))
        if case is None or case.side is None or case.state == "refused":
            return f"{ref} is rung, and nothing was ever held for it"
        return "" if case.side.is_asked else f"{ref} is rung before the other side has answered"

    def goes_by(self, key: tuple[str, str], reference: tuple[str, str] | None) -> tuple[str, str]:
        """An event, or the platform's answer, carries our reference: return the name of the call that it is about. A live one
        takes the platform's id.
        """
        if reference is None or key in self.cases or (case := self.cases.get(reference)) is None:
            return key
        if case.state != "live":
            return reference
        del self.cases[reference], self.live[reference]
        self.cases[key] = self.live[key] = case
        self._named[reference], case.key = key, key
        if case.side is not None and case.side.left_at is not None:  # only now it can be ended
            case.side.left_at = self.time
            case.side.over_at = self.time if case.side.is_over and self.is_clock_right else inf
        self.touched_cases |= {reference, key}
        return key

    def not_placed(self, keys: Sequence[tuple[str, str]], request: tuple[str, str] | None = None) -> None:
        """The platform said that it does not ring: nothing stays held, and the same request may come again."""
        if request is not None:
            self._requests.pop(request, None)
        for key in keys:
            case = self.cases.get(key)
            self.touched_cases.add(key)
            if case is not None and case.state == "live" and case.is_unplaced:
                self._settle(case, NEVER)

    def tends(self, key: tuple[str, str], other: tuple[str, str], now_us: int, outcome: str) -> str:
        """One side of a bridge was looked at beside the other; return what is wrong with what came of it."""
        expected, case, peer = "NOTHING", self.cases.get(key), self.cases.get(other)
        self.touched_cases.add(key)
        if case is not None and case.side is not None and peer is not None and case.state == "live":
            side = case.side
            is_waiting = case.is_unplaced and not side.is_asked
            if peer.state != "live" and is_waiting:
                self._settle(case, NEVER)
            elif peer.state != "live" and not side.is_over:
                side.is_over, expected = True, "NOTHING" if case.is_unplaced else "HANG_UP"
                side.over_at = self.time if self.is_clock_right else inf
            elif peer.state == "live" and peer.answered_at_us is not None and is_waiting:
                side.is_asked, side.dialled_at_us, expected = True, now_us, "DIAL"
        return "" if outcome == expected else f"{key} beside {other}: {outcome}, must be {expected}"

    def _ends_in_time(self, case: Case, side: Placed, now_us: int, outcome: str) -> str:
        """The server ends a call itself: whose other side has gone, or whose time is over and no platform ends it."""
        if outcome != "HANG_UP" or case.state != "live" or case.is_unplaced:
            return f"{case.key} is no call to be ended: {outcome}"
        if side.is_over:
            return ""
        early_s = 0 if case.answered_at_us is None else min(PARTING_S, case.granted_s // 10)
        ends_at_us = self._begins_at_us(case, case.decided_at_us) + (case.granted_s - early_s) * MICROSECONDS
        if side.room or now_us < ends_at_us:
            return f"{case.key} is ended before its time"
        return ""

    # -- the end of anything -------------------------------------------------------------------------------------------

    def _unheld(self, purse: Purse, micros: int) -> None:
        taken = min(micros, purse.available)
        purse.posted -= taken
        purse.owed += micros - taken
        self._book(purse, "revenue", micros)

    def _ended(self, case: Case, purse: Purse, charge: int) -> None:
        case.state, case.charge, case.hold = "ended", charge, 0
        case.purse = purse
        purse.records += 1
        self._touch(purse)

    def given_up(self, key: tuple[str, str], setup: Setup) -> None:
        """The time for the start of a parked call is over."""
        case = self.cases[key]
        self.touched_cases.add(key)
        if case.state != "parked":
            return
        self.parked.pop(key)
        case.state = "ended"
        end = case.end
        assert end is not None
        if reading(end) != "billable" or end.to_kind != "number" or not end.is_valid:
            return
        purse = self.owners.get((key[0], f"user:{end.user}"))
        if purse is None:
            return
        currency, prices = setup.decks.get(purse.deck, ("", ()))
        price = price_for(prices, end.to, case.parked_at_us) if currency == purse.currency else None
        if price is None:
            return
        assert end.duration_s is not None
        charge = cost(price, end.duration_s)
        self._unheld(purse, charge)
        self._ended(case, purse, charge)

    def may_give_up(self, key: tuple[str, str], before_us: int) -> bool:
        case = self.cases.get(key)
        return case is not None and (case.state != "parked" or case.parked_at_us <= before_us)

    def overruled(self, key: tuple[str, str], start: Start, delivery: object) -> None:
        """The fallback was answered, so it is the decision."""
        case = self.cases.get(key)
        self.touched_cases.add(key)
        if case is None or case.state == "parked":
            self.parked.pop(key, None)
            self.cases[key] = Case("refused", asked=start.asked, answer=HANG_UP, decided_by=delivery)
        elif case.decided_by is delivery and case.state in ("live", "refused"):
            if case.state == "live":
                assert case.purse is not None
                self._let_go(case)
                self._touch(case.purse)
            case.state, case.answer, case.hold = "refused", HANG_UP, 0

    # -- operators: sections 1 and 6 -----------------------------------------------------------------------------------

    def opens(
        self, application: str, account: str, currency: str, deck: str, identities: tuple[str, ...]
    ) -> str | None:
        key = (application, account)
        if key in self.purses:
            return "Conflict"
        if deck in self.setup.decks and self.setup.decks[deck][0] != currency:
            return "Conflict"
        if any((application, each) in self.owners for each in identities):
            return "Conflict"
        numbers = frozenset(each.removeprefix("number:") for each in identities if each.startswith("number:"))
        purse = self.purses[key] = Purse(application, account, currency, deck, numbers)
        for each in identities:
            self.owners[application, each] = purse
        self._touch(purse)
        return None

    def tops_up(self, application: str, account: str, micros: int, reference: str) -> str | None:
        purse = self.purses.get((application, account))
        if purse is None:
            return "NotFound"
        before = purse.references.get(f"topup {reference}")
        if before is not None:
            return None if before == micros else "Conflict"
        if purse.status == "closed":
            return "Conflict"
        purse.references[f"topup {reference}"] = micros
        self._pay_in(purse, "topups", micros)
        return None

    def adjusts(self, application: str, account: str, micros: int, reference: str) -> str | None:
        purse = self.purses.get((application, account))
        if purse is None:
            return "NotFound"
        before = purse.references.get(f"adjust {reference}")
        if before is not None:
            return None if before == micros else "Conflict"
        if -micros > purse.available:
            return "Conflict"
        purse.references[f"adjust {reference}"] = micros
        if micros > 0:
            self._pay_in(purse, "adjustments", micros)
        else:
            purse.posted += micros
            self._book(purse, "adjustments", -micros)
        return None

    def refunds(self, key: tuple[str, str], micros: int, reference: str) -> str | None:
        case = self.cases.get(key)
        if case is None:
            return "NotFound"
        if case.charge is None or case.purse is None:
            return "Conflict"
        before = case.refunds.get(reference)
        if before is not None:
            return None if before == micros else "Conflict"
        if micros > case.charge - sum(case.refunds.values()):
            return "Conflict"
        case.refunds[reference] = micros
        self._pay_in(case.purse, "revenue", micros)
        return None

    def sets_status(self, application: str, account: str, status: str) -> str | None:
        purse = self.purses.get((application, account))
        if purse is None:
            return "NotFound"
        if purse.status == status:
            return None
        if purse.status == "closed" and status == "suspended":
            return "Conflict"
        if status == "closed" and purse.open_calls:
            return "Conflict"
        purse.status = status
        self._touch(purse)
        return None

    def limits(self, application: str, account: str, seconds: int) -> str | None:
        purse = self.purses.get((application, account))
        if purse is None:
            return "NotFound"
        purse.limit_s = seconds or None
        return None

    def lends(self, application: str, account: str, micros: int) -> str | None:
        purse = self.purses.get((application, account))
        if purse is None:
            return "NotFound"
        if micros < purse.held - purse.posted:
            return "Conflict"
        purse.credit = micros
        self._touch(purse)
        return None

    def moves_to_deck(self, application: str, account: str, deck: str, credit: int) -> str | None:
        purse = self.purses.get((application, account))
        if purse is None or deck not in self.setup.decks:
            return "NotFound"
        if self.setup.decks[deck][0] != purse.currency:
            return "Conflict"
        if credit >= 0 and (error := self.lends(application, account, credit)) is not None:
            return error
        purse.deck = deck
        self._touch(purse)
        return None

    def suspends(self, application: str, status: str) -> None:
        suspended = self.setup.suspended - {application}
        if status == "suspended":
            suspended |= {application}
        self.setup = Setup(suspended, self.setup.limits, self.setup.decks)

    def limits_application(self, application: str, seconds: int) -> None:
        limits = self.setup.limits | {application: seconds or None}
        self.setup = Setup(self.setup.suspended, limits, self.setup.decks)

    def publishes(self, deck: str, currency: str, prices: tuple[Price, ...]) -> None:
        decks = self.setup.decks | {deck: (currency, prices)}
        self.setup = Setup(self.setup.suspended, self.setup.limits, decks)

    def merged(self, deck: str, prices: tuple[Price, ...], mode: str, now_us: int) -> tuple[Price, ...]:
        """The rows of a deck after an import of rows of which none ends, and in a replacement none waits.

        Rows that no moment from then on would choose are forgotten, which shows when a clock is set back.
        """
        rows = {}
        if mode == "merge" and deck in self.setup.decks:
            rows = {(price.prefix, price.from_s): price for price in self.setup.decks[deck][1]}
        rows |= {(price.prefix, price.from_s): price for price in prices}
        newest: dict[str, int] = {}
        for prefix, from_s in rows:
            if from_s * MICROSECONDS <= now_us:
                newest[prefix] = max(newest.get(prefix, from_s), from_s)
        return tuple(price for price in rows.values() if price.from_s >= newest.get(price.prefix, price.from_s))

    # -- money ---------------------------------------------------------------------------------------------------------

    def _pay_in(self, purse: Purse, source: str, micros: int) -> None:
        repaid = min(micros, purse.owed)
        purse.owed -= repaid
        purse.posted += micros - repaid
        self._book(purse, source, -micros)

    def _book(self, purse: Purse, name: str, micros: int) -> None:
        key = (purse.application, purse.currency, f"{name}:{purse.currency}")
        self.house[key] = self.house.get(key, 0) + micros
        self._touch(purse)

    def _touch(self, purse: Purse) -> None:
        self.touched_purses.add((purse.application, purse.account))


def reading(end: End) -> str:
    """What the facts of an end amount to; a duration of 0 counts as none."""
    has_duration = bool(end.duration_s)
    if end.result == "ANSWERED" and has_duration:
        return "billable"
    if end.result in UNANSWERED and not has_duration and not end.is_costly:
        return "unanswered"
    return "unclear"
