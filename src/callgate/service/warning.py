"""What a caller hears when the credit is about to end, in the words and the language of the application."""

from callgate.policy.texts import DEFAULT_LOCALE
from callgate.service.catalog import Catalog

WORDS = {
    "en": "Your credit is nearly used up. This call will end in a moment.",
    "de": "Ihr Guthaben ist fast aufgebraucht. Dieses Gespräch endet gleich.",
    "es": "Su saldo está a punto de agotarse. Esta llamada terminará en un momento.",
    "fr": "Votre crédit est presque épuisé. Cet appel va prendre fin dans un instant.",
    "sv": "Ditt saldo är nästan slut. Samtalet avslutas strax.",
}
"""Our own words by language. In a language that is not here, an application has to set its own."""


def warning_of(catalog: Catalog, application: str) -> tuple[str, str]:
    """Return text and locale. Where there are no words in the application's language, ours in English."""
    known = catalog.applications.get(application)
    if known is None:
        return WORDS["en"], DEFAULT_LOCALE
    settings = known.row.settings
    language = settings.locale.partition("-")[0]
    if settings.warning or language in WORDS:
        return settings.warning or WORDS[language], settings.locale
    return WORDS["en"], DEFAULT_LOCALE
