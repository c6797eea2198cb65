"""People's passwords: what is kept of one, and whether another is the same. Argon2id; a password itself is kept nowhere."""

from functools import cache
from typing import TYPE_CHECKING

from callgate.errors import Invalid

if TYPE_CHECKING:
    from argon2 import PasswordHasher

MIN_LENGTH, MAX_LENGTH = 8, 256
"""Characters. Longer ones are not hashed: whoever sends them is no person."""

_MEMORY_KIB, _PASSES, _LANES = 19_456, 2, 1
"""Source: OWASP Password Storage Cheat Sheet, Argon2id. Some 20 ms on one core, which calls beside it can spare."""


def check_password(clear: str) -> str:
    """Return a password that may be set. Raises `Invalid`, which does not show it."""
    if not MIN_LENGTH <= len(clear) <= MAX_LENGTH:
        raise Invalid("password", f"{len(clear)} characters", f"{MIN_LENGTH} to {MAX_LENGTH} characters")
    if "\0" in clear or "\n" in clear:
        raise Invalid("password", "a line break or NUL in it", "one line of text")
    return clear


def hash_password(clear: str) -> str:
    """Return what is kept of a password. Takes some 20 ms."""
    return _hasher().hash(clear)


def is_password(kept: str | None, clear: str) -> bool:
    """Whether this is the password of which `kept` was kept. None, for somebody who does not exist, takes as long and is
    False, so that time does not tell who exists.
    """
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415 - only who signs in waits for it

    try:
        return _hasher().verify(kept if kept is not None else _nobodys(), clear[:MAX_LENGTH]) and kept is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # noqa: PLC0415 - see above

    return PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=_LANES)


@cache
def _nobodys() -> str:
    return hash_password("of nobody")
