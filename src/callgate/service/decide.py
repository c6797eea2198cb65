"""The decision: may this call be placed, for how long, and what is held for it. Plain code: facts in, verdict out.

The steps are those of `docs/reference/decision.md`, in their order; the first that refuses wins, and the trace keeps what
each one saw.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from callgate.ledger.wallet import Wallet
from callgate.money import format_micros
from callgate.policy.account import Account
from callgate.policy.judge import judge_account, judge_application, judge_caller, judge_destination
from callgate.policy.limits import MAX_GRANT_S, longest_grant_s
from callgate.policy.number_list import NumberList, judge_lists, lists_of
from callgate.policy.refusal import Refusal
from callgate.policy.rules.judge import RuleSet, Ruling, judge_rules
from callgate.policy.rules.rule import Effect
from callgate.protocol.call import CallArrived, Endpoint, EndpointKind
from callgate.rating.charge import affordable_duration_s, charge_micros
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.application import ApplicationRow
from callgate.service.elastic import DEFAULT_TERMS, ElasticTerms
from callgate.service.rule_facts import rule_facts


class Redirected(msgspec.Struct, frozen=True, kw_only=True):
    """A rule has sent the call elsewhere: which one, and what the rules before it left of the grant."""

    rule: str
    cap_s: int | None


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a decision may look at. `account` is who pays, None when nobody is known to; `wallet` is theirs. `redirected`: the
    call's destination is not what was dialled. `shown` is the number that the callee will see, None where it sees none: a
    price may depend on it.
    """

    call: CallArrived
    application: ApplicationRow
    account: Account | None
    wallet: Wallet | None
    deck: Deck | None
    now: datetime
    shown: str | None = None
    elastic: ElasticTerms = DEFAULT_TERMS
    lists: Sequence[NumberList] = ()
    rules: RuleSet | None = None
    redirected: Redirected | None = None


class Step(msgspec.Struct, frozen=True):
    """One step of the trace: its name, the facts it saw, and its refusal or None."""

    step: str
    saw: dict[str, Any]
    refusal: Refusal | None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided. A call that is let through has a rate, a grant above 0 and the micros to hold.

    `slice_s` is above 0 where the hold is for that time alone, and is to grow while the call goes on. `text` is what a rule
    has the caller told before the call is refused; `is_rule_failed`: a binding rule could not be judged. `destination` is
    where a rule has sent the call, None where none did.
    """

    trace: tuple[Step, ...]
    refusal: Refusal | None = None
    rate: Rate | None = None
    granted_s: int = 0
    hold_micros: int = 0
    slice_s: int = 0
    text: str = ""
    is_rule_failed: bool = False
    destination: Endpoint | None = None


def decide(facts: Facts) -> Verdict:  # noqa: C901 - a flat ladder of guards is read from the top, once
    """Run the steps until one refuses; where none does, grant what the credit covers."""
    trace: list[Step] = []

    def refuses(step: str, refusal: Refusal | None, **saw: object) -> bool:
        trace.append(Step(step, saw, refusal))
        return refusal is not None

    def refused() -> Verdict:
        return Verdict(trace=tuple(trace), refusal=trace[-1].refusal)

    call, application, account, wallet = facts.call, facts.application, facts.account, facts.wallet
    if refuses("application", judge_application(application.status), status=application.status):
        return refused()
    if refuses("caller", judge_caller(account), user=call.user, origin=call.origin, account=account and account.id):
        return refused()
    assert account is not None and wallet is not None, "the step before has asked"
    if refuses("account", judge_account(account.status), status=account.status):
        return refused()
    if refuses("destination", judge_destination(call.destination), kind=call.destination.kind):
        return refused()
    refusal, name = judge_lists(call.destination.address, lists_of(facts.lists, account.id))
    if refuses("lists", refusal, on=name):
        return refused()
    rate = find_rate(facts.deck, account, call.destination, facts.now, facts.shown)
    ruling = _NO_RULING
    if facts.rules is not None:
        ruling, refusal, saw = ask_rules(facts, facts.rules, rate)
        if refuses("rules", refusal, **saw):
            return msgspec.structs.replace(refused(), text=ruling.text, is_rule_failed=ruling.is_failed)
        if ruling.decisive is not None:
            return decide_elsewhere(facts, ruling, trace)
    if refuses("rate", None if rate is not None else Refusal.NO_RATE, deck=account.deck, prefix=rate and rate.prefix):
        return refused()
    assert rate is not None, "the step before has asked"
    affordable_s = affordable_duration_s(rate, wallet.available_micros, MAX_GRANT_S)
    if refuses(
        "credit",
        None if affordable_s >= rate.first_increment_s else Refusal.INSUFFICIENT_CREDIT,
        available=format_micros(wallet.available_micros),
        affordable_s=affordable_s,
        least_s=rate.first_increment_s,
    ):
        return refused()
    longest_s = longest_grant_s(application.limits, account.limits)
    longest_s = min([longest_s, *caps_of(facts, ruling)])
    granted_s, slice_s = min(affordable_s, longest_s), 0
    if account.is_elastic and granted_s > facts.elastic.slice_s:
        granted_s, slice_s = min(facts.elastic.max_s, longest_s), facts.elastic.slice_s
    hold_micros = charge_micros(rate, slice_s or granted_s)
    return Verdict(trace=tuple(trace), rate=rate, granted_s=granted_s, hold_micros=hold_micros, slice_s=slice_s)


_NO_RULING = Ruling()


def ask_rules(facts: Facts, rules: RuleSet, rate: Rate | None) -> tuple[Ruling, Refusal | None, dict[str, object]]:
    """Step 9: what the operator's rules come to, and for the trace the facts that they saw and those of them that matched.

    A rule that connects elsewhere is followed once: what another one would do with the new destination is a loop, refused.
    """
    seen = rule_facts(rules, facts, rate)
    ruling = judge_rules(rules, seen, facts.call.destination.address)
    saw: dict[str, object] = {"version": rules.version, "facts": seen, "matches": ruling.matches}
    rule = ruling.decisive
    if rule is None:
        return ruling, None, saw
    saw["rule"] = rule.name
    if rule.effect is not Effect.CONNECT or ruling.is_failed:
        return ruling, Refusal.RULE, saw
    saw["connects_to"] = rule.to
    if facts.redirected is None:
        return ruling, None, saw
    return ruling, Refusal.RULE, saw | {"loop_after": facts.redirected.rule}


def decide_elsewhere(facts: Facts, ruling: Ruling, trace: list[Step]) -> Verdict:
    """Put another destination through the steps from the seventh on: this is the one place that does.

    The hold is the one for the new destination; nothing was placed for the first.
    """
    assert ruling.decisive is not None, "a rule has sent it there"
    destination = Endpoint(EndpointKind.NUMBER, ruling.decisive.to)
    redirected = Redirected(rule=ruling.decisive.name, cap_s=ruling.cap_s)
    call = msgspec.structs.replace(facts.call, destination=destination)
    verdict = decide(msgspec.structs.replace(facts, call=call, redirected=redirected))
    again = next(place for place, step in enumerate(verdict.trace) if step.step == "destination")
    return msgspec.structs.replace(verdict, trace=(*trace, *verdict.trace[again:]), destination=destination)


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
