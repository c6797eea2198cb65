"""The cells of carriers' rate decks, each kind as its senders write it. Raises `CellInvalid`, which says what would do."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from zoneinfo import ZoneInfo

from callgate.errors import AmountInvalid
from callgate.money import CURRENCIES, parse_scaled
from callgate.rating.rate import MAX_INCREMENT_S, MAX_PREFIX_DIGITS

MAX_RANGE = 10_000
"""Most codes that one range may stand for."""

MAX_PRICE = 100_000_000
"""Largest price, fee or minimum that we take, in major units: dear satellite minutes fit in any currency, and a call of
four hours stays far inside 64 bits of micros."""

ANYWHERE = frozenset({"", "row", "default", "*", "all", "any", "rest of world", "world"})
"""Words for everything that no other row is for."""

NO_PRICE = frozenset({"", "n/a", "na", "-", "--", "blocked", "block", "none", "closed", "no route"})
"""A price that is none: the row refuses its calls. It is never free."""

_CLOSED = frozenset(
    {"blocked", "block", "closed", "close", "deleted", "delete", "discontinued", "removed", "forbidden"}
)
_OPEN = frozenset(
    """new increase increased decrease decreased unchanged current pending active open same change changed""".split()  # noqa: SIM905
) | {"no change", ""}
_YES = frozenset({"yes", "y", "true", "1", "x", "reject", "blocked"})
_NO = frozenset({"", "no", "n", "false", "0", "-"})


class CellInvalid(Exception):
    """A cell cannot be read. Carries what would do."""


class DateOrder(StrEnum):
    """In which order days, months and years stand."""

    DMY = "dmy"
    MDY = "mdy"
    YMD = "ymd"


class IncrementOrder(StrEnum):
    """What `1/60` means: the first increment, then each next; or the other way round."""

    FIRST_NEXT = "first-next"
    NEXT_FIRST = "next-first"


# -- codes ---------------------------------------------------------------------------------------------------------------

_DIGITS = "the digits of a country code and what follows it, such as 4670"
_SHORTENED = re.compile(r"[0-9.,]+[eE]\+?[0-9]+")
_RANGE = re.compile(r"\+?([0-9]+)\s*(?:-|\u2013|\.\.)\s*\+?([0-9]+)")
_STRIPPED = str.maketrans("", "", " \t\u00a0-.()/")


def read_codes(text: str, country_code: str, *, is_nanp: bool) -> list[str]:
    """Return the prefixes in a cell: one, a list, ranges; a country code before the list where the cell begins with one."""
    plain = text.strip()
    if (
        plain.isdecimal()
        and plain.isascii()
        and not country_code
        and plain[0] != "0"
        and len(plain) <= MAX_PREFIX_DIGITS
    ):
        return [f"1{plain}" if is_nanp else plain]
    head = re.fullmatch(r"\+?([1-9][0-9]{0,3})\s+([0-9]+\s*[,;|].*)", plain)
    if head is not None and not country_code:
        country_code, plain = head[1], head[2]
    country_code = _international(country_code.translate(_STRIPPED)) if country_code else ""
    if country_code and not country_code.isdecimal():
        raise CellInvalid("a country code of digits")
    parts = [part.strip() for part in re.split(r"[,;|\n]", plain)]
    found: list[str] = []
    for part in parts:
        if not part and (len(parts) > 1 or not country_code):
            if len(parts) > 1:
                continue
            raise CellInvalid(_DIGITS)
        found += [
            _one(f"{country_code}{code}", is_nanp=is_nanp) for code in _range(part, in_country=bool(country_code))
        ]
    if not found:
        raise CellInvalid(_DIGITS)
    return found


def _range(part: str, *, in_country: bool) -> Iterable[str]:
    """The codes of `7701-7703`, all as long as the first; or the one code that the part is, without its punctuation."""
    match = _RANGE.fullmatch(part)
    if match is None:
        if _SHORTENED.fullmatch(part):
            raise CellInvalid("all digits of the prefix: a spreadsheet shortened it, format the column as text")
        return [_without_zero_decimals(part).translate(_STRIPPED) if in_country else _international(part)]
    first, last = match.groups()
    could_be_range = len(first) == len(last) and first <= last
    if not could_be_range and in_country:
        raise CellInvalid("a range of codes of one length, such as 7701-7703")
    if not in_country:
        is_short, is_one_country = len(first) < 4, first[0] == last[0]  # noqa: PLR2004
        if not could_be_range or (is_short and not is_one_country):
            return (
                [first + last] if not part.startswith("00") else [_international(part)]
            )  # 46-70: a code with a dash in it
        if is_short or not is_one_country:  # 44-47 may be four countries or 4447, 1000-9999 all of them or 10009999
            raise CellInvalid(f"{first}{last} for the one code, or each code of the range by itself")
    count = int(last) - int(first) + 1
    if count > MAX_RANGE:
        raise CellInvalid(f"a range of at most {MAX_RANGE} codes")
    return [f"{int(first) + each:0{len(first)}}" for each in range(count)]


def _without_zero_decimals(text: str) -> str:
    """`4670.0`, as spreadsheets write whole numbers. The reader has seen that all cells have it."""
    return text.removesuffix(".0")


def _international(text: str) -> str:
    """Take one international prefix off, and punctuation out."""
    digits = _without_zero_decimals(text.strip()).translate(_STRIPPED)
    for before in ("+", "00", "011"):
        if digits.startswith(before):
            return digits.removeprefix(before)
    return digits


def _one(digits: str, *, is_nanp: bool) -> str:
    if is_nanp and not digits.startswith("1"):
        digits = f"1{digits}"
    if digits.isdecimal() and digits.isascii():
        if len(digits) > MAX_PREFIX_DIGITS:
            raise CellInvalid(f"at most {MAX_PREFIX_DIGITS} digits")
        if digits[0] != "0":
            return digits
    raise CellInvalid(_DIGITS)


def read_origins(text: str) -> tuple[str, ...]:
    """Where callers call from: digits, or one empty text for anywhere."""
    if text.strip().lower() in ANYWHERE:
        return ("",)
    try:
        return tuple(dict.fromkeys(read_codes(text, "", is_nanp=False)))
    except CellInvalid:
        raise CellInvalid("first digits of callers' numbers, blank for any caller") from None


# -- prices --------------------------------------------------------------------------------------------------------------

_SIGNS = re.compile(r"[$€£\u00a0 ]")
_CODE = re.compile(r"^([A-Za-z]{3})(?=[0-9., ])|(?<=[0-9., ])([A-Za-z]{3})$")
_ONE_COMMA = re.compile(r"([0-9]*),([0-9]+)")
_THOUSANDS = re.compile(r"[0-9]{1,3}(,[0-9]{3})+(\.[0-9]*)?")


def number_evidence(text: str) -> str:
    """Say what a cell tells of how decimals are written: `,` or `.`, `?` where it may be either, empty where nothing."""
    plain = _SIGNS.sub("", text)
    if "," in plain and "." in plain:
        return "," if plain.rindex(",") > plain.rindex(".") else "."
    if "," in plain:
        match = _ONE_COMMA.fullmatch(plain)
        if match is None:
            return "." if _THOUSANDS.fullmatch(plain) else ""
        units, decimals = match.groups()
        return "?" if len(decimals) == 3 and units.strip("0") and len(units) <= 3 else ","  # noqa: PLR2004 - as thousands are
    return "." if "." in plain else ""


def read_price(text: str, scale: int, *, comma: bool, expected: str) -> tuple[int, str]:
    """Return a price as an integer of 1/`scale`, and the currency beside it if there is one. Exact: no digit is rounded."""
    plain, currency = text.strip(), ""
    if match := _CODE.search(plain):
        currency = (match[1] or match[2]).upper()
        if currency not in CURRENCIES:
            raise CellInvalid(expected)
        plain = _CODE.sub("", plain)
    plain = _SIGNS.sub("", plain)
    if comma:
        plain = plain.replace(".", "").replace(",", ".")
    elif "," in plain:
        if not _THOUSANDS.fullmatch(plain):
            raise CellInvalid(f"{expected}; the file's other decimals are written with a point")
        plain = plain.replace(",", "")
    try:
        price = parse_scaled(plain, scale, "")
    except AmountInvalid as fault:
        raise CellInvalid(fault.expected if "decimals" in fault.expected else expected) from None
    if not 0 <= price <= MAX_PRICE * scale:
        raise CellInvalid(f"from 0 to {MAX_PRICE}")
    return price, currency


# -- increments ----------------------------------------------------------------------------------------------------------

_SECONDS = re.compile(r"([0-9]{1,6})(?:\.0+)?\s*(s|sec|secs|seconds?)?", re.IGNORECASE)
_MINUTES = re.compile(r"([0-9]{1,3})\s*(m|min|mins|minutes?)", re.IGNORECASE)
INCREMENT = f"whole seconds, 1 to {MAX_INCREMENT_S}"


class Increments(NamedTuple):
    first_s: int
    next_s: int


def read_increment_s(text: str) -> int | None:
    """One increment in seconds; None where the cell is blank."""
    plain = text.strip()
    if not plain:
        return None
    minutes = _MINUTES.fullmatch(plain)
    seconds = _SECONDS.fullmatch(plain)
    found = int(minutes[1]) * 60 if minutes else int(seconds[1]) if seconds else 0
    if not 1 <= found <= MAX_INCREMENT_S:
        raise CellInvalid(INCREMENT)
    return found


def read_seconds(text: str) -> int:
    """Seconds that may be none, such as a grace."""
    plain = text.strip()
    if plain in ("", "0", "0.0"):
        return 0
    return read_increment_s(plain) or 0


def read_increments(text: str, order: IncrementOrder | None) -> Increments | None:
    """Increments in one cell: `60/60`, `30+6`, `60`, `per minute`, `0/60/60`. None where it is blank."""
    plain = text.strip().lower()
    if not plain:
        return None
    if plain in ("per minute", "minute", "per min", "min"):
        return Increments(60, 60)
    if plain in ("per second", "second", "per sec", "sec"):
        return Increments(1, 1)
    parts = [part.strip() for part in re.split(r"[/+:\\-]", plain)]
    if len(parts) == 3:  # noqa: PLR2004 - a connect or grace part, which is dropped where it is zero, then first and next
        parts = [part for part in parts if part.strip("0")]
        if len(parts) == 3:  # noqa: PLR2004
            raise CellInvalid("the first increment and each next, such as 60/60")
    if len(parts) > 2 or not all(parts):  # noqa: PLR2004
        raise CellInvalid("the first increment and each next, such as 60/60")
    first_s = read_increment_s(parts[0])
    next_s = read_increment_s(parts[-1])
    assert first_s is not None and next_s is not None, "no part is blank"
    return ordered(first_s, next_s, order)


def ordered(first_s: int, next_s: int, order: IncrementOrder | None) -> Increments:
    """Increments that were written in this order. Raises where they are more likely the other way round and nobody has said."""
    if order is IncrementOrder.NEXT_FIRST:
        return Increments(next_s, first_s)
    if order is None and first_s < next_s:
        raise CellInvalid(
            f"an answer to which is meant: increment-order first-next (the first {first_s} s, then steps of {next_s} s)"
            f" or next-first (the first {next_s} s, then steps of {first_s} s)"
        )
    return Increments(first_s, next_s)


# -- moments -------------------------------------------------------------------------------------------------------------

_NUMERIC = re.compile(r"([0-9]{1,4})\s*[-/. ]\s*([0-9]{1,2})\s*[-/. ]\s*([0-9]{1,4})(.*)", re.DOTALL)
_DAY_FIRST = re.compile(r"([0-9]{1,2})[-/. ]*([A-Za-z]{3,9})[-/., ]*([0-9]{4}|[0-9]{2})(.*)", re.DOTALL)
_MONTH_FIRST = re.compile(r"([A-Za-z]{3,9})[-/. ]*([0-9]{1,2})(?:st|nd|rd|th)?[-/., ]+([0-9]{4})(.*)", re.DOTALL)
_TIME = re.compile(
    r"[T, ]*([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,6})?)?\s*(AM|PM)?\s*(Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?",
    re.IGNORECASE,
)
_SERIAL = re.compile(r"([0-9]{5})(?:\.([0-9]{1,12}))?")
_FIRST_SERIAL, _LAST_SERIAL = 32_874, 73_051
"""1990 and 2100 as Excel counts days."""
_EXCEL_EPOCH = datetime(1899, 12, 30, tzinfo=UTC)  # with it, days after February 1900 come out right
_MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()  # noqa: SIM905
_DATE = "a date such as 2026-11-23, 23/11/2026 or 23-Nov-2026, with or without a time"


def date_evidence(text: str) -> set[DateOrder] | None:
    """Which orders a date can be read in; None where it needs none: the year or a name of the month tells, or it is no date."""
    match = _NUMERIC.fullmatch(text.strip())
    if match is None:
        return None
    first, second, third, _ = match.groups()
    if len(first) == 4:  # noqa: PLR2004 - a year
        return None
    found = set()
    if int(second) <= 12:  # noqa: PLR2004 - months
        found.add(DateOrder.DMY)
    if int(first) <= 12:  # noqa: PLR2004
        found.add(DateOrder.MDY)
    if len(third) == 4:  # noqa: PLR2004
        return found
    return found | {DateOrder.YMD}


def read_moment(text: str, order: DateOrder | None, zone: ZoneInfo) -> datetime | None:
    """Return the moment in UTC; a date or time without an offset is that of the zone. None where the cell is blank.

    Without an order only dates are read that need none.
    """
    plain = text.strip()
    if plain.lower() in ("", "now", "immediate", "immediately", "asap", "-"):
        return None
    if (serial := _SERIAL.fullmatch(plain)) and _FIRST_SERIAL <= int(serial[1]) <= _LAST_SERIAL:
        part = serial[2] or "0"
        of_day = timedelta(seconds=round(86_400 * int(part) / 10 ** len(part)))
        local = (_EXCEL_EPOCH + timedelta(days=int(serial[1])) + of_day).replace(tzinfo=zone)
        return local.astimezone(UTC)
    year, month, day, rest = _calendar(plain, order)
    hour = minute = second = 0
    offset: str | None = None
    if rest.strip():
        match = _TIME.fullmatch(rest)
        if match is None:
            raise CellInvalid(_DATE)
        hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
        if match[4]:
            hour = hour % 12 + (12 if match[4].lower() == "pm" else 0)
        offset = match[5]
    try:
        local = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        return (local - _offset(offset) if offset else local.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise CellInvalid(_DATE) from None


def _calendar(text: str, order: DateOrder | None) -> tuple[int, int, int, str]:
    """Year, month, day, and what comes behind them."""
    if match := _DAY_FIRST.fullmatch(text):
        return _year(match[3]), _month(match[2]), int(match[1]), match[4]
    if match := _MONTH_FIRST.fullmatch(text):
        return _year(match[3]), _month(match[1]), int(match[2]), match[4]
    match = _NUMERIC.fullmatch(text)
    if match is None:
        raise CellInvalid(_DATE)
    first, second, third, rest = match.groups()
    if len(first) == 4:  # noqa: PLR2004 - a year can stand nowhere else
        return int(first), int(second), int(third[:2]), third[2:] + rest
    if order is None:
        raise CellInvalid("an answer to which is meant: dates dmy (day, month, year) or mdy (month, day, year)")
    if order is DateOrder.YMD:
        return _year(first), int(second), int(third), rest
    day, month = (first, second) if order is DateOrder.DMY else (second, first)
    return _year(third), int(month), int(day), rest


def _year(text: str) -> int:
    if len(text) == 3 or len(text) == 1:  # noqa: PLR2004 - no year is written so
        raise CellInvalid(_DATE)
    return int(text) + (2_000 if len(text) == 2 else 0)  # noqa: PLR2004


def _month(word: str) -> int:
    try:
        return _MONTHS.index(word[:3].lower()) + 1
    except ValueError:
        raise CellInvalid(_DATE) from None


def _offset(text: str) -> timedelta:
    if text.upper() in ("Z", "UTC", "GMT"):
        return timedelta()
    hours, minutes = int(text[1:3]), int(text[-2:])
    return timedelta(hours=hours, minutes=minutes) * (-1 if text[0] == "-" else 1)


# -- words ---------------------------------------------------------------------------------------------------------------


def read_status(text: str) -> bool:
    """Whether the row is blocked, from a word for what became of its price."""
    word = " ".join(text.strip().lower().split())
    if word in _CLOSED:
        return True
    if word in _OPEN:
        return False
    raise CellInvalid("active or blocked, or new, increase, decrease, unchanged, closed")


def read_comment(text: str) -> bool:
    """Whether a comment says that the row is blocked; comments say anything."""
    return text.strip().lower() in _CLOSED


def read_yes(text: str) -> bool:
    word = text.strip().lower()
    if word in _YES:
        return True
    if word in _NO:
        return False
    raise CellInvalid("yes, no or blank")


def read_exact(text: str) -> bool:
    """Filled means yes, whatever with."""
    return text.strip().lower() not in _NO


def read_length(text: str) -> int:
    plain = text.strip()
    if plain in ("", "0"):
        return 0
    if not re.fullmatch(r"[0-9]{1,2}", plain) or not 1 <= int(plain) <= MAX_PREFIX_DIGITS:
        raise CellInvalid(f"how many digits the number has, 1 to {MAX_PREFIX_DIGITS}, blank for any")
    return int(plain)


def read_clock_min(text: str) -> int | None:
    """A time of day in minutes, as `08:00`; None where it is blank."""
    plain = text.strip()
    if not plain:
        return None
    match = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})(?::[0-9]{2})?", plain)
    if match is None or int(match[1]) * 60 + int(match[2]) > 24 * 60 or int(match[2]) > 59:  # noqa: PLR2004 - minutes of an hour
        raise CellInvalid("a time of day such as 08:00")
    return int(match[1]) * 60 + int(match[2])


_DAY_NAMES = "mon tue wed thu fri sat sun".split()  # noqa: SIM905


def read_days(text: str) -> str:
    """Days of the week as `1` for Monday to `7`. One sender writes them 0 for Sunday to 6 for Saturday: `120`."""
    plain = text.strip().lower()
    if plain in ("", "all", "every day", "everyday", "daily"):
        return "1234567"
    if plain.isdecimal() and set(plain) <= set("0123456"):
        return "".join(sorted(day if day != "0" else "7" for day in set(plain)))
    words = [word[:3] for word in re.split(r"[ ,;&]+", plain) if word]
    if words and all(word in _DAY_NAMES for word in words):
        return "".join(sorted({str(_DAY_NAMES.index(word) + 1) for word in words}))
    raise CellInvalid("days of the week such as 12345, 0 for Sunday")
