"""ICE, ACE, PIE, DiCE and Notify as they are spelled on the wire, read liberally: anything may be missing there.

Enumerations are open and come in one case (`reason` and `result` upper, the others lower), money is `Decimal`, times
are aware and in UTC. A number's text is kept as it came (`..._text`) and read as E.164 beside it. A field of the wrong
type counts as absent, `null` too. What no struct has a place for is kept in `other`. Judging is `translate`'s.
Source: Sinch Voice API reference, callbacks; what is marked legacy comes from older pages and kits.
"""

import re
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from typing import Annotated, Any, ClassVar, final, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, field
from msgspec.structs import FieldInfo, force_setattr

from callgate.errors import CallbackMalformed
from callgate.numbers import parse_e164
from callgate.protocol.wire import WireRequest

MAX_DEPTH = 32
"""Deepest nesting that we take; documented bodies have three levels."""

MAX_DIGITS = 30
"""Longest number, in digits before or after its point: more is an attack on arithmetic, not money."""

Whole = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
"""An integer that every database can hold."""

_NAME_OF_UNKNOWN = "calls itself"
"""Stands in for `event`, which says to msgspec which struct to read and cannot be a field as well."""


class Other(dict[str, Any]):
    """What a body holds beyond its struct, as parsed, by its name on the wire. No body can spell this type itself."""


