"""Callouts: calls that the backend places."""

import re
from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from callgate.emulator.applications import Application
from callgate.emulator.emulated import Platform
from callgate.emulator.rest.body import flag_of, object_of, read_object, seconds_of, text_of
from callgate.emulator.rest.errors import FORBIDDEN, ILLEGAL, MISSING, NO_CREDIT, ApiError
from callgate.emulator.scenario import Outcome, Party, PartyKind, Scenario
from callgate.emulator.sinch import Callout
from callgate.emulator.sinch.callout import CONFERENCE, CUSTOM, METHODS, TTS
from callgate.emulator.svaml import IllegalSvaml, read_svaml
from callgate.emulator.target import read_target
from callgate.errors import Invalid
from callgate.numbers import parse_e164

MAX_TEXT, MAX_CUSTOM, MAX_CONFERENCE_ID, MAX_DURATION_S = 600, 1_024, 64, 14_400

PREFIX, MAX_HEADERS, MAX_HEADER_NAME, MAX_HEADER_VALUE = "x-cb-", 5, 32, 128
"""Which headers of the request the callbacks of its call repeat; the limits are the reference's."""

_KINDS = {"number": PartyKind.NUMBER, "username": PartyKind.USER, "sip": PartyKind.SIP}
_DTMF = re.compile(r"[0-9#w]*", re.ASCII)
_PRINTABLE = re.compile(r"[\x20-\x7e]*")


async def place_callout(platform: Platform, application: Application, request: web.Request) -> web.Response:
    """`POST /calling/v1/callouts`: place the call, and say its id at once."""
    body = await read_object(request)
    method = text_of(body, "method", is_required=True)
    if method not in METHODS:
        raise ApiError(ILLEGAL, f"method: {method!r} is not one of {', '.join(METHODS)}")
    if not isinstance(body.get(method), dict):
        raise ApiError(MISSING, f"{method} is missing")
    wanted = body[method]
    if not application.has_credit:
        raise ApiError(NO_CREDIT, "Not enough credit")
    callee = _destination(wanted, is_required=method != CUSTOM)
    cli = text_of(wanted, "cli")
    scenario = Scenario(
        caller=Party(PartyKind.NUMBER, parse_e164(cli) or cli or "private"),
        callee=callee or Party(PartyKind.NUMBER, parse_e164(cli) or cli or "private"),
        cli=cli or "private",
        custom=text_of(wanted, "custom", most=MAX_CUSTOM),
        headers=repeated_headers(request.headers),
    )
    manner = platform.manner_of(scenario.callee.address)
    if manner.outcome is Outcome.BLOCKED:
        raise ApiError(FORBIDDEN, f"Destination {scenario.callee.address} is forbidden")
    routes = _routes(wanted) if method == CUSTOM else {}
    call = platform.new_call(
        manner.applied(scenario),
        application,
        callout=_callout(method, wanted),
        wants=_wants(
            method, wanted, has_urls=bool(application.urls.primary), routes=routes, has_destination=callee is not None
        ),
        routes=routes,
    )
    platform.start(call, application)
    return web.json_response({"callId": call.call_id})


def repeated_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """The `X-CB-` headers that callbacks repeat: the first five that keep to the limits; the rest goes without a word."""
    kept: dict[str, str] = {}
    for name, value in headers.items():
        is_well = len(name) <= MAX_HEADER_NAME and len(value) <= MAX_HEADER_VALUE and _PRINTABLE.fullmatch(value)
        if name.lower().startswith(PREFIX) and is_well and len(kept) < MAX_HEADERS:
            kept[name] = value
    return kept


def _destination(wanted: Mapping[str, Any], *, is_required: bool) -> Party | None:
    node = wanted.get("destination")
    if node is None and not is_required:
        return None
    if not isinstance(node, dict):
        raise ApiError(MISSING, "destination is missing")
    kind, endpoint = text_of(node, "type") or "number", text_of(node, "endpoint", most=255, is_required=True)
    if kind.lower() not in _KINDS:
        raise ApiError(ILLEGAL, f"destination.type: {kind!r} is not one of {', '.join(_KINDS)}")
    party = _KINDS[kind.lower()]
    if party is not PartyKind.NUMBER:
        return Party(party, endpoint.removeprefix("sip:"))
    number = parse_e164(endpoint)
    if number is None:
        raise ApiError(ILLEGAL, f"destination.endpoint: {endpoint!r} is not a number in E.164")
    return Party(party, number)


def _callout(method: str, wanted: Mapping[str, Any]) -> Callout:
    dtmf = text_of(wanted, "dtmf", most=255)
    if not _DTMF.fullmatch(dtmf):
        raise ApiError(ILLEGAL, f"dtmf: {dtmf!r} is not made of 0-9, # and w")
    text = text_of(wanted, "text", most=MAX_TEXT)
    prompts = text_of(wanted, "prompts") or (f"#tts[{text}]" if text else "")
    if method == TTS and not prompts:
        raise ApiError(MISSING, "text or prompts is missing")
    return Callout(
        method=method,
        text=prompts,
        conference_id=text_of(wanted, "conferenceId", most=MAX_CONFERENCE_ID, is_required=method == CONFERENCE),
        conference_options=object_of(wanted, "conferenceDtmfOptions"),
        max_duration_s=seconds_of(wanted, "maxDuration", MAX_DURATION_S),
        dtmf=dtmf,
    )


def _wants(
    method: str, wanted: Mapping[str, Any], *, has_urls: bool, routes: Mapping[str, Any], has_destination: bool
) -> frozenset[str]:
    """The events that the backend is to be told: those that the callout enables; of a custom one, all that have a way."""
    if method != CUSTOM:
        flags = {"ace": "enableAce", "pie": "enablePie", "dice": "enableDice"}
        enabled = {event for event, flag in flags.items() if flag_of(wanted, flag)}
        return frozenset(enabled) if has_urls else frozenset()
    by_url = {"ice", "ace", "pie", "dice"} if has_urls else set()
    if has_destination and "ice" not in routes:
        by_url -= {"ice"}
    elif not has_destination and not by_url and "ice" not in routes:
        raise ApiError(MISSING, "ice is missing, and the application has no callback URL")
    return frozenset(by_url | routes.keys())


def _routes(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Where a custom callout has its events answered: a URL each, or SVAML as a text of JSON."""
    routes: dict[str, Any] = {}
    for event in ("ice", "ace", "pie", "dice"):
        text = text_of(wanted, event)
        if not text:
            continue
        if not text.lstrip().startswith("{"):
            try:
                read_target(text)
            except Invalid:
                raise ApiError(ILLEGAL, f"{event}: {text!r} is neither a URL nor SVAML") from None
            routes[event] = text
            continue
        try:
            routes[event] = msgspec.json.decode(text)
            read_svaml(routes[event], event)
        except (msgspec.DecodeError, RecursionError):
            raise ApiError(ILLEGAL, f"{event}: not JSON") from None
        except (IllegalSvaml, KeyError) as fault:
            raise ApiError(ILLEGAL, f"{event}: illegal SVAML: {fault}") from None
    return routes
