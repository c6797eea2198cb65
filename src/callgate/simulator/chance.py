"""Schedules made from a seed: what may happen, and how often."""

import random
from collections.abc import Iterator, Sequence
from typing import TypeVar

from callgate.simulator import schedule as s

T = TypeVar("T")

VALID = (
    "+46701740605", "+46731740606", "+46812345678", "+4930123456", "+491701234567", "+447911123456", "+442079460000",
    "+33123456789", "+33612345678", "+15612600684", "+12125550123", "+358401234567", "+4798765432", "+254712345678",
)  # fmt: skip
INVALID = ("+4612", "+999123456789", "+46701", "1234", "+467017406051234")
PREFIXES = ("46", "4670", "467017", "4673", "49", "4917", "44", "447", "33", "336", "1", "1212", "358", "47")
CURRENCIES = ("USD", "EUR")
SEAMS = ("begin", "begun", "run", "save", "commit", "committed")
INCREMENTS = ((60, 60), (1, 1), (6, 6), (30, 6), (60, 1), (12, 7), (1, 60))
MANY_S = 10**9


class Dice:
    """Chances in the words of this subject."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a simulation, not a secret
        self.roll = self.random.random

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


class Account:
    def __init__(self, application: str, name: str, currency: str, number: str) -> None:
        self.application, self.name, self.currency, self.number = application, name, currency, number
        self.references = 0


class Chances:
    """One schedule. `entries` never ends; `at` of each is that of the one before it, or later."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = dice = Dice(seed)
        self.now = 0.0
        self.applications = tuple(f"app{n}" for n in range(dice.whole(2, 3)))
        self.decks = tuple(
            s.DeckPlan(name=f"{currency.lower()}{n}", currency=currency, prices=self._prices(dice.whole(12, 30)))
            for currency in CURRENCIES
            for n in range(2)
        )
        self.plan = s.Plan(
            applications=self.applications,
            trusting=self.applications[1:],
            decks=self.decks,
        )
        self.accounts: list[Account] = []
        self.calls: list[s.Place] = []  # the last of them
        self.call_count = 0
        self.is_hot = dice.often(0.3)  # most calls on one wallet

    def entries(self) -> Iterator[s.Any_]:
        for _ in range(self.dice.whole(3, 24)):
            yield from self._account()
        while True:
            self._pass()
            yield from self._next()

    def _pass(self) -> None:
        dice = self.dice
        chance = dice.roll()
        if chance < 0.90:
            self.now += dice.time(0.0, 0.3)
        elif chance < 0.995:
            self.now += dice.time(0.3, 20.0)
        else:
            self.now += dice.time(20.0, 1_500.0)
        self.now = round(self.now, 6)

    def _next(self) -> Iterator[s.Any_]:
        dice = self.dice
        chance = dice.roll()
        if chance < 0.79:
            yield self._call(dice.one(self.accounts) if not self.is_hot or dice.often(0.3) else self.accounts[0])
        elif chance < 0.81:
            yield from self._rush()
        elif chance < 0.96:
            yield from self._work()
        elif chance < 0.965:
            yield from self._account()
        else:
            yield self._fault()

    # -- calls ---------------------------------------------------------------------------------------------------------

    def _rush(self) -> Iterator[s.Any_]:
        """Many calls at once on one wallet."""
        account = self.dice.one(self.accounts)
        for _ in range(self.dice.whole(3, 30)):
            self.now = round(self.now + self.dice.time(0.0, 0.002), 6)
            yield self._call(account)

    def _call(self, account: Account) -> s.Place:
        dice = self.dice
        self.call_count += 1
        name = f"c{self.call_count}"
        application = account.application
        if dice.often(0.005) and self.calls:  # a call id that another application has, or that was used before
            name = dice.one(self.calls).call
            application = dice.one(self.applications)
        is_plain = dice.often(0.75)
        is_valid = dice.often(0.98)
        from_phone = dice.often(0.1)
        talks = 0 if dice.often(0.15) else self._talk_s()
        words: dict[str, object] = {}
        if not is_plain:
            if dice.often(0.08):
                words["is_deaf"] = True
            if dice.often(0.5):
                words["connects_anyway"] = True
            if dice.often(0.08):
                words["muddle"] = dice.one(("ANSWERED", "BUSY", "STRANGE"))
                words["muddle_s"] = dice.one((None, 5, 60))
            if dice.often(0.05):
                words["other_to"] = dice.one(VALID)
                words["other_after_s"] = dice.time(0.0, 30.0)
            if dice.often(0.02):
                words["stale_after_s"] = dice.time(301.0, 900.0)
            if dice.often(0.01):
                words["is_forged"] = True
        call = s.Place(
            at=self.now,
            application=application,
            call=name,
            user="" if from_phone or dice.often(0.01) else account.name if dice.often(0.98) else "nobody",
            cli=account.number if from_phone or dice.often(0.2) else dice.one(("", "private", "+46700009999")),
            to=dice.one(VALID) if is_valid else dice.one(INVALID),
            to_kind="number" if dice.often(0.98) else dice.one(("username", "conference", "sip")),
            is_valid=is_valid,
            origin=s.FROM_PHONE if from_phone else s.IN_APP,
            ice=self._deliveries(is_plain),
            ace=self._deliveries(is_plain),
            dice=self._deliveries(is_plain),
            rings_s=dice.time(0.5, 20.0),
            talks_s=talks,
            result=dice.one(("BUSY", "NOANSWER", "FAILED", "N/A")),
            late_s=0 if dice.often(0.8) else dice.one((1, 2, 3, 10, 200)),
            **words,  # type: ignore[arg-type]
        )
        self.calls.append(call)
        if len(self.calls) > 300:
            del self.calls[:100]
        return call

    def _talk_s(self) -> int:
        dice = self.dice
        chance = dice.roll()
        if chance < 0.5:
            return dice.whole(1, 90)
        if chance < 0.9:
            return dice.whole(1, 900)
        return dice.one((1, 6, 30, 60, 61, 120, 3_600, 20_000))

    def _deliveries(self, is_plain: bool) -> tuple[float, ...]:
        dice = self.dice
        if is_plain:
            return (dice.time(0.001, 0.05),)
        if dice.often(0.06):
            return ()
        count = 1 if dice.often(0.6) else dice.whole(2, 4)
        return tuple(self._delay() for _ in range(count))

    def _delay(self) -> float:
        dice = self.dice
        chance = dice.roll()
        if chance < 0.6:
            return dice.time(0.001, 0.2)
        if chance < 0.85:
            return dice.time(0.1, 8.0)
        if chance < 0.97:
            return dice.time(5.0, 600.0)
        return dice.time(600.0, 2_000.0)

    # -- operators -----------------------------------------------------------------------------------------------------

    def _account(self) -> Iterator[s.Any_]:
        dice = self.dice
        number = len(self.accounts)
        application = dice.one(self.applications)
        deck = dice.one(self.decks)
        account = Account(application, f"a{number}", deck.currency, f"+4670000{number:04}")
        identities = (f"user:a{number}", f"number:{account.number}")
        if dice.often(0.03) and self.accounts:
            identities = (f"user:{dice.one(self.accounts).name}",)  # taken, where it is of the same application
        self.accounts.append(account)
        yield s.OpenAccount(
            at=self.now,
            application=application,
            account=account.name,
            currency=deck.currency,
            deck=deck.name,
            identities=identities,
        )
        if dice.often(0.95):
            yield self._pay(account)
        if dice.often(0.5):
            yield s.LimitTo(
                at=self.now, application=application, account=account.name, seconds=dice.one((30, 60, 90, 600))
            )

    def _work(self) -> Iterator[s.Any_]:
        dice = self.dice
        account = dice.one(self.accounts)
        its = {"at": self.now, "application": account.application, "account": account.name}
        chance = dice.roll()
        if chance < 0.45:
            yield self._pay(account)
        elif chance < 0.55:
            account.references += 1
            yield s.AdjustBy(
                **its,
                micros=self._micros() * dice.one((1, -1, -1)),
                reference=f"r{account.references if dice.often(0.9) else 1}",
                again_after_s=dice.time(0.0, 5.0) if dice.often(0.2) else 0.0,
            )
        elif chance < 0.70 and self.calls:
            yield self._refund()
        elif chance < 0.80:
            yield s.Status(**its, status=dice.one(("suspended", "active", "active", "active", "closed")))
        elif chance < 0.86:
            yield s.LimitTo(**its, seconds=dice.one((0, 7, 30, 60, 61, 600)))
        elif chance < 0.91:
            yield s.Credit(**its, micros=dice.one((0, 0, self._micros())))
        elif chance < 0.95:
            yield s.MoveDeck(**its, deck=dice.one(self.decks).name, credit=dice.one((-1, 0, self._micros())))
        elif chance < 0.96:
            yield s.Status(at=self.now, application=account.application, status=dice.one(("suspended", "active", "active")))
            yield s.Status(at=round(self.now + dice.time(1, 30), 6), application=account.application, status="active")
        elif chance < 0.97:
            yield s.LimitTo(at=self.now, application=account.application, seconds=dice.one((0, 0, 45, 600)))
        else:
            deck = dice.one(self.decks)
            mode = dice.one(("replace", "merge"))
            yield s.Import(
                at=self.now,
                deck=deck.name,
                currency=deck.currency,
                prices=self._prices(dice.whole(1, 8), may_wait=mode == "merge"),
                mode=mode,
            )

    def _pay(self, account: Account) -> s.Pay:
        dice = self.dice
        account.references += 1
        is_again = dice.often(0.15)
        return s.Pay(
            at=self.now,
            application=account.application,
            account=account.name,
            micros=self._micros(),
            reference=f"p{account.references if dice.often(0.97) else 1}",
            again_after_s=dice.time(0.0, 5.0) if is_again else 0.0,
            again_micros=self._micros() if is_again and dice.often(0.2) else 0,
        )

    def _refund(self) -> s.GiveBack:
        dice = self.dice
        call = dice.one(self.calls)
        return s.GiveBack(
            at=self.now,
            application=call.application,
            call=call.call,
            micros=dice.one((1, 5_000, 20_000, 100_000, self._micros())),
            reference=f"f{dice.whole(1, 3)}",
            again_after_s=dice.time(0.0, 5.0) if dice.often(0.2) else 0.0,
        )

    def _micros(self) -> int:
        dice = self.dice
        chance = dice.roll()
        if chance < 0.3:
            return dice.whole(1, 100_000)
        if chance < 0.9:
            return dice.whole(100_000, 1_500_000)
        return dice.whole(1_000_000, 20_000_000)

    def _prices(self, count: int, *, may_wait: bool = True) -> tuple[s.Price, ...]:
        dice = self.dice
        prices = {}
        for _ in range(count):
            first_s, next_s = dice.one(INCREMENTS)
            price = s.Price(
                prefix=dice.one(PREFIXES),
                nanos=dice.one((0, 500, 9_500_000, 10_500_000, 20_000_000, 30_000_000, 33_333_333, 1_234_567_891)),
                fee=0 if dice.often(0.6) else dice.one((1, 50_000, 12_345)),
                first_s=first_s,
                next_s=next_s,
                minimum=0 if dice.often(0.8) else dice.one((1, 70_001)),
                grace_s=0 if dice.often(0.8) else dice.one((1, 5, 60)),
                from_s=int(self.now) + dice.whole(1, 600) if may_wait and dice.often(0.2) else -MANY_S // 100,
                is_blocked=dice.often(0.05),
            )
            prices[price.prefix, price.from_s] = price
        return tuple(prices.values())

    # -- faults --------------------------------------------------------------------------------------------------------

    def _fault(self) -> s.Any_:
        dice = self.dice
        chance = dice.roll()
        if chance < 0.40:
            seam = dice.one((*SEAMS, "now", "step"))
            return s.Crash(
                at=self.now,
                seam=seam,
                steps=dice.whole(1, 40) if seam == "step" else 0,
                down_s=dice.time(0.05, 2.0) if dice.often(0.9) else dice.time(2.0, 60.0),
            )
        if chance < 0.45:
            return s.Restart(at=self.now, down_s=dice.time(0.05, 2.0))
        if chance < 0.55:
            by_s = dice.time(-3.0, 3.0) if dice.often(0.6) else dice.one((-3_600.0, 3_600.0, -250.0, 250.0, 700.0))
            return s.Jump(at=self.now, by_s=by_s, for_s=dice.time(0.1, 60.0))
        if chance < 0.85:
            return s.Slow(at=self.now, seam=dice.one(SEAMS), by_s=dice.time(0.01, 6.0))
        return s.Outage(
            at=self.now,
            seam=dice.one(("begin", "load", "save", "commit")),
            for_s=dice.time(0.0, 1.0) if dice.often(0.7) else dice.time(1.0, 20.0),
        )
