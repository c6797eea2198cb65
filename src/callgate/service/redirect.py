"""A refused caller is led on: the same call once more, as one to a rented number of the operator's, whose owner pays for it."""

from collections.abc import Mapping

import msgspec

from callgate.policy.refusal import Refusal
from callgate.protocol.call import CallArrived, Endpoint, EndpointKind
from callgate.service.application import Application, ApplicationSettings
from callgate.service.books import AccountKey
from callgate.service.decide import Redirected, Step, Verdict
from callgate.service.did import Did, DidKey
from callgate.service.records import Call

STEP = "redirect"
"""What the trace calls it. The steps behind it are those of the rented number."""

_MARK = f'"step":"{STEP}"'.encode()

Redirections = Mapping[Refusal, Did]
"""Where refusals of an application lead."""

NOWHERE: Redirections = {}


def redirections_of(applications: Mapping[str, Application], dids: Mapping[DidKey, Did]) -> Mapping[str, Redirections]:
    """By application, of those that lead anywhere. What is not rented any more is left out."""
    found: dict[str, Redirections] = {}
    for key, application in applications.items():
        numbers = application.row.settings.redirects.numbers
        led = {Refusal(refusal): dids.get(DidKey(key, number)) for refusal, number in numbers.items()}
        if known := {refusal: did for refusal, did in led.items() if did is not None}:
            found[key] = known
    return found


def owner_of(did: Did) -> AccountKey:
    return AccountKey(did.application, did.account)


def call_to(call: CallArrived, did: Did) -> CallArrived:
    """The call as if the rented number had been dialled."""
    return msgspec.structs.replace(call, destination=Endpoint(EndpointKind.DID, did.number))


def redirected_by(refusal: Refusal) -> Redirected:
    """No rule may send the call on from there: that would be a second time."""
    return Redirected(rule=f"{STEP}.{refusal}")


def traced(refused: Verdict, did: Did, verdict: Verdict) -> tuple[Step, ...]:
    """The steps that refused the call, and those of where it leads; who pays there is settled, unless nobody does."""
    step = Step(STEP, {"after": refused.refusal, "to": did.number, "account": did.account}, None)
    again = next((place for place, each in enumerate(verdict.trace) if each.step == "account"), len(verdict.trace) - 1)
    return (*refused.trace, step, *verdict.trace[again:])


def is_redirected(call: Call) -> bool:
    return _MARK in call.trace


def rest_s(settings: ApplicationSettings, elapsed_s: int) -> int:
    """What is left of the cap of a call that was redirected and has been in the menu for so long; a second at least, after
    which our timer ends it.
    """
    return max(1, settings.redirect_seconds - elapsed_s)
