"""Import a rate deck: write its rows beside those in force, then put them in force in one step."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import msgspec

from callgate.errors import Conflict, Invalid, StorageUnavailable
from callgate.rating.cgrates import packed
from callgate.rating.deck_change import DeckComparison, examine_change
from callgate.rating.deck_csv import DeckMapping
from callgate.rating.deck_mapped import read_deck_file
from callgate.rating.deck_merge import ImportMode, merge_decks
from callgate.rating.deck_options import Said
from callgate.rating.rate import Rate
from callgate.rating.rates import Rates, sorted_rates
from callgate.rating.supplier_mapping import SupplierMapping, find_mapping, header_to_remember, id_of
from callgate.service.books import AccountKey, Books, DeckHead, Keys
from callgate.service.ports import Store
from callgate.service.probe import Probe

NO_DECK = "none"
"""The word for no deck at all."""

EXAMPLES = 5
"""How many rows of a file a report prices."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class PublishDeck:
    """Put a staged version in force, if `base` still is what it was made from, and remember how its file was read."""

    head: DeckHead
    base: DeckHead | None
    mapping: SupplierMapping | None = None

    def keys(self) -> Keys:
        return Keys(decks=(self.head.name,), mappings=() if self.mapping is None else (self.mapping.id,))

    def run(self, books: Books) -> None:
        """Raises `Conflict` when somebody else imported the same deck meanwhile."""
        if books.decks.get(self.head.name) != self.base:
            raise Conflict(
                f"deck {self.head.name} was imported by somebody else meanwhile; nothing was changed, try again"
            )
        books.decks.put(self.head.name, self.head)
        if self.mapping is not None:
            books.mappings.put(self.mapping.id, self.mapping)


@dataclass(frozen=True, kw_only=True)
class DeckImport:
    """What is asked: a file, under which name to put it, and how to read it.

    `currency` is for a file that names none, and `default_currency` where nobody does. `supplier` is who sent the file, the
    deck's name where nobody says; `mappings` are how files of theirs with other headers, or this one, were read before.
    """

    path: Path
    file: str
    deck: str
    mode: ImportMode
    currency: str | None
    default_currency: str
    said: Said
    now: datetime
    supplier: str = ""
    mappings: Sequence[SupplierMapping] = ()


class PreparedDeck(msgspec.Struct, frozen=True, kw_only=True):
    """What came of reading a file and laying it over the deck that is there. Nothing is written yet.

    `mapping` is None for a file in our own format. `said` is what the file was read by, `recalled` where a part of that was
    remembered. `examples` are priced rows from all over the file, for a report to say what calls cost.
    """

    mapping: DeckMapping | None
    examples: list[Rate]
    currency: str
    said: Said
    recalled: SupplierMapping | None
    after: Rates
    comparison: DeckComparison


Prepare = Callable[[DeckImport, Rates, str | None], Awaitable[PreparedDeck]]
"""How a file is prepared: `prepare_deck` in a thread, or in a process of its own where calls must not wait for it."""


def prepare_deck(asked: DeckImport, before: Rates, currency_before: str | None) -> PreparedDeck:
    """Read the file and compare it with the deck that is in force. Plain work, seconds of it for a million rows.

    Raises `RateDeckInvalid` with every fault, `Invalid`, and `Conflict` for a currency that does not go with another.
    """
    try:
        data = packed(asked.path) if asked.path.is_dir() else asked.path.read_bytes()
    except OSError as error:
        raise Invalid(asked.file, error.strerror or str(error), "a readable CSV file") from error
    recalled = find_mapping(data, asked.mappings) if asked.mappings else None
    said, source = asked.said, asked.file
    if recalled is not None:
        said, source = said.over(recalled.said), f"{source}, read as {recalled.file} of {recalled.supplier} was,"
    read = read_deck_file(data, source, asked.now, said.options())
    if asked.currency is not None and read.currency is not None and asked.currency != read.currency:
        raise Invalid(
            "--currency", asked.currency, f"{read.currency}, which {asked.file} says itself, or no --currency"
        )
    currency = asked.currency or read.currency or said.answers.get("currency") or asked.default_currency
    after, comparison = _lay_over(
        asked.deck, before, currency_before, currency, read.rows, asked.mode, asked.now, asked.file
    )
    return PreparedDeck(
        mapping=read.mapping,
        examples=list(_examples(read.rows)),
        currency=currency,
        said=said,
        recalled=recalled,
        after=after,
        comparison=comparison,
    )


def _examples(rows: Rates) -> Iterator[Rate]:
    for start in range(EXAMPLES):
        first, end = len(rows) * start // EXAMPLES, len(rows) * (start + 1) // EXAMPLES
        priced = (row for row in range(first, end) if not rows.terms[rows.terms_at[row]].is_blocked)
        if (row := next(priced, None)) is not None:
            yield rows[row]


async def prepare_in_thread(asked: DeckImport, before: Rates, currency_before: str | None) -> PreparedDeck:
    """For files that take no time worth speaking of, and for processes that decide nothing meanwhile."""
    return await asyncio.to_thread(prepare_deck, asked, before, currency_before)


