"""Import a rate deck: write its rows beside those in force, then put them in force in one step."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from callgate.errors import Conflict, Invalid, StorageUnavailable
from callgate.rating.deck_change import DeckChange, ImportMode, compare_decks, merge_decks
from callgate.rating.rate import Rate
from callgate.service.books import AccountKey, Books, DeckHead, Keys
from callgate.service.ports import Store
from callgate.service.probe import Probe

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
    store: Store, name: str, currency: str, rows: list[Rate], *, mode: ImportMode, is_dry_run: bool, now: datetime
) -> DeckChange:
    """Import rows and return what changes in price. A dry run changes nothing.

    Raises `Invalid` for a name, `Conflict` where the currency is not that of the accounts or of the deck that is there.
    """
    if not _NAME.fullmatch(name):
        raise Invalid("deck", repr(name[:80]), "1 to 64 of letters, digits and . _ -")
    base = next((head for head in await store.deck_heads() if head.name == name), None)
    if base is not None and base.currency != currency and mode is ImportMode.MERGE:
        raise Conflict(
            f"deck {name} is priced in {base.currency}; rows in {currency} can replace it, not merge into it"
        )
    if others := await store.accounts_on_deck(name, other_than=currency):
        raise Conflict(
            f"deck {name} would be priced in {currency}, but prices accounts in other currencies: {_few(others)}"
        )
    before = list(await store.deck_rows(base)) if base is not None else []
    after = merge_decks(before if base is not None and base.currency == currency else [], rows, mode, now)
    change = compare_decks(before, after, max(now, *(rate.effective_from for rate in rows)))
    if is_dry_run:
        return change
    head = DeckHead(name=name, currency=currency, version=await store.next_deck_version())
    try:
        await store.stage_deck(head, after)
        await store.perform(PublishDeck(head=head, base=base))
    except BaseException:
        await _drop_unless_in_force(store, head)
        raise
    if base is not None:
        await store.drop_deck_rows(base)
    return change


async def _drop_unless_in_force(store: Store, head: DeckHead) -> None:
    """Clean up after an import that broke off. One that was told to stop may have been published all the same."""
    with suppress(StorageUnavailable):  # rows that nobody reads are left behind then, and do no harm
        await store.perform(Probe(), is_urgent=True)  # behind it, a publication has been done or taken back
        if head not in await store.deck_heads():
            await store.drop_deck_rows(head)


def _few(others: Sequence[AccountKey]) -> str:
    names = [other.account for other in others]
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004
