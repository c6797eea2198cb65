"""Add a provider application, and change what is set for it."""

import base64
import binascii
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec

from callgate.errors import Conflict, Invalid, NotFound
from callgate.policy.limits import BY_DEFAULT, Limits
from callgate.protocol import PROVIDERS
from callgate.protocol.base_url import is_url
from callgate.service.application import USUAL, ApplicationRow, ApplicationSettings, SealedSecret
from callgate.service.books import Books, Keys

_KEY = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class AddApplication:
    """Its key and secret are the provider's; `seal` encrypts the secret before it is stored."""

    provider: str
    key: str
    secret: str
    name: str
    seal: Callable[[str], bytes]
    now: datetime
    limits: Limits = BY_DEFAULT

    def keys(self) -> Keys:
        return Keys(applications=(self.key,))

    def run(self, books: Books) -> ApplicationRow:
        """Raises `Invalid` for a key or secret that no provider gives out, `Conflict` where the key is taken."""
        if not _KEY.fullmatch(self.key):
            raise Invalid("application key", repr(self.key[:80]), "1 to 64 of letters, digits and . _ -")
        check_secret(self.secret)
        if books.applications.get(self.key) is not None:
            raise Conflict(f"application {self.key} exists already")
        row = ApplicationRow(
            key=self.key,
            provider=self.provider,
            name=self.name or self.key,
            created_at=self.now,
            sealed_secrets=(SealedSecret(sealed=self.seal(self.secret)),),
            limits=self.limits,
        )
        books.applications.put(self.key, row)
        return row


def check_secret(secret: str) -> None:
    """Raise `Invalid`, without the secret in it, when it is not base64 of at least one byte."""
    try:
        is_base64 = bool(base64.b64decode(secret + "=" * (-len(secret) % 4), validate=True))
    except (binascii.Error, ValueError):
        is_base64 = False
    if not is_base64:
        raise Invalid("application secret", f"{len(secret)} characters", "the base64 text that the provider shows")


@dataclass(frozen=True, kw_only=True)
class NameApplication:
    """The operator's own name for it."""

    key: str
    name: str

    def keys(self) -> Keys:
        return Keys(applications=(self.key,))

    def run(self, books: Books) -> None:
        """Raises `NotFound`, `Invalid`."""
        row = books.applications.get(self.key)
        if row is None:
            raise NotFound(f"there is no application {self.key}")
        if not self.name.isprintable() or not self.name.strip():
            raise Invalid("name", repr(self.name[:80]), "printable characters")
        books.applications.put(self.key, msgspec.structs.replace(row, name=self.name))


@dataclass(frozen=True, kw_only=True)
class SetApplication:
    """`words` are `NAME=VALUE`; without words the settings are returned as they are."""

    key: str
    words: tuple[str, ...]

    def keys(self) -> Keys:
        return Keys(applications=(self.key,))

    def run(self, books: Books) -> ApplicationSettings:
        """Raises `NotFound`, `Invalid`."""
        row = books.applications.get(self.key)
        if row is None:
            raise NotFound(f"there is no application {self.key}")
        settings = row.settings.changed(list(self.words))
        regions = PROVIDERS[row.provider].REGIONS
        if settings.platform and not is_url(settings.platform) and settings.platform not in regions:
            expected = f"{', '.join(regions)}, {USUAL}, or an URL"
            raise Invalid("platform", repr(settings.platform[:80]), expected)
        if settings != row.settings:
            books.applications.put(self.key, msgspec.structs.replace(row, settings=settings))
        return settings
