"""Reads a scenario file: every mistake with its line, what was found, and what would do, before anything is played."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from callgate.emulator.control.orders import hung_up, pressed, spoken
from callgate.emulator.faults import EVENTS, Fault
from callgate.emulator.phones import Manner
from callgate.emulator.scenario import (
    Machine,
    Scenario,
)
from callgate.emulator.scenario_files.lines import line_of, lines_of
from callgate.emulator.scenario_files.wording import (
    AccountExpectPart,
    AccountPart,
    ActPart,
    AnswerPart,
    CallPart,
    DidPart,
    ExpectPart,
    FilePart,
    GatePart,
    PlatformPart,
    SaidPart,
)
from callgate.emulator.sinch import Habits, Input, Verdict
from callgate.errors import Invalid
from callgate.money import parse_micros

SHIPPED = Path(__file__).parent / "shipped"
"""Where the scenarios that come with the emulator lie."""

MAX_FILE_BYTES = 1_048_576

ACTS = ("press", "speak", "hang_up", "request", "replay", "operator_hangs_up", "stall_s")
"""What can be done at a time, one of them at each."""

METHODS = ("GET", "POST", "PATCH", "DELETE")


class PlannedCall(msgspec.Struct, frozen=True, kw_only=True):
    """One call of a file, understood. `scenario` None: a callout."""

    name: str
    part: CallPart
    scenario: Scenario | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A file, understood."""

    source: str
    file: FilePart
    calls: Sequence[PlannedCall]


def shipped() -> Mapping[str, Path]:
    """The scenarios that come with the emulator, by name."""
    return {path.stem: path for path in sorted(SHIPPED.glob("*.toml"))}


def read_plan(path: Path) -> Plan:
    """Read a file. Raises `Invalid` at the first mistake."""
    try:
        raw = path.read_bytes()
        text = raw.decode()
    except (OSError, UnicodeDecodeError) as error:
        expected = f"a readable file in UTF-8, or one of {', '.join(shipped())}"
        raise Invalid(str(path), getattr(error, "strerror", None) or str(error), expected) from None
    if len(raw) > MAX_FILE_BYTES:
        raise Invalid(str(path), f"{len(raw)} bytes", f"at most {MAX_FILE_BYTES}")
    return parse_plan(text, str(path))


