"""A provider application: who signs callbacks with which secrets, and what the operator has set for it."""

from datetime import datetime

import msgspec

from callgate.errors import Invalid
from callgate.policy.account import Status
from callgate.policy.limits import Limits

DEFAULT_FRESHNESS_S = 300

NUMBER = "number"
"""The one thing, beside the platform's own word, that an application can be told to trust: the caller's number."""


class ApplicationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `app set` sets. `trust` names what may prove a caller beyond the platform's own authentication: all of it can
    be forged, so that nothing is trusted unless named. `freshness` is in seconds, either way.
    """

    trust: tuple[str, ...] = ()
    freshness: int = DEFAULT_FRESHNESS_S

    def changed(self, words: list[str]) -> "ApplicationSettings":
        """Apply `NAME=VALUE` words in order. Raises `Invalid` naming the word that cannot be used."""
        settings = self
        for word in words:
            name, equals, value = word.partition("=")
            if not equals or name not in ("trust", "freshness"):
                raise Invalid("application setting", repr(word), "trust=number, trust=none or freshness=SECONDS")
            settings = msgspec.structs.replace(settings, **{name: _READ[name](value)})
        return settings


def _trust(value: str) -> tuple[str, ...]:
    words = () if value in ("", "none") else tuple(dict.fromkeys(value.split(",")))
    if set(words) - {NUMBER}:
        raise Invalid("trust", repr(value), f"{NUMBER} (the caller's number, which can be forged) or none")
    return words


def _freshness(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= 86_400):  # noqa: PLR2004 - a day
        raise Invalid("freshness", repr(value), "whole seconds from 1 to 86400")
    return int(value)


_READ = {"trust": _trust, "freshness": _freshness}


class ApplicationRow(msgspec.Struct, frozen=True, kw_only=True):
    """An application as it is stored: its secrets, newest first, are encrypted."""

    key: str
    provider: str
    name: str
    created_at: datetime
    sealed_secrets: tuple[bytes, ...]
    status: Status = Status.ACTIVE
    settings: ApplicationSettings = ApplicationSettings()
    limits: Limits = Limits()


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """An application as the server works with it; the secrets are clear, so that this never leaves the process."""

    row: ApplicationRow
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Application({self.row.key})"
