"""Rented numbers, callback URLs, and what the platform says of a number."""

from typing import Any

import msgspec
from aiohttp import web

from callgate.emulator.applications import Application, CallbackUrls
from callgate.emulator.emulated import Platform
from callgate.emulator.rest.body import object_of, read_object, text_of
from callgate.emulator.rest.errors import ILLEGAL, INVALID, MISSING, NOT_FOUND, ApiError
from callgate.emulator.target import read_target
from callgate.errors import Invalid
from callgate.numbers import parse_e164

MAX_NUMBERS = 100
"""Numbers that one request may assign."""


async def list_numbers(platform: Platform, _: Application, __: web.Request) -> web.Response:
    """`GET /v1/configuration/numbers`."""
    shown = [
        {"number": number, **({"applicationkey": key} if key else {}), "capability": "voice"}
        for number, key in sorted(platform.numbers.items())
    ]
    return web.json_response({"numbers": shown})


async def assign_numbers(platform: Platform, application: Application, request: web.Request) -> web.Response:
    """`POST /v1/configuration/numbers`: rent them, if need be, and lead their calls to an application."""
    body = await read_object(request)
    key = _application_key(platform, application, body)
    numbers = body.get("numbers")
    if not isinstance(numbers, list) or not 0 < len(numbers) <= MAX_NUMBERS:
        raise ApiError(ILLEGAL, f"numbers: a list of 1 to {MAX_NUMBERS} numbers is expected")
    for number in [_number(each) for each in numbers]:
        platform.numbers[number] = key
    return web.json_response({})


async def unassign_number(platform: Platform, application: Application, request: web.Request) -> web.Response:
    """`DELETE /v1/configuration/numbers`: the number stays rented, and leads nowhere."""
    body = await read_object(request)
    key = _application_key(platform, application, body)
    number = _number(text_of(body, "number", is_required=True))
    if platform.numbers.get(number) != key:
        raise ApiError(ILLEGAL, f"number: {number} is not assigned to this application")
    platform.numbers[number] = ""
    return web.json_response({})


async def show_callbacks(platform: Platform, application: Application, request: web.Request) -> web.Response:
    """`GET /v1/configuration/callbacks/applications/{key}`."""
    urls = _own(platform, application, request).urls
    return web.json_response({"url": {"primary": urls.primary, "fallback": urls.fallback}})


async def set_callbacks(platform: Platform, application: Application, request: web.Request) -> web.Response:
    """`POST /v1/configuration/callbacks/applications/{key}`."""
    own = _own(platform, application, request)
    url = object_of(await read_object(request), "url")
    if not url:
        raise ApiError(MISSING, "url is missing")
    urls = CallbackUrls(primary=_url(url, "primary"), fallback=_url(url, "fallback"))
    platform.add(msgspec.structs.replace(own, urls=urls))
    return web.Response(status=204)


async def query_number(_: Platform, __: Application, request: web.Request) -> web.Response:
    """`GET /v1/calling/query/number/{number}`: its country and kind."""
    import phonenumbers  # noqa: PLC0415 - a large library, for this alone

    text = request.match_info["number"]
    normalized = parse_e164(text)
    try:
        number = phonenumbers.parse(normalized or text)
    except phonenumbers.NumberParseException:
        raise ApiError(ILLEGAL, f"number: {text!r} is not a number in E.164") from None
    kinds = {phonenumbers.PhoneNumberType.MOBILE: "Mobile", phonenumbers.PhoneNumberType.FIXED_LINE: "Fixed"}
    is_known = phonenumbers.is_valid_number(number)
    found: dict[str, Any] = {
        "countryId": phonenumbers.region_code_for_number(number) or "",
        "numberType": kinds.get(phonenumbers.number_type(number), "Other") if is_known else "Unknown",
        "normalizedNumber": normalized,
        "restricted": not is_known,
        "rate": {"currencyId": "USD", "amount": 0.01},
    }
    return web.json_response({"number": found})


def _application_key(platform: Platform, application: Application, body: dict[str, Any]) -> str:
    key = text_of(body, "applicationkey") or text_of(body, "applicationKey") or application.key
    if key not in platform.applications:
        raise ApiError(INVALID, f"applicationkey: there is no application {key!r}")
    return key


def _own(platform: Platform, application: Application, request: web.Request) -> Application:
    key = request.match_info["key"]
    if key != application.key:
        raise ApiError(NOT_FOUND, f"There is no application {key!r} of yours")
    return platform.applications[key]


def _number(value: Any) -> str:
    number = parse_e164(value) if isinstance(value, str) else None
    if number is None:
        raise ApiError(ILLEGAL, f"numbers: {value!r} is not a number in E.164")
    return number


def _url(url: Any, name: str) -> str:
    text = text_of(url, name)
    try:
        return read_target(text).url if text else ""
    except Invalid:
        raise ApiError(ILLEGAL, f"url.{name}: {text!r} is not an http or https URL") from None
