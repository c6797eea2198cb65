"""What each action, instruction and callout may hold: rules over the wire's own words, each telling faults with paths.

They are tables beside the structs of `svaml`, so that an answer that no struct can hold gets its faults too. Properties
and values of older documents pass only in `Era.OLDER`. Source: Sinch Voice API reference, SVAML.
"""

import re
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import msgspec

from callgate.errors import Invalid
from callgate.protocol.sinch import prompts
from callgate.protocol.sinch.svaml import PROPERTIES

MAX_CALL_S = 14_400
MAX_PARK_S = 600
MAX_ID = 64
MAX_HEADER_BYTES = 1024
MAX_CUSTOM_BYTES = 1024
MAX_PROMPTS = 64
MAX_SPOKEN_IN_ALL = 1000

MOH = frozenset({"ring", "music1", "music2", "music3"})
INDICATIONS = frozenset(
    """at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl no nz ph pl pt ru se sg th uk us tw ve
    za""".split()  # noqa: SIM905 - as a line of words it can be compared with the page
)
OLDER_INDICATIONS = frozenset({"us-old", "ml"})
SAMPLE_RATES_HZ = frozenset({8000, 16_000, 24_000, 44_100, 48_000, 96_000})


class Era(Enum):
    """How far back to go: what current documents allow, or what any has."""

    TODAY = "today"
    OLDER = "older"


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with an answer: where it stands, what was found there, and what would do."""

    path: str
    found: str
    expected: str

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.path}: found {self.found}; expected {self.expected}"


Faults = Iterator[Fault]
Rule = Callable[[Any, str, Era], Faults]


def shown(value: Any) -> str:
    """Show what was found, in JSON and in short."""
    text = encode(value).decode()
    return text if len(text) <= 60 else f"{text[:57]}..."  # noqa: PLR2004 - what fits on a line


def _text(longest: int | None = None, *, pattern: str = "(?s:.)+", expected: str = "text") -> Rule:
    form = re.compile(pattern, re.ASCII)

    def rule(value: Any, path: str, _era: Era) -> Faults:
        if not isinstance(value, str) or not form.fullmatch(value):
            yield Fault(path, shown(value), expected)
        elif longest is not None and len(value) > longest:
            yield Fault(path, f"{len(value)} characters", f"at most {longest}")

    return rule


def _whole(lowest: int = 1, highest: int | None = None) -> Rule:
    expected = f"a whole number from {lowest}" + ("" if highest is None else f" to {highest}")

    def rule(value: Any, path: str, _era: Era) -> Faults:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or value < lowest or (highest is not None and value > highest):
            yield Fault(path, shown(value), expected)

    return rule


def _one_of(values: frozenset[Any], older: frozenset[Any] = frozenset()) -> Rule:
    expected = "one of " + ", ".join(sorted(map(str, values)))

    def rule(value: Any, path: str, era: Era) -> Faults:
        is_word = isinstance(value, str | int) and not isinstance(value, bool)
        if not (is_word and (value in values or (value in older and era is Era.OLDER))):
            yield Fault(path, shown(value), expected)

    return rule


def _flag(value: Any, path: str, _era: Era) -> Faults:
    if not isinstance(value, bool):
        yield Fault(path, shown(value), "true or false")


def _anything(_value: Any, _path: str, _era: Era) -> Faults:
    yield from ()


def _secret(value: Any, path: str, _era: Era) -> Faults:
    if not isinstance(value, str) or not value:
        yield Fault(path, "something else", "text")


def _cli(value: Any, path: str, era: Era) -> Faults:
    if not (value == "private" or (value == "incoming" and era is Era.OLDER)):
        for fault in _NUMBER(value, path, era):
            yield Fault(fault.path, fault.found, f"{fault.expected}, or private")


def _key(value: Any, path: str, _era: Era) -> Faults:
    is_digit = isinstance(value, int) and not isinstance(value, bool) and value in range(10)
    if not is_digit and not (isinstance(value, str) and re.fullmatch("[0-9*#]", value)):
        yield Fault(path, shown(value), "one of the keys 0 to 9, * and #")


def _prompts(value: Any, path: str, _era: Era) -> Faults:
    if not isinstance(value, str):
        yield Fault(path, shown(value), "prompts")
        return
    try:
        parts = prompts.read(value)
    except Invalid as error:
        yield Fault(path, error.found, error.expected)
        return
    if not parts:
        yield Fault(path, shown(value), "a prompt")
    for part in parts:
        if part.kind in _SPOKEN and len(part.value) > prompts.MAX_SPOKEN:
            yield Fault(path, f"{len(part.value)} characters in one prompt", f"at most {prompts.MAX_SPOKEN}")
    spoken = sum(len(part.value) for part in parts if part.kind in _SPOKEN)
    if len(parts) > MAX_PROMPTS:
        yield Fault(path, f"{len(parts)} prompts", f"at most {MAX_PROMPTS}")
    elif spoken > MAX_SPOKEN_IN_ALL:
        yield Fault(path, f"{spoken} characters in all", f"at most {MAX_SPOKEN_IN_ALL}")


def _each(rule: Rule, expected: str) -> Rule:
    def rule_of_all(value: Any, path: str, era: Era) -> Faults:
        if not isinstance(value, list) or not value:
            yield Fault(path, shown(value), expected)
            return
        for index, item in enumerate(value):
            yield from rule(item, f"{path}[{index}]", era)

    return rule_of_all


def _object(required: dict[str, Rule], optional: dict[str, Rule] | None = None, older: str = "") -> Rule:
    known = required | (optional or {})

    def rule(value: Any, path: str, era: Era) -> Faults:
        if not isinstance(value, dict):
            yield Fault(path, shown(value), "an object")
            return
        for name in required:
            if value.get(name) is None:
                yield Fault(f"{path}.{name}", "nothing", "a value: it is required")
        for name, member in value.items():
            if member is None:
                continue
            if name in known:
                yield from known[name](member, f"{path}.{name}", era)
            elif era is Era.TODAY and name in older.split():
                yield Fault(f"{path}.{name}", "a property of older documents", "today's properties")
            elif era is Era.TODAY:
                right = PROPERTIES.get(name.lower(), name)
                expected = f"the spelling {right}" if right in known and right != name else f"one of {', '.join(known)}"
                yield Fault(f"{path}.{name}", "an unknown property", expected if known else "none")

    return rule


def _headers(value: Any, path: str, era: Era) -> Faults:
    yield from _each(_PAIR, "an array of key and value")(value, path, era)
    if (size := size_of_pairs(value)) > MAX_HEADER_BYTES:
        yield Fault(path, f"{size} bytes of keys and values", f"at most {MAX_HEADER_BYTES}")


def _address(kind: str, endpoint: Rule) -> Rule:
    kinds = _text(pattern=f"(?i:{kind})", expected=kind)
    return _object({"endpoint": endpoint}, {"type": kinds}, "verified")


def _callee(value: Any, path: str, era: Era) -> Faults:
    """Whom a callout may ring."""
    kind = value.get("type") if isinstance(value, dict) else None
    form = _CALLEES.get(kind.lower()) if isinstance(kind, str) else None
    if isinstance(value, dict) and form is None:
        yield Fault(f"{path}.type", shown(kind), f"one of {', '.join(_CALLEES)}")
    else:
        yield from (form or _object({}))(value, path, era)


def _custom(value: Any, path: str, _era: Era) -> Faults:
    if not isinstance(value, str) or len(value.encode()) > MAX_CUSTOM_BYTES:
        yield Fault(path, shown(value), f"text of at most {MAX_CUSTOM_BYTES} bytes")


def _menus(value: Any, path: str, era: Era) -> Faults:
    yield from _each(_MENU, "an array of menus")(value, path, era)
    menus = objects(value)
    ids = [menu.get("id") for menu in menus]
    for index, menu in enumerate(menus):
        if menu.get("id") is not None and menu["id"] in ids[:index]:
            yield Fault(f"{path}[{index}].id", shown(menu["id"]), "an id of its own")
        options = objects(menu.get("options"))
        keys = [str(option.get("dtmf")) for option in options]
        for place, option in enumerate(options):
            where = f"{path}[{index}].options[{place}]"
            if option.get("dtmf") is not None and keys[place] in keys[:place]:
                yield Fault(f"{where}.dtmf", shown(option["dtmf"]), "a key of its own")
            goes_to = _GOES_TO.fullmatch(option["action"]) if isinstance(option.get("action"), str) else None
            if goes_to and goes_to[1] not in ids:
                yield Fault(f"{where}.action", shown(option["action"]), "the id of one of these menus")


def objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects in an array; none where it is none."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def size_of_pairs(pairs: Any) -> int:
    """Count the bytes of keys and values."""
    texts = [pair.get(part) for pair in objects(pairs) for part in ("key", "value")]
    return sum(len(text.encode()) for text in texts if isinstance(text, str))


encode = msgspec.json.Encoder(decimal_format="number").encode

_SPOKEN = frozenset({"tts", "ssml"})
_GOES_TO = re.compile(r"menu\((.+)\)")
_TEXT = _text()
_NUMBER = _text(pattern=r"\+?[1-9][0-9]{2,14}", expected="an E.164 number such as +46700000001")
_TONES = _text(pattern="[0-9#w]+", expected="digits, # and w")
_TALK_S = _whole(1, MAX_CALL_S)
_PAIR = _object({"key": _TEXT, "value": _text(pattern="(?s:.)*")})
_SIP_ADDRESS = _text(pattern=r"[^\s@]+@[^\s@]+", expected="an address such as alice@sip.example.com")
_CALLEES = {
    "number": _address("number", _NUMBER),
    "username": _address("username", _TEXT),
    "sip": _address("sip", _SIP_ADDRESS),
}
_OPTION = _object(
    {
        "dtmf": _key,
        "action": _text(pattern=r"(?s)return\(.*\)|menu\(.+\)", expected="return(x) or menu(id)"),
    },
    older="input add",
)
_MENU = _object(
    {"id": _text(MAX_ID)},
    {
        "mainPrompt": _prompts,
        "repeatPrompt": _prompts,
        "repeats": _whole(0),
        "maxDigits": _whole(),
        "timeoutMills": _whole(),
        "maxTimeoutMills": _whole(),
        "options": _each(_OPTION, "an array of options"),
    },
)
_CONFERENCE_DTMF = _object(
    {},
    {
        "mode": _one_of(frozenset({"ignore", "forward", "detect"})),
        "maxDigits": _whole(),
        "timeoutMills": _whole(),
    },
)
_RECORDING = _object(
    {"destinationUrl": _text(pattern="[a-z0-9]+://.+", expected="a URL such as s3://bucket"), "credentials": _secret},
    {
        "format": _TEXT,
        "notificationEvents": _flag,
        "transcriptionOptions": _object({}, {"enabled": _flag, "locale": _TEXT}),
    },
    "destination",
)

ACTIONS: dict[str, Rule] = {
    "hangup": _object({}, older="hangupCause barge"),
    "continue": _object({}, older="record recordingOptions"),
    "connectPstn": _object(
        {},
        {
            "number": _NUMBER,
            "locale": _TEXT,
            "maxDuration": _TALK_S,
            "dialTimeout": _whole(),
            "cli": _cli,
            "suppressCallbacks": _flag,
            "dtmf": _TONES,
            "indications": _one_of(INDICATIONS, OLDER_INDICATIONS),
            "amd": _object({}, {"enabled": _flag, "async": _flag}),
        },
        "destination record recordingOptions tags callback suppressErrorPrompts",
    ),
    "connectMxp": _object({}, {"destination": _address("username", _TEXT), "callHeaders": _headers}),
    "connectConf": _object(
        {"conferenceId": _text(MAX_ID)},
        {
            "conferenceDtmfOptions": _CONFERENCE_DTMF,
            "moh": _one_of(MOH),
        },
        "record recordingOptions enterLeaveSound conferenceType cli suppressCallbacks dtmfMode",
    ),
    "connectSip": _object(
        {
            "destination": _address("sip", _SIP_ADDRESS),
        },
        {
            "maxDuration": _TALK_S,
            "cli": _cli,
            "transport": _text(pattern="(?i:udp|tcp|tls)", expected="one of UDP, TCP, TLS"),
            "suppressCallbacks": _flag,
            "callHeaders": _headers,
            "moh": _one_of(MOH),
        },
        "account",
    ),
    "connectStream": _object(
        {"destination": _address("websocket", _text(pattern=r"wss://\S+", expected="a wss:// URL"))},
        {
            "streamingOptions": _object({}, {"version": _whole(), "sampleRate": _one_of(SAMPLE_RATES_HZ)}),
            "maxDuration": _TALK_S,
            "callHeaders": _headers,
        },
    ),
    "runMenu": _object(
        {"menus": _menus},
        {"barge": _flag, "locale": _TEXT, "mainMenu": _text(MAX_ID), "enableVoice": _flag},
        "altLocale",
    ),
    "park": _object(
        {},
        {"locale": _TEXT, "introPrompt": _prompts, "holdPrompt": _prompts, "maxDuration": _whole(1, MAX_PARK_S)},
    ),
    "startRecording": _object({"options": _RECORDING}),
    "stopRecording": _object({}),
}
"""What each action may hold."""

INSTRUCTIONS: dict[str, Rule] = {
    "playFiles": _object({"ids": _each(_prompts, "an array of prompts")}, {"locale": _TEXT}),
    "say": _object({"text": _text(prompts.MAX_SPOKEN)}, {"locale": _TEXT}),
    "sendDtmf": _object({"value": _TONES}),
    "setCookie": _object({"key": _TEXT, "value": _text(pattern="(?s:.)*")}),
    "answer": _object({}),
    "startRecording": _object({"options": _RECORDING}),
    "stopRecording": _object({}),
    "ReportCallStatus": _object(
        {"value": _text(pattern="(?i:success|failure)", expected="success or failure")}, {"details": _text(MAX_ID)}
    ),
}
"""What each instruction may hold."""

_ANY_CALLOUT = {"cli": _cli, "custom": _custom, "dtmf": _TONES}
_RINGING_CALLOUT = _ANY_CALLOUT | {
    "domain": _text(pattern="(?i:pstn|mxp)", expected="pstn or mxp"),
    "locale": _TEXT,
    "enableAce": _flag,
    "enableDice": _flag,
    "enablePie": _flag,
}
CALLOUTS: dict[str, Rule] = {
    "ttsCallout": _object(
        {"destination": _callee}, _RINGING_CALLOUT | {"text": _text(prompts.MAX_SPOKEN), "prompts": _prompts}
    ),
    "conferenceCallout": _object(
        {"destination": _callee, "conferenceId": _text(MAX_ID)},
        _RINGING_CALLOUT
        | {
            "greeting": _text(prompts.MAX_SPOKEN),
            "conferenceDtmfOptions": _CONFERENCE_DTMF,
            "mohClass": _one_of(MOH),
            "maxDuration": _TALK_S,
        },
    ),
    "customCallout": _object(
        {},
        _ANY_CALLOUT | {"destination": _callee, "maxDuration": _TALK_S, "ice": _TEXT, "ace": _TEXT, "pie": _TEXT},
        "dice",
    ),
}
"""What each callout of the REST interface may hold, by its name there."""

ANSWER = _object({}, {"action": _anything, "instructions": _anything})
"""What an answer may hold, but for what is in it."""
