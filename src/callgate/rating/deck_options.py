"""What a person says of a file that is imported, in words: the options of the command and of the API alike."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from callgate.errors import Invalid
from callgate.rating.deck_cells import CellInvalid, DateOrder, IncrementOrder, Increments, read_increments, read_moment
from callgate.rating.deck_header import FIELDS

UNITS = {"minute": 60, "second": 1, "increment": 0}
"""What a price may be for, and its seconds; 0: as many as the increment has."""


class ReadOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the person who imports says of the file. What is None or empty is told by the file, or asked.

    `rate_unit` is how many seconds a price is for, 0 for an increment. `increments` are for files that have none. `map`
    says which column is which, by our names, `ignored` which columns are nothing. `currency` only tells which dollars a dollar
    sign means.
    """

    dates: DateOrder | None = None
    tz: str = "UTC"
    decimal: str = ""
    increments: Increments | None = None
    increment_order: IncrementOrder | None = None
    nanp: bool | None = None
    rate_unit: int = 60
    default_row: str = ""
    allow_free: bool = False
    effective: datetime | None = None
    currency: str | None = None
    map: dict[str, str] = {}
    ignored: tuple[str, ...] = ()


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person says of a file, in words: answers by the names of `OPTIONS`, which column is which by our names, and the
    columns that nothing is to be read from.
    """

    answers: dict[str, str] = {}
    columns: dict[str, str] = {}
    ignored: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.answers or self.columns or self.ignored)

    def options(self) -> ReadOptions:
        """Raises `Invalid`."""
        return read_options(self.answers, self.columns, self.ignored)

    def over(self, before: "Said") -> "Said":
        """What was said before, and this where it says something else of the same."""
        named = {_folded(name) for name in (*self.columns.values(), *self.ignored)}
        columns = {
            field: name
            for field, name in before.columns.items()
            if field not in self.columns and _folded(name) not in named
        }
        ignored = tuple(name for name in before.ignored if _folded(name) not in named)
        return Said(
            answers=before.answers | self.answers, columns=columns | self.columns, ignored=(*ignored, *self.ignored)
        )

    def lasting(self) -> "Said":
        """What holds for the next file too: not when this one takes effect, nor that its zeros are meant."""
        answers = {name: word for name, word in self.answers.items() if name not in _OF_ONE_FILE}
        return msgspec.structs.replace(self, answers=answers)

    def shown(self) -> list[str]:
        """As a command would say it again."""
        answers = [f"--{name.replace('_', '-')} {word}" for name, word in self.answers.items()]
        columns = [f'--map {field}="{name}"' for field, name in self.columns.items()]
        return [*answers, *columns, *(f'--ignore "{name}"' for name in self.ignored)]


_OF_ONE_FILE = frozenset({"effective", "allow_free"})


def _folded(name: str) -> str:
    return name.strip().lower()


def read_options(
    words: Mapping[str, str | None], columns: Mapping[str, str] | None = None, ignored: Sequence[str] = ()
) -> ReadOptions:
    """Return the options that the words say; None and missing ones are left to the file. Raises `Invalid`.

    `columns` are the columns of the file by our names for them, `ignored` those to read nothing from.
    """
    for field in columns or ():
        if field not in FIELDS:
            raise Invalid("map", repr(field[:40]), f"one of {', '.join(FIELDS)}")
    given = {name: _READ[name](name, word) for name, word in words.items() if word is not None}
    zone = read_zone(words.get("tz") or "UTC")
    if words.get("effective"):
        try:
            given["effective"] = read_moment(words["effective"] or "", DateOrder.YMD, zone)
        except CellInvalid as fault:
            raise Invalid("effective", repr(words["effective"]), str(fault)) from None
    for name in ignored:
        if not name.strip():
            raise Invalid("ignore", "nothing", "a column of the file")
    return ReadOptions(**given, map=dict(columns or {}), ignored=tuple(ignored))  # type: ignore[arg-type]  # each is what its reader gives


def read_columns(words: list[str]) -> dict[str, str]:
    """Read `FIELD=COLUMN` words. Raises `Invalid`."""
    columns = {}
    for word in words:
        field, equals, column = word.partition("=")
        if not equals or not column.strip():
            raise Invalid("map", repr(word[:60]), "FIELD=COLUMN, such as rate_per_min=New Rate")
        columns[field] = column
    return columns


def read_zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise Invalid("tz", repr(name[:60]), "a time zone such as UTC or Europe/Stockholm") from None


def _dates(name: str, word: str) -> DateOrder:
    """Read `dmy`, `iso`, `DD/MM/YYYY` or `%d/%m/%Y`: the order is what counts."""
    if word.lower() == "iso":
        return DateOrder.YMD
    letters = re.sub(r"[^dmy]", "", word.lower())
    order = "".join(dict.fromkeys(letters))
    try:
        return DateOrder(order)
    except ValueError:
        raise Invalid(name, repr(word[:40]), "dmy, mdy, ymd, iso, or a pattern such as DD/MM/YYYY") from None


def _one_of(*choices: str) -> Callable[[str, str], str]:
    def read(name: str, word: str) -> str:
        if word not in choices:
            raise Invalid(name, repr(word[:40]), f"one of {', '.join(choices)}")
        return word

    return read


def _increments(name: str, word: str) -> object:
    try:
        found = read_increments(word, IncrementOrder.FIRST_NEXT)
    except CellInvalid as fault:
        raise Invalid(name, repr(word[:40]), str(fault)) from None
    if found is None:
        raise Invalid(name, "nothing", "the first increment and each next, such as 60/60")
    return found


def _zone(_: str, word: str) -> str:
    return read_zone(word).key


def _yes(name: str, word: str) -> bool:
    return _one_of("true", "false")(name, word) == "true"


_READ: dict[str, Callable[[str, str], object]] = {
    "dates": _dates,
    "tz": _zone,
    "decimal": _one_of("point", "comma"),
    "increments": _increments,
    "increment_order": lambda name, word: IncrementOrder(_one_of(*IncrementOrder)(name, word)),
    "nanp": lambda name, word: _one_of("add1", "none")(name, word) == "add1",
    "rate_unit": lambda name, word: UNITS[_one_of(*UNITS)(name, word)],
    "default_row": _one_of("import", "skip"),
    "allow_free": _yes,
    "effective": lambda _, word: word,
    "currency": lambda _, word: word,
}

OPTIONS = tuple(_READ)
"""Names of the options, as the API spells them; the command writes dashes."""