async def import_file(  # noqa: PLR0913 - a file, and who may say no
    store: Store,
    asked: DeckImport,
    *,
    is_dry_run: bool,
    who: str,
    prepare: Prepare = prepare_in_thread,
    approve: Callable[[PreparedDeck], None] = lambda _: None,
    recalls: bool = True,
) -> PreparedDeck:
    """Import a file and return what it says and changes. A dry run changes nothing. `approve` sees it before it applies, and
    raises what stops it. `recalls`: what was said of the supplier's last file with this header is said of this one too.

    Raises what `prepare_deck` does, `Invalid` for a name, `Conflict` for a currency that is not that of the accounts.
    """
    check_deck_name(asked.deck)
    asked = replace(asked, supplier=supplier_of(asked.supplier, asked.deck))
    if recalls:
        asked = replace(asked, mappings=await store.supplier_mappings(asked.supplier))
    base, before = await _in_force(store, asked.deck)
    prepared = await prepare(asked, before, None if base is None else base.currency)
    await _check_accounts(store, asked.deck, prepared.currency)
    approve(prepared)
    if not is_dry_run:
        head = await _next_head(store, asked.deck, prepared.currency, prepared.after, asked.now, asked.file, who)
        await _put_in_force(store, head, base, prepared.after, _remembered(asked, prepared, who))
    return prepared


def supplier_of(supplier: str, deck: str) -> str:
    """Whose files these are. Raises `Invalid`."""
    if supplier and not _NAME.fullmatch(supplier):
        raise Invalid("supplier", repr(supplier[:80]), "1 to 64 of letters, digits and . _ -")
    return supplier or deck


def _remembered(asked: DeckImport, prepared: PreparedDeck, who: str) -> SupplierMapping | None:
    """How the file was read, for the next one of its supplier. None for a file in our own format, which leaves nothing open."""
    header = header_to_remember(prepared.mapping)
    if header is None:
        return None
    return SupplierMapping(
        id=id_of(asked.supplier, header),
        supplier=asked.supplier,
        header=header,
        said=prepared.said.lasting(),
        file=asked.file,
        remembered_at=asked.now,
        remembered_by=who,
    )


async def import_deck(  # noqa: PLR0913 - what an import says
    store: Store,
    name: str,
    currency: str,
    rows: Iterable[Rate],
    *,
    mode: ImportMode,
    is_dry_run: bool,
    now: datetime,
    file: str = "",
    who: str = "",
) -> DeckComparison:
    """Import rows that are there already, as `import_file` does those of a file."""
    check_deck_name(name)
    base, before = await _in_force(store, name)
    currency_before = None if base is None else base.currency
    after, comparison = _lay_over(name, before, currency_before, currency, rows, mode, now, file)
    await _check_accounts(store, name, currency)
    if not is_dry_run:
        head = await _next_head(store, name, currency, after, now, file, who)
        await _put_in_force(store, head, base, after)
    return comparison


def check_deck_name(name: str) -> None:
    """Raises `Invalid`."""
    if not _NAME.fullmatch(name) or name == NO_DECK:
        raise Invalid("deck", repr(name[:80]), f"1 to 64 of letters, digits and . _ -, but not {NO_DECK}")


def _lay_over(  # noqa: PLR0913, PLR0917 - two decks, and how the second goes over the first
    name: str,
    before: Rates,
    currency_before: str | None,
    currency: str,
    rows: Iterable[Rate],
    mode: ImportMode,
    now: datetime,
    file: str,
) -> tuple[Rates, DeckComparison]:
    """The rows of the deck after an import, and what that changes."""
    is_same_currency = currency_before in (None, currency)
    if not is_same_currency and mode is ImportMode.MERGE:
        raise Conflict(
            f"deck {name} is priced in {currency_before}; rows in {currency} can replace it, not merge into it"
        )
    new = sorted_rates(rows).named(name, file)
    after = merge_decks(before if is_same_currency else Rates(), new, mode, now)
    in_effect_at = max(now, *(each.effective_from for each in new.terms))
    return after, examine_change(before, after, in_effect_at)


async def _in_force(store: Store, name: str) -> tuple[DeckHead | None, Rates]:
    base = next((head for head in await store.deck_heads() if head.name == name), None)
    return base, Rates() if base is None else await store.deck_rows(base)


async def _check_accounts(store: Store, name: str, currency: str) -> None:
    if others := await store.accounts_on_deck(name, other_than=currency):
        raise Conflict(
            f"deck {name} would be priced in {currency}, but prices accounts in other currencies: {_few(others)}"
        )


async def _next_head(  # noqa: PLR0913, PLR0917 - what a head says
    store: Store, name: str, currency: str, after: Rates, now: datetime, file: str, who: str
) -> DeckHead:
    return DeckHead(
        name=name,
        currency=currency,
        version=await store.next_deck_version(),
        row_count=len(after),
        file=file,
        imported_at=now,
        imported_by=who,
    )


async def _put_in_force(
    store: Store, head: DeckHead, base: DeckHead | None, after: Rates, mapping: SupplierMapping | None = None
) -> None:
    try:
        await store.stage_deck(head, after)
        await store.perform(PublishDeck(head=head, base=base, mapping=mapping))
    except BaseException:
        await _drop_unless_in_force(store, head)
        raise
    if base is not None:
        await store.drop_deck_rows(base)


async def _drop_unless_in_force(store: Store, head: DeckHead) -> None:
    """Clean up after an import that broke off. One that was told to stop may have been published all the same."""
    with suppress(StorageUnavailable):  # rows that nobody reads are left behind then, and do no harm
        await store.perform(Probe(), is_urgent=True)  # behind it, a publication has been done or taken back
        if head not in await store.deck_heads():
            await store.drop_deck_rows(head)


def _few(others: Sequence[AccountKey]) -> str:
    names = [other.account for other in others]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004
