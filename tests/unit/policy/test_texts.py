"""Sentences for refused callers: which one a caller of some language hears, and what cannot be one."""

import pytest

from callgate.errors import Invalid
from callgate.policy.refusal import Refusal
from callgate.policy.texts import NO_TEXTS, fill_in

CREDIT = Refusal.INSUFFICIENT_CREDIT
TEXTS = (
    NO_TEXTS.changed("insufficient_credit", "You have {available}.")
    .changed("insufficient_credit.sv-SE", "Du har {available}.")
    .changed("insufficient_credit.de-DE", "Sie haben {available}.")
    .changed("country_blocked.sv-SE", "Inte dit.")
)


@pytest.mark.parametrize(
    ("locale", "text", "spoken"),
    [
        ("sv-SE", "Du har {available}.", "sv-SE"),
        ("sv-FI", "Du har {available}.", "sv-SE"),  # a text in the same language, spoken as it was written
        ("de-AT", "Sie haben {available}.", "de-DE"),
        ("fr-FR", "You have {available}.", "en-US"),
        ("en-GB", "You have {available}.", "en-US"),
    ],
)
def test_a_caller_hears_its_own_language_where_there_is_a_text(locale: str, text: str, spoken: str) -> None:
    """Else the application's own."""
    assert TEXTS.find(CREDIT, locale, "en-US") == (text, spoken)


def test_a_text_of_the_usual_locale_by_name_goes_first() -> None:
    """Whether the locale is named or left out, it is one place to look."""
    assert TEXTS.find(CREDIT, "sv-SE", "sv-SE") == ("Du har {available}.", "sv-SE")
    assert TEXTS.find(Refusal.COUNTRY_BLOCKED, "fr-FR", "en-US") == ("", "")
    assert NO_TEXTS.find(CREDIT, "sv-SE", "sv-SE") == ("", "")


def test_texts_are_taken_back_and_shown() -> None:
    """Each by the name that sets it; nothing of a refusal is left when its last text goes."""
    assert list(TEXTS.shown()) == [
        "text.country_blocked.sv-SE", "text.insufficient_credit", "text.insufficient_credit.de-DE",
        "text.insufficient_credit.sv-SE",
    ]  # fmt: skip
    left = TEXTS.changed("country_blocked.sv-SE", "none").changed("insufficient_credit", "")
    assert list(left.shown()) == ["text.insufficient_credit.de-DE", "text.insufficient_credit.sv-SE"]
    assert "country_blocked" not in left.said


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("no_such", "x", "one of application_suspended"),
        ("call_conflict", "x", "one of application_suspended"),
        ("insufficient_credit.swedish", "x", "such as en-US or sv-SE"),
        ("insufficient_credit.", "x", "such as en-US or sv-SE"),
        ("insufficient_credit", "x" * 601, "at most 600"),
        ("insufficient_credit", "x" * 580 + "{available}", "an amount counted as 30"),
        ("insufficient_credit", "two\nlines", "printable"),
        ("insufficient_credit", "{balance}", "no other braces"),
        ("insufficient_credit", "{available", "no other braces"),
        ("caller_unknown", "You have {available}.", "nobody knows yet who pays"),
    ],
)
def test_what_cannot_be_said(name: str, text: str, says: str) -> None:
    """Refused when it is set, not when a caller waits for it."""
    with pytest.raises(Invalid, match=says):
        NO_TEXTS.changed(name, text)


def test_the_longest_text_stays_within_what_platforms_speak() -> None:
    """With the longest amount that there is filled in."""
    text = "x" * 570 + "{available}"
    assert NO_TEXTS.changed("insufficient_credit", text).said
    assert len(fill_in(text, -(2**63), "USD")) <= 600
    assert fill_in(text, None, "USD") == ""
    assert fill_in("No.", None, "") == "No."
