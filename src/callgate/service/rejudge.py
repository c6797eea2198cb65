"""Judge a recorded call again, by other rules, prices or lists: the facts that it had then, through the same `decide`.

Nothing is read and nothing is written here. What cannot be judged again stays as it was: who the caller was proven to be, and
refusals that came from counting other calls.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from callgate.errors import AmountInvalid, ProtocolError
from callgate.ledger.wallet import Wallet
from callgate.money import parse_micros
from callgate.policy.account import Account, Status
from callgate.policy.number_list import NumberList
from callgate.policy.refusal import Refusal
from callgate.policy.rules.judge import Match, RuleSet
from callgate.protocol import Provider, WireRequest
from callgate.protocol.call import CallArrived, EndpointKind
from callgate.rating.charge import charge_micros
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.answer_input import has_chosen
from callgate.service.application import ApplicationRow
from callgate.service.catalog import Catalog
from callgate.service.decide import Facts, Verdict, decide
from callgate.service.decided_call import DecidedCall
from callgate.service.dialled import MENU, OF_RULE
from callgate.service.did import Did, DidKey
from callgate.service.hooks import hooks_in
from callgate.service.reason import refused_by
from callgate.service.records import Call
from callgate.service.redirect import is_redirected

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
    """What calls are judged by. `decks` price by their names; a deck in `new_decks` also prices calls whose price is recorded.
    `dids` are the rented numbers, `rented` those of all applications.
    """

    application: ApplicationRow
    rules: RuleSet | None
    decks: Mapping[str, Deck]
    lists: Sequence[NumberList] = ()
    new_decks: frozenset[str] = frozenset()
    dids: Mapping[DidKey, Did] = {}
    rented: Collection[str] = ()


def judges_in_force(catalog: Catalog, application: str) -> Judges:
    """What decides calls of an application now, which is known."""
    return Judges(
        catalog.applications[application].row,
        catalog.rules.get(application),
        catalog.decks,
        catalog.lists.get(application, ()),
        dids=catalog.dids,
        rented=catalog.rented,
    )


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
        destination=call.connected if call.connected.startswith(OF_RULE) else call.destination,
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
    if is_redirected(was):
        return recorded_outcome(was)  # its payer is not the one who was refused
    verdict = verdict_again(decided, call, judges)
    if verdict.refusal is None and was.refusal is not None and str(was.refusal) in COUNTED:
        return recorded_outcome(was)
    is_in_menu = verdict.dialled is not None and verdict.dialled.menus is not None
    if is_in_menu and has_chosen(was) and not was.connected.startswith(f"{MENU}:"):
        return recorded_outcome(was)  # the caller has gone on from the menu since, and what it chose is not asked again
    trace = msgspec.to_builtins(verdict.trace)
    seen = [step.saw.get("matches", ()) for step in verdict.trace if step.step == "rules"]
    return Outcome(
        refusal=verdict.refusal,
        rule=refused_by(verdict.refusal, trace),
        granted_s=verdict.granted_s,
        destination=_destination(verdict, call),
        rate=verdict.rate,
        hold_micros=verdict.hold_micros,
        matches=tuple(match for matches in seen for match in matches),
    )


def _destination(verdict: Verdict, call: CallArrived) -> str:
    """Where it leads; for a menu of a rule that, since what was dialled is not."""
    if verdict.dialled is not None and verdict.dialled.rule:
        return verdict.dialled.name
    return (verdict.destination or call.destination).address


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
    did = _did(call, was, judges, account)
    status = _status(saw, "application", application.status)
    limits_of_all = msgspec.structs.replace(application.limits, **UNCOUNTED)
    return Facts(
        call=call,
        application=msgspec.structs.replace(application, status=status, limits=limits_of_all),
        account=account,
        wallet=wallet,
        deck=None if account is None else _deck_then(judges, account.deck, was, account.currency),
        now=was.decided_at,
        shown=_shown(call, saw, account, application) if did is None else did.number,
        did=did,
        rented=judges.rented,
        emergencies_up=saw.get("emergency", {}).get("up"),  # of any other call None: the step was not asked
        lists=judges.lists,
        rules=judges.rules,
        hooks={name: seen[name] for name in hooks_in(seen)},
    )


def _saw(call: Call) -> dict[str, dict[str, Any]]:
    """What each step saw; of a step that ran twice, the last time."""
    return {step["step"]: step["saw"] for step in msgspec.json.decode(call.trace)}


def _did(call: CallArrived, was: Call, judges: Judges, account: Account | None) -> Did | None:
    """The rented number that was called, as it is now. What receiving it cost is in a price that is recorded, and not added."""
    if call.destination.kind is not EndpointKind.DID:
        return None
    did = judges.dids.get(DidKey(call.key.application, call.destination.address))
    is_in_price = was.connected.startswith(_NUMBER) and account is not None and account.deck not in judges.new_decks
    return msgspec.structs.replace(did, receive=None) if did is not None and is_in_price else did


def _shown(
    call: CallArrived, saw: Mapping[str, Mapping[str, Any]], account: Account | None, application: ApplicationRow
) -> str | None:
    """The number that the callee saw, or would by what is permitted now."""
    shown: str | None = saw.get("caller", {}).get("shown")
    if shown is not None or call.cli is None or account is None:
        return shown
    return call.cli if account.permissions.under(application.settings.permissions).may_show(call.cli) else None


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
    was_priced = call.connected.removeprefix(_NUMBER) if call.connected.startswith(_NUMBER) else call.destination
    return _RecordedDeck(deck, call.rate, was_priced, currency)


_NUMBER = f"{EndpointKind.NUMBER}:"
"""How a call is stored that is connected to a number: of a rented one that is where its route leads."""


class _RecordedDeck(Deck):
    """A deck that prices one destination by what a call was priced by."""

    def __init__(self, deck: Deck | None, rate: Rate, number: str, currency: str) -> None:
        # No rows of its own, and so nothing to sort.
        self.name = "" if deck is None else deck.name
        self.currency = currency
        self._deck = deck if deck is not None and deck.currency == currency else None
        self._recorded = rate
        self._number = number

    def rate_for(self, number: str, at: datetime, caller: str | None = None) -> Rate | None:
        if number == self._number:
            return self._recorded
        return None if self._deck is None else self._deck.rate_for(number, at, caller)
