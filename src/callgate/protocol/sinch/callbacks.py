"""ICE, ACE, PIE, DiCE and Notify as they are spelled on the wire, read liberally: anything may be missing there.

Enumerations are open and come in one case (`type`s and `domain`s lower, `reason` and `result` upper), numbers as E.164
where they can be read as such with the text beside them, money as `Decimal`, times as aware UTC. A field of the wrong
type counts as absent, `null` too; it is kept in `other` with every field that we do not know. Judging is `translate`'s.
Source: Sinch Voice API reference, callbacks, and the older pages and kits for what is marked legacy.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, DecimalException
from typing import Any

import msgspec

from callgate.errors import CallbackMalformed
from callgate.numbers import parse_e164
from callgate.protocol.wire import WireRequest

MAX_DEPTH = 32
"""Deepest nesting that we take; documented bodies have three levels."""

MAX_DIGITS = 30
"""Longest number, in digits before or after its point: more is an attack on arithmetic, not money."""


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """An amount in a currency; the platform leaves the currency out of amounts of nothing."""

    amount: Decimal
    currency_id: str | None = None


class Destination(msgspec.Struct, frozen=True, kw_only=True):
    """An address: `type` in lower case (`number`, `did`, `username`, `sip`, `conference`, ...), `text` as it came."""

    type: str = ""
    endpoint: str = ""
    text: str = ""
    verified: bool | None = None  # legacy


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """One cookie or call header."""

    key: str
    value: str


class Amd(msgspec.Struct, frozen=True, kw_only=True):
    """Verdict of answering machine detection. Sources disagree about the unit of `duration`: do not compute with it."""

    status: str = ""
    reason: str = ""
    duration: int | None = None


class MenuResult(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller did in a menu. `menu_id` is the conference's where a conference detects digits."""

    menu_id: str = ""
    type: str = ""
    value: str = ""
    input_method: str = ""


class Callback(msgspec.Struct, frozen=True, kw_only=True):
    """What every event may carry. `other` has what we do not know, as parsed."""

    event: str = ""
    callid: str = ""  # one word, though some pages spell it callId; both are read
    conference_id: str = ""
    timestamp: datetime | None = None
    version: int | None = None
    custom: str = ""
    application_key: str = ""
    user: str = ""
    cookies: tuple[Pair, ...] = ()  # legacy
    reference: str = ""  # legacy
    delayed: bool | None = None  # legacy
    domain: str = ""
    other: Mapping[str, Any] = {}


class Ice(Callback, frozen=True, kw_only=True):
    """Incoming call event: the platform waits for SVAML before it goes on."""

    call_resource_url: str = ""
    user_rate: Money | None = None  # a minute, towards the original destination
    cli: str = ""  # E.164 where it can be read; `private`, a name or empty where not
    cli_text: str = ""  # as it came: without its plus sign, or as `Name <number>`
    to: Destination | None = None
    origination_type: str = ""
    duration: int | None = None
    rdnis: str = ""
    call_headers: tuple[Pair, ...] = ()


class Ace(Callback, frozen=True, kw_only=True):
    """Answered call event: the platform waits for SVAML before it bridges."""

    call_resource_url: str = ""
    amd: Amd | None = None


class Pie(Callback, frozen=True, kw_only=True):
    """Prompt input event: the platform waits for SVAML, except for digits that a conference detects."""

    menu_result: MenuResult | None = None


class Dice(Callback, frozen=True, kw_only=True):
    """Disconnected call event: a report, nothing waits."""

    reason: str = ""
    result: str = ""
    duration: int | None = None  # seconds
    debit: Money | None = None
    user_rate: Money | None = None
    to: Destination | None = None
    from_: str = ""  # E.164 where it can be read; a user's name or `private` where not
    from_text: str = ""
    call_headers: tuple[Pair, ...] = ()


class Notify(Callback, frozen=True, kw_only=True):
    """A report about a recording, a transcript, a machine that answered, or a fault of ours."""

    type: str = ""
    destination: str = ""  # where the recording is stored
    amd: Amd | None = None
    error_code: int | None = None
    error_msg: str = ""


