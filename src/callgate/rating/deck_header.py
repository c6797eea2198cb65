"""Whose column is this: the headers of carriers' rate decks, and which of our columns each of theirs is.

Sixteen senders' headers were collected; their words are below. What is unknown is left alone and shown.
"""

import re
from collections.abc import Collection, Mapping, Sequence

import msgspec

from callgate.errors import Invalid
from callgate.money import CURRENCIES

HEADER_WITHIN = 50
"""A header stands within so many lines: titles, logos and notes may come before it."""

SYMBOLS = {"$": "USD", "€": "EUR", "£": "GBP"}
"""Currencies by their signs. Other dollars are named by their code."""

FIELDS: dict[str, str] = {
    "prefix": """prefix; code; codes; dst code; dial code; dialcode; dial codes; dial prefix; destination prefixes; destination
        prefix; destination code; area code; areacode; number; match prefix; npanxx; npa nxx; dnis; dst prefix; prefixes""",
    "country_code": "country code; cc; ctry code; countrycode",
    "origin": """origin prefixes; origination prefixes; origin; origins; src code; source code; caller id numbers; origination
        prefix; origin prefix; src prefix""",
    "destination": """destination; destination name; description; code name; target pattern name; zone; region; name; operator;
        route; dst code name""",
    "network": "network",
    "country": "country",
    "rate_per_min": """new rate; new price; rate per min; rate; price; price min; cost min; per minute charge; per minute cost;
        rate per minute; rate minute; rate cost; ratevalue; rate value; rate min; charge; price per minute; cost per minute; min;
        minute; per min; per minute; current rate""",
    "inter": "interrate; interstate; inter; inter rate; interstate rate",
    "intra": "intrarate; intrastate; intra; intra rate; intrastate rate",
    "indeterminate": "ijrate; indeterminate; indet; ij; ij rate; indeterminate rate",
    "connect_fee": """connect fee; connection fee; connectfee; connection cost; connect cost; connection charge; setup; setup fee;
        price per call; rate surcharge; initial cost""",
    "first_s": """first s; initial increment; initial interval; interval 1; first interval; min time; minimum; duration; initial
        time; initial time s; rate minimum; min duration; first increment""",
    "next_s": """next s; recurring increment; next interval; interval n; subsequent increment; additional interval; charge period;
        billable unit; billable unit s; billable units; rate increment; rateincrement; increment; interval; next increment""",
    "increments": "billing increment; billing increments; billing terms; increments; billing; min inc; rounding",
    "grace_s": "grace s; grace time; grace period; included seconds; rate nocharge time; free seconds",
    "minimum_charge": "minimum charge",
    "effective_from": """effective from; effective date; efective date; effective; eff date; start date; valid from; activation
        date; rate effective from; date""",
    "effective_to": "effective to; end date; expiration date; expiry; valid to; discontinued",
    "status": "status; change; change type; rate change",
    "reject": "reject calls; forbidden; blocked",
    "comment": "comment; comments; notes; note",
    "currency": "currency; currency code",
    "exact": "exact match; exact",
    "number_length": "number length",
    "direction": "direction",
    "days": "days of week; days",
    "from": "from",
    "to": "to",
}
"""Words for each of our columns, after `plain`, those first that are preferred where a file has several.

Old and off-peak prices are not among them: they are shown, and never taken.
"""

_RANKS = {
    word.strip(): (field, rank)
    for field, words in FIELDS.items()
    for rank, word in enumerate(" ".join(words.split()).split(";"))
}
_CODES = CURRENCIES - {"ALL", "BAM", "COP", "CUP", "GEL", "MOP", "PEN", "TOP", "TRY"}
"""Codes that are looked for among words: those that are words themselves are not."""

_PRICES = ("rate_per_min", "inter", "intra", "indeterminate")
_UNITS = frozenset({"min", "minute", "per min", "per minute"})
_HOURS = frozenset({"from", "to", "days"})
_NPA = frozenset({"npanxx", "npa nxx"})


class Header(msgspec.Struct, frozen=True, kw_only=True):
    """Where the columns of a file stand: `places` by our name, `names` as the file has them.

    `line` is that of the header, 0 where a file has none. `currency` is what the header itself says.
    """

    line: int
    names: tuple[str, ...]
    places: dict[str, int]
    currency: str | None = None
    is_nanp: bool = False
    has_split_increments: bool = False

    def ignored(self) -> list[str]:
        """Columns that nothing is read from."""
        used = set(self.places.values())
        return [name for place, name in enumerate(self.names) if place not in used and name.strip()]


