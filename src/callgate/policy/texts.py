"""What callers are told when a call of theirs is refused: the operator's own sentences, by refusal and locale."""

import re
from collections.abc import Mapping

import msgspec

from callgate.errors import Invalid
from callgate.money import format_micros
from callgate.policy.refusal import Refusal

MAX_SPOKEN = 600
"""Longest text that is spoken to a caller. Source: Sinch Voice API reference, text-to-speech."""

DEFAULT_LOCALE = "en-US"

SETTING = "text"
"""Before the refusal in the name of a setting: `text.insufficient_credit`, or with a locale `text.insufficient_credit.sv-SE`."""

AVAILABLE = "{available}"
"""Stands for what the caller may still spend, with its currency."""

_LONGEST_AMOUNT = 30
"""What a filled-in amount may come to: 64 bits of micros with sign, point and currency."""

UNSPOKEN = frozenset({Refusal.CALL_CONFLICT})
"""Refusals without words: the call that was there before has its own answer."""

_NOBODY_KNOWN = frozenset({Refusal.APPLICATION_SUSPENDED, Refusal.CALLER_UNKNOWN, Refusal.NOT_DECIDED_IN_TIME})
"""Refusals that come before it is known who pays."""

_LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?-[A-Z]{2}", re.ASCII)
_NONE = "none"


class Texts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Sentences by the name of the refusal, then by locale; an empty locale is the application's own."""

    said: Mapping[str, Mapping[str, str]] = {}

    def changed(self, name: str, text: str) -> "Texts":
        """Set one by its name after `text.`; `none` takes it back. Raises `Invalid`."""
        refusal, dot, locale = name.partition(".")
        if refusal not in list(Refusal) or refusal in UNSPOKEN:
            known = ", ".join(each for each in Refusal if each not in UNSPOKEN)
            raise Invalid(f"{SETTING}.{name[:80]}", repr(refusal[:50]), f"one of {known}")
        if dot:
            read_locale(locale, f"{SETTING}.{refusal}")
        of_refusal = {known: said for known, said in self.said.get(refusal, {}).items() if known != locale}
        if text not in ("", _NONE):
            of_refusal[locale] = _read(f"{SETTING}.{name}", Refusal(refusal), text)
        said = {known: texts for known, texts in self.said.items() if known != refusal}
        return Texts(said=said | {refusal: of_refusal} if of_refusal else said)

    def shown(self) -> dict[str, str]:
        """Every one, by the name that would set it."""
        return {
            f"{SETTING}.{refusal}" + (f".{locale}" if locale else ""): text
            for refusal, texts in sorted(self.said.items())
            for locale, text in sorted(texts.items())
        }

    def find(self, refusal: Refusal, locale: str, usual: str) -> tuple[str, str]:
        """Return what is said to a caller of a locale, and the locale that it is in; two empty texts for nothing.

        The caller's own locale, else its language, else the application's `usual` one.
        """
        texts = self.said.get(refusal)
        if not texts:
            return "", ""
        told = {each or usual: text for each, text in sorted(texts.items())}  # a named locale comes last
        language = locale.partition("-")[0]
        for each in (locale, *(known for known in told if known.partition("-")[0] == language), usual):
            if each in told:
                return told[each], each
        return "", ""


NO_TEXTS = Texts()


def fill_in(text: str, available_micros: int | None, currency: str) -> str:
    """The text with the amount in it; empty where it wants one that is not known."""
    if AVAILABLE not in text:
        return text
    if available_micros is None:
        return ""
    return text.replace(AVAILABLE, f"{format_micros(available_micros)} {currency}")


def read_locale(text: str, name: str) -> str:
    """Raises `Invalid`."""
    if not _LOCALE.fullmatch(text):
        raise Invalid(name, repr(text[:50]), "a language and a country, such as en-US or sv-SE")
    return text


def _read(name: str, refusal: Refusal, text: str) -> str:
    """Raises `Invalid` for what cannot be spoken."""
    longest = len(text) + text.count(AVAILABLE) * (_LONGEST_AMOUNT - len(AVAILABLE))
    if longest > MAX_SPOKEN or not text.isprintable():
        found = f"{longest} characters" if longest > MAX_SPOKEN else repr(text[:50])
        raise Invalid(name, found, f"at most {MAX_SPOKEN} printable characters, an amount counted as {_LONGEST_AMOUNT}")
    rest = text.replace(AVAILABLE, "")
    if "{" in rest or "}" in rest:
        raise Invalid(name, repr(text[:80]), f"{AVAILABLE} for what the caller has left, and no other braces")
    if rest != text and refusal in _NOBODY_KNOWN:
        raise Invalid(name, AVAILABLE, "a text without it: at this refusal nobody knows yet who pays")
    return text
