"""A provider application: who signs callbacks with which secrets, and what the operator has set for it."""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import StrEnum

import msgspec

from callgate.errors import AmountInvalid, Invalid
from callgate.money import format_micros, parse_micros
from callgate.policy.account import Status
from callgate.policy.emergency import read_emergency_numbers, read_home_country
from callgate.policy.limits import Limits
from callgate.policy.permissions import ALL_INHERITED, Permissions
from callgate.policy.permissions import NAMES as PERMISSIONS
from callgate.policy.pricing import NAMES as PRICING
from callgate.policy.pricing import NOTHING_SAID, Pricing
from callgate.policy.redirects import DEFAULT_REDIRECT_S, NO_REDIRECTS, Redirects, read_redirect_seconds
from callgate.policy.redirects import SETTING as REDIRECT
from callgate.policy.texts import DEFAULT_LOCALE, MAX_SPOKEN, NO_TEXTS, SETTING, Texts, read_locale
from callgate.protocol.base_url import is_url, read_base_url
from callgate.rating.tariff import FREE, Tariff, read_fee, read_price

DEFAULT_FRESHNESS_S = 300

NUMBER = "number"
"""The one thing, beside the platform's own word, that an application can be told to trust: the caller's number."""

USUAL = "default"
"""How operators call the provider's usual region."""


REFUSE = "refuse"

_DOMAIN = re.compile(
    r"(?=.{1,253}$)[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*", re.ASCII
)


class LostEnd(StrEnum):
    """How a call is settled whose end nobody can tell. AUTO: in full where its answer was heard, else not at all."""

    AUTO = "auto"
    POST_FULL = "post_full"
    VOID = "void"


class Fallback(StrEnum):
    """What a call is answered when there is no decision. CONNECT_LIMITED: while the store is down some are let through."""

    HANGUP = "hangup"
    CONNECT_LIMITED = "connect_limited"


class ApplicationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What `app set` sets. `trust` names what may prove a caller beyond the platform's own authentication: all of it
    can be forged, so that nothing is trusted unless named. `freshness` is in seconds, either way. `warning` is what a
    caller hears before the credit ends, in the language of `locale`; empty for our own words. `platform` is where the
    provider's own interface is: a region of it, an URL, or empty for the provider's usual one. `in_app` is what a
    call to an app's user costs, `conference` a minute in one, `sip` a minute to each domain: None, or a domain that
    is not there, refuses. `low_balance` is in micros of whatever currency an account has: below that it is told that
    its balance is low; 0 for never. Calls to emergency numbers of the
    `home_country`, and to `emergency_numbers` beside them, connect whatever else is set. `texts` are what callers hear when
    they are refused, `redirects` where they are led then instead, for `redirect_seconds` at most.
    """

    trust: tuple[str, ...] = ()
    freshness: int = DEFAULT_FRESHNESS_S
    lost_dice: LostEnd = LostEnd.AUTO
    locale: str = DEFAULT_LOCALE
    warning: str = ""
    platform: str = ""
    in_app: Tariff | None = FREE
    conference: Tariff | None = None
    sip: Mapping[str, Tariff] = {}
    low_balance: int = 0
    home_country: str = ""
    emergency_numbers: tuple[str, ...] = ()
    pricing: Pricing = NOTHING_SAID
    permissions: Permissions = ALL_INHERITED
    texts: Texts = NO_TEXTS
    redirects: Redirects = NO_REDIRECTS
    redirect_seconds: int = DEFAULT_REDIRECT_S
    fallback: Fallback = Fallback.HANGUP

    def changed(self, words: list[str]) -> "ApplicationSettings":
        """Apply `NAME=VALUE` words in order. Raises `Invalid` naming the word that cannot be used."""
        settings = self
        for word in words:
            name, equals, value = word.partition("=")
            if equals and name in PRICING:
                settings = msgspec.structs.replace(settings, pricing=settings.pricing.changed(name, value))
            elif equals and name in PERMISSIONS:
                permissions = settings.permissions.changed(name, value)
                settings = msgspec.structs.replace(settings, permissions=permissions)
            elif equals and name.startswith(f"{SETTING}."):
                texts = settings.texts.changed(name.removeprefix(f"{SETTING}."), value)
                settings = msgspec.structs.replace(settings, texts=texts)
            elif equals and name.startswith(f"{REDIRECT}."):
                redirects = settings.redirects.changed(name.removeprefix(f"{REDIRECT}."), value)
                settings = msgspec.structs.replace(settings, redirects=redirects)
            elif equals and name in _READ:
                settings = msgspec.structs.replace(settings, **{name: _READ[name](value)})
            else:
                names = ", ".join([*_READ, *PRICING, *PERMISSIONS, f"{SETTING}.REFUSAL", f"{REDIRECT}.REFUSAL"])
                raise Invalid("application setting", repr(word), f"NAME=VALUE with one of these names: {names}")
        return settings

    def shown(self) -> dict[str, str]:
        """Every setting in the words that would set it."""
        given = {
            "trust": ",".join(self.trust) or "none",
            "freshness": str(self.freshness),
            "lost_dice": str(self.lost_dice),
            "fallback": str(self.fallback),
            "locale": self.locale,
            "warning": self.warning or "none",
            "platform": self.platform or USUAL,
            "in_app": REFUSE if self.in_app is None else self.in_app.shown(),
            "conference": REFUSE if self.conference is None else self.conference.shown(),
            "sip": ",".join(f"{domain}:{price.shown()}" for domain, price in self.sip.items()) or REFUSE,
            "low_balance": format_micros(self.low_balance) if self.low_balance else "none",
            "home_country": self.home_country or "none",
            "emergency_numbers": ",".join(self.emergency_numbers) or "none",
            "redirect_seconds": str(self.redirect_seconds),
        }
        said = self.texts.shown() | self.redirects.shown()
        return given | self.pricing.shown() | self.permissions.shown() | said


def _trust(value: str) -> tuple[str, ...]:
    words = () if value in ("", "none") else tuple(dict.fromkeys(value.split(",")))
    if set(words) - {NUMBER}:
        raise Invalid("trust", repr(value), f"{NUMBER} (the caller's number, which can be forged) or none")
    return words


def _freshness(value: str) -> int:
    if not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= 86_400):  # noqa: PLR2004 - a day
        raise Invalid("freshness", repr(value), "whole seconds from 1 to 86400")
    return int(value)


def _lost_dice(value: str) -> LostEnd:
    try:
        return LostEnd(value)
    except ValueError:
        raise Invalid("lost_dice", repr(value[:50]), f"one of {', '.join(LostEnd)}") from None


def _fallback(value: str) -> Fallback:
    try:
        return Fallback(value)
    except ValueError:
        raise Invalid("fallback", repr(value[:50]), f"one of {', '.join(Fallback)}") from None


def _locale(value: str) -> str:
    return read_locale(value, "locale")


def _warning(value: str) -> str:
    if len(value) > MAX_SPOKEN or not value.isprintable():
        raise Invalid(
            "warning", repr(value[:50]), f"at most {MAX_SPOKEN} printable characters, or none for our own words"
        )
    return "" if value == "none" else value


def _in_app(value: str) -> Tariff | None:
    return None if value == REFUSE else read_fee(value, "in_app")


def _conference(value: str) -> Tariff | None:
    return None if value == REFUSE else read_price(value, "conference")


def _sip(value: str) -> dict[str, Tariff]:
    """Domains, each with its price: a call to any other is refused."""
    if value == REFUSE:
        return {}
    prices = {}
    for word in value.split(","):
        domain, colon, price = word.partition(":")
        if not colon or not _DOMAIN.fullmatch(domain):
            raise Invalid("sip", repr(word[:80]), "refuse, or DOMAIN:PRICE,... such as sip.example.com:0.01")
        prices[domain.lower()] = read_price(price, "sip")
    return prices


def _platform(value: str) -> str:
    """Read the name of a region, which the use case compares with those that the provider has, or an URL."""
    if is_url(value):
        return read_base_url(value, "platform")
    return "" if value == USUAL else value


def read_low_balance(value: str) -> int:
    """Read an amount as micros, 0 for none. Raises `AmountInvalid`."""
    micros = 0 if value == "none" else parse_micros(value, "low_balance")
    if micros < 0:
        raise AmountInvalid("low_balance", repr(value[:50]), "an amount such as 5.00, or none")
    return micros


_READ: dict[str, Callable[[str], object]] = {
    "trust": _trust,
    "freshness": _freshness,
    "lost_dice": _lost_dice,
    "fallback": _fallback,
    "locale": _locale,
    "warning": _warning,
    "platform": _platform,
    "in_app": _in_app,
    "conference": _conference,
    "sip": _sip,
    "low_balance": read_low_balance,
    "home_country": read_home_country,
    "emergency_numbers": read_emergency_numbers,
    "redirect_seconds": read_redirect_seconds,
}


class SealedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A secret as it is stored, encrypted. `until` is when it stops being valid; None: it does not."""

    sealed: bytes
    until: datetime | None = None


class ApplicationRow(msgspec.Struct, frozen=True, kw_only=True):
    """An application as it is stored: at most two secrets, newest first, encrypted."""

    key: str
    provider: str
    name: str
    created_at: datetime
    sealed_secrets: tuple[SealedSecret, ...]
    status: Status = Status.ACTIVE
    settings: ApplicationSettings = ApplicationSettings()
    limits: Limits = Limits()


class Application(msgspec.Struct, frozen=True, kw_only=True):
    """An application as the server works with it; the secrets are clear, so that this never leaves the process."""

    row: ApplicationRow
    secrets: tuple[tuple[str, datetime | None], ...]  # as in the row, each with its time

    def secrets_at(self, now: datetime) -> tuple[str, ...]:
        """The secrets that are valid now: an old one stops at its time, however long ago this was loaded."""
        return tuple(secret for secret, until in self.secrets if until is None or now < until)

    def __repr__(self) -> str:
        return f"Application({self.row.key})"


def opened(row: ApplicationRow, unseal: Callable[[bytes], str]) -> Application:
    """Return the application with its secrets in clear."""
    return Application(row=row, secrets=tuple((unseal(each.sealed), each.until) for each in row.sealed_secrets))