class UnknownEvent(Callback, frozen=True, kw_only=True):
    """An event that we do not know, or a body without one."""


def read(request: WireRequest) -> Callback:
    """Read the body of a request into the struct of its event; `UnknownEvent` where there is none for it.

    Raises `CallbackMalformed` for what is not a JSON object in UTF-8, is nested deeper than `MAX_DEPTH`, holds half a
    surrogate pair, or a number that is longer than `MAX_DIGITS`. NUL characters become U+FFFD: no database takes them.
    """
    raw = _parse(request.body)
    event = raw.get("event")
    kind, fields = _EVENTS.get(event.lower() if isinstance(event, str) else "", (UnknownEvent, _COMMON))
    values: dict[str, Any] = {}
    other: dict[str, Any] = {}
    for name, value in raw.items():
        if value is None:
            continue
        field = fields.get(name)
        if field is None:
            other[name] = value
            continue
        attribute, reader = field
        known = reader(value)
        if known is None:
            other[name] = value
        else:
            values[attribute] = known
    if other:
        _bound(other, 1)
        values["other"] = other
    for attribute in ("cli", "from_"):
        if text := values.get(attribute):
            values[f"{attribute.rstrip('_')}_text"] = text
            values[attribute] = _number_in(text)
    return kind(**values)


def _parse(body: bytes) -> dict[str, Any]:
    if b"\\u0000" in body:
        body = body.replace(b"\\u0000", b"\\ufffd")
    try:
        raw = _decode(body)
    except RecursionError:
        raise CallbackMalformed("$", f"nested deeper than {MAX_DEPTH} levels") from None
    except UnicodeDecodeError:
        raise CallbackMalformed("$", "not UTF-8") from None
    except msgspec.DecodeError as error:
        raise CallbackMalformed("$", f"not JSON: {error}") from None
    if type(raw) is not dict:
        raise CallbackMalformed("$", "not a JSON object")
    return raw


def _decimal(text: str) -> Decimal:
    """Read a number with its digits kept; one beyond our bounds is refused before anything is computed with it."""
    if len(text) <= 2 * MAX_DIGITS:
        try:
            number = Decimal(text)
        except DecimalException:
            pass
        else:
            if number.is_finite() and -MAX_DIGITS <= number.adjusted() <= MAX_DIGITS:
                return number
    raise CallbackMalformed("$", f"the number {text[:40]} is out of bounds")


_decode = msgspec.json.Decoder(float_hook=_decimal).decode
_LONGEST = 10**MAX_DIGITS


def _bound(value: Any, depth: int) -> None:
    """Refuse what is too deep or too long to be handed on; decimals were refused while they were read."""
    if depth > MAX_DEPTH:
        raise CallbackMalformed("$", f"nested deeper than {MAX_DEPTH} levels")
    if isinstance(value, int):
        if abs(value) > _LONGEST:
            raise CallbackMalformed("$", f"a number of more than {MAX_DIGITS} digits")
    elif isinstance(value, dict):
        for member in value.values():
            _bound(member, depth + 1)
    elif isinstance(value, list):
        for member in value:
            _bound(member, depth + 1)


# Readers: the value as our struct wants it, or None when it is of no use.


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _lower(value: Any) -> str | None:
    return value.lower() if isinstance(value, str) else None


def _upper(value: Any) -> str | None:
    return value.upper() if isinstance(value, str) else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _whole(value: Any) -> int | None:
    """A whole number, also where it is written `65.0` or as text."""
    if isinstance(value, str) and _WHOLE.fullmatch(value):
        return int(value)
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LONGEST else None


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value)
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (TypeError, ValueError, OverflowError):
        return None


def _money(value: Any) -> Money | None:
    if not isinstance(value, dict):
        return None
    amount, currency = value.get("amount"), value.get("currencyId")
    if isinstance(amount, str) and _AMOUNT.fullmatch(amount):
        amount = Decimal(amount)
    elif not isinstance(amount, Decimal):
        if (whole := _whole(amount)) is None:
            return None
        amount = Decimal(whole)
    return Money(amount=amount, currency_id=currency.upper() if isinstance(currency, str) and currency else None)


