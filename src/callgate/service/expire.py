"""Ends whose start never came: when the time for it is over, charge who is known to have called, else flag them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.protocol.call import CallEnded, EndpointKind
from callgate.protocol.life import CallState
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.books import AccountKey, Books, IdentityKey, Keys
from callgate.service.catalog import Catalog
from callgate.service.endpoint import Endpoint
from callgate.service.ports import Store
from callgate.service.records import Call, Flag
from callgate.service.settle import Ending, read_ending, settle_unheld

PORTION = 200
"""Parked calls that one sweep looks at."""


@dataclass(frozen=True, kw_only=True)
class ExpireParked:
    """Give up waiting for the start of a call that ended. Safe to repeat."""

    call: Call
    decks: Mapping[str, Deck]
    now: datetime
    endpoints: Sequence[Endpoint] = ()  # who may want the record

    def keys(self) -> Keys:
        return Keys(calls=(self.call.key,), identities=(self._identity(),))

    def run(self, books: Books) -> None:
        call = books.calls.get(self.call.key)
        if call is None or call.state is not CallState.PARKED:
            return
        assert call.parked is not None, "a parked call keeps its end"
        books.calls.put(call.key, self._expired(books, call, call.parked))

    def _expired(self, books: Books, call: Call, ended: CallEnded) -> Call:
        given_up = msgspec.structs.replace(
            call, state=CallState.ENDED, ended_at=call.decided_at, result=ended.result, reason=ended.reason,
            duration_s=ended.duration_s,
        )  # fmt: skip
        if read_ending(ended) is Ending.UNANSWERED:
            return given_up
        account_id = books.identities.get(self._identity())
        if account_id is None:
            return given_up.flagged(Flag.PAYER_UNKNOWN)
        account = books.accounts.get(AccountKey(call.key.application, account_id))
        rate = self._rate(account.deck if account is not None else "", ended)
        if rate is None or read_ending(ended) is Ending.UNCLEAR:
            return given_up.flagged(Flag.PAYER_UNKNOWN)
        wallet = books.wallet(call.key.application, account_id)
        payable = msgspec.structs.replace(call, account=account_id, currency=wallet.currency, rate=rate)
        return settle_unheld(books, payable, ended, wallet, ended_at=call.decided_at, endpoints=self.endpoints)

    def _rate(self, deck: str, ended: CallEnded) -> Rate | None:
        if deck not in self.decks or ended.destination is None or ended.destination.kind is not EndpointKind.NUMBER:
            return None
        rate = self.decks[deck].rate_for(ended.destination.address, self.now)
        return None if rate is None or rate.is_blocked else rate

    def _identity(self) -> IdentityKey:
        ended = self.call.parked
        return IdentityKey(self.call.key.application, f"user:{ended.user if ended is not None else ''}")


async def expire_parked(store: Store, catalog: Catalog, *, before: datetime, now: datetime) -> int:
    """Expire ends parked before `before`, one portion; return how many were looked at."""
    parked = await store.parked_since(before, PORTION)
    for call in parked:
        await store.perform(ExpireParked(call=call, decks=catalog.decks, now=now, endpoints=catalog.endpoints))
    return len(parked)
