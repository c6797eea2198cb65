"""Telling the backend, and asking it: one event out, one answer read, and what that answer makes of the call."""

from collections.abc import Generator, Mapping
from typing import Any

from callgate.emulator.sinch.events import compose_calling_error
from callgate.emulator.sinch.ongoing import OngoingCall
from callgate.emulator.sinch.steps import NAMES, Answer, Do, Exchange, Over, Step, Tell, Turn, Verdict
from callgate.emulator.svaml import IllegalSvaml, Svaml, read_svaml
from callgate.emulator.svaml.read import check_cookies


def tell(call: OngoingCall, body: Mapping[str, Any], url: str | None = None) -> Generator[Step, Answer, Exchange]:
    """Post an event, and remember if it did not arrive, unless that was on purpose."""
    exchange = yield Tell(body, url)
    assert isinstance(exchange, Exchange), "whoever plays a script answers Tell with an Exchange"
    if exchange.is_delivered or exchange.note is not None:
        return exchange
    name = NAMES[body["event"]]
    if exchange.status is None:
        call.failures.append(f"{name} was not answered: {exchange.fault}")
    else:
        call.failures.append(f"{name} was answered with {exchange.status}")
    return exchange


def ask(call: OngoingCall, body: Mapping[str, Any]) -> Generator[Step, Answer, Turn | None]:
    """Ask the backend what to do; None when it did not say. The answer may have been given with the callout."""
    event = body["event"]
    route = call.routes.get(event)
    if isinstance(route, Mapping):
        answer: object = route
    else:
        call.questions += 1
        if call.questions > call.habits.most_questions:
            why = f"ended by the emulator: more than {call.habits.most_questions} callbacks in one call"
            return Over(Verdict.ERROR, call.habits.pair("illegal_svaml"), why)
        exchange = yield from tell(call, body, route)
        if not exchange.is_delivered:
            return None
        answer = exchange.answer
    try:
        svaml = read_svaml(answer, event, is_strict=call.habits.is_strict)
        take_cookies(call, svaml)
    except IllegalSvaml as fault:
        return (yield from refuse_answer(call, NAMES[event], fault))
    return Do(svaml, event)


def take_cookies(call: OngoingCall, svaml: Svaml) -> None:
    """Keep what the answer sets. Raises `IllegalSvaml` where all cookies of the call are then too many."""
    cookies = {**call.cookies, **svaml.cookies}
    check_cookies(cookies)
    call.cookies = cookies


def refuse_answer(call: OngoingCall, event: str, fault: IllegalSvaml) -> Generator[Step, Answer, Over]:
    """Report an answer that cannot be taken, and end the call, even one that was answered."""
    call.is_illegal = True
    yield from tell(call, compose_calling_error(call, str(fault)))
    why = f"ended by the platform: illegal SVAML in the answer to {event}: {fault}"
    return Over(Verdict.ERROR, call.habits.pair("illegal_svaml"), why)
