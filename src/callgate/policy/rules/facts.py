"""The facts that conditions of rules see: their names, their types, what they mean. None is ever absent.

Where a thing is not known the fact is empty text, 0 or false, and a second fact says so where that makes a difference, so
that no condition fails for want of a value. How each is got from a call is `service.rule_facts`.
"""

from enum import StrEnum
from typing import NamedTuple

Value = bool | int | float | str | dict[str, str]
"""What a fact may be. Amounts are decimals of the major unit here: they are compared, never added to a balance."""


class Kind(StrEnum):
    """The type of a value, in the words of the expression language."""

    BOOL = "bool"
    INT = "int"
    DOUBLE = "double"
    STRING = "string"
    LIST = "list"
    MAP = "map"  # from text to text


class Fact(NamedTuple):
    """`example` is what conditions are tried with before they are ever used."""

    kind: Kind
    meaning: str
    example: Value


FACTS: dict[str, Fact] = {
    "application": Fact(Kind.STRING, "Key of the application", "app"),
    "account": Fact(Kind.STRING, "Id of the account that pays", "alice"),
    "currency": Fact(Kind.STRING, "The account's currency, such as `USD`", "USD"),
    "deck": Fact(Kind.STRING, "Name of the account's rate deck", "standard"),
    "available": Fact(Kind.DOUBLE, "What the account may still spend, in units of its currency", 12.5),
    "held": Fact(Kind.DOUBLE, "What its calls in progress hold, in units of its currency", 0.5),
    "credit_limit": Fact(Kind.DOUBLE, "How far it may owe, in units of its currency", 0.0),
    "user": Fact(Kind.STRING, "The in-app user who calls; empty when none does", "alice"),
    "cli": Fact(Kind.STRING, "The caller's number in E.164; empty when withheld. It can be forged", "+46700000001"),
    "origin": Fact(Kind.STRING, "Where the call comes from: `in_app`, `phone`, `sip`, `server`, `unknown`", "in_app"),
    "destination": Fact(Kind.STRING, "What would be dialled: a number in E.164, or another address", "+46701740605"),
    "destination_kind": Fact(
        Kind.STRING, "What that is: `number`, `did`, `user`, `sip`, `conference`, `unknown`", "number"
    ),
    "country": Fact(
        Kind.STRING,
        "ISO 3166 code of the number's country; `001` for numbers of no country, empty for what is no number",
        "SE",
    ),
    "number_type": Fact(
        Kind.STRING,
        "`fixed_line`, `mobile`, `fixed_line_or_mobile`, `toll_free`, `premium_rate`, `shared_cost`, `voip`, "
        "`personal_number`, `pager`, `uan`, `voicemail`, `satellite` or `unknown`; empty for what is no number",
        "mobile",
    ),
    "risk_class": Fact(
        Kind.STRING,
        "`low`, `elevated` or `high`, as the limit `risk_classes` has it; empty for what is no number",
        "elevated",
    ),
    "is_priced": Fact(Kind.BOOL, "Whether the account's deck has a price for the destination", True),
    "rate_per_minute": Fact(Kind.DOUBLE, "That price, in units of the account's currency; 0 when there is none", 0.02),
    "hour": Fact(Kind.INT, "Hour of the day, 0 to 23, in the document's `time_zone`", 13),
    "minute": Fact(Kind.INT, "Minute of the hour, 0 to 59", 5),
    "weekday": Fact(Kind.INT, "Day of the week, Monday 1 to Sunday 7", 3),
    "date": Fact(Kind.STRING, "The day, such as `2026-11-28`; days compare in their order", "2026-11-28"),
    "custom": Fact(Kind.STRING, "What the calling app attached to the call. It can be forged", ""),
    "headers": Fact(
        Kind.MAP,
        'The calling app\'s own headers: `"plan" in headers && headers["plan"] == "gold"`. They can be forged',
        {},
    ),
}
"""In the order in which the documentation lists them."""

MAX_TEXT = 1_000
"""Longest text that a condition sees, in characters; of longer ones it sees that much."""
