"""Judge a recorded call again, by other rules, prices or lists: the facts that it had then, through the same `decide`.

Nothing is read and nothing is written here. What cannot be judged again stays as it was: who the caller was proven to be, and
refusals that came from counting other calls.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from callgate.errors import AmountInvalid, ProtocolError
from callgate.ledger.wallet import Wallet
from callgate.money import parse_micros
from callgate.policy.account import Status
from callgate.policy.number_list import NumberList
from callgate.policy.refusal import Refusal
from callgate.policy.rules.judge import Match, RuleSet
from callgate.protocol import Provider, WireRequest
from callgate.protocol.call import CallArrived
from callgate.rating.charge import charge_micros
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.application import ApplicationRow
from callgate.service.decide import Facts, Verdict, decide
from callgate.service.decided_call import DecidedCall
from callgate.service.hooks import hooks_in
from callgate.service.reason import refused_by
from callgate.service.records import Call

COUNTED = frozenset(
    {
        "blocked",
        "too_many_concurrent_calls",
        "too_many_calls",
        "too_many_destinations",
        "repeated_destination",
        "spend_cap_reached",
    }
)
"""Refusals that rest on what other calls did at the time, which is not kept with the call."""


UNCOUNTED = dict.fromkeys(
    (
        "concurrent_calls",
        "calls_per_minute",
        "calls_per_minute_warn",
        "destinations_per_hour",
        "repeats_per_hour",
        "spend_per_hour_micros",
        "spend_per_day_micros",
        "spend_per_month_micros",
    )
)
"""The limits that make those refusals, lifted."""


class Judges(NamedTuple):
    """What calls are judged by. `decks` price by their names; a deck in `new_decks` also prices calls whose price is recorded."""

    application: ApplicationRow
    rules: RuleSet | None
    decks: Mapping[str, Deck]
    lists: Sequence[NumberList] = ()
    new_decks: frozenset[str] = frozenset()


class Outcome(NamedTuple):
    """How a call was decided, or would be. `matches` are the rules whose conditions held."""

    refusal: Refusal | None
    rule: str | None
    granted_s: int
    destination: str
    rate: Rate | None
    hold_micros: int
    matches: tuple[Match, ...] = ()


def recorded_outcome(call: Call) -> Outcome:
    """How a call was decided."""
    trace = msgspec.json.decode(call.trace)
    return Outcome(
        refusal=call.refusal,
        rule=refused_by(call.refusal, trace),
        granted_s=call.granted_s,
        destination=call.destination,
        rate=call.rate,
        hold_micros=0 if call.hold is None else call.hold.amount_micros,
    )


def asked(decided: DecidedCall, provider: Provider) -> CallArrived | None:
    """The question that a call was decided by; None where what is recorded is none, as with calls that we placed."""
    request = WireRequest(method="POST", path="", headers={}, body=decided.body)
    try:
        event = provider.understand(request)
    except ProtocolError:
        return None
    return msgspec.structs.replace(event, key=decided.call.key) if isinstance(event, CallArrived) else None


def verdict_again(decided: DecidedCall, call: CallArrived, judges: Judges) -> Verdict:
    """What these judges say of a recorded call, step by step, those left out that count other calls."""
    return decide(_facts(decided, call, judges))


def judge_again(decided: DecidedCall, call: CallArrived, judges: Judges) -> Outcome:
    """Decide a recorded call by these judges."""
    was = decided.call
    verdict = verdict_again(decided, call, judges)
    if verdict.refusal is None and was.refusal is not None and str(was.refusal) in COUNTED:
        return recorded_outcome(was)
    trace = msgspec.to_builtins(verdict.trace)
    seen = [step.saw.get("matches", ()) for step in verdict.trace if step.step == "rules"]
    return Outcome(
        refusal=verdict.refusal,
        rule=refused_by(verdict.refusal, trace),
        granted_s=verdict.granted_s,
        destination=(verdict.destination or call.destination).address,
        rate=verdict.rate,
        hold_micros=verdict.hold_micros,
        matches=tuple(match for matches in seen for match in matches),
    )


def charge_of(outcome: Outcome, call: Call) -> int:
    """What the talk that a call had would cost by an outcome, in micros: cut where the grant would have ended."""
    if outcome.refusal is not None or outcome.rate is None:
        return 0
    return charge_micros(outcome.rate, min(call.duration_s or 0, outcome.granted_s))


def _facts(decided: DecidedCall, call: CallArrived, judges: Judges) -> Facts:
    was, saw = decided.call, _saw(decided.call)
    seen = saw.get("rules", {}).get("facts", {})
    account, wallet = decided.account, decided.wallet
    if account is not None and wallet is not None:
        limits = msgspec.structs.replace(account.limits, **UNCOUNTED)
        account = msgspec.structs.replace(account, status=_status(saw, "account", account.status), limits=limits)
        wallet = _wallet_then(wallet, saw)
    application = judges.application
    status = _status(saw, "application", application.status)
    limits_of_all = msgspec.structs.replace(application.limits, **UNCOUNTED)
    return Facts(
        call=call,
        application=msgspec.structs.replace(application, status=status, limits=limits_of_all),
        account=account,
        wallet=wallet,
        deck=None if account is None else _deck_then(judges, account.deck, was, account.currency),
        now=was.decided_at,
        emergencies_up=saw.get("emergency", {}).get("up"),  # of any other call None: the step was not asked
        lists=judges.lists,
        rules=judges.rules,
        hooks={name: seen[name] for name in hooks_in(seen)},
    )


def _saw(call: Call) -> dict[str, dict[str, Any]]:
    """What each step saw; of a step that ran twice, the last time."""
    return {step["step"]: step["saw"] for step in msgspec.json.decode(call.trace)}


def _status(saw: Mapping[str, Mapping[str, Any]], step: str, now: Status) -> Status:
    found = saw.get(step, {}).get("status")
    return now if found is None else Status(found)


def _wallet_then(wallet: Wallet, saw: Mapping[str, Mapping[str, Any]]) -> Wallet:
    """The wallet so that it has available what it had when the call came, as far as a step has seen it.

    What a cap on spending left is the most of it: the grant may not have been longer than that.
    """
    told = [saw.get("credit", {}).get("available"), saw.get("rules", {}).get("facts", {}).get("available")]
    found = next((each for each in told if each is not None), None)
    if found is None:
        return wallet
    available_micros = _micros(found)
    if (left := saw.get("spend", {}).get("left")) is not None:
        available_micros = min(available_micros, _micros(left))
    posted_micros = available_micros + wallet.held_micros - wallet.credit_limit_micros
    return msgspec.structs.replace(wallet, posted_micros=posted_micros)


def _micros(amount: object) -> int:
    """An amount from a trace: text as steps write it, or a decimal as rules see it."""
    try:
        return parse_micros(str(amount)) if isinstance(amount, str) else round(float(str(amount)) * 1_000_000)
    except AmountInvalid:
        return 0


def _deck_then(judges: Judges, name: str, call: Call, currency: str) -> Deck | None:
    """The deck as the call met it: what priced it is recorded, unless it is this deck that is to be tried."""
    deck = judges.decks.get(name)
    if call.rate is None or name in judges.new_decks:
        return deck
    return _RecordedDeck(deck, call.rate, call.destination, currency)


class _RecordedDeck(Deck):
    """A deck that prices one destination by what a call was priced by."""

    def __init__(self, deck: Deck | None, rate: Rate, destination: str, currency: str) -> None:
        # No rows of its own, and so nothing to sort.
        self.name = "" if deck is None else deck.name
        self.currency = currency
        self._deck = deck if deck is not None and deck.currency == currency else None
        self._recorded = rate
        self._destination = destination

    def rate_for(self, number: str, at: datetime, caller: str | None = None) -> Rate | None:
        if number == self._destination:
            return self._recorded
        return None if self._deck is None else self._deck.rate_for(number, at, caller)
