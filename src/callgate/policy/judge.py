"""May this call be placed: each step of the decision that says no without looking at money, named after what it judges.

The order of the steps is `service.decide`'s; what a rate and a wallet say is theirs.
"""

from callgate.policy.account import Account, Status
from callgate.policy.destination import is_valid_number
from callgate.policy.refusal import Refusal
from callgate.protocol.call import Endpoint, EndpointKind


def judge_application(status: Status) -> Refusal | None:
    """Step 2: a suspended application starts no new calls."""
    return None if status is Status.ACTIVE else Refusal.APPLICATION_SUSPENDED


def judge_caller(account: Account | None) -> Refusal | None:
    """Step 5: somebody must pay."""
    return None if account is not None else Refusal.CALLER_UNKNOWN


def judge_account(status: Status) -> Refusal | None:
    """Step 6: a suspended or closed account starts no new calls."""
    return {
        Status.ACTIVE: None,
        Status.SUSPENDED: Refusal.ACCOUNT_SUSPENDED,
        Status.CLOSED: Refusal.ACCOUNT_CLOSED,
    }[status]


def judge_destination(destination: Endpoint) -> Refusal | None:
    """Step 7: a number must be valid; other kinds of destination need a route, and none can be set up yet."""
    if destination.kind is not EndpointKind.NUMBER:
        return Refusal.NO_ROUTE
    return None if is_valid_number(destination.address) else Refusal.DESTINATION_INVALID
