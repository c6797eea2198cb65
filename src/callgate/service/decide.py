"""The decision: may this call be placed, for how long, and what is held for it. Plain code: facts in, verdict out.

The steps are those of `docs/reference/decision.md`, in their order; the first that refuses wins, and the trace keeps what
each one saw.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from callgate.ledger.wallet import Wallet, funds_micros, spent_micros
from callgate.money import format_micros, format_nanos
from callgate.policy.account import Account
from callgate.policy.caller_id import Screening, judge_caller_id
from callgate.policy.emergency import CALLS_AT_ONCE, judge_emergency
from callgate.policy.hours import judge_hours
from callgate.policy.judge import judge_account, judge_application, judge_caller
from callgate.policy.judge_limits import (
    is_near_limit,
    judge_block,
    judge_calls,
    judge_concurrent_calls,
    judge_country,
    judge_destinations,
    judge_number_type,
    judge_price,
    judge_repeats,
    judge_risk,
)
from callgate.policy.limits import MAX_GRANT_S, Bounds, bounds_of
from callgate.policy.number_list import NumberList, judge_lists, lists_of
from callgate.policy.numbering import plan_of, risk_of
from callgate.policy.permissions import ALL_INHERITED
from callgate.policy.pricing import loses_money
from callgate.policy.refusal import Refusal
from callgate.policy.route import read_place, shown_route
from callgate.policy.rules.facts import Value
from callgate.policy.rules.judge import Match, RuleSet, Ruling, judge_rules
from callgate.policy.rules.rule import ELSEWHERE, Effect
from callgate.policy.spend import Room, Spent, room_left
from callgate.policy.usage import (
    Usage,
    blocked_until,
    calls_in_minute,
    other_destinations,
    repeats_in_hour,
    spent_in_hour_micros,
    with_attempt,
    with_refusal,
)
from callgate.protocol.call import CallArrived, Endpoint, EndpointKind
from callgate.protocol.menu import RunMenus
from callgate.rating.charge import affordable_duration_s, charge_micros
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.rating.tariff import FREE
from callgate.service.application import ApplicationRow
from callgate.service.cost import cost_nanos_of, rate_by_cost
from callgate.service.dialled import MENU, Dialled, dial
from callgate.service.did import Did
from callgate.service.elastic import DEFAULT_TERMS, ElasticTerms
from callgate.service.rule_facts import rule_facts


class Redirected(msgspec.Struct, frozen=True, kw_only=True):
    """A rule has sent the call elsewhere: which one, and what the rules before it left of the grant. `menus` are where, None
    for a place that is dialled. `is_chosen`: the place was chosen in a menu of the rule.
    """

    rule: str
    cap_s: int | None = None
    menus: RunMenus | None = None
    is_chosen: bool = False


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision may look at. `account` is who pays, None when nobody is known to; `wallet` and `usage` are theirs.
    `redirected`: the call's destination is not what was dialled. `shown` is the number that the callee will see, None
    where it sees none: a price may depend on it. `did` is the rented number that was called, `rented` are all there are.
    `emergencies_up`: how many emergency calls of the caller are up, where this is one; None where it is none.
    `elapsed_s`: how long the caller has been in a menu, which the platform may or may not count. `is_placed`:
    it is we who place the call.
    """

    call: CallArrived
    application: ApplicationRow
    account: Account | None
    wallet: Wallet | None
    deck: Deck | None
    now: datetime
    shown: str | None = None
    usage: Usage | None = None  # none: nothing was used yet
    elastic: ElasticTerms = DEFAULT_TERMS
    lists: Sequence[NumberList] = ()
    longest_s: int = MAX_GRANT_S  # that the call is wanted for
    ticket: str = ""  # of the call: `good`, or why it proves nothing; empty where it carries none
    rules: RuleSet | None = None
    hooks: Mapping[str, Value] = {}  # what hooks said of the call, by the names of their facts
    redirected: Redirected | None = None
    did: Did | None = None
    rented: Collection[str] = ()
    elapsed_s: int = 0
    is_placed: bool = False
    emergencies_up: int | None = None


