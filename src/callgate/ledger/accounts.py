"""The chart of accounts: every ledger account there is, by name.

Customers have a wallet and an account of overruns owed; the house has one account of each kind and currency.
"""


def wallet(account_id: str) -> str:
    """A customer's credit: what a call may spend."""
    return f"wallet:{account_id}"


def overruns_owed(account_id: str) -> str:
    """What a customer's calls cost beyond what could be taken from the wallet. Never above zero."""
    return f"owed:{account_id}"


def topups(currency: str) -> str:
    """Where top-ups come from: the money that customers paid in."""
    return f"topups:{currency}"


def adjustments(currency: str) -> str:
    """The other side of what an operator adds to a wallet or takes from it by hand."""
    return f"adjustments:{currency}"


def revenue(currency: str) -> str:
    """Where charges go, and where refunds come from."""
    return f"revenue:{currency}"


def is_of_house(name: str) -> bool:
    """Whether a ledger account is the house's own, and not a customer's."""
    return not name.startswith(("wallet:", "owed:"))
