"""Where a callback server listens, and whether what answers there can be one at all."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

import msgspec

from callgate.errors import Invalid, SignatureInvalid, TargetUnfit
from callgate.protocol import sinch

_SAFE_IN_PATH = "/%:@!$&'()*+,;=-._~"
_DEFAULT_PORTS = {"http": 80, "https": 443}
_TITLE = re.compile(rb"<title[^>]*>\s*([^<]{1,80})", re.IGNORECASE)


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A callback URL in its parts. `path` is what is signed, `path_and_query` what is requested, `host` is plain ASCII."""

    url: str
    is_tls: bool
    host: str
    port: int
    netloc: str
    path: str
    path_and_query: str

    @property
    def is_loopback(self) -> bool:
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


def read_target(text: str, where: str = "--target") -> Target:
    """Read the URL of a callback server. Raises `Invalid`."""
    expected = "a URL such as http://127.0.0.1:8080/callbacks/sinch"
    text = text.strip()
    try:
        parts = urlsplit(text)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode() if ":" not in (parts.hostname or "") else parts.hostname
    except ValueError:
        raise Invalid(where, repr(text[:200]), expected) from None
    is_printable = text.isprintable() and " " not in text
    if parts.scheme not in _DEFAULT_PORTS or not host or not is_printable or parts.username is not None:
        raise Invalid(where, repr(text[:200]), expected)
    default = _DEFAULT_PORTS[parts.scheme]
    name = f"[{host}]" if ":" in host else host
    path = quote(parts.path, safe=_SAFE_IN_PATH) or "/"
    return Target(
        url=text,
        is_tls=parts.scheme == "https",
        host=host,
        port=port or default,
        netloc=name if port in (None, default) else f"{name}:{port}",
        path=path,
        path_and_query=f"{path}?{quote(parts.query, safe=_SAFE_IN_PATH + '?')}" if parts.query else path,
    )


def must_be_fit(url: str, status: int, headers: Mapping[str, str], body: bytes) -> None:
    """Return when a callback server may have sent this answer to a signed event. `headers` are in lower case.

    A server that refuses our signature is one, and so is one that fails. Raises `TargetUnfit` for what no callback server
    answers: a page for people, a redirect, nothing at that path.
    """
    kind = headers.get("content-type", "")
    is_html = "html" in kind.lower() or body.lstrip()[:1] == b"<"
    title = _TITLE.search(body[:4_096]) if is_html else None
    page = f" ({title[1].decode(errors='replace').strip()!r})" if title is not None else ""
    if 300 <= status < 400:  # noqa: PLR2004 - the class of status codes
        to = headers.get("location", "nowhere")
        raise TargetUnfit(url, f"redirects to {to[:200]} with {status}", "the URL to which it leads: nobody follows it")
    if status in (404, 405, 501):
        raise TargetUnfit(url, f"answers a POST with {status}{page}", "the path at which callbacks are answered")
    if is_html and status // 100 == 2:  # noqa: PLR2004
        raise TargetUnfit(
            url, f"answers with HTML{page}, a page for people", "the URL of a callback server, path included"
        )


def check_secret(secret: str, where: str = "--secret") -> str:
    """Return the secret as it came. Raises `Invalid`, which does not repeat it, when nothing can be signed with it."""
    try:
        sinch.sign("POST", "/", b"", "key", secret, datetime.now(UTC))
    except SignatureInvalid:
        raise Invalid(where, "text that is not base64", "the application's secret as the platform shows it") from None
    return secret
