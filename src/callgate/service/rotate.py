"""Give an application a new secret, and let the old one be valid for a while, until the platform signs with the new."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from callgate.errors import Conflict, Invalid, NotFound
from callgate.service.add_application import check_secret
from callgate.service.application import ApplicationRow, SealedSecret
from callgate.service.books import Books, Keys

OVERLAP = timedelta(hours=24)
"""How long an old secret stays valid unless told otherwise."""

MAX_OVERLAP = timedelta(days=90)


def parse_until(text: str | None, now: datetime) -> datetime:
    """Read when an old secret stops: a time with its zone, the word `now`, or None for `OVERLAP`. Raises `Invalid`."""
    if text is None or text == "now":
        return now if text else now + OVERLAP
    try:
        until = datetime.fromisoformat(text)
    except ValueError:
        until = None
    if until is None or until.tzinfo is None:
        raise Invalid("until", repr(text[:50]), "a time with its zone, such as 2026-03-01T12:00:00Z, or now")
    return until


@dataclass(frozen=True, kw_only=True)
class RotateSecret:
    """The new secret is the first of at most two. `until` is when the old one stops; `now` stops it at once.

    An older one that was still valid is dropped: nobody remembers three.
    """

    key: str
    secret: str
    until: datetime
    seal: Callable[[str], bytes]
    unseal: Callable[[bytes], str]
    now: datetime

    def keys(self) -> Keys:
        return Keys(applications=(self.key,))

    def run(self, books: Books) -> ApplicationRow:
        """Raises `Invalid` for a secret that no provider gives out or a time that will not do, `NotFound`, `Conflict` when
        this is the secret already.
        """
        check_secret(self.secret)
        if not self.now <= self.until <= self.now + MAX_OVERLAP:
            raise Invalid("until", self.until.isoformat(), f"a time from now to {MAX_OVERLAP.days} days from now")
        row = books.applications.get(self.key)
        if row is None:
            raise NotFound(f"there is no application {self.key}")
        current = row.sealed_secrets[0]
        if self.unseal(current.sealed) == self.secret:
            raise Conflict(
                f"this is the secret of application {self.key} already; give the new one that the platform shows"
            )
        old = (SealedSecret(sealed=current.sealed, until=self.until),) if self.until > self.now else ()
        row = msgspec.structs.replace(row, sealed_secrets=(SealedSecret(sealed=self.seal(self.secret)), *old))
        books.applications.put(self.key, row)
        return row
