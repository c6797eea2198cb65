"""Reads the answer of a callback server as strictly as the platform does. Source: Sinch Voice API reference, SVAML.

It shares no code with `protocol.sinch.svaml`, which writes such answers: an emulator that read with the gate's own eyes
would agree with the gate's own mistakes. Names are matched without case, properties in the exact case, unknown
properties pass.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from callgate.numbers import parse_e164

MAX_DURATION_S = 14_400
"""Longest `maxDuration` of the connecting actions."""

MAX_COOKIE_BYTES = 1_024
"""All cookies of a call, keys and values. What the platform does beyond it is not documented; here it is illegal."""

ACTIONS: Mapping[str, frozenset[str]] = {
    "ice": frozenset(
        ("hangup", "connectPstn", "connectMxp", "connectConf", "connectSip", "connectStream", "runMenu", "park")
    ),
    "ace": frozenset(("hangup", "continue", "connectConf", "runMenu")),
}
"""Actions that may answer each event, as the current reference has it."""

INSTRUCTIONS: Mapping[str, frozenset[str]] = {
    "ice": frozenset(("playFiles", "say", "sendDtmf", "setCookie", "answer", "startRecording", "stopRecording")),
    "ace": frozenset(("playFiles", "say", "sendDtmf", "setCookie", "startRecording", "stopRecording")),
}
"""Instructions that may precede the action; `sendDtmf` answers an ACE in older pages only, and is let through."""


class IllegalSvaml(Exception):
    """The platform would not take this answer; the text begins with the JSON path. Caught where the call is played."""

    def __init__(self, path: str, explanation: str) -> None:
        super().__init__(f"{path}: {explanation}")


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with the call. `name` in the reference's spelling; of `connectPstn`, what the emulator acts upon."""

    name: str
    number: str | None = None
    max_duration_s: int | None = None
    dial_timeout_s: int | None = None
    is_silent: bool = False  # suppressCallbacks: neither ACE nor DiCE


class Svaml(msgspec.Struct, frozen=True, kw_only=True):
    """A legal answer: its action, and the cookies that it sets for all later events of the call."""

    action: Action
    cookies: Mapping[str, str]


def read_svaml(answer: object, event: str) -> Svaml:
    """Read the decoded body of a 2xx answer to `event` (`ice`, `ace`). Raises `IllegalSvaml` at the first fault."""
    if not isinstance(answer, dict):
        raise IllegalSvaml("$", "the answer is not a JSON object")
    cookies = _read_instructions(answer.get("instructions"), event)
    return Svaml(action=_read_action(answer.get("action"), event), cookies=cookies)


def _read_action(action: object, event: str) -> Action:
    path = "$.action"
    if not isinstance(action, dict):
        raise IllegalSvaml(path, "there is no action")
    name = _name_of(action, path, ACTIONS, event)
    if name != "connectPstn":
        return Action(name=name)
    return Action(
        name=name,
        number=_number_of(action, path),
        max_duration_s=_whole(action, "maxDuration", path, most=MAX_DURATION_S),
        dial_timeout_s=_whole(action, "dialTimeout", path, most=None),
        is_silent=bool(_typed(action, "suppressCallbacks", path, bool, "true or false")),
    )


def _read_instructions(instructions: object, event: str) -> dict[str, str]:
    """Check every instruction, and return the cookies that they set."""
    if instructions is None:
        return {}
    if not isinstance(instructions, list):
        raise IllegalSvaml("$.instructions", "not a list")
    cookies: dict[str, str] = {}
    for index, instruction in enumerate(instructions):
        path = f"$.instructions[{index}]"
        if not isinstance(instruction, dict):
            raise IllegalSvaml(path, "not an object")
        name = _name_of(instruction, path, INSTRUCTIONS, event)
        for key, is_well, expected in _REQUIRED.get(name, ()):
            if not is_well(instruction.get(key)):
                raise IllegalSvaml(f"{path}.{key}", f"{name} needs {expected}")
        if name == "setCookie":
            cookies[instruction["key"]] = instruction["value"]
    if sum(len((key + value).encode()) for key, value in cookies.items()) > MAX_COOKIE_BYTES:
        raise IllegalSvaml("$.instructions", f"cookies of more than {MAX_COOKIE_BYTES} bytes")
    return cookies


def _name_of(node: Mapping[str, Any], path: str, allowed: Mapping[str, frozenset[str]], event: str) -> str:
    """Return the name in the reference's spelling."""
    name = node.get("name")
    if not isinstance(name, str):
        raise IllegalSvaml(f"{path}.name", "there is no name")
    for known in allowed[event]:
        if known.lower() == name.lower():
            return known
    raise IllegalSvaml(f"{path}.name", f"{name!r} is no legal answer to {event.upper()}")


def _number_of(action: Mapping[str, Any], path: str) -> str | None:
    """Return the number to dial: `number`, or the `destination` of older answers, or None for the number dialled."""
    text, where = action.get("number"), f"{path}.number"
    legacy = action.get("destination")
    if text is None and isinstance(legacy, dict):
        text, where = legacy.get("endpoint"), f"{path}.destination.endpoint"
    if text is None:
        return None
    number = parse_e164(text) if isinstance(text, str) else None
    # Emergency numbers are the short ones that may be dialled, and have no country code.
    if number is None and not (isinstance(text, str) and text.isascii() and text.isdigit()):
        raise IllegalSvaml(where, f"{text!r} is not a number that can be dialled")
    return number or text


def _whole(node: Mapping[str, Any], key: str, path: str, most: int | None) -> int | None:
    seconds = node.get(key)
    if seconds is None:
        return None
    is_whole = isinstance(seconds, int) and not isinstance(seconds, bool)
    if not is_whole or seconds < 1 or (most is not None and seconds > most):
        limit = f" of at most {most}" if most is not None else ""
        raise IllegalSvaml(f"{path}.{key}", f"{seconds!r} is not a whole number of seconds above 0{limit}")
    return int(seconds)


def _typed(node: Mapping[str, Any], key: str, path: str, kind: type, expected: str) -> object:
    value = node.get(key)
    if value is not None and not isinstance(value, kind):
        raise IllegalSvaml(f"{path}.{key}", f"{value!r} is not {expected}")
    return value


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_key(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


_REQUIRED: Mapping[str, tuple[tuple[str, Callable[[object], bool], str], ...]] = {
    "playFiles": (("ids", _is_list_of_text, "a list of prompts"),),
    "say": (("text", _is_text, "a text"),),
    "sendDtmf": (("value", _is_text, "the keys to send"),),
    "setCookie": (("key", _is_key, "a key"), ("value", _is_text, "a value")),
    "startRecording": (("options", _is_object, "options"),),
}
"""What an instruction cannot do without."""
