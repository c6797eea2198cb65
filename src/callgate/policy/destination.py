"""Is this number a number: the numbering plans of the world, through libphonenumber's data."""

from functools import lru_cache

from phonenumbers import PhoneNumberType

from callgate.numbers import parse_e164
from callgate.policy.number_patterns import match_number


@lru_cache(maxsize=4_096)  # several steps of a decision ask
def is_valid_number(number: str) -> bool:
    """Say whether this is a number in E.164 and valid by its country's numbering plan, which is stricter than possible.

    libphonenumber reads more than that, such as `+46701740[605`: blanks, extensions and other scripts, which no deck prices.
    """
    return parse_e164(number) == number and match_number(number).kind != PhoneNumberType.UNKNOWN