class Step(msgspec.Struct, frozen=True):
    """One step of the trace: its name, the facts it saw, and its refusal or None."""

    step: str
    saw: dict[str, Any]
    refusal: Refusal | None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided. A call that is let through has a rate, a grant above 0 and the micros to hold.

    `slice_s` is above 0 where the hold is for that time alone, and is to grow while the call goes on. `usage` is what the
    payer has used of its limits now that this attempt is counted, None where nobody pays or the attempt does not count.
    `text` is what a rule has the caller told before the call is refused; `failed` is a binding rule that could not be judged.
    `destination` is where a rule has sent the call, None where none did; `dialled` is what the call is connected to.
    """

    trace: tuple[Step, ...]
    refusal: Refusal | None = None
    rate: Rate | None = None
    granted_s: int = 0
    hold_micros: int = 0
    slice_s: int = 0
    usage: Usage | None = None
    is_near_limit: bool = False
    text: str = ""
    failed: Match | None = None
    destination: Endpoint | None = None
    dialled: Dialled | None = None

    @property
    def needs_timer(self) -> bool:
        """Whether we must end the call at the end of its grant: the platform was told no limit."""
        if self.dialled is None or self.rate is None or self.dialled.has_limit:
            return False
        if self.dialled.menus is not None:
            return True
        return self.dialled.endpoint.kind is not EndpointKind.USER or self.rate.rate_nanos_per_min > 0


def decide(facts: Facts) -> Verdict:
    """Climb the ladder until a step refuses; where none does, grant what credit and caps cover."""
    if facts.emergencies_up is not None:
        return decide_emergency(facts.call, facts.emergencies_up)
    ladder, trace = Ladder(facts), list[Step]()
    for step in ladder.steps():
        trace.append(step)
        if step.refusal is not None:
            return ladder.refused(tuple(trace), step.refusal)
    if ladder.ruling.decisive is not None:
        return decide_elsewhere(facts, ladder.ruling, trace)
    return ladder.granted(tuple(trace))


def decide_emergency(call: CallArrived, up: int) -> Verdict:
    """Step 4: an emergency call meets no other step, and nothing is held for it."""
    refusal = judge_emergency(up)
    step = Step("emergency", {"number": call.destination.address, "up": up, "most": CALLS_AT_ONCE}, refusal)
    return Verdict(trace=(step,), refusal=refusal, granted_s=0 if refusal is not None else MAX_GRANT_S)


_NO_RULING = Ruling()


class Ladder:
    """The steps of one decision, in their order, and what they find out for those behind them.

    A step is judged only once all before it have let the call through. Steps whose limit nobody set are left out.
    """

    __slots__ = ("affordable_s", "before", "bounds", "dialled", "facts", "is_near_limit", "rate", "ruling", "usage")

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self.bounds: Bounds | None = None
        self.before: Usage | None = None  # from step 8 on: what was used when the call came
        self.usage: Usage | None = None  # and with this attempt in it
        self.ruling = _NO_RULING
        self.rate: Rate | None = None
        self.dialled: Dialled | None = None  # from step 7 on
        self.affordable_s = 0
        self.is_near_limit = False

    def steps(self) -> Iterator[Step]:
        """Steps 2 to 13."""
        facts, call, account = self.facts, self.facts.call, self.facts.account
        yield Step("application", {"status": facts.application.status}, judge_application(facts.application.status))
        asked: dict[str, Any] = {"user": call.user, "origin": call.origin, "account": account and account.id}
        if call.destination.kind is EndpointKind.DID and facts.did is None:
            yield Step("destination", {"kind": call.destination.kind}, Refusal.NO_ROUTE)
        if facts.ticket:
            asked["ticket"] = facts.ticket
        if facts.shown is not None:
            asked["shown"] = facts.shown  # whose numbers are whose changes: a backtest knows it from here
        yield Step("caller", asked, judge_caller(account))
        assert account is not None, "the step before has asked"
        yield Step("account", {"status": account.status}, judge_account(account.status))
        dialled, refusal, saw = judge_dialled(facts)
        yield Step("destination", saw, refusal)
        assert dialled is not None, "the step before has asked"
        self.dialled = dialled
        if dialled.endpoint != call.destination:
            call = msgspec.structs.replace(call, destination=dialled.endpoint)
            facts = self.facts = msgspec.structs.replace(facts, call=call)
        yield from self._limits_before_the_price(account, dialled)
        rate = self.rate = self._price(account, dialled)
        if facts.rules is not None and dialled.rule == "":  # who is in a rule's menu has dialled nothing yet
            self.ruling, refusal, saw = ask_rules(facts, facts.rules, rate)
            yield Step("rules", saw, refusal)
            if self.ruling.decisive is not None:
                return  # the steps that are left are asked of the place where it sends the call
        yield Step(
            "rate",
            {"deck": account.deck, "prefix": rate and rate.prefix},
            None if rate is not None else Refusal.NO_RATE,
        )
        assert rate is not None, "the step before has asked"
        if dialled.is_number:  # what an operator opens by hand is neither too dear nor called too often
            yield from self._limits_by_the_price(rate)
            yield from self._margin(account, rate)
        yield from self._limits_by_windows(dialled)
        yield from self._money(rate)

    def _limits_before_the_price(self, account: Account, dialled: Dialled) -> Iterator[Step]:
        """Step 8. From here on an attempt at a number counts, whatever becomes of it."""
        facts = self.facts
        before = self.before = facts.usage or Usage(application=account.application, account=account.id)
        number = facts.call.destination.address
        bounds = self.bounds = bounds_of(
            facts.application.limits, account.limits, account.currency, is_verified=account.is_verified
        )
        self.usage = with_attempt(before, bounds, number, facts.now) if dialled.is_number else before
        if before.blocked_until is not None:
            yield Step("block", {"until": blocked_until(before)}, judge_block(before, facts.now))
        if dialled.is_number:
            yield from self._limits_of_numbers(account, bounds, number)
        yield from self._permissions(account, dialled)

    def _limits_of_numbers(self, account: Account, bounds: Bounds, number: str) -> Iterator[Step]:
        """What is asked of numbers of the telephone network alone."""
        facts = self.facts
        refusal, name = judge_lists(number, lists_of(facts.lists, account.id))
        yield Step("lists", {"on": name}, refusal)
        if bounds.countries is None and bounds.number_types is None and bounds.risk_classes is None:
            return
        plan = plan_of(number)
        if bounds.countries is not None:
            yield Step("country", {"country": plan.country}, judge_country(bounds, plan))
        if bounds.number_types is not None:
            yield Step("number_type", {"type": plan.kind}, judge_number_type(bounds, plan))
        if bounds.risk_classes is not None:
            risk = risk_of(plan, facts.application.settings.home_country)
            yield Step("risk_class", {"risk": risk}, judge_risk(bounds, risk))

    def _permissions(self, account: Account, dialled: Dialled) -> Iterator[Step]:
        """The end of step 8: the number that is shown, wherever the callee sees one, and the time of day."""
        facts = self.facts
        permissions = account.permissions.under(facts.application.settings.permissions)
        if permissions == ALL_INHERITED:
            return
        if (screening := permissions.screening) is not Screening.HIDE and dialled.shows_number:
            asked = facts.call.cli
            saw = {"asked": asked, "shown": facts.shown, "screening": screening}
            yield Step("caller_id", saw, judge_caller_id(screening, asked, facts.shown))
        if (opening := permissions.opening) is not None:
            local = facts.now.astimezone(opening.zone)
            saw = {"local": local.isoformat(timespec="minutes"), "zone": opening.zone.key}
            yield Step("hours", saw, judge_hours(opening, local))

    def _limits_by_the_price(self, rate: Rate) -> Iterator[Step]:
        """Step 10."""
        assert self.bounds is not None, "step 8 has asked"
        if (ceiling := self.bounds.ceiling_price_micros) is not None:
            saw = {
                "per_minute": format_nanos(rate.rate_nanos_per_min),
                "connect_fee": format_micros(rate.connect_fee_micros),
                "ceiling": format_micros(ceiling),
            }
            refusal = judge_price(
                self.bounds, rate.rate_nanos_per_min, rate.connect_fee_micros, rate.minimum_charge_micros
            )
            yield Step("price", saw, refusal)

    def _price(self, account: Account, dialled: Dialled) -> Rate | None:
        """What the operator has set for this kind of destination, else what a number costs; receiving it comes on top."""
        did = self.facts.did
        if dialled.tariff is None:
            rate = self._price_of_number(account, dialled.endpoint)
        else:
            rate = dialled.tariff.rate(dialled.name.partition(":")[0], account.currency)
        if rate is None or did is None or did.receive is None:
            return rate
        return did.receive.on_top_of(rate, account.currency)

    def _price_of_number(self, account: Account, number: Endpoint) -> Rate | None:
        """By the account's deck; where there is none, by what the platform says that the call costs us, and a markup."""
        facts = self.facts
        if facts.deck is not None:
            return find_rate(facts.deck, account, number, facts.now, facts.shown)
        pricing = account.pricing.under(facts.application.settings.pricing)
        return rate_by_cost(pricing, self._cost_nanos(account), number.address, facts.now)

    def _margin(self, account: Account, rate: Rate) -> Iterator[Step]:
        """The end of step 10, where the operator wants no call below its cost."""
        pricing = account.pricing.under(self.facts.application.settings.pricing)
        if pricing.guards_margin:
            cost_nanos, sold_nanos = self._cost_nanos(account), rate.rate_nanos_per_min
            saw = {"sold": format_nanos(sold_nanos), "cost": None if cost_nanos is None else format_nanos(cost_nanos)}
            loses = loses_money(pricing, sold_nanos, cost_nanos)
            yield Step("margin", saw, Refusal.MARGIN_NEGATIVE if loses else None)

    def _cost_nanos(self, account: Account) -> int | None:
        return cost_nanos_of(self.facts.call, account.currency, is_redirected=self.facts.redirected is not None)

    def _limits_by_windows(self, dialled: Dialled) -> Iterator[Step]:
        """Step 11."""
        bounds, usage, wallet, now = self.bounds, self.before, self.facts.wallet, self.facts.now
        assert bounds is not None and usage is not None and wallet is not None, "the steps before have asked"
        number = self.facts.call.destination.address
        if (most := bounds.concurrent_calls) is not None:
            saw = {"up": wallet.hold_count, "most": most}
            yield Step("concurrent_calls", saw, judge_concurrent_calls(bounds, wallet.hold_count))
        if not dialled.is_number:
            return
        if (most := bounds.calls_per_minute) is not None:
            saw = {"in_minute": calls_in_minute(usage, now), "most": most}
            yield Step("calls", saw, judge_calls(bounds, usage, now))
        if (most := bounds.destinations_per_hour) is not None:
            saw = {"others_in_hour": other_destinations(usage, number, now), "most": most}
            yield Step("destinations", saw, judge_destinations(bounds, usage, number, now))
        if (most := bounds.repeats_per_hour) is not None:
            saw = {"in_hour": repeats_in_hour(usage, number, now), "most": most}
            yield Step("repeats", saw, judge_repeats(bounds, usage, number, now))
        self.is_near_limit = is_near_limit(bounds, usage, now)

    def _money(self, rate: Rate) -> Iterator[Step]:
        """Steps 12 and 13: what the caps leave, then what is available of it."""
        bounds, usage, wallet = self.bounds, self.before, self.facts.wallet
        assert bounds is not None and usage is not None and wallet is not None, "the steps before have asked"
        least_s = rate.first_increment_s if bounds.min_seconds is None else bounds.min_seconds
        credit_micros = wallet.available_micros
        if (room := room_of(bounds, usage, wallet, self.facts.now)) is not None:
            within_caps_s = affordable_duration_s(rate, room.left_micros, MAX_GRANT_S)
            saw = {"cap": room.cap, "left": format_micros(room.left_micros), "within_caps_s": within_caps_s}
            yield Step("spend", saw, None if within_caps_s >= least_s else Refusal.SPEND_CAP_REACHED)
            credit_micros = min(credit_micros, room.left_micros)
        elapsed_s = self.facts.elapsed_s
        self.affordable_s = affordable_duration_s(rate, credit_micros, MAX_GRANT_S + elapsed_s) - elapsed_s
        saw = {
            "available": format_micros(wallet.available_micros),
            "affordable_s": self.affordable_s,
            "least_s": least_s,
        }
        yield Step("credit", saw, None if self.affordable_s >= least_s else Refusal.INSUFFICIENT_CREDIT)

    def refused(self, trace: tuple[Step, ...], refusal: Refusal) -> Verdict:
        """A step refused; what the payer has used knows of it."""
        usage = self.usage
        if usage is not None and self.bounds is not None:
            usage = with_refusal(usage, self.bounds, refusal, self.facts.now)
        verdict = Verdict(trace=trace, refusal=refusal, usage=usage)
        if refusal is not Refusal.RULE:
            return verdict
        return msgspec.structs.replace(verdict, text=self.ruling.text, failed=self.ruling.failed)

    def granted(self, trace: tuple[Step, ...]) -> Verdict:
        """No step refused: the grant, and the hold for it."""
        facts, rate, bounds, account = self.facts, self.rate, self.bounds, self.facts.account
        assert rate is not None and bounds is not None and account is not None, "every step has asked"
        longest_s = min([bounds.max_seconds, facts.longest_s, *caps_of(facts, self.ruling)])
        granted_s, slice_s = min(self.affordable_s, longest_s), 0
        assert self.dialled is not None, "every step has asked"
        if account.is_elastic and self.dialled.has_limit and granted_s > facts.elastic.slice_s:
            granted_s, slice_s = min(facts.elastic.max_s, longest_s), facts.elastic.slice_s
        return Verdict(
            trace=trace,
            rate=rate,
            granted_s=granted_s,
            hold_micros=charge_micros(rate, (slice_s or granted_s) + facts.elapsed_s),
            slice_s=slice_s,
            usage=self.usage,
            is_near_limit=self.is_near_limit,
            dialled=self.dialled,
        )


