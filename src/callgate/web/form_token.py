"""A token in every form, so that what changes something was sent by a page that this server made for this very browser.

Beside SameSite cookies and the check of where a request comes from, either of which a browser may lack. The token is a random
part and its proof under a key of the server's, bound to the cookie of the session, or, where nobody is signed in, to a cookie of
its own: a token of another session, or of none, is worth nothing. It is another one on each page, so that nobody can guess it
from the lengths of compressed answers. Source: OWASP, Cross-Site Request Forgery Prevention, HMAC-based tokens.
"""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode

FIELD = "form_token"
"""The hidden field of each form."""

COOKIE = "callgate_form"
"""What stands for a browser in which nobody is signed in."""

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing, and need no token. Source: RFC 9110, section 9.2.1."""

MAX_TOKEN = 100

_POSTED = re.compile(r'<form\b[^>]*\bmethod="post"[^>]*>')
"""A form of a rendered page: what it shows of others' words is escaped, so that neither < nor > stands in an attribute."""


class FormTokens:
    """Makes tokens and knows them again. `browser` is the cookie that they are bound to."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make(self, browser: str) -> str:
        nonce = secrets.token_urlsafe(12)
        return f"{nonce}.{self._proof(browser, nonce)}"

    def is_ours(self, token: str, browser: str) -> bool:
        """Whether it was made for this browser, compared in constant time. Without a cookie nothing is."""
        if not browser or len(token) > MAX_TOKEN or not token.isascii():
            return False
        nonce, _, proof = token.partition(".")
        return hmac.compare_digest(self._proof(browser, nonce), proof)

    def _proof(self, browser: str, nonce: str) -> str:
        digest = hmac.digest(self._key, f"{nonce}\n{browser}".encode(errors="replace"), "sha256")
        return urlsafe_b64encode(digest[:24]).decode()


def new_browser() -> str:
    """A cookie for a browser that has none yet."""
    return secrets.token_urlsafe(24)


def has_forms(html: str) -> bool:
    """Whether a page has forms that change something."""
    return _POSTED.search(html) is not None


def with_token(html: str, token: str) -> str:
    """Put the token into each form of a rendered page: here, and not in each template, so that none can do without."""
    return _POSTED.sub(lambda form: f'{form[0]}<input type="hidden" name="{FIELD}" value="{token}">', html)
