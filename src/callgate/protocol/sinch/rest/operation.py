"""One operation of the platform's REST interface: the request that asks for it, and what its reply says. No I/O.

An operation is a struct of what is asked. `signed` or `basic` makes the request of it, which is checked before it is
written; `read` understands the reply, or raises what went wrong. The host is `hosts`' business. Source: Sinch Voice API
reference, authentication and errors.
"""

import re
from base64 import b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from http import HTTPStatus
from typing import Any, ClassVar, Generic, TypeVar
from urllib.parse import quote

import msgspec

from callgate.errors import CallbackMalformed, Invalid, PlatformFailed, PlatformRefused
from callgate.protocol.sinch.callbacks import Other, parse, salvage
from callgate.protocol.sinch.rules import Fault
from callgate.protocol.sinch.signature import sign
from callgate.protocol.wire import WireRequest

T = TypeVar("T")
R = TypeVar("R", bound="Reply")

CONTENT_TYPE = "application/json"
"""Sent with every request, one without a body too: the signature covers it, and the platform's own kits send it."""

MAX_ID = 256
"""Longest call id and name of a conference that we put into a path, in characters."""

MAX_WORDS = 300
"""How much of the platform's explanation of an error is kept, in characters."""

NO_SUCH_THING = 40400

CODES = {
    40001: "a parameter cannot be used",
    40002: "a parameter is missing",
    40003: "the request is not valid here",
    40100: "the authorization header is not right",
    40101: "the timestamp is not right: look at this machine's clock",
    40102: "the signature is not right: look at the application's secret",
    40108: "key or secret is not right",
    40200: "there is not enough credit at the platform",
    40300: "this destination is forbidden",
    40301: "this way to authenticate is not allowed for the application",
    NO_SUCH_THING: "there is no such thing",
    50000: "the platform has a fault",
    50300: "the platform is down for a while",
}
"""Errors that the platform documents, by its number for them, in our words: its own may hold what was sent."""


