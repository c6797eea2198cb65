"""Plays a scenario as Sinch Voice would: composes the events, reads the answers, decides what comes next.

A call is a generator: it yields what to do (`Tell` the callback server an event, let time `Elapse`), is sent what came
of it, and returns the `Ending`. It does no I/O and reads no clock, so that the same call can be played by a test,
warped in a blink or in real time. Source: Sinch Voice API reference, callbacks; where that is silent, the choice stands
here.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

import msgspec

from callgate.emulator.scenario import Outcome, Party, PartyKind, Scenario, Side
from callgate.emulator.svaml import Action, IllegalSvaml, read_svaml
from callgate.money import ceil_div

RING_LIMIT_S = 45
"""How long an unanswered phone rings where the answer sets no `dialTimeout`; our choice."""

CUT_AT_ANSWER_S = 1
"""Duration of a call that the ACE's answer ends: the callee has picked up, so that the first second has begun."""

NAMES = {"ice": "ICE", "ace": "ACE", "dice": "DiCE", "notify": "notify"}
"""Events as people write them."""

TYPES = {
    PartyKind.NUMBER: "number",
    PartyKind.DID: "did",
    PartyKind.USER: "username",
    PartyKind.CONFERENCE: "conference",
    PartyKind.SIP: "sip",
}
"""How the wire spells what a call is to."""

UNANSWERED = {
    Outcome.BUSY: ("N/A", "BUSY"),
    Outcome.NO_ANSWER: ("TIMEOUT", "NOANSWER"),
    Outcome.CANCEL: ("CANCEL", "NOANSWER"),
    Outcome.FAILED: ("CONGESTION", "FAILED"),
}
"""Reason and result of the calls that nobody answers."""


class Exchange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One event and what came back. `status` None: no answer; `fault` then says why, and also when it was not JSON."""

    sent: Mapping[str, Any]
    status: int | None
    answer: Any
    ms: float
    fault: str | None = None

    @property
    def is_delivered(self) -> bool:
        """Whether the platform counts it as answered, which needs any 2xx."""
        return self.status is not None and self.status // 100 == 2  # noqa: PLR2004 - the class of status codes


class Tell(msgspec.Struct, frozen=True):
    """Post this event, and send the `Exchange` in."""

    body: Mapping[str, Any]


class Elapse(msgspec.Struct, frozen=True):
    """Let this much of the call's time pass, and send None in."""

    seconds: int