def parse_plan(text: str, source: str) -> Plan:
    """Read the text of a file. Raises `Invalid`."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(source, str(error), "TOML: tables, and NAME = VALUE in them") from None
    lines = lines_of(text)
    try:
        file = msgspec.convert(values, FilePart)
    except msgspec.ValidationError as error:
        raise _misfit(str(error), source, lines) from None
    try:
        return _plan(file, source)
    except Invalid as error:
        where = f"{source}, line {line_of(error.where, lines)}, {error.where}"
        raise Invalid(where, error.found, error.expected) from None


def _misfit(told: str, source: str, lines: Mapping[str, int]) -> Invalid:
    """A value that does not fit, in our words, with its line."""
    explanation, _, path = told.partition(" - at `$")
    path = path.rstrip("`").lstrip(".")
    name = re.search(r"(unknown|required) field `([^`]+)`", explanation)
    if name is not None and name[1] == "unknown":
        words = ", ".join(field.encode_name for field in msgspec.structs.fields(_PARTS[re.sub(r"\[[^]]*\]", "", path)]))
        path = f"{path}.{name[2]}" if path else name[2]
        found, expected = f"the word {name[2]!r}", f"one of {words}"
    elif name is not None:
        found, expected = f"no {name[2]!r}", "one, since it cannot be without"
    else:
        expected, _, found = explanation.partition(", got ")
        expected = expected.removeprefix("Expected ") if found else "what the reference of scenario files says"
        found = found or explanation
    where = f"{source}, line {line_of(path, lines)}" + (f", {path}" if path else "")
    for ours, theirs in _TYPES.items():
        found, expected = (re.sub(rf"`{theirs}`", ours, each) for each in (found, expected))
    return Invalid(where, found, expected)


_TYPES = {
    "text": "str",
    "a whole number": "int",
    "a number": "float",
    "true or false": "bool",
    "a list": "array",
    "a table": "object",
    "nothing": "null",
}

_PARTS: Mapping[str, type[msgspec.Struct]] = {
    "": FilePart,
    "platform": PlatformPart,
    "platform.habits": Habits,
    "platform.phones": Manner,
    "gate": GatePart,
    "gate.dids": DidPart,
    "account": AccountPart,
    "backend": SaidPart,
    "call": CallPart,
    "call.expect": ExpectPart,
    "call.expect.answers": AnswerPart,
    "call.faults": Fault,
    "call.machine": Machine,
    "act": ActPart,
    "expect": AccountExpectPart,
}
"""What stands where, by its path without indices."""


def _plan(file: FilePart, source: str) -> Plan:
    names = [part.name or f"call {number}" for number, part in enumerate(file.call, 1)]
    calls = []
    for index, part in enumerate(file.call):
        where = f"call[{index}]"
        if names.index(names[index]) < index:
            raise Invalid(f"{where}.name", repr(part.name), "a name that no other call has")
        calls.append(PlannedCall(name=names[index], part=part, scenario=_scenario(part, where)))
        _check_expectations(part, where)
    for index, act in enumerate(file.act):
        _check_act(act, f"act[{index}]", names)
    for index, said in enumerate(file.backend):
        _one_of(said.event, EVENTS, f"backend[{index}].event")
    _check_accounts(file)
    return Plan(source=source, file=file, calls=calls)


def _check_accounts(file: FilePart) -> None:
    for index, account in enumerate(file.account):
        for name in ("credit", "credit_limit"):
            parse_micros(getattr(account, name), f"account[{index}].{name}")
        _one_of(account.status, ("active", "suspended", "closed"), f"account[{index}].status")
    known = [account.id for account in file.account]
    for index, expected in enumerate(file.expect):
        _one_of(expected.id, known, f"expect[{index}].id")


def _one_of(word: str, words: Sequence[str], where: str) -> None:
    if word not in words:
        raise Invalid(where, repr(word), f"one of {', '.join(words) or 'none: there is no such table'}")


def _scenario(part: CallPart, where: str) -> Scenario | None:
    if part.callout is not None:
        if part.caller or part.to:
            raise Invalid(f"{where}.callout", "a callout beside `from` or `to`", "either of them")
        return None
    if not part.caller or not part.to:
        raise Invalid(where, "a call without `from` or `to`", "both, or `callout`")
    return part.scenario(f"{where}.")


def _check_expectations(part: CallPart, where: str) -> None:
    expect = part.expect
    if expect.outcome is not None:
        _one_of(expect.outcome, list(Verdict), f"{where}.expect.outcome")
    for number, answer in enumerate(expect.answers):
        _one_of(answer.event, EVENTS, f"{where}.expect.answers[{number}].event")
    for number, fault in enumerate(part.faults):
        if fault.call:
            raise Invalid(f"{where}.faults[{number}].call", repr(fault.call), "nothing: it is this call's")


def _check_act(act: ActPart, where: str, names: Sequence[str]) -> None:
    done = [name for name in ACTS if getattr(act, name)]
    if len(done) != 1:
        raise Invalid(where, " and ".join(done) or "nothing to do", f"one of {', '.join(ACTS)}")
    if done[0] in ("press", "speak", "hang_up", "replay"):
        _one_of(act.call, names, f"{where}.call")
    if done[0] == "operator_hangs_up":
        _one_of(act.operator_hangs_up, names, f"{where}.operator_hangs_up")
    if done[0] == "replay":
        _one_of(act.replay, EVENTS, f"{where}.replay")
    if done[0] == "request" and act.request.partition(" ")[0] not in METHODS:
        raise Invalid(
            f"{where}.request", repr(act.request), "a method and a path, such as PATCH /calling/v1/calls/id/{name}"
        )
    inputs_of(act, where)


def inputs_of(act: ActPart, where: str = "act") -> list[Input]:
    """What an act does to a call by hand. Raises `Invalid`."""
    try:
        if act.press:
            return pressed(act.press)
        if act.hang_up:
            return [hung_up(act.hang_up)]
    except Invalid as error:
        name = "press" if act.press else "hang_up"
        raise Invalid(f"{where}.{name}", error.found, error.expected) from None
    return [spoken(act.speak)] if act.speak else []


def value_at(path: str, value: Any) -> Any:
    """What stands at a path such as `action.menus.0.id`; None where nothing does."""
    for part in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None
    return value
