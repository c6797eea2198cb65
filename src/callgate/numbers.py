"""E.164 numbers: read, normalise, mask. Whether a number is assigned to anybody is `policy.destination`'s question."""

import re

_E164 = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_PUNCTUATION = str.maketrans("", "", " -().\u00a0")


def parse_e164(text: str) -> str | None:
    """Return the number as `+` and 7 to 15 digits, or None when it is not one.

    Reads what platforms send: with or without `+`, `00` for it, blanks and punctuation between digits. A `(0)` is not
    read: the zero belongs to the number in some countries and not in others.
    """
    if _E164.fullmatch(text):
        return text  # the usual case, and the fast one
    digits = text.strip().translate(_PUNCTUATION)
    if "(0)" in text or digits.startswith("00+"):
        return None
    number = digits if digits.startswith("+") else f"+{digits.removeprefix('00')}"
    return number if _E164.fullmatch(number) else None


def mask(number: str) -> str:
    """Hide all but the first three and last two characters, for logs: `+46*******01`. Short text is hidden whole."""
    if len(number) < 8:  # noqa: PLR2004 - three and two shown, at least three hidden
        return "*" * len(number)
    return f"{number[:3]}{'*' * (len(number) - 5)}{number[-2:]}"
