"""Compare the books with what somebody else knows of the same calls: who talked how long. To the micro.

For a load whose generator keeps its own account: the books are not asked what a call cost, but told how long it lasted, and
have to have charged what the deck says.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from callgate.errors import NotFound
from callgate.ledger.verify import EndedCall, LedgerRows, Verdict, verify
from callgate.money import format_micros
from callgate.rating.charge import charge_micros
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.load_deck import load_deck
from callgate.service.ports import Store

FAULTS_KEPT = 20
"""Differences that are told; all are counted."""

PAGE = 1_000
"""Accounts read at once."""


class Claim(NamedTuple):
    """What is claimed of one call that was let through: who called, to where, and for how many seconds; 0 is unanswered."""

    identity: str
    destination: str
    seconds: int


class Claims(NamedTuple):
    """All that is claimed. `index_of` returns which claim a call id belongs to, None where it is no business of ours."""

    application: str
    size: int
    index_of: Callable[[str], int | None]
    claim: Callable[[int], Claim | None]


class Agreement(NamedTuple):
    """What came of it. `found` of the calls are in the books at all; amounts by currency; `verdict` is the ledger's own."""

    claimed: int
    found: int
    seconds: int
    claimed_micros: Mapping[str, int]
    moved_micros: Mapping[str, int]
    fault_count: int
    faults: tuple[str, ...]
    verdict: Verdict

    @property
    def is_well(self) -> bool:
        return self.fault_count == 0 and not self.verdict.faults


async def reconcile(store: Store, claims: Claims, now: datetime) -> Agreement:
    """Look at the whole ledger once: its invariants, and every call that is claimed. `now` says which prices are in force."""
    prices = await _read_prices(store, claims, now)
    return await store.inspect_ledger(lambda rows: compare(rows, claims, prices))


Prices = Mapping[tuple[str, str], tuple[str, Rate] | None]
"""Currency and rate by identity and destination; None where there is no price."""


def compare(rows: LedgerRows, claims: Claims, prices: Prices) -> Agreement:
    """Verify the ledger and tick off every claim, in one pass over its rows."""
    comparison = _Comparison(claims, prices)
    verdict = verify(rows._replace(ended_calls=comparison.watch(rows.ended_calls)))
    return comparison.close(verdict)


class _Comparison:
    """Ticks off each claim as its call goes by."""

    def __init__(self, claims: Claims, prices: Prices) -> None:
        self._claims = claims
        self._prices = prices
        self._seen = bytearray(claims.size)
        self._moved: dict[str, int] = {}
        self._claimed: dict[str, int] = {}
        self._seconds = self._found = self._fault_count = 0
        self._faults: list[str] = []

    def watch(self, ended_calls: Iterable[EndedCall]) -> Iterator[EndedCall]:
        for call in ended_calls:
            if (
                call.application == self._claims.application
                and (index := self._claims.index_of(call.call_id)) is not None
            ):
                self._look(index, call)
            yield call

    def close(self, verdict: Verdict) -> Agreement:
        """Whatever was claimed and did not go by is missing."""
        claimed = 0
        for index in range(self._claims.size):
            claim = self._claims.claim(index)
            if claim is None:
                continue
            claimed += 1
            self._seconds += claim.seconds
            if (price := self._prices[claim.identity, claim.destination]) is not None:
                currency, rate = price
                self._claimed[currency] = self._claimed.get(currency, 0) + charge_micros(rate, claim.seconds)
            if not self._seen[index]:
                self._differ(
                    f"{claim.identity} talked {claim.seconds} s to {claim.destination}: not in the books as ended"
                )
        return Agreement(
            claimed=claimed,
            found=self._found,
            seconds=self._seconds,
            claimed_micros=self._claimed,
            moved_micros=self._moved,
            fault_count=self._fault_count,
            faults=tuple(self._faults),
            verdict=verdict,
        )

    def _look(self, index: int, call: EndedCall) -> None:
        claim = self._claims.claim(index)
        if claim is None:
            if call.moved_micros:
                self._differ(
                    f"call {call.call_id} moved {format_micros(call.moved_micros)}, though it was never let through"
                )
            return
        self._found += 1
        if self._seen[index]:
            self._differ(f"call {call.call_id} ended twice")
        self._seen[index] = 1
        price = self._prices[claim.identity, claim.destination]
        if price is None:
            self._differ(
                f"call {call.call_id} of {claim.identity} was let through to {claim.destination}, which has no price"
            )
            return
        currency, rate = price
        self._moved[currency] = self._moved.get(currency, 0) + call.moved_micros
        due_micros = charge_micros(rate, claim.seconds)
        if call.moved_micros != due_micros:
            self._differ(
                f"call {call.call_id}: {claim.identity} talked {claim.seconds} s to {claim.destination}, which costs"
                f" {format_micros(due_micros)}, but {format_micros(call.moved_micros)} moved"
            )

    def _differ(self, words: str) -> None:
        self._fault_count += 1
        if len(self._faults) < FAULTS_KEPT:
            self._faults.append(words)


async def _decks_by_identity(store: Store, application: str) -> dict[str, str]:
    """Return the deck of whoever is known by an identity. Raises `NotFound` where nobody is: these are other books."""
    decks: dict[str, str] = {}
    after = ""
    while page := await store.accounts(application, after=after, limit=PAGE):
        for opened in page:
            decks |= dict.fromkeys(opened.identities, opened.account.deck)
        after = page[-1].account.id
    if not decks:
        raise NotFound(f"there is no account in application {application}")
    return decks


async def _read_prices(store: Store, claims: Claims, now: datetime) -> Prices:
    """Price every pair of caller and destination that occurs."""
    pairs = {
        (claim.identity, claim.destination) for claim in map(claims.claim, range(claims.size)) if claim is not None
    }
    decks: dict[str, Deck] = {}
    decks_by_identity = await _decks_by_identity(store, claims.application)
    prices: dict[tuple[str, str], tuple[str, Rate] | None] = {}
    heads = {head.name: head for head in await store.deck_heads()}
    for identity, destination in pairs:
        deck_name = decks_by_identity.get(identity)
        if deck_name is not None and deck_name not in decks and deck_name in heads:
            head = heads[deck_name]
            decks[deck_name] = await load_deck(store, head)
        prices[identity, destination] = _price(decks.get(deck_name or ""), destination, now)
    return prices


def _price(deck: Deck | None, destination: str, now: datetime) -> tuple[str, Rate] | None:
    if deck is None:
        return None
    rate = deck.rate_for(destination, now)
    return None if rate is None or rate.is_blocked else (deck.currency, rate)
