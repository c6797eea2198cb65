"""Who pays: an account as the policy sees it. Its money is `ledger.wallet`."""

from enum import StrEnum

import msgspec

from callgate.policy.alerts import NONE_YET, Alerts
from callgate.policy.limits import Limits
from callgate.policy.permissions import ALL_INHERITED, Permissions
from callgate.policy.pricing import NOTHING_SAID, Pricing


class Status(StrEnum):
    """Whether an application or an account may start new calls. Applications are never closed."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    CLOSED = "closed"


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays. `deck` is the name of the rate deck that prices its calls; it may not exist yet. `is_elastic`: its calls
    hold their money slice by slice. `low_balance_micros` is below which it is told that its balance is low, None for what its
    application says; `alerts` is what it has been told. `is_verified`: the operator knows who is behind it. `pricing` is what
    it says of prices beside the deck, `permissions` of when its calls may be placed and what they may show. `locale` is the
    language and country that its callers understand, empty for those of its application.
    """

    application: str
    id: str
    currency: str
    status: Status = Status.ACTIVE
    deck: str = "standard"
    limits: Limits = Limits()
    is_elastic: bool = False
    low_balance_micros: int | None = None
    alerts: Alerts = NONE_YET
    is_verified: bool = False
    pricing: Pricing = NOTHING_SAID
    permissions: Permissions = ALL_INHERITED
    locale: str = ""