def _destination(value: Any) -> Destination | None:
    if not isinstance(value, dict):
        return None
    kind, text = _lower(value.get("type")) or "", _text(value.get("endpoint")) or ""
    endpoint = parse_e164(text) or text if kind in _NUMBERED else text
    return Destination(type=kind, endpoint=endpoint, text=text, verified=_flag(value.get("verified")))


def _pairs(value: Any) -> tuple[Pair, ...] | None:
    """Key and value where both are text; what is not is left out."""
    if not isinstance(value, list):
        return None
    return tuple(
        Pair(key=pair["key"], value=pair["value"])
        for pair in value
        if isinstance(pair, dict) and isinstance(pair.get("key"), str) and isinstance(pair.get("value"), str)
    )


def _amd(value: Any) -> Amd | None:
    if not isinstance(value, dict):
        return None
    status, reason = _lower(value.get("status")) or "", _lower(value.get("reason")) or ""
    return Amd(status=status, reason=reason, duration=_whole(value.get("duration")))


def _menu_result(value: Any) -> MenuResult | None:
    if not isinstance(value, dict):
        return None
    return MenuResult(
        menu_id=_text(value.get("menuId")) or "",
        type=_lower(value.get("type")) or "",
        value=_text(value.get("value")) or "",
        input_method=_lower(value.get("inputMethod")) or "",
    )


def _number_in(text: str) -> str:
    """Find the number in `46708000000` or `Name <46708000000>`; what holds none stays as it is."""
    named = _NAMED.fullmatch(text)
    return parse_e164(named[1] if named else text) or text


_NAMED = re.compile(r"[^<>]*<([^<>]*)>\s*")
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
_AMOUNT = re.compile(r"-?\d{1,18}(\.\d{1,18})?", re.ASCII)
_NUMBERED = frozenset({"number", "did"})

Fields = dict[str, tuple[str, Callable[[Any], Any]]]

_COMMON: Fields = {
    "event": ("event", _lower),
    "callId": ("callid", _text),
    "callid": ("callid", _text),
    "conferenceId": ("conference_id", _text),
    "timestamp": ("timestamp", _time),
    "version": ("version", _whole),
    "custom": ("custom", _text),
    "applicationKey": ("application_key", _text),
    "user": ("user", _text),
    "cookies": ("cookies", _pairs),
    "reference": ("reference", _text),
    "delayed": ("delayed", _flag),
    "domain": ("domain", _lower),
}

_EVENTS: dict[str, tuple[type[Callback], Fields]] = {
    "ice": (
        Ice,
        _COMMON
        | {
            "callResourceUrl": ("call_resource_url", _text),
            "userRate": ("user_rate", _money),
            "cli": ("cli", _text),
            "to": ("to", _destination),
            "originationType": ("origination_type", _lower),
            "duration": ("duration", _whole),
            "rdnis": ("rdnis", _text),
            "callHeaders": ("call_headers", _pairs),
        },
    ),
    "ace": (Ace, _COMMON | {"callResourceUrl": ("call_resource_url", _text), "amd": ("amd", _amd)}),
    "pie": (Pie, _COMMON | {"menuResult": ("menu_result", _menu_result)}),
    "dice": (
        Dice,
        _COMMON
        | {
            "reason": ("reason", _upper),
            "result": ("result", _upper),
            "duration": ("duration", _whole),
            "debit": ("debit", _money),
            "userRate": ("user_rate", _money),
            "to": ("to", _destination),
            "from": ("from_", _text),
            "callHeaders": ("call_headers", _pairs),
        },
    ),
    "notify": (
        Notify,
        _COMMON
        | {
            "type": ("type", _lower),
            "destination": ("destination", _text),
            "amd": ("amd", _amd),
            "errorCode": ("error_code", _whole),
            "errorMsg": ("error_msg", _text),
        },
    ),
}
"""The wire, field by field: its name, ours, and how it is read."""
