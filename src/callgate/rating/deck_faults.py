"""What is wrong with a file, and what it leaves open, in the words of its own header."""

from collections.abc import Callable, Sequence

from callgate.errors import AmountInvalid, DeckFault, RateDeckInvalid
from callgate.money import MICROS, parse_currency
from callgate.rating import deck_cells as cells
from callgate.rating.deck_cells import CellInvalid
from callgate.rating.deck_csv import MAX_FAULTS, shown
from callgate.rating.deck_header import Header
from callgate.rating.deck_row import AMOUNT, OWN, PRICES, QUESTION, SHARED, RowCells


class Faults:
    """Those of one file. A question is a fault too: it names the setting that would answer it."""

    def __init__(self, source: str, header: Header) -> None:
        self.found: list[DeckFault] = []
        self._source, self._header = source, header
        self._asked: set[tuple[str, str]] = set()

    def add(self, line: int, column: str, found: str, expected: str) -> None:
        self.found.append(DeckFault(line, column, found, expected))

    def ask(self, field: str, text: str, answers: str, line: int = 0) -> None:
        """A question is put once, at the first line that raises it."""
        if (field, answers) not in self._asked:
            self._asked.add((field, answers))
            self.add(line or self._header.line or 1, self.name(field), shown(text), f"{QUESTION}: {answers}")

    def name(self, field: str) -> str:
        """A column as the file calls it."""
        place = self._header.places.get(field)
        return field if place is None else self._header.names[place].strip() or field

    def invalid(self) -> RateDeckInvalid:
        return RateDeckInvalid(self._source, sorted(self.found, key=lambda fault: fault.line)[:MAX_FAULTS])

    # -- a line that could not be read ---------------------------------------------------------------------------------

    def explain(self, line: int, texts: Sequence[str], shared: Sequence[str], row: RowCells) -> None:
        """Say what is wrong with it: each cell by itself, then cells against each other."""
        before = len(self.found), len(self._asked)
        own = dict(zip(OWN, texts, strict=True))
        named = dict(zip(SHARED, shared, strict=True))
        self._try(line, "prefix", own["prefix"], lambda text: row.codes(text, own["country_code"]))
        self._try(line, "destination", own["destination"], lambda text: row.label(text, own["network"], own["country"]))
        for field in PRICES:
            self._try(line, field, own[field], row.rate)
        for field in ("connect_fee", "minimum_charge"):
            self._try(line, field, named[field], lambda text: row.price(text, MICROS, AMOUNT))
        for field, read in _READERS.items():
            self._try(line, field, named[field], read)
        for field in ("effective_from", "effective_to"):
            self._try(line, field, named[field], row.moment)
        if before == (len(self.found), len(self._asked)):
            self._explain_together(line, named, own, row)

    def _explain_together(self, line: int, named: dict[str, str], own: dict[str, str], row: RowCells) -> None:
        field = next((name for name in ("increments", "first_s", "next_s") if name in row.by.has), "first_s")
        found = "/".join(named[name].strip() for name in ("increments", "first_s", "next_s") if named[name].strip())
        try:
            increments = row.increments(named["first_s"], named["next_s"], named["increments"])
        except CellInvalid as fault:
            self._say(line, field, found, str(fault))
            return
        if increments is None and own["rate_per_min"].strip():
            self._say(line, field, "", cells.INCREMENT)
            return
        try:
            row.shared(tuple(named[name] for name in SHARED))
        except CellInvalid as fault:
            self._say(line, "effective_to", named["effective_to"], str(fault))
        else:
            expected = "a price of whole nanos a minute, and no origin beside states"
            self._say(line, "rate_per_min", own["rate_per_min"], expected)

    def _try(self, line: int, field: str, text: str, read: Callable[[str], object]) -> None:
        try:
            read(text)
        except CellInvalid as fault:
            self._say(line, field, text, str(fault))
        except AmountInvalid as fault:
            self._say(line, field, text, fault.expected)

    def _say(self, line: int, field: str, text: str, expected: str) -> None:
        if expected.startswith(QUESTION):
            self.ask(field, text, expected.removeprefix(f"{QUESTION}: "), line)
        else:
            self.add(line, self.name(field), shown(text), expected)


_READERS: dict[str, Callable[[str], object]] = {
    "grace_s": cells.read_seconds,
    "first_s": cells.read_increment_s,
    "next_s": cells.read_increment_s,
    "status": cells.read_status,
    "reject": cells.read_yes,
    "currency": lambda text: parse_currency(text) if text.strip() else None,
    "number_length": cells.read_length,
    "origin": cells.read_origins,
    "days": cells.read_days,
    "from": cells.read_clock_min,
    "to": cells.read_clock_min,
}
