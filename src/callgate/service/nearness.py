"""How near accounts are to their limits: their wallets and what they have used, from one moment. Writes nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from callgate.ledger.wallet import Wallet
from callgate.policy.account import Account
from callgate.policy.limits import bounds_of
from callgate.policy.nearness import Near, nearness
from callgate.policy.usage import Usage, blocked_until, is_blocked
from callgate.service.application import ApplicationRow
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.decide import spent_of
from callgate.service.ports import Store


@dataclass(frozen=True)
class _Look:
    """The rows as a decision would find them."""

    accounts: tuple[AccountKey, ...]

    def keys(self) -> Keys:
        return Keys(accounts=self.accounts)

    def run(self, books: Books) -> list[tuple[Account | None, Wallet | None, Usage | None]]:
        return [(books.accounts.get(key), books.wallets.get(key), books.usages.get(key)) for key in self.accounts]


@dataclass(frozen=True)
class Standing:
    """`near` are the limits that are used up, `blocked_until` the end of a block that has not run out."""

    near: Sequence[Near]
    blocked_until: datetime | None

    @property
    def nearest(self) -> Near | None:
        """The limit of which most was used; None where nothing was, or nothing is limited."""
        used = [each for each in self.near if each.used or not each.most]
        return max(used, key=lambda each: each.percent, default=None)


async def standings(
    store: Store, application: ApplicationRow, accounts: Sequence[str], now: datetime
) -> Mapping[str, Standing]:
    """How accounts of one application stand, by id; those that are not there are left out. One job, however many."""
    found = await store.perform(_Look(tuple(AccountKey(application.key, account) for account in accounts)))
    return {
        account.id: standing_of(application, account, wallet, usage, now)
        for account, wallet, usage in found
        if account is not None and wallet is not None
    }


def standing_of(
    application: ApplicationRow, account: Account, wallet: Wallet, usage: Usage | None, now: datetime
) -> Standing:
    """How one account stands, by the limits of its application and its own together."""
    usage = usage or Usage(application=account.application, account=account.id)
    bounds = bounds_of(application.limits, account.limits, account.currency, is_verified=account.is_verified)
    return Standing(
        near=nearness(bounds, usage, spent_of(usage, wallet, now), wallet.hold_count, now),
        blocked_until=blocked_until(usage) if is_blocked(usage, now) else None,
    )