class Part(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"):
    """Base of the objects inside an event."""


class Money(Part, frozen=True, kw_only=True):
    """An amount in a currency; the platform leaves the currency out of amounts of nothing."""

    amount: Decimal
    currency_id: str | None = None
    formatted: str | None = None  # legacy

    def __post_init__(self) -> None:
        """Refuse numbers out of bounds before anything is computed with them."""
        amount = self.amount
        if not (
            amount.is_finite() and -MAX_DIGITS <= amount.adjusted() <= MAX_DIGITS and len(str(amount)) <= MAX_DIGITS
        ):
            _bound_decimal(amount)


class Destination(Part, frozen=True, kw_only=True):
    """An address. `type` is `number`, `did`, `username`, `sip`, `conference` or another word in lower case."""

    type: str = ""
    text: str = field(default="", name="endpoint")
    verified: bool | None = None  # legacy

    def __post_init__(self) -> None:
        """Bring the type to one case."""
        if not self.type.islower():
            force_setattr(self, "type", self.type.lower())

    @property
    def endpoint(self) -> str:
        """The address; a number as E.164 where it can be read as one."""
        return parse_e164(self.text) or self.text if self.type in _NUMBERED else self.text


class Pair(Part, frozen=True, kw_only=True):
    """One cookie or call header."""

    key: str
    value: str


class Amd(Part, frozen=True, kw_only=True):
    """Verdict of answering machine detection. Sources disagree about the unit of `duration`: do not compute with it."""

    status: str = ""
    reason: str = ""
    duration: Whole | None = None

    def __post_init__(self) -> None:
        """Bring the words to one case."""
        force_setattr(self, "status", self.status.lower())
        force_setattr(self, "reason", self.reason.lower())


class MenuResult(Part, frozen=True, kw_only=True):
    """What the caller did in a menu. `menu_id` is the conference's where a conference detects digits."""

    menu_id: str = ""
    type: str = ""
    value: str = ""
    input_method: str = ""
    add_to_context: tuple[Pair, ...] = ()

    def __post_init__(self) -> None:
        """Bring the words to one case."""
        force_setattr(self, "type", self.type.lower())
        force_setattr(self, "input_method", self.input_method.lower())


class Callback(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    omit_defaults=True,
    forbid_unknown_fields=True,
    rename="camel",
    tag_field="event",
):
    """What every event may carry."""

    callid: str = ""  # one word, though some pages spell it callId; both are read
    conference_id: str = ""
    timestamp: datetime | None = None
    version: Whole | None = None
    custom: str = ""
    application_key: str = ""
    user: str = ""
    cookies: tuple[Pair, ...] = ()  # legacy
    reference: str = ""  # legacy
    delayed: bool | None = None  # legacy
    domain: str = ""
    other: Other = field(default_factory=Other)

    def __post_init__(self) -> None:
        """Bring words to one case and times to UTC."""
        at = self.timestamp
        if at is not None and at.tzinfo is not UTC:
            force_setattr(self, "timestamp", in_utc(at))
        if self.domain and not self.domain.islower():
            force_setattr(self, "domain", self.domain.lower())


class Ice(Callback, frozen=True, kw_only=True, tag="ice"):
    """Incoming call event: the platform waits for SVAML before it goes on."""

    event: ClassVar[str] = "ice"
    call_resource_url: str = ""
    user_rate: Money | None = None  # a minute, towards the original destination
    cli_text: str = field(default="", name="cli")  # without its plus sign, `Name <number>`, `private`, a name, empty
    to: Destination | None = None
    origination_type: str = ""
    duration: Whole | None = None
    rdnis: str = ""
    call_headers: tuple[Pair, ...] = ()

    def __post_init__(self) -> None:
        """Bring words to one case and times to UTC."""
        at = self.timestamp
        if at is not None and at.tzinfo is not UTC:
            force_setattr(self, "timestamp", in_utc(at))
        if not self.domain.islower():
            force_setattr(self, "domain", self.domain.lower())
        force_setattr(self, "origination_type", self.origination_type.lower())

    @property
    def cli(self) -> str:
        """The caller's number as E.164 where it can be read as one, else the text."""
        return number_in(self.cli_text) or self.cli_text


class Ace(Callback, frozen=True, kw_only=True, tag="ace"):
    """Answered call event: the platform waits for SVAML before it bridges."""

    event: ClassVar[str] = "ace"
    call_resource_url: str = ""
    amd: Amd | None = None


class Pie(Callback, frozen=True, kw_only=True, tag="pie"):
    """Prompt input event: the platform waits for SVAML, except for digits that a conference detects."""

    event: ClassVar[str] = "pie"
    menu_result: MenuResult | None = None


class Dice(Callback, frozen=True, kw_only=True, tag="dice"):
    """Disconnected call event: a report, nothing waits."""

    event: ClassVar[str] = "dice"
    reason: str = ""
    result: str = ""
    duration: Whole | None = None  # seconds
    debit: Money | None = None
    user_rate: Money | None = None
    to: Destination | None = None
    from_text: str = field(default="", name="from")  # a number, often without its plus sign, a user or `private`
    call_headers: tuple[Pair, ...] = ()

    def __post_init__(self) -> None:
        """Bring words to one case and times to UTC."""
        Callback.__post_init__(self)
        force_setattr(self, "reason", self.reason.upper())
        force_setattr(self, "result", self.result.upper())

    @property
    def from_(self) -> str:
        """The caller's number as E.164 where it can be read as one, else the text."""
        return self.from_text if self.from_text == self.user else number_in(self.from_text) or self.from_text


class Notify(Callback, frozen=True, kw_only=True, tag="notify"):
    """A report about a recording, a transcript, a machine that answered, or a fault of ours."""

    event: ClassVar[str] = "notify"
    type: str = ""
    destination: str = ""  # where the recording is stored
    amd: Amd | None = None
    error_code: Whole | None = None
    error_msg: str = ""

    def __post_init__(self) -> None:
        """Bring words to one case and times to UTC."""
        Callback.__post_init__(self)
        force_setattr(self, "type", self.type.lower())


@final
class UnknownEvent(Callback, frozen=True, kw_only=True, tag=""):
    """An event that we do not know, or a body without one: `event` is what it calls itself, in lower case."""

    event: str = field(default="", name=_NAME_OF_UNKNOWN)


Known = Ice | Ace | Pie | Dice | Notify


def read(request: WireRequest) -> Known | UnknownEvent:
    """Read the body of a request into the struct of its event; `UnknownEvent` where there is none for it.

    Raises `CallbackMalformed` for what is not a JSON object in UTF-8, is nested deeper than `MAX_DEPTH`, holds half a
    surrogate pair, or a number that is longer than `MAX_DIGITS`. NUL characters become U+FFFD: no database takes them.
    """
    body = request.body
    if _BACKSLASH in body and body.find(b"\\u0000") >= 0:  # one byte is found many times as fast as several
        body = body.replace(b"\\u0000", b"\\ufffd")
    try:
        documented: Known = _decode_documented(body)
    except (ValueError, RecursionError):
        # A field that is not documented, or not as documented; or not JSON at all, which the second reading will say.
        return _read_liberally(parse(body))
    return documented


def write(callback: Known | UnknownEvent) -> bytes:
    """Write an event as the platform would; what `read` made of a body reads the same again."""
    said = msgspec.to_builtins(callback, builtin_types=(Decimal,))
    del said["other"]
    if isinstance(callback, UnknownEvent):
        said["event"] = said.pop(_NAME_OF_UNKNOWN, "")
    return _encode(said | callback.other)


def parse(body: bytes) -> dict[str, Any]:
    """Parse a JSON object, with decimals exact and everything in bounds. Raises `CallbackMalformed`."""
    try:
        raw = _decode_anything(body)
    except RecursionError:
        raise CallbackMalformed("$", f"nested deeper than {MAX_DEPTH} levels") from None
    except UnicodeDecodeError:
        raise CallbackMalformed("$", "not UTF-8") from None
    except msgspec.DecodeError as error:
        raise CallbackMalformed("$", f"not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise CallbackMalformed("$", "not a JSON object")
    _bound(raw, 1)
    return raw


def number_in(text: str) -> str | None:
    """Find the number in `46708000000` or `Name <46708000000>`, as E.164; None where there is none."""
    named = _NAMED.fullmatch(text) if "<" in text else None
    return parse_e164(named[1] if named else text)


def _read_liberally(raw: dict[str, Any]) -> Known | UnknownEvent:
    """Take what can be used of each field by itself, and keep the rest."""
    said = raw.pop("event", None)
    event = said.lower() if isinstance(said, str) else ""
    if said is not None and not isinstance(said, str):
        raw["event"] = said
    if "callId" in raw and not isinstance(raw.get("callid"), str):
        raw["callid"] = raw.pop("callId")

    kind: type[Known | UnknownEvent] = _EVENTS.get(event, UnknownEvent)
    known = {name: value for name, value in raw.items() if value is not None and name in _FIELDS[kind]}
    other = Other((name, value) for name, value in raw.items() if value is not None and name not in known)
    try:
        callback: Known | UnknownEvent = msgspec.convert(known, kind)
    except ValueError:
        values, unusable = salvage(kind, known)
        callback = kind(**values)
        other |= unusable
    force_setattr(callback, "other", other)
    if isinstance(callback, UnknownEvent):
        force_setattr(callback, "event", event)
    return callback


def salvage(kind: type[msgspec.Struct], raw: dict[str, Any]) -> tuple[dict[str, Any], Other]:
    """Return what can be used, by our names, and every value that was not used to the full, by the wire's."""
    values: dict[str, Any] = {}
    other = Other()
    for name, value in raw.items():
        if value is None:
            continue
        known = _FIELDS[kind].get(name)
        usable, is_whole = _convert(value, known) if known is not None else (UNSET, False)
        if usable is not UNSET and known is not None:
            values[known.name] = usable
        if not is_whole:
            other[name] = value
    return values, other


def _convert(value: Any, known: FieldInfo) -> tuple[Any, bool]:
    """Return the value as its field wants it, or UNSET, and whether nothing of it was left out."""
    wanted = next((option for option in get_args(known.type) if isinstance(option, type)), None)  # within `... | None`
    is_array = get_origin(known.type) is tuple
    if wanted is not None and issubclass(wanted, Part) and isinstance(value, dict) and not is_array:
        return _convert_part(value, wanted)
    if wanted is not None and issubclass(wanted, Part) and isinstance(value, list) and is_array:
        parts = [_convert_part(item, wanted) for item in value if isinstance(item, dict)]
        is_whole = len(parts) == len(value) and all(is_whole for _, is_whole in parts)
        return tuple(part for part, _ in parts if part is not UNSET), is_whole
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    elif wanted is datetime and not isinstance(value, str):
        return UNSET, False  # a bare number says neither its unit nor its origin
    try:
        return msgspec.convert(value, known.type, strict=False), True
    except ValueError:
        return UNSET, False


def _convert_part(raw: dict[str, Any], kind: type[Part]) -> tuple[Any, bool]:
    values, other = salvage(kind, raw)
    try:
        return kind(**values), not other
    except (TypeError, ValueError):  # a part of it is missing without which the rest says nothing
        return UNSET, False


def _bound_decimal(number: Decimal) -> None:
    """Refuse a number that would take for ever to compute with. Raises `ValueError` for what is no number at all."""
    if not number.is_finite():
        raise ValueError("not a number")
    if not -MAX_DIGITS <= number.adjusted() <= MAX_DIGITS or len(str(number)) > 2 * MAX_DIGITS:
        raise CallbackMalformed("$", f"the number {str(number)[:40]} is out of bounds")


def _decimal(text: str) -> Decimal:
    """Read a number with its digits kept; one out of bounds is refused before anything is computed with it."""
    try:
        number = Decimal(text)
    except DecimalException:
        raise CallbackMalformed("$", f"the number {text[:40]} is out of bounds") from None
    _bound_decimal(number)
    return number


def _bound(value: Any, depth: int) -> None:
    """Refuse what is too deep or too long to be handed on; decimals were refused while they were read."""
    if depth > MAX_DEPTH:
        raise CallbackMalformed("$", f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return
    for member in value:
        if isinstance(member, int):
            if abs(member) >= _TOO_LONG:
                raise CallbackMalformed("$", f"a number of more than {MAX_DIGITS} digits")
        elif isinstance(member, dict | list):
            _bound(member, depth + 1)


def in_utc(at: datetime) -> datetime:
    """Take a time without zone as UTC, as the platform means it."""
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC)
    try:
        return at.astimezone(UTC)
    except OverflowError:  # the first or the last day that there is
        return at.replace(tzinfo=UTC)


_EVENTS: dict[str, type[Known]] = {"ice": Ice, "ace": Ace, "pie": Pie, "dice": Dice, "notify": Notify}
_OURS = frozenset({"other", "event"})


class _Fields(dict[type[msgspec.Struct], dict[str, FieldInfo]]):
    """What each struct can hold, by its name on the wire."""

    def __missing__(self, kind: type[msgspec.Struct]) -> dict[str, FieldInfo]:
        """Look at the struct, once."""
        found = {known.encode_name: known for known in msgspec.structs.fields(kind) if known.name not in _OURS}
        self[kind] = found
        return found


_FIELDS = _Fields()
_NUMBERED = frozenset({"number", "did"})
_NAMED = re.compile(r"[^<>]*<([^<>]*)>\s*")
_TOO_LONG = 10**MAX_DIGITS
_BACKSLASH = ord("\\")
_encode = msgspec.json.Encoder(decimal_format="number").encode
_decode_documented = msgspec.json.Decoder(Known).decode
_decode_anything = msgspec.json.Decoder(float_hook=_decimal).decode
