"""Import a rate deck: write its rows beside those in force, then put them in force in one step."""

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from callgate.errors import Conflict, Invalid, StorageUnavailable
from callgate.rating.deck_change import DeckComparison, ImportMode, examine_change, merge_decks
from callgate.rating.rate import Rate
from callgate.rating.rates import Rates, sorted_rates
from callgate.service.books import AccountKey, Books, DeckHead, Keys
from callgate.service.ports import Store
from callgate.service.probe import Probe

NO_DECK = "none"
"""The word for no deck at all."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class PublishDeck:
    """Put a staged version in force, if `base` still is what it was made from."""

    head: DeckHead
    base: DeckHead | None

    def keys(self) -> Keys:
        return Keys(decks=(self.head.name,))

    def run(self, books: Books) -> None:
        """Raises `Conflict` when somebody else imported the same deck meanwhile."""
        if books.decks.get(self.head.name) != self.base:
            raise Conflict(
                f"deck {self.head.name} was imported by somebody else meanwhile; nothing was changed, try again"
            )
        books.decks.put(self.head.name, self.head)


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
    """Import rows and return what changes in price. A dry run changes nothing. `file` is where they are from.

    Raises `Invalid` for a name, `Conflict` where the currency is not that of the accounts or of the deck that is there.
    """
    check_deck_name(name)
    new = sorted_rates(rows).named(name, file)
    base = next((head for head in await store.deck_heads() if head.name == name), None)
    if base is not None and base.currency != currency and mode is ImportMode.MERGE:
        raise Conflict(
            f"deck {name} is priced in {base.currency}; rows in {currency} can replace it, not merge into it"
        )
    if others := await store.accounts_on_deck(name, other_than=currency):
        raise Conflict(
            f"deck {name} would be priced in {currency}, but prices accounts in other currencies: {_few(others)}"
        )
    before = await store.deck_rows(base) if base is not None else Rates()
    after = merge_decks(before if base is not None and base.currency == currency else (), new, mode, now)
    comparison = examine_change(before, after, max(now, *(each.effective_from for each in new.terms)))
    if is_dry_run:
        return comparison
    head = DeckHead(
        name=name,
        currency=currency,
        version=await store.next_deck_version(),
        row_count=len(after),
        file=file,
        imported_at=now,
        imported_by=who,
    )
    try:
        await store.stage_deck(head, after)
        await store.perform(PublishDeck(head=head, base=base))
    except BaseException:
        await _drop_unless_in_force(store, head)
        raise
    if base is not None:
        await store.drop_deck_rows(base)
    return comparison


def check_deck_name(name: str) -> None:
    """Raises `Invalid`."""
    if not _NAME.fullmatch(name) or name == NO_DECK:
        raise Invalid("deck", repr(name[:80]), f"1 to 64 of letters, digits and . _ -, but not {NO_DECK}")


async def _drop_unless_in_force(store: Store, head: DeckHead) -> None:
    """Clean up after an import that broke off. One that was told to stop may have been published all the same."""
    with suppress(StorageUnavailable):  # rows that nobody reads are left behind then, and do no harm
        await store.perform(Probe(), is_urgent=True)  # behind it, a publication has been done or taken back
        if head not in await store.deck_heads():
            await store.drop_deck_rows(head)


def _few(others: Sequence[AccountKey]) -> str:
    names = [other.account for other in others]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004
