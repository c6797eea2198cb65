"""Where a provider's own interface may be, when an operator or a developer says it: https, or this very machine."""

import ipaddress
from urllib.parse import urlsplit

from callgate.errors import Invalid

MAX_URL = 500


def read_base_url(text: str, where: str = "base URL") -> str:
    """Return the URL without a slash at its end. Raises `Invalid`.

    `http` goes to loopback alone, where an emulated platform listens: elsewhere anybody on the way could read what is
    asked, and answer it.
    """
    expected = "https://HOST, or http://127.0.0.1:PORT for a platform on this machine"
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise Invalid(where, repr(text[:80]), expected) from None
    is_plain = text.isascii() and text.isprintable() and " " not in text and len(text) <= MAX_URL
    if not is_plain or url.scheme not in {"http", "https"} or not url.hostname or port == 0:
        raise Invalid(where, repr(text[:80]), expected)
    if url.username is not None or url.password is not None:
        raise Invalid(where, "a user or password in it", expected)
    if url.path not in {"", "/"} or url.query or url.fragment:
        raise Invalid(where, f"{text[:80]!r}, with more behind the host", expected)
    if url.scheme == "http" and not _is_loopback(url.hostname):
        raise Invalid(where, f"http to {url.hostname[:80]!r}", expected)
    return f"{url.scheme}://{url.netloc.lower()}"


def is_url(text: str) -> bool:
    """Whether it is meant as an URL, good or not."""
    return "://" in text


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
