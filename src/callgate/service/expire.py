"""Ends whose start never came: when the time for it is over, charge who is known to have called, else flag them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.policy.account import Account
from callgate.policy.judge import judge_destination
from callgate.protocol.call import CallEnded
from callgate.protocol.life import CallState
from callgate.rating.deck import Deck
from callgate.rating.rate import Rate
from callgate.service.books import AccountKey, Books, IdentityKey, Keys
from callgate.service.catalog import Catalog
from callgate.service.decide import find_rate
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
        if read_ending(ended) is Ending.UNCLEAR:
            return given_up.flagged(Flag.END_UNCLEAR)
        account_id = books.identities.get(self._identity())
        account = None if account_id is None else books.accounts.get(AccountKey(call.key.application, account_id))
        rate = None if account is None else self._rate(account, ended, call.decided_at)
        if account is None or rate is None:
            return given_up.flagged(Flag.PAYER_UNKNOWN)
        wallet = books.wallet(call.key.application, account.id)
        payable = msgspec.structs.replace(call, account=account.id, currency=wallet.currency, rate=rate)
        return settle_unheld(books, payable, ended, wallet, ended_at=call.decided_at, endpoints=self.endpoints)

    def _rate(self, account: Account, ended: CallEnded, at: datetime) -> Rate | None:
        """What the decision would have priced it by, had it been asked when the end came."""
        if ended.destination is None or judge_destination(ended.destination) is not None:
            return None
        return find_rate(self.decks.get(account.deck), account, ended.destination, at)

    def _identity(self) -> IdentityKey:
        ended = self.call.parked
        return IdentityKey(self.call.key.application, f"user:{ended.user if ended is not None else ''}")


async def expire_parked(store: Store, catalog: Catalog, *, before: datetime) -> int:
    """Expire ends parked before `before`, one portion; return how many were looked at."""
    parked = await store.parked_since(before, PORTION)
    for call in parked:
        await store.perform(ExpireParked(call=call, decks=catalog.decks, endpoints=catalog.endpoints))
    return len(parked)
