"""What may answer what. Source: Sinch Voice API reference, SVAML; older pages for what is taken unless one is strict."""

from collections.abc import Mapping

ACTIONS: Mapping[str, frozenset[str]] = {
    "ice": frozenset(
        ("hangup", "connectPstn", "connectMxp", "connectConf", "connectSip", "connectStream", "runMenu", "park")
    ),
    "ace": frozenset(("hangup", "continue", "connectConf", "runMenu")),
    "pie": frozenset(("hangup", "continue", "connectPstn", "connectConf", "connectSip", "runMenu")),
    "patch": frozenset(("hangup", "continue", "park")),
    "parked": frozenset(("hangup", "continue", "park")),
}
"""Actions that may answer each event; `patch` is an update over the REST interface, `parked` one of a parked call."""

OLD_ACTIONS: Mapping[str, frozenset[str]] = {
    "pie": frozenset(("park",)),
    "patch": frozenset(("runMenu", "startRecording", "stopRecording")),
    "parked": frozenset(
        ("connectPstn", "connectMxp", "connectConf", "connectSip", "runMenu", "startRecording", "stopRecording")
    ),
}
"""Actions that older pages allow besides."""

_PROMPTS = frozenset(("playFiles", "say"))
_RECORDING = frozenset(("startRecording", "stopRecording"))

INSTRUCTIONS: Mapping[str, frozenset[str]] = {
    "ice": _PROMPTS | _RECORDING | {"sendDtmf", "setCookie", "answer"},
    "ace": _PROMPTS | _RECORDING | {"setCookie"},
    "pie": _PROMPTS | _RECORDING | {"sendDtmf", "setCookie"},
    "patch": _PROMPTS | _RECORDING | {"sendDtmf", "setCookie", "answer"},
    "parked": _PROMPTS | _RECORDING | {"sendDtmf", "setCookie", "answer"},
    "leg": _PROMPTS,
}
"""Instructions that may precede the action; `leg` is an update of one leg, which has none."""

OLD_INSTRUCTIONS: Mapping[str, frozenset[str]] = {"ace": frozenset(("sendDtmf",))}
"""Instructions that older pages allow besides."""


def allowed_actions(event: str, *, is_strict: bool) -> frozenset[str]:
    """Actions that may answer the event."""
    return ACTIONS[event] | (frozenset() if is_strict else OLD_ACTIONS.get(event, frozenset()))


def allowed_instructions(event: str, *, is_strict: bool) -> frozenset[str]:
    """Instructions that may answer the event."""
    return INSTRUCTIONS[event] | (frozenset() if is_strict else OLD_INSTRUCTIONS.get(event, frozenset()))
