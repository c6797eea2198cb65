"""Schedules made from a seed: what may happen, and how often."""

import random
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Generic, TypeVar

import msgspec

from callgate.simulator import schedule as s

T = TypeVar("T")

VALID = (
    "+46701740605", "+46731740606", "+46812345678", "+4930123456", "+491701234567", "+447911123456", "+442079460000",
    "+33123456789", "+33612345678", "+15612600684", "+12125550123", "+358401234567", "+4798765432", "+254712345678",
)  # fmt: skip
"""Numbers that are valid by the plans of their countries. The last has a price only where the caller is lucky."""

INVALID = ("+4612", "+999123456789", "+46701", "1234", "+467017406051234")
PREFIXES = ("46", "4670", "467017", "4673", "49", "4917", "44", "447", "33", "336", "1", "1212", "358", "47")
CURRENCIES = ("USD", "EUR")
INCREMENTS = ((60, 60), (1, 1), (6, 6), (30, 6), (60, 1), (12, 7), (1, 60))
NANOS = (0, 500, 9_500_000, 10_500_000, 20_000_000, 30_000_000, 33_333_333, 1_234_567_891)
SEAMS = ("begin", "begun", "loaded", "run", "saved", "commit", "committed")
FAILING = ("begin", "load", "save", "commit")

RULES = ("auto", "auto", "post_full", "void")
"""What an application says of calls whose end nobody can tell."""

FOR_EVER = 1_000
LONG_AGO_S = -10_000_000
REMEMBERED = 300
"""Calls that a refund may name."""


class Dice:
    """Chances in the words of this subject."""

    def __init__(self, seed: int) -> None:
        self.roll = random.Random(seed).random  # noqa: S311 - a simulation, not a secret

    def often(self, share: float) -> bool:
        return self.roll() < share

    def whole(self, low: int, high: int) -> int:
        """Both ends included; quicker than `randint`."""
        return low + int(self.roll() * (high - low + 1))

    def time(self, low: float, high: float) -> float:
        """To the microsecond, so that it is written and read alike."""
        return round(low + self.roll() * (high - low), 6)

    def one(self, of: Sequence[T]) -> T:
        return of[int(self.roll() * len(of))]


class Odds(Generic[T]):
    """One of several, each with its weight."""

    def __init__(self, *weighted: tuple[float, T]) -> None:
        self._sums = list(accumulate(weight for weight, _ in weighted))
        self._whats = [what for _, what in weighted]

    def draw(self, dice: Dice) -> T:
        return self._whats[bisect_right(self._sums, dice.roll() * self._sums[-1])]


Span = tuple[float, float]

PAUSES: Odds[Span] = Odds((90, (0.0, 0.3)), (9.5, (0.3, 20.0)), (0.5, (20.0, 1_500.0)))
DELAYS: Odds[Span] = Odds((60, (0.001, 0.2)), (25, (0.1, 8.0)), (12, (5.0, 600.0)), (3, (600.0, 2_000.0)))
DOWN: Odds[Span] = Odds((90, (0.05, 2.0)), (10, (2.0, 60.0)))
FAILS_FOR: Odds[Span] = Odds((70, (0.0, 1.0)), (30, (1.0, 20.0)))
TALKS: Odds[tuple[int, int]] = Odds(
    (45, (1, 90)), (35, (1, 900)), (15, (0, 0)), (1, (60, 61)), (1, (1, 1)), (1, (3_600, 20_000))
)
AMOUNTS: Odds[tuple[int, int]] = Odds((30, (1, 100_000)), (60, (100_000, 1_500_000)), (10, (1_000_000, 20_000_000)))
JUMPS: Odds[Span] = Odds((60, (-3.0, 3.0)), (20, (-290.0, 290.0)), (20, (-3_600.0, 3_600.0)))


