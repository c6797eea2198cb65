"""A user of an application's own app, as the operator keeps them: the password, and the account that pays for their calls."""

import re
from datetime import datetime

import msgspec

from callgate.errors import Invalid

_NAME = re.compile(r"[A-Za-z0-9\-._~@+=]{1,64}")
"""Names become parts of the platform's tokens and of identities, where these need no escaping."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """`password` is what is kept of it. `name` is the in-app user id at the platform."""

    application: str
    name: str
    account: str
    password: str
    created_at: datetime

    def __repr__(self) -> str:
        return f"User({self.application}, {self.name})"


def parse_user_name(text: str) -> str:
    """Check a name. Raises `Invalid`."""
    if not _NAME.fullmatch(text):
        raise Invalid("user name", repr(text[:80]), "1 to 64 of letters, digits and - . _ ~ @ + =")
    return text
