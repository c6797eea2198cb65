"""Who is signed in: a cookie of random bits whose hash the server keeps, so that it can end any session; and brakes on guessing.

What the session stands for is looked up again on each page: a token that is revoked, or an operator who is removed, is signed
out at once.
"""

from collections import deque
from datetime import datetime, timedelta

import msgspec

from callgate.service.operator import SEEN_EVERY, SeeSession, session_digest
from callgate.service.operator_rows import SessionKind
from callgate.service.ports import Store
from callgate.service.token import Role, Token

COOKIE = "callgate_session"

FAILURES_ALLOWED = 10
"""Wrong tries under one name within `FAILURES_WINDOW` before nobody is let in under it. Tokens are one name."""

FAILURES_WINDOW = timedelta(minutes=1)

MAX_NAMES = 1_000
"""Names that are watched at once; what was tried first is forgotten first."""


class Visitor(Token, frozen=True, kw_only=True):
    """Whoever is signed in, as a token: people have one without digest and hint. `who` is what the audit log calls them."""

    who: str


async def signed_in(store: Store, clear: str, now: datetime, *, has_openid: bool = False) -> Visitor | None:
    """Whoever this cookie belongs to, None for nobody, any more. Without `has_openid` there is no provider any more."""
    session = await store.session(session_digest(clear))
    if session is None or now >= session.expires_at:
        return None
    if session.kind is SessionKind.OPERATOR:
        operator = await store.operator(session.subject)
        if operator is None:
            return None
        visitor = _person(f"operator:{operator.name}", operator.name, operator.role, None, operator.created_at)
    elif session.kind is SessionKind.OPENID:
        if not has_openid or session.role is None:
            return None
        name = session.subject
        visitor = _person(f"openid:{name}", name, session.role, session.application, session.created_at)
    else:
        token = await store.token(session.subject)
        if token is None or not token.is_valid(now):
            return None
        visitor = Visitor(who=f"token:{token.name}", **msgspec.structs.asdict(token))
    if now - session.seen_at > SEEN_EVERY:
        await store.perform(SeeSession(digest=session.digest, now=now))
    return visitor


def _person(who: str, name: str, role: Role, application: str | None, since: datetime) -> Visitor:
    return Visitor(who=who, digest="", name=name, role=role, hint="", created_at=since, application=application)


class Brake:
    """Counts wrong tries of the last minute, of this process and from everywhere: addresses cost an attacker nothing."""

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


class Brakes:
    """A brake for each name that is tried: who guesses at one keeps nobody else out."""

    def __init__(self) -> None:
        self._brakes: dict[str, Brake] = {}

    def of(self, name: str) -> Brake:
        brake = self._brakes.pop(name, None) or Brake()
        self._brakes[name] = brake
        if len(self._brakes) > MAX_NAMES:
            del self._brakes[next(iter(self._brakes))]
        return brake

    def forgive(self, name: str) -> None:
        """Who got in had only mistyped."""
        self._brakes.pop(name, None)
