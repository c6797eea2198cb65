"""Endpoints: the operator's own receivers of records, and what may be one.

Records of every application go to every endpoint that wants their type; each record says which application it is of.
"""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

import msgspec

from callgate.errors import Invalid

MAX_ENDPOINTS = 32
"""Each record is stored and sent once for every endpoint that wants it."""

MAX_URL = 2_000

SECRET_BYTES = 32
"""Size of a signing secret. Source: Standard Webhooks 1.0.0 asks for 24 to 64 random bytes."""

SECRET_PREFIX = "whsec_"  # noqa: S105 - what a secret begins with
"""What the base64 of a symmetric secret is shown behind. Source: Standard Webhooks 1.0.0."""

PRIVATE_PREFIX, PUBLIC_PREFIX = "whsk_", "whpk_"
"""The same for the two halves of an ed25519 pair."""

WEBHOOK = "webhook"
"""The kind of endpoint that is no connector: records are posted to it as they are."""

EMAIL = "email"
"""The kind whose records are sent as mail, through the operator's own mail server."""

MAILTO = "mailto:"

MAX_RECIPIENTS = 20
REMOVED = "removed"
"""The kind of what is left of an endpoint that was removed: it is in no list, and nothing is sent there."""

PER_S, SIGNING = "per_s", "signing"
"""Options of a webhook: deliveries a second, and how they are signed."""

MAX_PER_S = 10_000

HMAC, ED25519 = "hmac", "ed25519"
"""How records are signed: with a secret that both sides know, or with one that only we know."""

MAX_NAMED = 100
"""Applications, and accounts, that one endpoint may be limited to."""


class RecordType(StrEnum):
    """What an endpoint can be sent."""

    CALL_ENDED = "call.ended"
    CALL_CORRECTED = "call.corrected"
    CALL_SETTLED_BY_ESTIMATE = "call.settled_by_estimate"
    OVERRUN = "overrun"
    BALANCE_LOW = "balance.low"
    BALANCE_DEPLETED = "balance.depleted"
    LIMIT_REACHED = "limit.reached"
    CALL_REFUSED = "call.refused"
    ACCOUNT_BLOCKED = "account.blocked"
    CALL_EMERGENCY = "call.emergency"
    RULE_FAILED = "rule.failed"
    ENDPOINT_DISABLED = "endpoint.disabled"


OF_CONNECTORS = (RecordType.CALL_ENDED, RecordType.CALL_CORRECTED)
"""What a CRM is told."""


OF_EMAIL = (
    RecordType.CALL_SETTLED_BY_ESTIMATE,
    RecordType.OVERRUN,
    RecordType.BALANCE_LOW,
    RecordType.BALANCE_DEPLETED,
    RecordType.LIMIT_REACHED,
    RecordType.ACCOUNT_BLOCKED,
    RecordType.CALL_EMERGENCY,
    RecordType.RULE_FAILED,
    RecordType.ENDPOINT_DISABLED,
)
"""What is sent by mail unless an endpoint says otherwise: what somebody should look at, and not every call."""


class EndpointState(StrEnum):
    """A disabled endpoint is sent nothing and nothing more is queued for it; what waits already stays."""

    ACTIVE = "active"
    DISABLED = "disabled"


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """A receiver as it is stored. Its secrets, newest first, are encrypted: what a webhook is signed with, or what a
    connector proves itself with.

    `kind` is `WEBHOOK` or names a connector, `options` what the operator has set for it. `types`, `applications` and
    `accounts` are what it is sent, empty for all. `old_secret_until` is when the second secret stops being signed with.
    `failing_since` is None while it is well. `why` says why it is disabled or failing, empty when it is neither.
    """

    id: str
    url: str
    types: tuple[RecordType, ...]
    allow_private: bool
    created_at: datetime
    sealed_secrets: tuple[bytes, ...]
    old_secret_until: datetime | None = None
    state: EndpointState = EndpointState.ACTIVE
    why: str = ""
    kind: str = WEBHOOK
    options: Mapping[str, str] = {}
    applications: tuple[str, ...] = ()
    accounts: tuple[str, ...] = ()
    failing_since: datetime | None = None

    def wants(self, kind: RecordType, application: str, account: str) -> bool:
        return (
            self.state is EndpointState.ACTIVE
            and (not self.types or kind in self.types)
            and (not self.applications or application in self.applications)
            and (not self.accounts or account in self.accounts)
        )