def judge_dialled(facts: Facts) -> tuple[Dialled | None, Refusal | None, dict[str, Any]]:
    """Step 7: what the call would be connected to, or why to nothing, and for the trace where a route leads."""
    destination, redirected = facts.call.destination, facts.redirected
    if redirected is not None and redirected.menus is not None:
        if facts.is_placed:  # who is called by us is connected to what the request says
            return None, Refusal.NO_ROUTE, {"kind": MENU}
        menus = Dialled(endpoint=destination, tariff=FREE, menus=redirected.menus, rule=redirected.rule)
        return menus, None, {"kind": MENU, "menu": redirected.menus.menus[0].id}
    found = dial(destination, facts.did, facts.application.settings, facts.rented)
    saw: dict[str, Any] = {"kind": destination.kind}
    if destination.kind is EndpointKind.DID and facts.did is not None:
        saw["route"] = shown_route(facts.did.route)
    return (None, found, saw) if isinstance(found, Refusal) else (found, None, saw)


def room_of(bounds: Bounds, usage: Usage, wallet: Wallet, now: datetime, held_by_call: int = 0) -> Room | None:
    """What the caps on spending leave, None where there is none; see `policy.spend.room_left`."""
    if not bounds.has_cap:
        return None
    return room_left(bounds, spent_of(usage, wallet, now), held_by_call)


