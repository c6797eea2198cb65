"""Operators: the people who sign in to the dashboard, kept by command; and their sessions, which the server can end."""

import hashlib
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import msgspec

from callgate.errors import Conflict, Invalid, NotFound
from callgate.service.books import Books, Keys
from callgate.service.operator_rows import Operator, Session, SessionKind
from callgate.service.token import Role

SESSION_LASTS = timedelta(hours=12)
"""How long a sign-in holds: a working day."""

MAX_ID_TOKEN = 4_096
"""Longest token of a provider that is kept to sign out there: it travels in an address, which servers cut off above 8 KB."""

SEEN_EVERY = timedelta(minutes=5)
"""How far behind the time may be at which a session was last seen."""

_NAME = re.compile(r"[^\s:/]{1,100}")


def parse_operator_name(text: str) -> str:
    """Check an operator's name: one word, or an e-mail address. Raises `Invalid`."""
    if not _NAME.fullmatch(text) or not text.isprintable():
        raise Invalid("operator name", repr(text[:80]), "1 to 100 characters without blanks, colons and slashes")
    return text


class Granted(Protocol):
    """What a provider's word opens, where nothing else is kept of a person."""

    @property
    def role(self) -> Role: ...
    @property
    def application(self) -> str | None: ...
    @property
    def sub(self) -> str: ...
    @property
    def id_token(self) -> str: ...


def new_session(
    kind: SessionKind,
    subject: str,
    now: datetime,
    granted: Granted | None = None,
    seal: Callable[[str], bytes] | None = None,
) -> tuple[Session, str]:
    """A session for a browser that has just proven itself: what is kept of it, and what the browser's cookie holds."""
    id_token = "" if granted is None or len(granted.id_token) > MAX_ID_TOKEN else granted.id_token
    clear = secrets.token_urlsafe(32)
    kept = Session(
        digest=session_digest(clear),
        kind=kind,
        subject=subject,
        created_at=now,
        expires_at=now + SESSION_LASTS,
        seen_at=now,
        role=None if granted is None else granted.role,
        application=None if granted is None else granted.application,
        sub=None if granted is None else granted.sub,
        sealed_id_token=seal(id_token) if seal is not None and id_token else None,
    )
    return kept, clear


def session_digest(clear: str) -> str:
    """What is kept of a cookie: it has 256 random bits, so that a plain hash cannot be guessed."""
    return hashlib.sha256(clear.encode(errors="replace")).hexdigest()


@dataclass(frozen=True, kw_only=True)
class AddOperator:
    """An operator who does not exist yet."""

    name: str
    role: Role
    password_hash: str
    now: datetime

    def keys(self) -> Keys:
        return Keys(operators=(self.name,))

    def run(self, books: Books) -> Operator:
        """Raises `Conflict` where there is one of this name, `Invalid`."""
        if books.operators.get(parse_operator_name(self.name)) is not None:
            raise Conflict(f"operator {self.name} exists already")
        operator = Operator(name=self.name, role=self.role, password_hash=self.password_hash, created_at=self.now)
        books.operators.put(self.name, operator)
        return operator


@dataclass(frozen=True, kw_only=True)
class SetOperator:
    """Change what is not None. `sealed_totp` empty takes the second factor away. `ends` are sessions that end with it."""

    name: str
    role: Role | None = None
    password_hash: str | None = None
    sealed_totp: bytes | None = None
    ends: Sequence[str] = ()

    def keys(self) -> Keys:
        return Keys(operators=(self.name,), sessions=tuple(self.ends))

    def run(self, books: Books) -> Operator:
        """Raises `NotFound`."""
        operator = _known(books, self.name)
        if self.role is not None:
            operator = msgspec.structs.replace(operator, role=self.role)
        if self.password_hash is not None:
            operator = msgspec.structs.replace(operator, password_hash=self.password_hash)
        if self.sealed_totp is not None:
            operator = msgspec.structs.replace(operator, sealed_totp=self.sealed_totp or None, totp_step=0)
        books.operators.put(self.name, operator)
        for digest in self.ends:
            books.sessions.remove(digest)
        return operator


@dataclass(frozen=True, kw_only=True)
class RemoveOperator:
    """Forget an operator; whoever is signed in under the name is a stranger from the next page on."""

    name: str
    ends: Sequence[str] = ()

    def keys(self) -> Keys:
        return Keys(operators=(self.name,), sessions=tuple(self.ends))

    def run(self, books: Books) -> None:
        """Raises `NotFound`."""
        _known(books, self.name)
        books.operators.remove(self.name)
        for digest in self.ends:
            books.sessions.remove(digest)


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """Begin a session. For an operator with a second factor, `totp_step` is the step whose code was given: it works once."""

    session: Session
    totp_step: int | None = None

    def keys(self) -> Keys:
        operators = (self.session.subject,) if self.session.kind is SessionKind.OPERATOR else ()
        return Keys(operators=operators, sessions=(self.session.digest,))

    def run(self, books: Books) -> Session:
        """Raises `NotFound`, `Conflict` for a code that was used meanwhile."""
        if self.session.kind is SessionKind.OPERATOR:
            operator = _known(books, self.session.subject)
            if operator.sealed_totp is not None and (self.totp_step is None or self.totp_step <= operator.totp_step):
                raise Conflict("this code was used already")
            signed_in = msgspec.structs.replace(
                operator, signed_in_at=self.session.created_at, totp_step=self.totp_step or operator.totp_step
            )
            books.operators.put(operator.name, signed_in)
        books.sessions.put(self.session.digest, self.session)
        return self.session


@dataclass(frozen=True, kw_only=True)
class EndSessions:
    """Sign out. Those that are gone already are no matter."""

    digests: Sequence[str]

    def keys(self) -> Keys:
        return Keys(sessions=tuple(self.digests))

    def run(self, books: Books) -> int:
        """Return how many ended."""
        found = [digest for digest in self.digests if books.sessions.get(digest) is not None]
        for digest in found:
            books.sessions.remove(digest)
        return len(found)


@dataclass(frozen=True, kw_only=True)
class SeeSession:
    """Note that a session is used. One that has ended meanwhile stays so."""

    digest: str
    now: datetime

    def keys(self) -> Keys:
        return Keys(sessions=(self.digest,))

    def run(self, books: Books) -> None:
        session = books.sessions.get(self.digest)
        if session is not None:
            books.sessions.put(self.digest, msgspec.structs.replace(session, seen_at=self.now))


def _known(books: Books, name: str) -> Operator:
    operator = books.operators.get(name)
    if operator is None:
        raise NotFound(f"there is no operator {name}; see: callgate operator list")
    return operator
