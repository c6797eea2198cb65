"""Calls: what is known of one, and updates of those that are up."""

from typing import Any

from aiohttp import web

from callgate.emulator.applications import Application
from callgate.emulator.courier import encode
from callgate.emulator.emulated import LiveCall, Platform
from callgate.emulator.rest.body import read_object
from callgate.emulator.rest.errors import INVALID, ApiError, no_such_call
from callgate.emulator.scenario import PartyKind
from callgate.emulator.sinch import Patched, State
from callgate.emulator.sinch.events import destination, money, rate_of
from callgate.emulator.svaml import IllegalSvaml, read_svaml
from callgate.money import ceil_div

LEGS = ("caller", "callee", "both")

_PHONES = (PartyKind.NUMBER, PartyKind.DID, PartyKind.SIP)


async def show_call(platform: Platform, application: Application, request: web.Request) -> web.Response:
    """`GET /calling/v1/calls/id/{callId}`."""
    live = find_call(platform, application, request.match_info["call_id"])
    return web.Response(body=encode(info_of(live)), content_type="application/json")


async def update_call(platform: Platform, application: Application, request: web.Request) -> web.Response:
    """`PATCH /calling/v1/calls/id/{callId}`: SVAML for a call that is up."""
    live = _updatable(platform, application, request)
    event = "parked" if live.call.state is State.PARKED else "patch"
    try:
        svaml = read_svaml(await read_object(request), event, is_strict=platform.habits.is_strict)
    except IllegalSvaml as fault:
        raise ApiError(INVALID, f"Invalid SVAML: {fault}") from None
    live.inbox.put(Patched(svaml))
    return web.Response(status=204)


async def update_leg(platform: Platform, application: Application, request: web.Request) -> web.Response:
    """`PATCH /calling/v1/calls/id/{callId}/leg/{callLeg}`: prompts for one leg. Nothing is heard, so that it is checked."""
    live = _updatable(platform, application, request)
    if request.match_info["leg"].lower() not in LEGS:
        raise ApiError(INVALID, f"callLeg: {request.match_info['leg']!r} is not one of {', '.join(LEGS)}")
    try:
        svaml = read_svaml(await read_object(request), "leg", is_strict=platform.habits.is_strict)
    except IllegalSvaml as fault:
        raise ApiError(INVALID, f"Invalid SVAML: {fault}") from None
    if live.call.state is not State.IN_CONFERENCE and live.call.callout is None:  # there it is ignored
        live.inbox.put(Patched(svaml))
    return web.Response(status=204)


def find_call(platform: Platform, application: Application, call_id: str) -> LiveCall:
    """A call of this application, up or ended. Raises `ApiError`."""
    live = platform.calls.get(call_id)
    if live is None or live.application.key != application.key:
        raise no_such_call()
    return live


def info_of(live: LiveCall) -> dict[str, Any]:
    """What the platform knows of a call."""
    call, scenario, ending = live.call, live.call.scenario, live.ending
    rate = rate_of(scenario, call.connected_to)
    duration_s = 0 if ending is None else ending.duration_s or 0
    return {
        "from": destination(scenario.caller),
        "to": destination(call.connected_to),
        "domain": "pstn" if call.connected_to.kind in _PHONES else "mxp",
        "callId": call.call_id,
        "duration": duration_s,
        "status": "ONGOING" if ending is None else "FINAL",
        "result": "N/A" if ending is None else ending.result,
        "reason": "INVALIDSVAMLACTION"
        if call.is_illegal and ending is not None
        else "N/A"
        if ending is None
        else ending.reason,
        "timestamp": live.began_at.strftime("%Y-%m-%dT%H:%M:%S"),
        "custom": scenario.custom,
        "userRate": money(scenario, rate),
        "debit": money(scenario, rate * ceil_div(duration_s, 60)),
    }


def _updatable(platform: Platform, application: Application, request: web.Request) -> LiveCall:
    live = find_call(platform, application, request.match_info["call_id"])
    if not live.is_up:
        raise no_such_call()
    sides = (live.call.scenario.caller.kind, live.call.scenario.callee.kind, live.call.connected_to.kind)
    if not any(side in _PHONES for side in sides):
        raise ApiError(INVALID, "only calls that come from or go to PSTN or SIP can be updated")
    return live