def spent_of(usage: Usage, wallet: Wallet, now: datetime) -> Spent:
    """What caps on spending count, money in held calls too."""
    today, this_month = spent_micros(wallet, now)
    return Spent(
        in_hour=spent_in_hour_micros(usage, now),
        today=today,
        this_month=this_month,
        held=wallet.held_micros,
        funds=funds_micros(wallet, now),
    )


def ask_rules(facts: Facts, rules: RuleSet, rate: Rate | None) -> tuple[Ruling, Refusal | None, dict[str, object]]:
    """Step 9: what the operator's rules come to, and for the trace the facts that they saw and those of them that matched.

    A rule that connects elsewhere is followed once: what another one would do with the new destination is a loop, refused.
    """
    seen = rule_facts(rules, facts, rate)
    redirected = facts.redirected
    chosen_in = redirected.rule if redirected is not None and redirected.is_chosen else ""
    ruling = judge_rules(rules, seen, _as_rules_write(facts.call.destination), chosen_in)
    saw: dict[str, object] = {"version": rules.version, "facts": seen, "matches": ruling.matches}
    rule = ruling.decisive
    if rule is None:
        return ruling, None, saw
    saw["rule"] = rule.name
    if rule.effect not in ELSEWHERE or ruling.is_failed:
        return ruling, Refusal.RULE, saw
    saw["connects_to"] = rule.to or f"{MENU}:{rule.menu}"
    if facts.redirected is None:
        return ruling, None, saw
    return ruling, Refusal.RULE, saw | {"loop_after": facts.redirected.rule}


