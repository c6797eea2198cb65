"""Reads one answer: what is there, whether it may stand there, and what of it the emulator acts upon.

Names are matched without case, properties in the exact case, unknown properties pass.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from callgate.emulator.svaml.faults import IllegalSvaml
from callgate.emulator.svaml.matrix import allowed_actions, allowed_instructions
from callgate.emulator.svaml.menus import Menu, read_menus
from callgate.emulator.svaml.properties import RULES, check_properties
from callgate.numbers import parse_e164

MAX_COOKIE_BYTES = 1_024
"""All cookies of a call, keys and values. What the platform does beyond it is not documented; here it is illegal."""

MAX_INSTRUCTIONS = 100
"""Instructions in one answer; a limit of ours."""

_READ_ALREADY = frozenset(("number", "maxDuration", "dialTimeout", "suppressCallbacks"))


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """What to do with the call. `name` in the reference's spelling; `details` are its other properties, checked."""

    name: str
    number: str | None = None
    max_duration_s: int | None = None
    dial_timeout_s: int | None = None
    is_silent: bool = False  # suppressCallbacks: neither ACE nor DiCE
    menus: Sequence[Menu] = ()
    details: Mapping[str, Any] = {}


class Instruction(msgspec.Struct, frozen=True, kw_only=True):
    """What to do before the action."""

    name: str
    details: Mapping[str, Any] = {}


class Svaml(msgspec.Struct, frozen=True, kw_only=True):
    """A legal answer. `cookies` are those that it sets, for all later events of the call."""

    action: Action
    instructions: Sequence[Instruction] = ()
    cookies: Mapping[str, str] = {}


def read_svaml(answer: object, event: str, *, is_strict: bool = False) -> Svaml:
    """Read the decoded body of a 2xx answer to `event`; see `matrix` for the events.

    `is_strict` refuses what only older pages allow. Raises `IllegalSvaml` at the first fault.
    """
    if not isinstance(answer, dict):
        raise IllegalSvaml("$", "the answer is not a JSON object")
    instructions = _read_instructions(answer.get("instructions"), event, is_strict=is_strict)
    cookies = {each.details["key"]: each.details["value"] for each in instructions if each.name == "setCookie"}
    check_cookies(cookies)
    if event == "leg":
        return Svaml(action=Action(name="continue"), instructions=instructions)
    action = _read_action(answer.get("action"), event, is_strict=is_strict)
    return Svaml(action=action, instructions=instructions, cookies=cookies)


def check_cookies(cookies: Mapping[str, str]) -> None:
    """Raises `IllegalSvaml` where they are more than a call may have."""
    if sum(len((key + value).encode()) for key, value in cookies.items()) > MAX_COOKIE_BYTES:
        raise IllegalSvaml("$.instructions", f"cookies of more than {MAX_COOKIE_BYTES} bytes")


def _read_action(action: object, event: str, *, is_strict: bool) -> Action:
    path = "$.action"
    if not isinstance(action, dict):
        raise IllegalSvaml(path, "there is no action")
    name = _name_of(action, path, allowed_actions(event, is_strict=is_strict), event)
    check_properties(name, action, path)
    number = _number_of(action, path) if name == "connectPstn" else None
    known = RULES.get(name, {}).keys() - _READ_ALREADY
    return Action(
        name=name,
        number=number,
        max_duration_s=action.get("maxDuration") if "maxDuration" in RULES.get(name, {}) else None,
        dial_timeout_s=action.get("dialTimeout") if name == "connectPstn" else None,
        is_silent=bool(action.get("suppressCallbacks")),
        menus=read_menus(action, path) if name == "runMenu" else (),
        details={key: action[key] for key in sorted(known) if action.get(key) is not None},
    )


def _read_instructions(instructions: object, event: str, *, is_strict: bool) -> Sequence[Instruction]:
    if instructions is None:
        return ()
    if not isinstance(instructions, list):
        raise IllegalSvaml("$.instructions", "not a list")
    if len(instructions) > MAX_INSTRUCTIONS:
        raise IllegalSvaml("$.instructions", f"more than {MAX_INSTRUCTIONS}")
    read: list[Instruction] = []
    for index, instruction in enumerate(instructions):
        path = f"$.instructions[{index}]"
        if not isinstance(instruction, dict):
            raise IllegalSvaml(path, "not an object")
        name = _name_of(instruction, path, allowed_instructions(event, is_strict=is_strict), event)
        check_properties(name, instruction, path)
        known = RULES.get(name, {})
        read.append(Instruction(name=name, details={key: instruction[key] for key in known if key in instruction}))
    return read


def _name_of(node: Mapping[str, Any], path: str, allowed: frozenset[str], event: str) -> str:
    """Return the name in the reference's spelling."""
    name = node.get("name")
    if not isinstance(name, str):
        raise IllegalSvaml(f"{path}.name", "there is no name")
    for known in allowed:
        if known.lower() == name.lower():
            return known
    raise IllegalSvaml(f"{path}.name", f"{name!r} is no legal answer to {event.upper()}")


def _number_of(action: Mapping[str, Any], path: str) -> str | None:
    """Return the number to dial: `number`, or the `destination` of older answers, or None for the number dialled."""
    text, legacy = action.get("number"), action.get("destination")
    if text is None and isinstance(legacy, dict):
        text = legacy.get("endpoint")
        if text is not None and (fault := RULES["connectPstn"]["number"].fault(text)) is not None:
            raise IllegalSvaml(f"{path}.destination.endpoint", fault)
    if not isinstance(text, str):
        return None
    return parse_e164(text) or text
