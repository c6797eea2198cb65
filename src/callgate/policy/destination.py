"""Is this number a number: the numbering plans of the world, through libphonenumber's data."""

from functools import lru_cache

import phonenumbers

from callgate.numbers import parse_e164


@lru_cache(maxsize=65_536)
def is_valid_number(number: str) -> bool:
    """Say whether this is a number in E.164 and valid by its country's numbering plan, which is stricter than possible.

    libphonenumber reads more than that, such as `+46701740[605`. Costs about 16 us for a number not seen lately, far
    less for one that was.
    """
    if parse_e164(number) != number:
        return False  # the library also reads extensions, blanks and other scripts, which no deck can price
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(number, None))
    except phonenumbers.NumberParseException:
        return False