def decide_elsewhere(facts: Facts, ruling: Ruling, trace: list[Step]) -> Verdict:
    """Put another destination through the steps from the seventh on: this is the one place that does.

    The hold is the one for the new destination; nothing was placed for the first. It alone counts as called.
    """
    rule = ruling.decisive
    assert rule is not None and facts.rules is not None, "a rule has sent it there"
    if rule.effect is Effect.MENU:
        assert facts.rules.document.menus is not None, "the document was read so"
        destination, menus = None, facts.rules.document.menus.starting_at(rule.menu)
    else:
        destination, menus = read_place(rule.to), None
    redirected = Redirected(rule=rule.name, cap_s=ruling.cap_s, menus=menus)
    call = msgspec.structs.replace(facts.call, destination=destination or facts.call.destination)
    verdict = decide(msgspec.structs.replace(facts, call=call, redirected=redirected))
    again = next(place for place, step in enumerate(verdict.trace) if step.step == "destination")
    return msgspec.structs.replace(verdict, trace=(*trace, *verdict.trace[again:]), destination=destination)


def _as_rules_write(place: Endpoint) -> str:
    """A place as a rule's `to` has it."""
    return place.address if place.kind is EndpointKind.NUMBER else shown_route(place)


def caps_of(facts: Facts, ruling: Ruling) -> list[int]:
    """What rules leave of the grant: those of this destination, and those of the one that was dialled."""
    caps = (ruling.cap_s, None if facts.redirected is None else facts.redirected.cap_s)
    return [cap_s for cap_s in caps if cap_s is not None]


def find_rate(
    deck: Deck | None, account: Account, destination: Endpoint, at: datetime, shown: str | None = None
) -> Rate | None:
    """What a call to a valid number that shows the callee that number is priced by.

    A blocked row is no price, and neither is one in another currency than the account's.
    """
    if deck is None or deck.currency != account.currency:
        return None
    rate = deck.rate_for(destination.address, at, shown)
    return None if rate is None or rate.is_blocked else rate
