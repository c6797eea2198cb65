"""The callback server that is called: its URL, and whether anything can be signed for it."""

from datetime import UTC, datetime
from functools import lru_cache

from yarl import URL

from callgate.errors import Invalid, SignatureInvalid
from callgate.protocol import sinch

EXPECTED = "a URL such as http://127.0.0.1:8080/callbacks/sinch"


@lru_cache(maxsize=1024)
def parse_target(text: str, where: str = "--target") -> URL:
    """Read the URL of a callback server. Raises `Invalid`."""
    try:
        url = URL(text.strip())
    except ValueError:
        raise Invalid(where, repr(text), EXPECTED) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise Invalid(where, repr(text), EXPECTED)
    return url


def check_secret(secret: str, where: str = "--secret") -> str:
    """Return the secret as it came. Raises `Invalid`, which does not repeat it, when nothing can be signed with it."""
    try:
        sinch.sign("POST", "/", b"", "key", secret, datetime.now(UTC))
    except SignatureInvalid:
        raise Invalid(where, "text that is not base64", "the application's secret as the platform shows it") from None
    return secret
