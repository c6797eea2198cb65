"""A decision as it is on record: what was asked, what was decided, who pays."""

from typing import NamedTuple

from callgate.ledger.wallet import Wallet
from callgate.policy.account import Account
from callgate.service.records import Call


class DecidedCall(NamedTuple):
    """A call, the question that it was decided by as it came, and its payer as they are today."""

    call: Call
    body: bytes
    account: Account | None
    wallet: Wallet | None
