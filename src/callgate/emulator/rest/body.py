"""Reads the JSON of requests."""

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web

from callgate.emulator.rest.errors import ILLEGAL, MISSING, ApiError


async def read_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object. Raises `ApiError`."""
    try:
        body = msgspec.json.decode(await request.read())
    except (msgspec.DecodeError, RecursionError):
        raise ApiError(ILLEGAL, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise ApiError(ILLEGAL, "the body is not a JSON object")
    return body


def text_of(node: Mapping[str, Any], key: str, *, most: int = 10_000, is_required: bool = False) -> str:
    """A text by its name, "" where it is absent. Raises `ApiError`."""
    value = node.get(key)
    if value is None:
        if is_required:
            raise ApiError(MISSING, f"{key} is missing")
        return ""
    if not isinstance(value, str):
        raise ApiError(ILLEGAL, f"{key}: {value!r} is not a text")
    if len(value) > most:
        raise ApiError(ILLEGAL, f"{key}: {len(value)} characters, more than {most}")
    return value


def flag_of(node: Mapping[str, Any], key: str) -> bool:
    """A flag by its name, off where it is absent. Raises `ApiError`."""
    value = node.get(key)
    if value is not None and not isinstance(value, bool):
        raise ApiError(ILLEGAL, f"{key}: {value!r} is not true or false")
    return bool(value)


def seconds_of(node: Mapping[str, Any], key: str, most: int) -> int | None:
    """Whole seconds by their name. Raises `ApiError`."""
    value = node.get(key)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= most:
        raise ApiError(ILLEGAL, f"{key}: {value!r} is not a whole number of seconds from 1 to {most}")
    return value


def object_of(node: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object by its name, empty where it is absent. Raises `ApiError`."""
    value = node.get(key)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ApiError(ILLEGAL, f"{key}: not an object")
    return value
