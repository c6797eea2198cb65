"""Composes the events as they are spelled on the wire. Source: Sinch Voice API reference, callbacks."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from callgate.emulator.scenario import Party, PartyKind, Scenario
from callgate.emulator.sinch.ongoing import OngoingCall
from callgate.money import ceil_div

TYPES = {
    PartyKind.NUMBER: "number",
    PartyKind.DID: "did",
    PartyKind.USER: "username",
    PartyKind.CONFERENCE: "conference",
    PartyKind.SIP: "sip",
}
"""How the wire spells what a call is to."""

ORIGINS = {PartyKind.USER: "MXP", PartyKind.SIP: "SIP"}
"""How the wire spells where a call comes from; what is not here comes from the phone network."""


def compose_ice(call: OngoingCall) -> dict[str, Any]:
    """Compose the incoming call event. In-app callers are named in `user`, phones in `cli`."""
    scenario = call.scenario
    is_in_app = scenario.caller.kind is PartyKind.USER
    is_to_phone = scenario.callee.kind in (PartyKind.NUMBER, PartyKind.DID)
    return {
        "event": "ice",
        "callid": call.call_id,
        "callResourceUrl": f"{call.resource_base}/calling/v1/calls/id/{call.call_id}",
        **_common(call),
        **({"user": scenario.caller.address} if is_in_app else {}),
        "userRate": money(scenario, rate_of(scenario, scenario.callee)),
        "cli": scenario.cli or ("private" if is_in_app else scenario.caller.address),
        "to": destination(scenario.callee),
        "domain": "pstn" if is_to_phone else "mxp",
        "originationType": "SERVER" if call.callout is not None else ORIGINS.get(scenario.caller.kind, "PSTN"),
        "duration": 0,
        "rdnis": scenario.rdnis,
        **({"callHeaders": pairs(scenario.call_headers)} if scenario.call_headers else {}),
    }


def compose_ace(call: OngoingCall, amd: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Compose the answered call event. `amd` is what the detection of answering machines found, where it was asked."""
    return {
        "event": "ace",
        "callid": call.call_id,
        **_common(call),
        **_carried(call),
        **({"amd": amd} if amd is not None else {}),
    }


def compose_pie(call: OngoingCall, menu_id: str, kind: str, value: str, method: str = "dtmf") -> dict[str, Any]:
    """Compose the prompt input event. Where nothing was entered there is no value."""
    return {
        "event": "pie",
        "callid": call.call_id,
        **_common(call),
        **_carried(call),
        "menuResult": {
            "menuId": menu_id,
            "type": kind,
            **({"value": value} if value else {}),
            "inputMethod": method,
        },
    }


def compose_dice(call: OngoingCall, reason: str, result: str, duration_s: int | None) -> dict[str, Any]:
    """Compose the disconnected call event. `duration` is left out of calls that nobody answered.

    The debit is `ceil(duration / 60) * userRate`, which is what three independent samples show.
    """
    scenario = call.scenario
    rate = rate_of(scenario, call.connected_to)
    headers = call.call_headers or scenario.call_headers
    return {
        "event": "dice",
        "callid": call.call_id,
        **_common(call),
        **_carried(call),
        "reason": reason,
        "result": result,
        **({"duration": duration_s} if duration_s is not None else {}),
        "debit": money(scenario, rate * ceil_div(duration_s or 0, 60)),
        "userRate": money(scenario, rate),
        "to": destination(call.connected_to),
        "from": scenario.caller.address.removeprefix("+"),  # a number comes without its plus here
        **({"callHeaders": pairs(headers)} if headers else {}),
    }


def compose_notify(call: OngoingCall, kind: str, **more: object) -> dict[str, Any]:
    """Compose a notification, which has no time stamp."""
    common = {key: value for key, value in _common(call).items() if key != "timestamp"}
    return {"event": "notify", "callid": call.call_id, **common, **_carried(call), "type": kind, **more}


def compose_calling_error(call: OngoingCall, explanation: str) -> dict[str, Any]:
    """Compose the report of an answer that the platform could not take."""
    return compose_notify(call, "callingerror", errorCode=40001, errorMsg=f"Illegal SVAML: {explanation}")


def rate_of(scenario: Scenario, party: Party) -> Decimal:
    """Return what the platform takes a minute: only what leaves for the phone network costs."""
    return scenario.rate if party.kind is PartyKind.NUMBER else Decimal(0)


def money(scenario: Scenario, amount: Decimal) -> dict[str, Any]:
    """An amount as the wire has it."""
    return {"currencyId": scenario.currency, "amount": amount}


def destination(party: Party) -> dict[str, str]:
    """A party as the wire has it."""
    return {"type": TYPES[party.kind], "endpoint": party.address}


def pairs(headers: Mapping[str, str]) -> list[dict[str, str]]:
    """Headers, or cookies, as the wire has them."""
    return [{"key": key, "value": value} for key, value in headers.items()]


def timestamp(at: datetime) -> str:
    """A time as events have it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _common(call: OngoingCall) -> dict[str, Any]:
    return {
        "timestamp": timestamp(call.at),
        "version": 1,
        "custom": call.scenario.custom,
        "applicationKey": call.application_key,
        **({"conferenceId": call.conference_id} if call.conference_id else {}),
    }


def _carried(call: OngoingCall) -> dict[str, Any]:
    """Return what every event after the first repeats: the in-app user, and the cookies set so far."""
    carried: dict[str, Any] = {}
    if call.scenario.caller.kind is PartyKind.USER:
        carried["user"] = call.scenario.caller.address
    if call.cookies:
        carried["cookies"] = pairs(call.cookies)
    return carried
