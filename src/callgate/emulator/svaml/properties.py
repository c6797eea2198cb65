"""The properties of actions and instructions: their types and limits. Unknown properties pass, null is as good as absent."""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from callgate.emulator.svaml.faults import IllegalSvaml
from callgate.numbers import parse_e164

MAX_DURATION_S = 14_400
"""Longest `maxDuration` of the connecting actions."""

MAX_PARK_S = 600
"""Longest `maxDuration` of `park`; from older pages, today's name none."""

MAX_CONFERENCE_ID = 64
"""Longest conference id. Source: Sinch Voice API reference, connectConf."""

MAX_TEXT = 600
"""Longest text of `say`, in characters, unless support has raised it."""

MAX_CALL_HEADERS_BYTES = 1_024
"""All keys and values of `callHeaders`."""

MOH = ("ring", "music1", "music2", "music3")
TRANSPORTS = ("udp", "tcp", "tls")
DTMF_MODES = ("ignore", "forward", "detect")
_KEYS = re.compile(r"[0-9#w]*", re.ASCII)


class Rule(NamedTuple):
    """One property: what is wrong with a value (None when nothing is), and whether it must be there."""

    fault: Callable[[Any], str | None]
    is_required: bool = False


def check_properties(name: str, node: Mapping[str, Any], path: str) -> None:
    """Judge every known property of an action or an instruction. Raises `IllegalSvaml` at the first that is wrong."""
    for key, rule in RULES.get(name, {}).items():
        value = node.get(key)
        if value is None:
            if rule.is_required:
                raise IllegalSvaml(f"{path}.{key}", f"{name} needs {_NEEDS.get(key, 'it')}")
        elif (fault := rule.fault(value)) is not None:
            raise IllegalSvaml(f"{path}.{key}", fault)


def is_whole(value: object) -> bool:
    """Whether a JSON value is a whole number, which `true` is not."""
    return isinstance(value, int) and not isinstance(value, bool)


def _seconds(most: int | None) -> Callable[[Any], str | None]:
    limit = f" of at most {most}" if most is not None else ""

    def fault(value: Any) -> str | None:
        if is_whole(value) and value >= 1 and (most is None or value <= most):
            return None
        return f"{value!r} is not a whole number of seconds above 0{limit}"

    return fault


def _text(value: Any) -> str | None:
    return None if isinstance(value, str) else f"{value!r} is not a text"


def _key(value: Any) -> str | None:
    return None if isinstance(value, str) and value else f"{value!r} is not a key"


def _said(value: Any) -> str | None:
    if not isinstance(value, str):
        return f"{value!r} is not a text"
    return None if len(value) <= MAX_TEXT else f"{len(value)} characters, more than {MAX_TEXT}"


def _flag(value: Any) -> str | None:
    return None if isinstance(value, bool) else f"{value!r} is not true or false"


def _object(value: Any) -> str | None:
    return None if isinstance(value, dict) else f"{value!r} is not an object"


def _prompts(value: Any) -> str | None:
    is_well = isinstance(value, list) and value and all(isinstance(one, str) for one in value)
    return None if is_well else f"{value!r} is not a list of prompts"


def _dtmf(value: Any) -> str | None:
    is_well = isinstance(value, str) and _KEYS.fullmatch(value)
    return None if is_well else f"{value!r} is not made of 0-9, # and w"


def _number(value: Any) -> str | None:
    # Emergency numbers are the short ones that may be dialled, and have no country code.
    is_well = isinstance(value, str) and (parse_e164(value) or (value.isascii() and value.isdigit()))
    return None if is_well else f"{value!r} is not a number that can be dialled"


def _one_of(*words: str) -> Callable[[Any], str | None]:
    def fault(value: Any) -> str | None:
        is_well = isinstance(value, str) and value.lower() in words
        return None if is_well else f"{value!r} is not one of {', '.join(words)}"

    return fault


def _conference(value: Any) -> str | None:
    if not isinstance(value, str) or not value:
        return f"{value!r} is not the id of a conference"
    return None if len(value) <= MAX_CONFERENCE_ID else f"{len(value)} characters, more than {MAX_CONFERENCE_ID}"


