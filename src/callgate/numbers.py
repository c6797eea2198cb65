"""E.164 numbers: read, normalise, mask. Whether a number is assigned to anybody is `policy.destination`'s question."""

import re

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_PUNCTUATION = str.maketrans("", "", " -().\u00a0")


def parse_e164(text: str) -> str | None:
    """Return the number as `+` and 7 to 15 digits, or None when it is not one.

    Reads what platforms send: with or without `+`, `00` for it, blanks and punctuation between digits.
    """
    if _E164.fullmatch(text):  # the usual case, and the one to be fast in
        return text
    digits = text.strip().translate(_PUNCTUATION)
    if digits.startswith("00"):
        digits = digits[2:]
    number = digits if digits.startswith("+") else f"+{digits}"
    return number if _E164.fullmatch(number) else None


def mask(number: str) -> str:
    """Hide all but the first three and last two characters, for logs: `+46*******01`. Short text is hidden whole."""
    if len(number) < 8:  # noqa: PLR2004 - three and two shown, at least three hidden
        return "*" * len(number)
    return f"{number[:3]}{'*' * (len(number) - 5)}{number[-2:]}"