class Operation(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Something to ask of the platform. `T` is what its reply is read as."""

    method: ClassVar[str] = "GET"
    is_configuration: ClassVar[bool] = False  # of the application, which is kept on a host of its own

    @property
    def path(self) -> str:
        """The path of its URL, escaped."""
        raise NotImplementedError

    @property
    def body(self) -> bytes:
        """The bytes to send; none unless it says otherwise."""
        return b""

    @property
    def headers(self) -> Mapping[str, str]:
        """Headers beside those that prove who asks."""
        return {}

    @property
    def is_repeatable(self) -> bool:
        """Whether it does no harm to ask twice, when it is not known what became of the first time."""
        return True

    def faults(self, *, strict: bool) -> Iterator[Fault]:  # noqa: ARG002 - for those who have something to be strict about
        """Tell what is wrong with it."""
        yield from ()

    def understand(self, body: bytes) -> T:
        """Read the body of a reply that says that it was done. Raises `CallbackMalformed`."""
        raise NotImplementedError


class Order(Operation[None], frozen=True, kw_only=True):
    """Base of what is answered with nothing: whatever stands in the body is passed over."""

    def understand(self, body: bytes) -> None:
        """Nothing is to be read."""


class Reply(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """Base of what is answered; what it has no place for is kept in `other`, as with callbacks."""

    other: Other = msgspec.field(default_factory=Other)


def check(operation: Operation[T], *, strict: bool = True) -> list[Fault]:
    """Return what is wrong with an operation, each with its path; not strict: what older documents allow passes."""
    return list(operation.faults(strict=strict))


def signed(operation: Operation[T], key: str, secret: str, now: datetime, *, strict: bool = True) -> WireRequest:
    """Return the request, signed: the secret is not in it. Raises `Invalid` for what `check` finds first, and
    `SignatureInvalid` for a secret that holds no bytes.
    """
    path, body = _checked(operation, strict=strict)
    proof = sign(operation.method, path, body, key, secret, now, CONTENT_TYPE)
    return WireRequest(method=operation.method, path=path, headers={**operation.headers, **proof}, body=body)


def basic(operation: Operation[T], key: str, secret: str, *, strict: bool = True) -> WireRequest:
    """Return the request with the secret in it, as HTTP Basic: for trying out, where the application allows it."""
    path, body = _checked(operation, strict=strict)
    proof = {"authorization": f"Basic {b64encode(f'{key}:{secret}'.encode()).decode()}", "content-type": CONTENT_TYPE}
    return WireRequest(method=operation.method, path=path, headers={**operation.headers, **proof}, body=body)


def read(operation: Operation[T], status: int, body: bytes) -> T:
    """Read the reply to an operation. Raises `PlatformRefused` for an error, `PlatformFailed` for what is no answer."""
    if not is_success(status):
        raise _refusal(status, body)
    try:
        return operation.understand(body)
    except CallbackMalformed as error:
        raise PlatformFailed(
            f"the answer is not what this platform says: {error}",
            is_retryable=True,
            may_be_done=operation.method != "GET",
        ) from None


def is_success(status: int) -> bool:
    """Any 2xx: pages disagree about which one it is."""
    return status // 100 == 2  # noqa: PLR2004 - HTTP's own hundreds


def reply_of(kind: type[R], raw: dict[str, Any]) -> R:
    """Take what can be used of each field by itself, and keep the rest."""
    values, other = salvage(kind, raw)
    return kind(**values, other=other)


def document(body: bytes) -> dict[str, Any]:
    """Parse the body of a reply. Raises `CallbackMalformed`."""
    return parse(body)


def segment(text: str) -> str:
    """Write an id as one segment of a path. What need not be escaped is not, as a signature covers the spelling."""
    return quote(text, safe="@+:!$&'()*,;=")


def id_faults(text: str, path: str) -> Iterator[Fault]:
    """Tell why an id cannot be a segment of a path: `..` would lead elsewhere, for one."""
    if not 0 < len(text) <= MAX_ID or not text.isprintable() or text in {".", ".."}:
        yield Fault(path, repr(text[:40]), f"an id of at most {MAX_ID} printable characters")


def _checked(operation: Operation[T], *, strict: bool) -> tuple[str, bytes]:
    for fault in operation.faults(strict=strict):
        raise Invalid(fault.path, fault.found, fault.expected)
    return operation.path, operation.body


def _refusal(status: int, body: bytes) -> PlatformFailed:
    """Make sense of an error. Bodies that are not the platform's own are told apart: something else may have answered."""
    if status // 100 == 3:  # noqa: PLR2004 - HTTP's own hundreds
        return PlatformFailed(f"answered with status {status}, a redirect: it is not followed", is_retryable=False)
    try:
        said = document(body)
    except CallbackMalformed:
        said = {}
    code = _whole(said.get("errorCode"))
    explanation = CODES.get(code, f"status {status}" if code else _phrase(status))
    reference = said.get("reference")
    is_plain = isinstance(reference, str) and _REFERENCE.fullmatch(reference)
    return PlatformRefused(
        status, code, explanation, reference=str(reference) if is_plain else "", words=_words(said.get("message"))
    )


def _whole(value: Any) -> int:
    """The number of an error: a number on the wire, text in the platform's documents."""
    if isinstance(value, str) and _CODE.fullmatch(value):
        return int(value)
    is_whole = isinstance(value, int | Decimal) and not isinstance(value, bool) and value == int(value)
    return int(value) if is_whole and 0 < value < 10**6 else 0


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "a status that HTTP does not know"


def _words(message: Any) -> str:
    """The platform's own words, printable and in short."""
    text = message if isinstance(message, str) else ""
    return "".join(letter if letter.isprintable() else " " for letter in text[:MAX_WORDS])


_REFERENCE = re.compile(r"[A-Za-z0-9._-]{1,80}")
_CODE = re.compile(r"[0-9]{5}")