class Receiver(NamedTuple):
    """An endpoint as the server works with it; the secrets are clear, so that this never leaves the process."""

    endpoint: Endpoint
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Receiver({self.endpoint.id})"

    def secrets_at(self, now: datetime) -> tuple[str, ...]:
        """What to sign with: the new secret, and the old one while it is still good."""
        until = self.endpoint.old_secret_until
        return self.secrets if until is not None and now < until else self.secrets[:1]


def read_options(given: Mapping[str, str]) -> dict[str, str]:
    """Check the options of a webhook. Raises `Invalid`."""
    for name, value in given.items():
        if name == SIGNING and value not in {HMAC, ED25519}:
            raise Invalid(f"option {SIGNING}", repr(value[:40]), f"{HMAC} or {ED25519}")
        if name == PER_S and not (value.isascii() and value.isdigit() and 1 <= int(value[:9]) <= MAX_PER_S):
            raise Invalid(f"option {PER_S}", repr(value[:40]), f"deliveries a second, from 1 to {MAX_PER_S}")
        if name not in {SIGNING, PER_S}:
            raise Invalid("option", repr(name[:40]), f"{PER_S} or {SIGNING}")
    return dict(given)


def read_types(words: Sequence[str]) -> tuple[RecordType, ...]:
    """Read names of types, each once. Raises `Invalid` with the names that there are."""
    known = [kind.value for kind in RecordType]
    for word in words:
        if word not in known:
            raise Invalid("events", repr(word[:80]), f"types of records: {', '.join(known)}")
    return tuple(dict.fromkeys(RecordType(word) for word in words))


def read_url(text: str) -> SplitResult:
    """Split the URL of an endpoint. Raises `Invalid` when nothing can be sent there; what may be secret is not repeated."""
    try:
        url = urlsplit(text)
        fault = _fault(text, url)
    except ValueError:
        fault = "a host or port that cannot be read"
    if fault:
        raise Invalid("endpoint URL", fault, "an http or https URL such as https://crm.example.com/hook")
    return url


def _fault(text: str, url: SplitResult) -> str:
    if url.scheme not in ("http", "https"):
        return f"scheme {url.scheme[:20]!r}" if url.scheme else "no scheme"
    if not url.hostname or url.port == 0:
        return "no host" if not url.hostname else "port 0"
    if url.username is not None or url.password is not None:
        return "a user or password, which no receiver needs: records are signed"
    if url.fragment:
        return "a # and what follows it, which would never be sent"
    if len(text) > MAX_URL:
        return f"{len(text)} characters, more than {MAX_URL}"
    return "" if text.isprintable() and " " not in text else "blanks or control characters"


def read_mailto(text: str) -> list[str]:
    """The addresses of an e-mail endpoint, `mailto:` and commas between them. Raises `Invalid`."""
    addresses = text.removeprefix(MAILTO).split(",")
    is_usable = all(_ADDRESS.fullmatch(address) for address in addresses)
    if not text.startswith(MAILTO) or not is_usable or len(addresses) > MAX_RECIPIENTS:
        expected = f"mailto: and at most {MAX_RECIPIENTS} addresses, such as mailto:ops@example.com,night@example.com"
        raise Invalid("endpoint URL", repr(text[:80]), expected)
    return addresses


_ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){0,8}")
"""As browsers read an address: without quotes and comments, which nobody has. Source: HTML, valid e-mail address."""


class Security(StrEnum):
    """How the way to the mail server is encrypted."""

    STARTTLS = "starttls"
    TLS = "tls"
    NONE = "none"


class SmtpServer(msgspec.Struct, frozen=True, kw_only=True):
    """The operator's mail server. `authority` is a file of certificates to trust in place of the system's, `templates` a
    folder with the operator's own.
    """

    host: str
    sender: str
    port: int = 587
    security: Security = Security.STARTTLS
    user: str = ""
    password: str = ""
    authority: Path | None = None
    templates: Path | None = None

    def __repr__(self) -> str:
        return f"SmtpServer({self.host}:{self.port})"


def is_public(address: str) -> bool:
    """May a record be sent to this IP address without `allow_private`? What is not an address may not.

    Addresses that carry another one inside (mapped, NAT64, 6to4, Teredo) are as public as the one inside.
    """
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            return is_public(str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)))
        inner = ip.ipv4_mapped or ip.sixtofour or (ip.teredo and ip.teredo[1])
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""Addresses by which IPv6 hosts reach IPv4. Source: RFC 6052."""
