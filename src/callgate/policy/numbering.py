"""Where a number is and what kind it is: the numbering plans of the world, through libphonenumber's data."""

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import phonenumbers

from callgate.errors import Invalid
from callgate.policy.number_patterns import match_number

WORLD = "001"
"""The country of numbers that belong to none, such as satellite phones: libphonenumber's word for it, from UN M49."""


class NumberType(StrEnum):
    """Kinds of numbers, as libphonenumber tells them apart, and satellite phones, which it calls mobile."""

    FIXED_LINE = "fixed_line"
    MOBILE = "mobile"
    FIXED_LINE_OR_MOBILE = "fixed_line_or_mobile"  # the plan of the country does not say which, as in North America
    TOLL_FREE = "toll_free"
    PREMIUM_RATE = "premium_rate"
    SHARED_COST = "shared_cost"
    VOIP = "voip"
    PERSONAL_NUMBER = "personal_number"
    PAGER = "pager"
    UAN = "uan"
    VOICEMAIL = "voicemail"
    SATELLITE = "satellite"
    UNKNOWN = "unknown"


class Risk(StrEnum):
    """How much a call to a number of this kind may cost whoever did not mean to place it."""

    LOW = "low"  # fixed lines, free phones, and whatever is in the application's home country
    ELEVATED = "elevated"  # mobiles and the like abroad, where whoever is called has a part of the price
    HIGH = "high"  # whoever is called sets the price, or nobody can say what it is


class Plan(NamedTuple):
    """What its numbering plan says of a number: ISO 3166 country, or `WORLD`, and kind."""

    country: str
    kind: NumberType


@lru_cache(maxsize=4_096)  # several steps of a decision ask
def plan_of(number: str) -> Plan:
    """Say where a valid number is and what kind it is."""
    region, kind = match_number(number)
    if number.startswith(_SATELLITE):
        return Plan(region or WORLD, NumberType.SATELLITE)
    if number.startswith(_UNIVERSAL_PERSONAL):
        return Plan(region or WORLD, NumberType.PERSONAL_NUMBER)
    return Plan(region or WORLD, _KINDS.get(kind, NumberType.UNKNOWN))


def risk_of(plan: Plan, home_country: str) -> Risk:
    """Class a number. `home_country` is empty where the application has none: then every country is abroad."""
    if plan.kind in HIGH_RISK:
        return Risk.HIGH
    return Risk.LOW if plan.kind in _FIXED_PRICE or plan.country == home_country else Risk.ELEVATED


def parse_country(text: str, where: str) -> str:
    """Read an ISO 3166 code of a country that has a numbering plan, in any case. Raises `Invalid`."""
    code = text.upper()
    if code not in phonenumbers.SUPPORTED_REGIONS and code != WORLD:
        raise Invalid(
            where,
            repr(text[:100]),
            f"all, or a list of ISO 3166 codes such as SE,NO ({WORLD}: numbers of no country); or none",
        )
    return code


HIGH_RISK = frozenset(
    {
        NumberType.PREMIUM_RATE,
        NumberType.SHARED_COST,
        NumberType.SATELLITE,
        NumberType.PERSONAL_NUMBER,
        NumberType.UNKNOWN,
    }
)
"""The classic targets of fraud."""

_FIXED_PRICE = frozenset({NumberType.FIXED_LINE, NumberType.TOLL_FREE})

_SATELLITE = ("+870", "+881", "+882", "+883")
"""Inmarsat, the global mobile satellite systems, and the international networks, among them those of Thuraya and ships.

Source: ITU-T E.164, list of assigned country codes.
"""

_UNIVERSAL_PERSONAL = "+878"
"""Universal personal telecommunications. Source: ITU-T E.164, as above."""

_KINDS = {
    phonenumbers.PhoneNumberType.FIXED_LINE: NumberType.FIXED_LINE,
    phonenumbers.PhoneNumberType.MOBILE: NumberType.MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE: NumberType.FIXED_LINE_OR_MOBILE,
    phonenumbers.PhoneNumberType.TOLL_FREE: NumberType.TOLL_FREE,
    phonenumbers.PhoneNumberType.PREMIUM_RATE: NumberType.PREMIUM_RATE,
    phonenumbers.PhoneNumberType.SHARED_COST: NumberType.SHARED_COST,
    phonenumbers.PhoneNumberType.VOIP: NumberType.VOIP,
    phonenumbers.PhoneNumberType.PERSONAL_NUMBER: NumberType.PERSONAL_NUMBER,
    phonenumbers.PhoneNumberType.PAGER: NumberType.PAGER,
    phonenumbers.PhoneNumberType.UAN: NumberType.UAN,
    phonenumbers.PhoneNumberType.VOICEMAIL: NumberType.VOICEMAIL,
}
