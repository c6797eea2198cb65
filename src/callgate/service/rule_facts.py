"""The facts of one call as conditions of rules see them, and what the rules come to on them: plain values, no I/O.

Only the facts that some rule looks at are worked out. Their names and meaning are `policy.rules.facts`.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from callgate.ledger.wallet import Wallet
from callgate.money import MICROS, NANOS_PER_MICRO
from callgate.policy.account import Account
from callgate.policy.destination import is_valid_number
from callgate.policy.numbering import Plan, plan_of, risk_of
from callgate.policy.rules.facts import MAX_TEXT, Value
from callgate.policy.rules.judge import RuleSet
from callgate.protocol.call import CallArrived, EndpointKind
from callgate.rating.rate import Rate

if TYPE_CHECKING:
    from callgate.service.decide import Facts

MAX_HEADERS = 50
"""Headers of a call that conditions see; further ones they do not."""


_NANOS = MICROS * NANOS_PER_MICRO


class Seen:
    """One call, as its facts are worked out. `local` is its time where the rules say that days begin; `home` is the country
    that the application has its home in, empty where it said none.
    """

    __slots__ = ("account", "call", "home", "local", "rate", "wallet")

    def __init__(  # noqa: PLR0913, PLR0917 - what a call is told by
        self, call: CallArrived, account: Account, wallet: Wallet, rate: Rate | None, local: datetime, home: str
    ) -> None:
        self.call, self.account, self.wallet, self.rate = call, account, wallet, rate
        self.local, self.home = local, home


def rule_facts(rules: RuleSet, facts: "Facts", rate: Rate | None) -> dict[str, Value]:
    """The facts that these rules look at. The account is known: rules are asked after who pays."""
    assert facts.account is not None and facts.wallet is not None, "rules are asked after who pays"
    home = facts.application.settings.home_country
    seen = Seen(facts.call, facts.account, facts.wallet, rate, facts.now.astimezone(rules.zone), home)
    told = {name: _FACTS[name](seen) for name in rules.names if name in _FACTS}
    return told | {name: value for name, value in facts.hooks.items() if name in rules.names}


def _plan(seen: Seen) -> Plan | None:
    """None for what is no number of any numbering plan."""
    destination = seen.call.destination
    if destination.kind is not EndpointKind.NUMBER or not is_valid_number(destination.address):
        return None
    return plan_of(destination.address)


def _country(seen: Seen) -> str:
    plan = _plan(seen)
    return "" if plan is None else plan.country


def _number_type(seen: Seen) -> str:
    plan = _plan(seen)
    return "" if plan is None else str(plan.kind)


def _risk_class(seen: Seen) -> str:
    plan = _plan(seen)
    return "" if plan is None else str(risk_of(plan, seen.home))


def _headers(seen: Seen) -> dict[str, str]:
    pairs = list(seen.call.headers.items())[:MAX_HEADERS]
    return {name[:MAX_TEXT]: value[:MAX_TEXT] for name, value in pairs}


def _units(micros: int) -> float:
    """An amount to compare with. The nearest double to a decimal is the same whether it comes from micros or from a rule's
    text, so that comparisons are exact.
    """
    return micros / MICROS


_FACTS: Mapping[str, Callable[[Seen], Value]] = {
    "application": lambda seen: seen.call.key.application,
    "account": lambda seen: seen.account.id,
    "currency": lambda seen: seen.account.currency,
    "deck": lambda seen: seen.account.deck,
    "available": lambda seen: _units(seen.wallet.available_micros),
    "held": lambda seen: _units(seen.wallet.held_micros),
    "credit_limit": lambda seen: _units(seen.wallet.credit_limit_micros),
    "user": lambda seen: seen.call.user or "",
    "cli": lambda seen: seen.call.cli or "",
    "origin": lambda seen: str(seen.call.origin),
    "destination": lambda seen: seen.call.destination.address,
    "destination_kind": lambda seen: str(seen.call.destination.kind),
    "country": _country,
    "number_type": _number_type,
    "risk_class": _risk_class,
    "is_priced": lambda seen: seen.rate is not None,
    "rate_per_minute": lambda seen: 0.0 if seen.rate is None else seen.rate.rate_nanos_per_min / _NANOS,
    "hour": lambda seen: seen.local.hour,
    "minute": lambda seen: seen.local.minute,
    "weekday": lambda seen: seen.local.isoweekday(),
    "date": lambda seen: seen.local.date().isoformat(),
    "custom": lambda seen: seen.call.custom[:MAX_TEXT],
    "headers": _headers,
}
