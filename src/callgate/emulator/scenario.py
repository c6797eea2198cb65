"""What an emulated call is going to do, in words that no provider owns: who calls whom, for how long, and how it ends.

Nothing here is sent anywhere; `emulator.sinch` plays a scenario on the wire.
"""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import StrEnum

import msgspec

from callgate.errors import Invalid
from callgate.numbers import parse_e164

MAX_TALK_S = 86_400
"""Longest talk that a scenario takes: a day, six times what the platform lets a call last."""

MAX_CONFERENCE_ID = 64
"""Longest conference id. Source: Sinch Voice API reference, connectConf."""

_TALK = re.compile(r"(?=\d)(?:(\d{1,2})h)?(?:(\d{1,4})m)?(?:(\d{1,5})s?)?", re.ASCII)
_DIALLED = re.compile(r"\+?\d{2,20}", re.ASCII)
_NUMBER_LIKE = re.compile(r"\+.*|[\d\s().-]+", re.ASCII)
_WORD = re.compile(r"\S{1,255}")
_TO_EXPECTED = "+NUMBER, user:ID, conference:ID, sip:ADDRESS or did:NUMBER"


class PartyKind(StrEnum):
    """What stands at one side of a call, spelled as the prefix of `--from` and `--to`."""

    NUMBER = "number"
    USER = "user"
    CONFERENCE = "conference"
    SIP = "sip"
    DID = "did"


class Party(msgspec.Struct, frozen=True):
    """One side of a call. `address` of a number is E.164 where it can be read so, else the digits as dialled."""

    kind: PartyKind
    address: str

    def __str__(self) -> str:
        return self.address if self.kind is PartyKind.NUMBER else f"{self.kind}:{self.address}"


class Outcome(StrEnum):
    """How the far side takes the call, once it is connected to it."""

    ANSWERED = "answered"
    BUSY = "busy"
    REJECTED = "rejected"
    NO_ANSWER = "noanswer"
    CANCEL = "cancel"
    FAILED = "failed"
    BLOCKED = "blocked"
    NO_CREDIT = "nocredit"
    OTHER_PEER = "otherpeer"
    USER_NOT_FOUND = "usernotfound"
    NETWORK_LOST = "networklost"  # answered, then the caller's app is gone


class Side(StrEnum):
    """Who puts the phone down."""

    CALLER = "caller"
    CALLEE = "callee"


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What the detection of answering machines finds, in how many seconds, and when after that the machine beeps."""

    status: str = "human"
    reason: str = "n/a"
    after_s: int = 3
    beep_after_s: int | None = None


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One call, before it is placed. `cli` is the number shown, if any; `rate` what the platform takes a minute.

    `talk_s` None: until somebody hangs up, by hand or over the REST interface. `keys` are what the caller presses, one
    text each time that a menu asks: see `emulator.sinch.fingers`. `headers` are the `X-CB-` ones that callbacks repeat,
    `call_headers` those of the calling app.
    """

    caller: Party
    callee: Party
    talk_s: int | None = 60
    outcome: Outcome = Outcome.ANSWERED
    ring_s: int = 3
    ended_by: Side = Side.CALLER
    cli: str | None = None
    rate: Decimal = Decimal("0.01")
    currency: str = "USD"
    keys: Sequence[str] = ()
    machine: Machine = Machine()
    custom: str = ""
    rdnis: str = ""
    headers: Mapping[str, str] = {}
    call_headers: Mapping[str, str] = {}


def parse_caller(text: str, where: str = "--from") -> Party:
    """Read `user:ID`, a number, or a bare word, which is a user. Raises `Invalid`."""
    text = text.strip()
    prefix, colon, rest = text.partition(":")
    if colon and prefix == PartyKind.USER:
        return Party(PartyKind.USER, _word(rest, where, "user:ID, the ID without blanks"))
    if colon:
        raise Invalid(where, repr(text), "user:ID or a number such as +46701740605")
    if _NUMBER_LIKE.fullmatch(text):
        return Party(PartyKind.NUMBER, _e164(text, where))
    return Party(PartyKind.USER, _word(text, where, "user:ID or a number such as +46701740605"))


def parse_callee(text: str, where: str = "--to") -> Party:
    """Read `+NUMBER`, `user:ID`, `conference:ID`, `sip:ADDRESS` or `did:NUMBER`. Raises `Invalid`.

    A dialled number need not exist: apps let their users dial `112` and `+46123`, and the gate says what becomes of it.
    """
    text = text.strip()
    prefix, colon, rest = text.partition(":")
    if not colon:
        return Party(PartyKind.NUMBER, _dialled(text, where))
    match prefix:
        case PartyKind.USER:
            return Party(PartyKind.USER, _word(rest, where, "user:ID, the ID without blanks"))
        case PartyKind.CONFERENCE:
            return Party(PartyKind.CONFERENCE, _conference_id(rest, where))
        case PartyKind.SIP:
            return Party(PartyKind.SIP, _sip_address(rest, where))
        case PartyKind.DID:
            return Party(PartyKind.DID, _e164(rest, where))
        case PartyKind.NUMBER:
            return Party(PartyKind.NUMBER, _dialled(rest, where))
        case _:
            raise Invalid(where, repr(text), _TO_EXPECTED)


def parse_talk_s(text: str, where: str = "--talk") -> int:
    """Read `65s`, `65`, `2m`, `1m5s` or `1h` as seconds, at most `MAX_TALK_S`. Raises `Invalid`."""
    found = _TALK.fullmatch(text.strip())
    if found is None:
        raise Invalid(where, repr(text), "a duration such as 65s, 2m or 1m5s")
    hours, minutes, seconds = (int(part or 0) for part in found.groups())
    talk_s = hours * 3600 + minutes * 60 + seconds
    if talk_s > MAX_TALK_S:
        raise Invalid(where, repr(text), f"at most {MAX_TALK_S // 3600}h")
    return talk_s


def parse_cli(text: str, where: str = "--cli") -> str:
    """Read the number that a caller shows, as E.164. Raises `Invalid`."""
    return _e164(text, where)


def parse_outcome(text: str, where: str = "--outcome") -> Outcome:
    """Read how the far side takes the call. Raises `Invalid`."""
    try:
        return Outcome(text.strip().lower())
    except ValueError:
        raise Invalid(where, repr(text), f"one of {', '.join(Outcome)}") from None


def _dialled(text: str, where: str) -> str:
    digits = re.sub(r"[\s().-]", "", text)
    if not _DIALLED.fullmatch(digits):
        raise Invalid(where, repr(text), _TO_EXPECTED)
    return parse_e164(digits) or digits


def _e164(text: str, where: str) -> str:
    number = parse_e164(text)
    if number is None:
        raise Invalid(where, repr(text), "a number with its country code such as +46701740605")
    return number


def _word(text: str, where: str, expected: str) -> str:
    if not _WORD.fullmatch(text):
        raise Invalid(where, repr(text), expected)
    return text


def _conference_id(text: str, where: str) -> str:
    expected = f"conference:ID, the ID without blanks and of at most {MAX_CONFERENCE_ID} characters"
    if len(text) > MAX_CONFERENCE_ID:
        raise Invalid(where, f"{len(text)} characters", expected)
    return _word(text, where, expected)


def _sip_address(text: str, where: str) -> str:
    user, at, host = text.partition("@")
    if not (at and user and host and _WORD.fullmatch(text)):
        raise Invalid(where, repr(text), "sip:ADDRESS such as sip:alice@example.com")
    return text