def _dtmf_options(value: Any) -> str | None:
    if not isinstance(value, dict):
        return f"{value!r} is not an object"
    mode = value.get("mode")
    return None if mode is None else _one_of(*DTMF_MODES)(mode)


def _destination(*types: str) -> Callable[[Any], str | None]:
    def fault(value: Any) -> str | None:
        if not isinstance(value, dict):
            return f"{value!r} is not an object"
        endpoint, kind = value.get("endpoint"), value.get("type")
        if not isinstance(endpoint, str) or not endpoint:
            return f"{endpoint!r} is no endpoint"
        is_well = kind is None or (isinstance(kind, str) and kind.lower() in types)
        return None if is_well else f"{kind!r} is not {' or '.join(types)}"

    return fault


def _call_headers(value: Any) -> str | None:
    is_well = isinstance(value, list) and all(
        isinstance(pair, dict) and isinstance(pair.get("key"), str) and isinstance(pair.get("value"), str)
        for pair in value
    )
    if not is_well:
        return f"{value!r} is not a list of pairs of key and value"
    size = sum(len((pair["key"] + pair["value"]).encode()) for pair in value)
    return None if size <= MAX_CALL_HEADERS_BYTES else f"{size} bytes, more than {MAX_CALL_HEADERS_BYTES}"


_NEEDS = {
    "ids": "a list of prompts",
    "text": "a text",
    "value": "a value",
    "key": "a key",
    "options": "options",
    "destination": "a destination",
    "conferenceId": "the id of a conference",
    "menus": "a list of menus",
}

RULES: Mapping[str, Mapping[str, Rule]] = {
    "connectPstn": {
        "number": Rule(_number),
        "locale": Rule(_text),
        "maxDuration": Rule(_seconds(MAX_DURATION_S)),
        "dialTimeout": Rule(_seconds(None)),
        "cli": Rule(_text),
        "suppressCallbacks": Rule(_flag),
        "dtmf": Rule(_dtmf),
        "indications": Rule(_text),
        "amd": Rule(_object),
    },
    "connectMxp": {"destination": Rule(_destination("username")), "callHeaders": Rule(_call_headers)},
    "connectConf": {
        "conferenceId": Rule(_conference, is_required=True),
        "conferenceDtmfOptions": Rule(_dtmf_options),
        "moh": Rule(_one_of(*MOH)),
        "suppressCallbacks": Rule(_flag),
    },
    "connectSip": {
        "destination": Rule(_destination("sip"), is_required=True),
        "maxDuration": Rule(_seconds(MAX_DURATION_S)),
        "cli": Rule(_text),
        "transport": Rule(_one_of(*TRANSPORTS)),
        "suppressCallbacks": Rule(_flag),
        "callHeaders": Rule(_call_headers),
        "moh": Rule(_one_of(*MOH)),
    },
    "connectStream": {
        "destination": Rule(_destination("websocket"), is_required=True),
        "streamingOptions": Rule(_object),
        "maxDuration": Rule(_seconds(MAX_DURATION_S)),
        "callHeaders": Rule(_call_headers),
    },
    "runMenu": {
        "barge": Rule(_flag),
        "locale": Rule(_text),
        "mainMenu": Rule(_text),
        "enableVoice": Rule(_flag),
    },
    "park": {
        "locale": Rule(_text),
        "introPrompt": Rule(_text),
        "holdPrompt": Rule(_text),
        "maxDuration": Rule(_seconds(MAX_PARK_S)),
    },
    "playFiles": {"ids": Rule(_prompts, is_required=True), "locale": Rule(_text)},
    "say": {"text": Rule(_said, is_required=True), "locale": Rule(_text)},
    "sendDtmf": {"value": Rule(_dtmf, is_required=True)},
    "setCookie": {"key": Rule(_key, is_required=True), "value": Rule(_text, is_required=True)},
    "startRecording": {"options": Rule(_object, is_required=True)},
}
"""Every property that is judged, by the name of its action or instruction."""