def plain(cell: str) -> tuple[str, str | None]:
    """Return a header's cell as `FIELDS` spells it, and the currency in it: `Rate (USD)` is `rate` in USD."""
    text = cell.strip().lstrip("#").strip()
    currency = next((code for sign, code in SYMBOLS.items() if sign in text), None)
    words = re.sub(r"[^0-9a-z]+", " ", text.lower()).split()
    coded = [word.upper() for word in words if word.upper() in _CODES]
    rest = [word for word in words if word.upper() not in _CODES]
    return (" ".join(rest), coded[0]) if coded and rest else (" ".join(words), currency)


def find_header(
    lines: Sequence[tuple[int, Sequence[str]]], map_: Mapping[str, str], ignored: Sequence[str] = ()
) -> Header | None:
    """Find the line that names the columns: of the first ones, that with the most columns we know. None: no such line.

    `map_` says by our names which column to take, spelled as in the file, `ignored` which columns to take for nothing; the rest
    is found as always. Raises `Invalid` for a name that is not ours, or not the file's, and where nothing is left to go by.
    """
    for field in map_:
        if field not in FIELDS:
            raise Invalid("map", repr(field[:40]), f"one of {', '.join(FIELDS)}")
    best: Header | None = None
    for line, cells in lines[:HEADER_WITHIN]:
        header = _read(line, cells, map_, frozenset(map(_folded, ignored)))
        if header is not None and (best is None or len(header.places) > len(best.places)):
            best = header
    if best is None and ignored and find_header(lines, map_) is not None:
        raise Invalid("ignore", ", ".join(ignored)[:60], "columns beside one with codes and one with prices")
    for option, names in (("map", map_.values()), ("ignore", ignored)):
        for name in names:
            if best is not None and _folded(name) not in set(map(_folded, best.names)):
                raise Invalid(option, repr(name[:60]), f"a column of the file: {', '.join(best.names)}")
    return best


def _folded(name: str) -> str:
    return name.strip().lower()


def _read(line: int, cells: Sequence[str], map_: Mapping[str, str], ignored: Collection[str]) -> Header | None:
    """Read a line as a header. None where it cannot be one: without a code or without a price."""
    words = [plain(cell) for cell in cells]
    wanted = [("", None) if _folded(cell) in ignored else word for cell, word in zip(cells, words, strict=True)]
    places = _as_told(cells, _recognised(wanted), map_)
    if "prefix" not in places:  # the one column that can be it: whether it is, its cells say
        instead = next((field for field in ("country_code", "destination") if field in places), None)
        if instead is None:
            return None
        places["prefix"] = places.pop(instead)
    prices = [words[places[field]] for field in _PRICES if field in places]
    if not prices:
        return None
    currency = next((said for _, said in prices if said is not None), None)
    joined = places.get("increments")
    has_split = (
        joined is not None and joined + 1 < len(cells) and not cells[joined + 1].strip() and "next_s" not in places
    )
    return Header(
        line=line,
        names=tuple(cells),
        places=places,
        currency=currency,
        is_nanp=words[places["prefix"]][0] in _NPA,
        has_split_increments=has_split,
    )


def _recognised(words: Sequence[tuple[str, str | None]]) -> dict[str, int]:
    """Our columns by the words for them; of several for one, the preferred."""
    places: dict[str, int] = {}
    ranks: dict[str, int] = {}
    has_days = any(word == "days of week" for word, _ in words)
    for place, (word, currency) in enumerate(words):
        field, rank = _RANKS.get(word, ("", 0))
        is_bare_unit = word in _UNITS and currency is None  # a price only where a currency stands beside it
        if not field or is_bare_unit or (field in _HOURS and not has_days):
            continue
        if field not in places or rank < ranks[field]:
            places[field], ranks[field] = place, rank
    return places


def _as_told(cells: Sequence[str], places: dict[str, int], map_: Mapping[str, str]) -> dict[str, int]:
    """The columns that a person named, by the file's words, before those that were recognised."""
    for field, name in map_.items():
        for place, cell in enumerate(cells):
            if _folded(cell) == _folded(name):
                places = {other: at for other, at in places.items() if at != place} | {field: place}
    return places


def without_header(cells: Sequence[str]) -> Header | None:
    """Read a first line that is no header: a name, a country code with prefixes, a price, as one sender has it."""
    if len(cells) != 3 or not re.fullmatch(r"\+?[0-9][0-9 ,]*", cells[1].strip()):  # noqa: PLR2004 - name, codes, price
        return None
    if not re.fullmatch(r"[$€£]? ?[0-9]*[.,]?[0-9]+", cells[2].strip()):
        return None
    names = ("destination name", "country code / prefix", "rate per minute")
    return Header(line=0, names=names, places={"destination": 0, "prefix": 1, "rate_per_min": 2})
