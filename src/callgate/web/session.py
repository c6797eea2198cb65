"""Who is signed in: a signed cookie that names a token by its digest, and a brake on guessing. No I/O, no clock.

The server keeps nothing about a session. The token is looked up again on each page, so that one that is withdrawn signs out
at once.
"""

import hashlib
import hmac
from collections import deque
from datetime import datetime, timedelta

COOKIE = "callgate_session"

SESSION_LASTS = timedelta(hours=12)
"""How long a sign-in holds: a working day."""

FAILURES_ALLOWED = 10
"""Wrong tokens within `FAILURES_WINDOW` before nobody is let in. A token cannot be guessed; this bounds the work of trying."""

FAILURES_WINDOW = timedelta(minutes=1)

_PURPOSE = b"callgate dashboard session"


class SessionSigner:
    """Writes and reads the cookie. Its key is derived from the operator's, which has other uses."""

    def __init__(self, secret_key: bytes) -> None:
        self._key = hmac.digest(secret_key, _PURPOSE, "sha256")

    def issue(self, token_digest: str, now: datetime) -> str:
        """Return the cookie's value for a token that has just been shown to us."""
        expires_at = int((now + SESSION_LASTS).timestamp())
        payload = f"{token_digest}.{expires_at}"
        return f"{payload}.{self._signature(payload)}"

    def read(self, value: str, now: datetime) -> str | None:
        """Return the digest of the token, or None when the value is not ours, was changed, or is too old."""
        payload, _, signature = value.rpartition(".")
        if not hmac.compare_digest(self._signature(payload).encode(), signature.encode(errors="replace")):
            return None
        token_digest, _, expires_at = payload.partition(".")
        return token_digest if now.timestamp() < int(expires_at) else None

    def _signature(self, payload: str) -> str:
        return hmac.new(self._key, payload.encode(errors="replace"), hashlib.sha256).hexdigest()


class Brake:
    """Counts wrong tokens of the last minute, of this process and from everywhere: addresses cost an attacker nothing."""

    def __init__(self) -> None:
        self._failed_at: deque[datetime] = deque(maxlen=FAILURES_ALLOWED)

    def note_failure(self, now: datetime) -> None:
        self._failed_at.append(now)

    def wait_s(self, now: datetime) -> int:
        """Return the seconds until the next try is looked at; 0 for at once."""
        if len(self._failed_at) < FAILURES_ALLOWED:
            return 0
        left = self._failed_at[0] + FAILURES_WINDOW - now
        return max(0, -(-left // timedelta(seconds=1)))
