"""Where a request comes from: was it our own page that sent it, and does it mean this server? Plain functions of headers."""

from collections.abc import Mapping
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


def is_loopback_host(host: str) -> bool:
    """Whether a Host header names the loopback interface.

    A page elsewhere may point a name of its own at 127.0.0.1 and have the browser ask us (DNS rebinding): the request then
    still carries that name.
    """
    return _hostname(f"//{host}") in LOOPBACK


def is_from_our_page(headers: Mapping[str, str]) -> bool:
    """Whether a request that changes something, or holds something open, was sent by a page of ours.

    Browsers say so in `Sec-Fetch-Site`, on https and loopback. Elsewhere `Origin` tells, but our own referrer policy turns
    it into `null`; nothing then remains to be judged here, and the session's SameSite=Strict cookie keeps strangers out. A
    program that is no browser sends neither.
    """
    if (site := headers.get("sec-fetch-site")) is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin", "null")
    return origin == "null" or urlsplit(origin).netloc == headers.get("host", "")


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # such as a bracket without its fellow
        return ""
