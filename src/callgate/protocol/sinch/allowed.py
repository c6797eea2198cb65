"""Is this SVAML a valid answer to that event? Every fault with its JSON path, none when all is well.

What may stand where is drawn here; what each action and instruction may hold is in `rules`. Source: Sinch Voice API
reference, SVAML; what older documents of the platform allowed as well passes only when the check is not strict.
"""

from collections.abc import Mapping
from typing import Any

from callgate.errors import CallbackMalformed
from callgate.protocol.sinch.callbacks import parse
from callgate.protocol.sinch.rules import (
    ACTIONS,
    ANSWER,
    INSTRUCTIONS,
    Era,
    Fault,
    Faults,
    encode,
    objects,
    shown,
    size_of_pairs,
)
from callgate.protocol.sinch.svaml import NAMES, Svaml, modern

ALLOWED = """
                  ice  ace  pie  patch  patch-leg  dice
hangup             y    y    y     y        y       y
continue           -    y    y     y        y       -
connectPstn        y    o    y     o        -       -
connectMxp         y    o    -     o        -       -
connectConf        y    y    y     o        -       -
connectSip         y    o    y     o        -       -
connectStream      y    -    -     -        -       -
runMenu            y    y    y     o        -       -
park               y    -    o     y        y       -
startRecording     -    -    -     o        -       -
stopRecording      -    -    -     o        -       -

playFiles          y    y    y     y        y       -
say                y    y    y     y        y       -
sendDtmf           y    o    y     y        -       -
setCookie          y    y    y     y        -       -
answer             y    -    -     o        -       -
startRecording     y    y    y     y        -       -
stopRecording      y    y    y     y        -       -
ReportCallStatus   -    -    -     -        -       o
"""
"""Actions, then instructions: `y` allowed today, `o` in older documents only.

`patch` changes a running call, `patch-leg` one leg of it.
"""

SILENT = frozenset({"notify", "conference-pie"})
"""Events that are answered without SVAML; a `conference-pie` is a PIE for digits that a conference detected."""

MAX_COOKIE_BYTES = 1024
"""All cookies of one call, keys and values."""


def check(svaml: Svaml | Mapping[str, Any] | bytes, event: str = "ice", *, strict: bool = True) -> list[Fault]:
    """Return every fault of an answer to an event.

    `event` is one of `ice`, `ace`, `pie`, `dice`, `notify`, `conference-pie`, `patch` and `patch-leg`; another raises
    `ValueError`. Takes typed SVAML, parsed JSON, or its bytes. Names of actions and instructions may be in any case, as
    the platform reads them. Not strict: older cells, forms and values pass, and unknown properties too.
    """
    if event not in _CELLS["action"]["hangup"] and event not in SILENT:
        raise ValueError(f"no event {event!r}")
    try:
        answer = parse(svaml if isinstance(svaml, bytes) else encode(svaml))
    except CallbackMalformed as error:
        return [Fault(error.path, error.explanation, "SVAML")]
    except UnicodeEncodeError:
        return [Fault("$", "half a surrogate pair", "text")]
    if strict:
        return [*_whole_answer(answer, event, Era.TODAY)]
    return [*_whole_answer(modern(answer), event, Era.OLDER)]


def _whole_answer(answer: dict[str, Any], event: str, era: Era) -> Faults:
    action, instructions = answer.get("action"), answer.get("instructions")
    yield from ANSWER(answer, "$", era)
    if instructions is None:
        instructions = []
    elif not isinstance(instructions, list):
        yield Fault("$.instructions", shown(instructions), "an array")
        instructions = []
    for index, instruction in enumerate(instructions):
        yield from _step(instruction, f"$.instructions[{index}]", "instruction", event, era)
    if action is not None:
        yield from _step(action, "$.action", "action", event, era)
    elif event not in SILENT and (event != "dice" or instructions):
        yield Fault("$.action", "nothing", "an action: the call needs one")
    yield from _together(action if isinstance(action, dict) else {}, instructions, era)


def _step(step: Any, path: str, kind: str, event: str, era: Era) -> Faults:
    """Check one action or instruction: that it exists, that it may stand here, and what it holds."""
    if not isinstance(step, dict):
        yield Fault(path, shown(step), "an object")
        return
    rules = ACTIONS if kind == "action" else INSTRUCTIONS
    name = _name(step)
    if name not in rules:
        yield Fault(f"{path}.name", shown(step.get("name")), f"one of {', '.join(rules)}")
        return
    cells = _CELLS[kind][name]
    cell = cells.get(event, "-")
    if cell == "-" or (cell == "o" and era is Era.TODAY):
        may = [other for other, it in _CELLS[kind].items() if it.get(event) == "y"]
        yield Fault(f"{path}.name", f"{name} in an answer to {event}", f"one of {', '.join(may)}" if may else "none")
    yield from rules[name]({key: value for key, value in step.items() if key != "name"}, path, era)


def _together(action: dict[str, Any], instructions: list[Any], era: Era) -> Faults:
    """Check what two parts of an answer say about each other."""
    name = _name(action)
    cookies = [each for each in instructions if _name(each) == "setCookie"]
    if (size := size_of_pairs(cookies)) > MAX_COOKIE_BYTES:
        yield Fault("$.instructions", f"{size} bytes of cookies", f"at most {MAX_COOKIE_BYTES} in one call")
    for index, each in enumerate(instructions):
        path = f"$.instructions[{index}]"
        if _name(each) == "ReportCallStatus" and name not in {"hangup", None}:
            yield Fault("$.action.name", str(name), "hangup, with ReportCallStatus")
        if era is Era.OLDER:
            continue
        if _name(each) == "startRecording" and name == "connectMxp":
            yield Fault(f"{path}.name", "startRecording before connectMxp", "another action: it would record nothing")
        if _name(each) == "playFiles" and not each.get("locale") and _is_spoken(each.get("ids")):
            yield Fault(f"{path}.locale", "nothing", "a locale or a voice for the spoken prompts")
    if name == "runMenu":
        yield from _menus(action, era)


def _menus(action: dict[str, Any], era: Era) -> Faults:
    if action.get("enableVoice") is True and action.get("locale") is None:
        yield Fault("$.action.locale", "nothing", "a locale or a voice: enableVoice needs one")
    ids = [menu.get("id") for menu in objects(action.get("menus"))]
    first = action.get("mainMenu")
    if first is not None and first not in ids:
        yield Fault("$.action.mainMenu", shown(first), "the id of one of these menus")
    if ids and "main" not in ids and (first is None or era is Era.TODAY):
        yield Fault("$.action.menus", "no menu main", "one menu with the id main")


def _name(step: Any) -> str | None:
    name = step.get("name") if isinstance(step, dict) else None
    return NAMES.get(name.lower()) if isinstance(name, str) else None


def _is_spoken(ids: Any) -> bool:
    texts = ids if isinstance(ids, list) else []
    return any(isinstance(text, str) and text.lower().startswith(("#tts", "#ssml")) for text in texts)


def _cells() -> dict[str, dict[str, dict[str, str]]]:
    """Read the table into kind, name, event and cell."""
    actions, instructions = ALLOWED.strip().split("\n\n")
    events, *rows = actions.splitlines()
    kinds = {"action": rows, "instruction": instructions.splitlines()}
    return {
        kind: {name: dict(zip(events.split(), cells, strict=True)) for name, *cells in (row.split() for row in lines)}
        for kind, lines in kinds.items()
    }


_CELLS = _cells()