class Account:
    """Somebody who may pay, as far as the chances know."""

    def __init__(self, application: str, name: str, number: str) -> None:
        self.application, self.name, self.number = application, name, number
        self.references = 0

    def reference(self, kind: str, *, is_fresh: bool) -> str:
        """A name for a payment; now and then one that was used before."""
        self.references += 1
        return f"{kind}{self.references if is_fresh else 1}"


class Chances:
    """One schedule. `entries` never ends; `at` of each is that of the one before it, or later."""

    def __init__(self, seed: int) -> None:
        self._dice = dice = Dice(seed)
        self._now = 0.0
        self._applications = tuple(f"app{number}" for number in range(dice.whole(2, 3)))
        self._decks = tuple(
            s.DeckPlan(name=f"{currency.lower()}{number}", currency=currency, prices=self._prices(dice.whole(18, 40)))
            for currency in CURRENCIES
            for number in range(2)
        )
        self.plan = s.Plan(
            applications=self._applications,
            trusting=self._applications[1:],
            lost_dice=tuple(dice.one(RULES) for _ in self._applications),
            decks=self._decks,
        )
        self._accounts: list[Account] = []
        self._calls: list[s.Place] = []  # the last of them
        self._call_count = self._callout_count = 0
        self._is_hot = dice.often(0.3)  # most calls on one wallet

    def entries(self) -> Iterator[s.AnyEntry]:
        """All that happens, in the order in which it does."""
        dice = self._dice
        for _ in range(dice.whole(3, 24)):
            yield from self._account()
        while True:
            self._now = round(self._now + dice.time(*PAUSES.draw(dice)), 6)
            yield from _HAPPENS.draw(dice)(self)

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _calls_one(self) -> Iterator[s.AnyEntry]:
        is_on_hot = self._is_hot and self._dice.often(0.7)
        yield self._call(self._accounts[0] if is_on_hot else self._dice.one(self._accounts))

    def _rush(self) -> Iterator[s.AnyEntry]:
        """Many calls at once on one wallet."""
        account = self._dice.one(self._accounts)
        for _ in range(self._dice.whole(3, 30)):
            self._now = round(self._now + self._dice.time(0.0, 0.002), 6)
            yield self._call(account)

    def _call(self, account: Account) -> s.Place:
        dice = self._dice
        self._call_count += 1
        name, application = f"c{self._call_count}", account.application
        if dice.often(0.005) and self._calls:  # a call id that another application has, or that was used before
            name, application = dice.one(self._calls).call, dice.one(self._applications)
        is_plain = dice.often(0.75)
        is_valid = dice.often(0.98)
        is_from_phone = dice.often(0.1)
        odd: s.Oddities = {} if is_plain else self._oddities()
        ends = self._deliveries(is_plain=is_plain)
        if "is_forgotten" in odd and dice.often(0.7):  # and its end comes when nobody expects it any more
            ends = tuple(dice.time(300.0, 20_000.0) for _ in range(dice.whole(1, 2)))
        user = account.name if dice.often(0.98) else dice.one(("", "nobody"))
        call = s.Place(
            at=self._now,
            application=application,
            call=name,
            user="" if is_from_phone else user,
            cli=account.number if is_from_phone or dice.often(0.2) else dice.one(("", "private", "+46700009999")),
            to=dice.one(VALID if is_valid else INVALID),
            to_kind="number" if dice.often(0.98) else dice.one(("username", "conference", "sip")),
            is_valid=is_valid,
            origin=s.FROM_PHONE if is_from_phone else s.IN_APP,
            ice=self._deliveries(is_plain=is_plain),
            ace=self._deliveries(is_plain=is_plain),
            dice=ends,
            rings_s=dice.time(0.5, 20.0),
            talks_s=dice.whole(*TALKS.draw(dice)),
            result=dice.one(("BUSY", "NOANSWER", "FAILED", "N/A")),
            late_s=0 if dice.often(0.8) else dice.one((1, 2, 3, 10, 200)),
            **odd,
        )
        self._calls.append(call)
        if len(self._calls) > REMEMBERED:
            del self._calls[: REMEMBERED // 3]
        return call

    def _calls_out(self) -> Iterator[s.AnyEntry]:
        """A program has the server place a call: a message, somebody into a conference, or two people together."""
        dice, account = self._dice, self._dice.one(self._accounts)
        self._callout_count += 1
        is_bridge = dice.often(0.6)
        yield s.Callout(
            at=self._now,
            application=account.application,
            account=account.name,
            callout=f"o{self._callout_count}",
            rings=tuple(self._ring() for _ in range(2 if is_bridge else 1)),
            is_spoken=not is_bridge and dice.often(0.5),
            longest_s=dice.one((0, 0, 30, 60, 600)),
            again_after_s=dice.time(0.0, 30.0) if dice.often(0.3) else 0.0,
        )

    def _ring(self) -> s.Ring:
        dice = self._dice
        is_plain, is_valid = dice.often(0.75), dice.often(0.98)
        return s.Ring(
            to=dice.one(VALID if is_valid else INVALID),
            is_valid=is_valid,
            says="id" if is_plain else dice.one(("id", "no", "silent", "lost")),
            takes_s=dice.time(0.01, 0.5 if is_plain else 12.0),
            rings_s=dice.time(0.5, 20.0),
            talks_s=dice.whole(*TALKS.draw(dice)),
            result=dice.one(("BUSY", "NOANSWER", "FAILED", "N/A")),
            late_s=0 if dice.often(0.8) else dice.one((1, 2, 3, 10)),
            ace=self._deliveries(is_plain=is_plain),
            dice=self._deliveries(is_plain=is_plain),
            asks_fail=0 if is_plain or dice.often(0.7) else dice.one((1, 2, FOR_EVER)),
            is_forgotten=not is_plain and dice.often(0.1),
        )

    def _oddities(self) -> s.Oddities:
        """What is wrong with some calls, beside how their callbacks are delivered."""
        dice = self._dice
        odd: s.Oddities = {}
        if dice.often(0.08):
            odd["is_deaf"] = True
        if dice.often(0.5):
            odd["connects_anyway"] = True
        if dice.often(0.08):
            odd["muddle"] = dice.one(("ANSWERED", "BUSY", "STRANGE"))
            odd["muddle_s"] = dice.one((None, 5, 60))
        if dice.often(0.05):
            odd["other_to"], odd["other_after_s"] = dice.one(VALID), dice.time(0.0, 30.0)
        if dice.often(0.02):
            odd["stale_after_s"] = dice.time(301.0, 900.0)
        if dice.often(0.01):
            odd["is_forged"] = True
        if dice.often(0.3):
            odd["asks_fail"] = dice.one((1, 2, 3, FOR_EVER))
        if dice.often(0.15):
            odd["is_forgotten"] = True
        return odd

    def _deliveries(self, *, is_plain: bool) -> tuple[float, ...]:
        dice = self._dice
        if is_plain:
            return (dice.time(0.001, 0.05),)
        if dice.often(0.1):
            return ()
        count = 1 if dice.often(0.6) else dice.whole(2, 4)
        return tuple(dice.time(*DELAYS.draw(dice)) for _ in range(count))

    # -- operators -----------------------------------------------------------------------------------------------------

    def _account(self) -> Iterator[s.AnyEntry]:
        dice = self._dice
        number = len(self._accounts)
        account = Account(dice.one(self._applications), f"a{number}", f"+4670000{number:04}")
        identities: tuple[str, ...] = (f"user:{account.name}", f"number:{account.number}")
        if dice.often(0.15) and self._accounts:  # the last is taken, where it is of the same application
            identities = (*identities, f"user:{dice.one(self._accounts).name}")
        deck = dice.one(self._decks)
        self._accounts.append(account)
        yield s.OpenAccount(
            at=self._now,
            application=account.application,
            account=account.name,
            currency=deck.currency,
            deck=deck.name,
            identities=identities,
        )
        if dice.often(0.95):
            yield self._pay(account)
        if dice.often(0.5):
            yield self._limit(account)
        if dice.often(0.25):
            yield self._lend(account)
        if dice.often(0.25):
            yield s.Elastic(at=self._now, application=account.application, account=account.name, is_on=True)

    def _works(self) -> Iterator[s.AnyEntry]:
        work = _WORKS.draw(self._dice)(self, self._dice.one(self._accounts))
        is_beside = self._dice.often(0.2) and isinstance(work, s.Work)
        yield msgspec.structs.replace(work, is_beside=True) if is_beside else work

    def _pay(self, account: Account) -> s.Pay:
        dice = self._dice
        is_again = dice.often(0.15)
        return s.Pay(
            at=self._now,
            application=account.application,
            account=account.name,
            micros=self._micros(),
            reference=account.reference("p", is_fresh=dice.often(0.97)),
            again_after_s=dice.time(0.0, 5.0) if is_again else 0.0,
            again_micros=self._micros() if is_again and dice.often(0.2) else 0,
        )

    def _adjust(self, account: Account) -> s.AdjustBy:
        dice = self._dice
        return s.AdjustBy(
            at=self._now,
            application=account.application,
            account=account.name,
            micros=self._micros() * dice.one((1, -1, -1)),
            reference=account.reference("r", is_fresh=dice.often(0.9)),
            again_after_s=dice.time(0.0, 5.0) if dice.often(0.2) else 0.0,
        )

    def _refund(self, account: Account) -> s.GiveBack | s.Pay:
        dice = self._dice
        if not self._calls:
            return self._pay(account)
        call = dice.one(self._calls)
        return s.GiveBack(
            at=self._now,
            application=call.application,
            call=call.call,
            micros=dice.one((1, 500, 5_000, 20_000, self._micros())),
            reference=f"f{dice.whole(1, 3)}",
            again_after_s=dice.time(0.0, 5.0) if dice.often(0.2) else 0.0,
        )

    def _set_status(self, account: Account) -> s.Status:
        status = self._dice.one(("suspended", "active", "active", "active", "closed"))
        return s.Status(at=self._now, application=account.application, account=account.name, status=status)

    def _limit(self, account: Account) -> s.LimitTo:
        seconds = self._dice.one((0, 7, 30, 60, 61, 90, 600))
        return s.LimitTo(at=self._now, application=account.application, account=account.name, seconds=seconds)

    def _lend(self, account: Account) -> s.Credit:
        micros = self._dice.one((0, self._micros()))
        return s.Credit(at=self._now, application=account.application, account=account.name, micros=micros)

    def _move_deck(self, account: Account) -> s.MoveDeck:
        return s.MoveDeck(
            at=self._now,
            application=account.application,
            account=account.name,
            deck=self._dice.one(self._decks).name,
            credit=self._dice.one((-1, 0, 0, self._micros())),
        )

    def _set_elastic(self, account: Account) -> s.Elastic:
        is_on = self._dice.often(0.6)
        return s.Elastic(at=self._now, application=account.application, account=account.name, is_on=is_on)

    def _limit_all(self, account: Account) -> s.LimitTo:
        return s.LimitTo(at=self._now, application=account.application, seconds=self._dice.one((0, 0, 45, 600)))

    def _import(self, _: Account) -> s.Import:
        deck, mode = self._dice.one(self._decks), self._dice.one(("replace", "merge"))
        prices = self._prices(self._dice.whole(5, 15), may_wait=mode == "merge")
        return s.Import(at=self._now, deck=deck.name, currency=deck.currency, prices=prices, mode=mode)

    def _suspends_all(self) -> Iterator[s.AnyEntry]:
        """An application, for a while."""
        application = self._dice.one(self._applications)
        yield s.Status(at=self._now, application=application, status="suspended")
        self._now = round(self._now + self._dice.time(1.0, 30.0), 6)
        yield s.Status(at=self._now, application=application, status="active")

    def _micros(self) -> int:
        return self._dice.whole(*AMOUNTS.draw(self._dice))

    def _prices(self, count: int, *, may_wait: bool = True) -> tuple[s.Price, ...]:
        dice = self._dice
        prices = {}
        for _ in range(count):
            first_s, next_s = dice.one(INCREMENTS)
            price = s.Price(
                prefix=dice.one(PREFIXES),
                nanos=dice.one(NANOS),
                fee=0 if dice.often(0.6) else dice.one((1, 50_000, 12_345)),
                first_s=first_s,
                next_s=next_s,
                minimum=0 if dice.often(0.8) else dice.one((1, 70_001)),
                grace_s=0 if dice.often(0.8) else dice.one((1, 5, 60)),
                from_s=int(self._now) + dice.whole(1, 600) if may_wait and dice.often(0.2) else LONG_AGO_S,
                is_blocked=dice.often(0.05),
            )
            prices[price.prefix, price.from_s] = price
        return tuple(prices.values())

    # -- faults --------------------------------------------------------------------------------------------------------

    def _goes_wrong(self) -> Iterator[s.AnyEntry]:
        yield _GOES_WRONG.draw(self._dice)(self)

    def _crash(self) -> s.Crash:
        dice = self._dice
        seam = dice.one((*SEAMS, "now", "step"))
        steps = dice.whole(1, 40) if seam == "step" else 0
        return s.Crash(at=self._now, seam=seam, steps=steps, down_s=dice.time(*DOWN.draw(dice)))

    def _restart(self) -> s.Restart:
        return s.Restart(at=self._now, down_s=self._dice.time(0.05, 2.0))

    def _jump(self) -> s.Jump:
        dice = self._dice
        return s.Jump(at=self._now, by_s=dice.time(*JUMPS.draw(dice)), for_s=dice.time(0.1, 60.0))

    def _slow(self) -> s.Slow:
        return s.Slow(at=self._now, seam=self._dice.one(SEAMS), by_s=self._dice.time(0.01, 6.0))

    def _fail(self) -> s.Outage:
        dice = self._dice
        return s.Outage(at=self._now, seam=dice.one(FAILING), for_s=dice.time(*FAILS_FOR.draw(dice)))


_HAPPENS: Odds[Callable[[Chances], Iterator[s.AnyEntry]]] = Odds(
    (79, Chances._calls_one),  # noqa: SLF001 - its own tables
    (2, Chances._rush),  # noqa: SLF001
    (6, Chances._calls_out),  # noqa: SLF001
    (15, Chances._works),  # noqa: SLF001
    (0.5, Chances._account),  # noqa: SLF001
    (0.3, Chances._suspends_all),  # noqa: SLF001
    (3.5, Chances._goes_wrong),  # noqa: SLF001
)
_WORKS: Odds[Callable[[Chances, Account], s.AnyEntry]] = Odds(
    (42, Chances._pay),  # noqa: SLF001
    (10, Chances._adjust),  # noqa: SLF001
    (22, Chances._refund),  # noqa: SLF001
    (10, Chances._set_status),  # noqa: SLF001
    (5, Chances._limit),  # noqa: SLF001
    (6, Chances._lend),  # noqa: SLF001
    (7, Chances._move_deck),  # noqa: SLF001
    (5, Chances._set_elastic),  # noqa: SLF001
    (1, Chances._limit_all),  # noqa: SLF001
    (2, Chances._import),  # noqa: SLF001
)
_GOES_WRONG: Odds[Callable[[Chances], s.AnyEntry]] = Odds(
    (40, Chances._crash),  # noqa: SLF001
    (5, Chances._restart),  # noqa: SLF001
    (10, Chances._jump),  # noqa: SLF001
    (30, Chances._slow),  # noqa: SLF001
    (15, Chances._fail),  # noqa: SLF001
)
