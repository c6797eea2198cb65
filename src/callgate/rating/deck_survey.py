"""What a deck's file says as a whole, before rows are read: the order of dates, commas in decimals, codes without a country."""

from collections.abc import Sequence

from callgate.rating import deck_cells as cells
from callgate.rating.deck_cells import DateOrder

MAX_REMEMBERED = 100_000
"""Cells repeat; so many different ones of a column are remembered, and the rest are read each time."""

SAMPLED = 1_000
"""Rows from which samples are taken."""

_SAMPLES = 3
"""How many samples of a column are shown."""

_SURELY = 10
"""Codes that must all look like ones without a country before we ask whether they are."""

_NANP_LENGTHS = {6, 10}


class Survey:
    """What the file as a whole says. Filled by going through all its rows once."""

    def __init__(self, width: int) -> None:
        self.samples: list[dict[str, None]] = [{} for _ in range(width)]
        self.prices: set[str] = set()
        self.dates: set[str] = set()
        self.code_lengths: set[int] = set()
        self.first_digits: set[str] = set()
        self.codes = self.codes_with_decimals = self.digit_codes = 0
        self.starts_with_country = True

    def see_code(self, code: str, country: str | None) -> None:
        self.codes += 1
        if code.isdecimal():
            self.digit_codes += 1
            self.code_lengths.add(len(code))
            self.first_digits.add(code[0])
        elif code.endswith(".0"):
            self.codes_with_decimals += 1
        if country is not None and self.starts_with_country:
            self.starts_with_country = code.lstrip("+").startswith(country.lstrip("+") or "?")

    def see_sample(self, record: Sequence[str]) -> None:
        for seen, cell in zip(self.samples, record, strict=False):
            if cell.strip() and len(seen) < _SAMPLES:
                seen.setdefault(cell.strip()[:40])

    def date_order(self) -> DateOrder | None:
        """The one order in which every date can be read, if there is one."""
        orders = [order for order in map(cells.date_evidence, self.dates) if order is not None]
        possible = set(DateOrder).intersection(*orders) if orders else set()
        return next(iter(possible)) if len(possible) == 1 else None

    def decimal_mark(self) -> str:
        """`,` or `.`; `?` where every cell that could tell may be either."""
        marks = set(map(cells.number_evidence, self.prices)) - {""}
        if marks == {"?"}:
            return "?"
        return "," if marks and marks <= {",", "?"} else "."

    def may_lack_country(self) -> bool:
        """Whether every code looks like an American one without its 1."""
        return (
            self.digit_codes == self.codes >= _SURELY
            and self.code_lengths <= _NANP_LENGTHS
            and not self.first_digits & {"0", "1"}
        )