class Verdict(StrEnum):
    """What became of the call: as its scenario said, or refused by the gate, or spoiled by a wrong answer."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "noanswer"
    CANCEL = "cancel"
    FAILED = "failed"
    REFUSED = "refused"
    ERROR = "error"


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """How the call ended. `granted_s` is the limit that the gate set, `summary` all of it in one line."""

    outcome: Verdict
    reason: str
    result: str
    summary: str
    duration_s: int | None = None
    granted_s: int | None = None

    @property
    def is_as_asked(self) -> bool:
        """Whether the call went as its scenario said: not refused, and nothing about it failed to arrive."""
        return self.outcome not in (Verdict.REFUSED, Verdict.ERROR)


Script = Generator[Tell | Elapse, Exchange | None, Ending]


@dataclass
class OngoingCall:
    """What the platform remembers of a call while it lasts.

    `at` is the call's own time, `is_silent` says that no more events are wanted, `failures` which did not arrive.
    """

    scenario: Scenario
    call_id: str
    application_key: str
    at: datetime
    connected_to: Party
    granted_s: int | None = None
    is_silent: bool = False
    cookies: dict[str, str] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)


def play(scenario: Scenario, *, call_id: str, application_key: str, started_at: datetime) -> Script:
    """Play one call from its ICE to its DiCE."""
    call = OngoingCall(scenario, call_id, application_key, started_at, connected_to=scenario.callee)
    exchange = yield from _tell(call, compose_ice(call))
    if not exchange.is_delivered:
        return (yield from _end(call, Verdict.ERROR, ("CALLBACKERROR", "FAILED"), "ended by the platform"))
    try:
        svaml = read_svaml(exchange.answer, "ice")
    except IllegalSvaml as fault:
        return (yield from _end_illegal(call, "ICE", fault))
    call.cookies.update(svaml.cookies)
    match svaml.action.name:
        case "connectPstn":
            return (yield from _connect(call, svaml.action))
        case "hangup":
            why = "hung up by the gate before it connected"
            return (yield from _end(call, Verdict.REFUSED, ("MANAGERHANGUP", "FAILED"), why))
        case unplayed:
            return (yield from _end(call, Verdict.ERROR, ("GENERALERROR", "FAILED"), _not_yet(unplayed)))


def _connect(call: OngoingCall, action: Action) -> Script:
    """Ring the number, and end the call if nobody answers."""
    call.granted_s, call.is_silent = action.max_duration_s, action.is_silent
    dialled = call.scenario.callee
    number = action.number or (dialled.address if dialled.kind is PartyKind.NUMBER else None)
    if number is None:
        # A rented number cannot be dialled back to itself, and nothing else that was dialled is a phone number.
        why = f"no route: connectPstn names no number, and {dialled} is none"
        return (yield from _end(call, Verdict.ERROR, ("CONGESTION", "FAILED"), why))
    call.connected_to = Party(PartyKind.NUMBER, number)
    outcome, ringing_s = ring(call.scenario, action)
    yield from _elapse(call, ringing_s)
    if outcome is Outcome.ANSWERED:
        return (yield from _answer(call))
    reason, result = UNANSWERED[outcome]
    return (yield from _end(call, Verdict(outcome), (reason, result), f"not connected: {reason} / {result}"))


def _answer(call: OngoingCall) -> Script:
    """Ask on with an ACE, then let them talk.

    Of an ACE that fails the reference says that the call is connected, so that only an answer can change its course.
    """
    exchange = None if call.is_silent else (yield from _tell(call, compose_ace(call)))
    if exchange is not None and exchange.is_delivered:
        try:
            svaml = read_svaml(exchange.answer, "ace")
        except IllegalSvaml as fault:
            return (yield from _end_illegal(call, "ACE", fault))
        call.cookies.update(svaml.cookies)
        if svaml.action.name != "continue":
            yield from _elapse(call, CUT_AT_ANSWER_S)
            if svaml.action.name == "hangup":
                outcome, reason, why = Verdict.REFUSED, "MANAGERHANGUP", "hung up by the gate when it was answered"
            else:
                outcome, reason, why = Verdict.ERROR, "GENERALERROR", _not_yet(svaml.action.name)
            return (yield from _end(call, outcome, (reason, "ANSWERED"), why, CUT_AT_ANSWER_S))
    duration_s, reason = talk(call.scenario, call.granted_s)
    yield from _elapse(call, duration_s)
    of_most = f" of at most {call.granted_s} s" if call.granted_s is not None else ""
    why = f"connected for {duration_s} s{of_most}, {reason}"
    return (yield from _end(call, Verdict.ANSWERED, (reason, "ANSWERED"), why, duration_s))


def ring(scenario: Scenario, action: Action) -> tuple[Outcome, int]:
    """Return how the far side takes the call and after how many seconds: `dialTimeout` ends any ringing."""
    limit_s = action.dial_timeout_s or RING_LIMIT_S
    match scenario.outcome:
        case Outcome.FAILED:
            return Outcome.FAILED, 0
        case Outcome.NO_ANSWER:
            return Outcome.NO_ANSWER, limit_s
        case outcome if scenario.ring_s >= limit_s and outcome is not Outcome.BUSY:
            return Outcome.NO_ANSWER, limit_s
        case outcome:
            return outcome, scenario.ring_s


def talk(scenario: Scenario, granted_s: int | None) -> tuple[int, str]:
    """Return how long they talk and why they stop: `maxDuration` cuts a longer talk, with reason TIMEOUT."""
    if granted_s is not None and scenario.talk_s > granted_s:
        return granted_s, "TIMEOUT"
    return scenario.talk_s, "CALLERHANGUP" if scenario.ended_by is Side.CALLER else "CALLEEHANGUP"


def compose_ice(call: OngoingCall) -> dict[str, Any]:
    """Compose the incoming call event. In-app callers are named in `user`, phones in `cli`."""
    scenario = call.scenario
    is_in_app = scenario.caller.kind is PartyKind.USER
    is_to_phone = scenario.callee.kind in (PartyKind.NUMBER, PartyKind.DID)
    return {
        "event": "ice",
        "callid": call.call_id,
        "callResourceUrl": f"https://calling-euc1.api.sinch.com/calling/v1/calls/id/{call.call_id}",
        "timestamp": _timestamp(call.at),
        "version": 1,
        "custom": "",
        "applicationKey": call.application_key,
        **({"user": scenario.caller.address} if is_in_app else {}),
        "userRate": _money(scenario, _rate(scenario, scenario.callee)),
        "cli": scenario.cli or ("private" if is_in_app else scenario.caller.address),
        "to": _destination(scenario.callee),
        "domain": "pstn" if is_to_phone else "mxp",
        "originationType": "MXP" if is_in_app else "PSTN",
        "duration": 0,
        "rdnis": "",
    }


def compose_ace(call: OngoingCall) -> dict[str, Any]:
    """Compose the answered call event."""
    return {
        "event": "ace",
        "callid": call.call_id,
        "timestamp": _timestamp(call.at),
        "version": 1,
        "custom": "",
        "applicationKey": call.application_key,
        **_carried(call),
    }


def compose_dice(call: OngoingCall, reason: str, result: str, duration_s: int | None) -> dict[str, Any]:
    """Compose the disconnected call event. `duration` is left out of calls that nobody answered.

    The debit is `ceil(duration / 60) * userRate`, which is what three independent samples show.
    """
    scenario = call.scenario
    rate = _rate(scenario, call.connected_to)
    caller = scenario.caller.address.removeprefix("+")  # a number comes without its plus here
    return {
        "event": "dice",
        "callid": call.call_id,
        "timestamp": _timestamp(call.at),
        "version": 1,
        "custom": "",
        "applicationKey": call.application_key,
        **_carried(call),
        "reason": reason,
        "result": result,
        **({"duration": duration_s} if duration_s is not None else {}),
        "debit": _money(scenario, rate * ceil_div(duration_s or 0, 60)),
        "userRate": _money(scenario, rate),
        "to": _destination(call.connected_to),
        "from": caller,
    }


def compose_calling_error(call: OngoingCall, explanation: str) -> dict[str, Any]:
    """Compose the report of an answer that the platform could not take."""
    return {
        "event": "notify",
        "callid": call.call_id,
        "version": 1,
        "custom": "",
        "applicationKey": call.application_key,
        **_carried(call),
        "type": "callingerror",
        "errorCode": 40001,
        "errorMsg": f"Illegal SVAML: {explanation}",
    }


def _end(call: OngoingCall, outcome: Verdict, pair: tuple[str, str], why: str, duration_s: int | None = None) -> Script:
    """Report the end, unless the answer asked for silence. A call of which any event failed to arrive is an error."""
    reason, result = pair
    if not call.is_silent:
        yield from _tell(call, compose_dice(call, reason, result, duration_s))
    return Ending(
        outcome=Verdict.ERROR if call.failures else outcome,
        reason=reason,
        result=result,
        summary="; ".join([why, *call.failures]),
        duration_s=duration_s,
        granted_s=call.granted_s,
    )


def _end_illegal(call: OngoingCall, event: str, fault: IllegalSvaml) -> Script:
    """Report an answer that cannot be taken, then the end that it brings about, even to a call that was answered."""
    yield from _tell(call, compose_calling_error(call, str(fault)))
    why = f"ended by the platform: illegal SVAML in the answer to {event}: {fault}"
    return (yield from _end(call, Verdict.ERROR, ("GENERALERROR", "FAILED"), why))


def _not_yet(name: str) -> str:
    return f"ended by the emulator: it does not play {name} yet"


def _tell(call: OngoingCall, body: Mapping[str, Any]) -> Generator[Tell | Elapse, Exchange | None, Exchange]:
    exchange = yield Tell(body)
    assert exchange is not None, "whoever plays a script answers Tell with an Exchange"
    if exchange.status is None:
        call.failures.append(f"{NAMES[body['event']]} was not answered: {exchange.fault}")
    elif not exchange.is_delivered:
        call.failures.append(f"{NAMES[body['event']]} was answered with {exchange.status}")
    return exchange


def _elapse(call: OngoingCall, seconds: int) -> Generator[Tell | Elapse, Exchange | None, None]:
    call.at += timedelta(seconds=seconds)
    yield Elapse(seconds)


def _carried(call: OngoingCall) -> dict[str, Any]:
    """Return what every event after the first repeats: the in-app user, and the cookies set so far."""
    carried: dict[str, Any] = {}
    if call.scenario.caller.kind is PartyKind.USER:
        carried["user"] = call.scenario.caller.address
    if call.cookies:
        carried["cookies"] = [{"key": key, "value": value} for key, value in call.cookies.items()]
    return carried


def _rate(scenario: Scenario, party: Party) -> Decimal:
    """Return what the platform takes a minute: only what leaves for the phone network costs."""
    return scenario.rate if party.kind is PartyKind.NUMBER else Decimal(0)


def _money(scenario: Scenario, amount: Decimal) -> dict[str, Any]:
    return {"currencyId": scenario.currency, "amount": amount}


def _destination(party: Party) -> dict[str, str]:
    return {"type": TYPES[party.kind], "endpoint": party.address}


def _timestamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
