"""Call tickets: who pays for a call, on our own word, where the platform names no user. Plain code.

A ticket is signed with a key of ours, lives two minutes, and is good for the one call that presents it first: that is
written down with the call's decision, see `Authorize`. Nobody but the caller's app is to see one: `hide_tickets` takes it
out of whatever is stored, and `without_tickets` out of what hooks and rules are shown.
"""

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from callgate.protocol.call import CallArrived, CallEnded

HEADER: Final = "callgate-ticket"
"""The call header that carries one; also its name where `custom` is a JSON object."""

LIVES: Final = timedelta(seconds=120)
"""How long a ticket may be used to begin a call."""

KEPT_USED: Final = timedelta(hours=1)
"""How long a used ticket is remembered after it has expired: servers' clocks may differ by less."""

MAX_LENGTH: Final = 512
"""Characters; a longer text is no ticket of ours. Call headers may have 1024 bytes in all."""

PREFIX: Final = "cgt1_"
HIDDEN: Final = "cgt1_***"


class Ticket(msgspec.Struct, frozen=True, array_like=True):
    """What a ticket says. `to` is the one address that may be called with it, empty for any."""

    application: str
    account: str
    id: str
    expires_s: int  # since 1970, UTC
    to: str = ""

    @property
    def expires_at(self) -> datetime:
        return datetime.fromtimestamp(self.expires_s, UTC)


class UsedTicket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket that a call has presented: no other call may. Kept until it would have expired anyway."""

    application: str
    id: str
    call_id: str
    expires_at: datetime


class Presented(msgspec.Struct, frozen=True):
    """What a call presented: a genuine ticket, or why it is none, in a word for the trace."""

    ticket: Ticket | None
    fault: str = ""


def issue_ticket(key: bytes, ticket: Ticket) -> str:
    """Write and sign a ticket."""
    said = _text(msgspec.json.encode(ticket))
    return f"{PREFIX}{said}.{_text(_sign(key, said))}"


def read_ticket(key: bytes, text: str, application: str, now: datetime) -> Presented:
    """Read what claims to be a ticket of this application, compared in constant time."""
    said, _, proof = text.removeprefix(PREFIX).partition(".")
    if len(text) > MAX_LENGTH or not text.isascii() or not hmac.compare_digest(_text(_sign(key, said)), proof):
        return Presented(None, "not ours")
    ticket = msgspec.json.decode(urlsafe_b64decode(said + "=" * (-len(said) % 4)), type=Ticket)
    if ticket.application != application:
        return Presented(None, "of another application")
    if now >= ticket.expires_at:
        return Presented(None, "expired")
    return Presented(ticket)


def find_ticket(headers: Mapping[str, str], custom: str) -> str:
    """Return the text of the ticket that a call carries: in its header, or in `custom`, alone or in a JSON object there.
    Empty where there is none.
    """
    for name, value in headers.items():
        if name.lower() == HEADER:
            return value.strip()
    found = _TICKET.search(custom) if PREFIX in custom else None
    return found[0] if found is not None else ""


def hide_tickets(text: bytes) -> bytes:
    """Take every ticket out of a text that is to be stored. What holds none, as nearly all do, is returned as it is."""
    return _TICKET_BYTES.sub(HIDDEN.encode(), text) if PREFIX.encode() in text else text


def without_tickets(call: CallArrived) -> CallArrived:
    """A call as hooks, rules and what is kept of its decision may see it: what it presented is read before."""
    if not (call.headers or PREFIX in call.custom):
        return call
    headers = {name: value for name, value in call.headers.items() if name.lower() != HEADER and PREFIX not in value}
    return msgspec.structs.replace(call, headers=headers, custom=_TICKET.sub(HIDDEN, call.custom))


def without_ticket(ended: CallEnded) -> CallEnded:
    """An end is kept where its start is missing: without the ticket that its `custom` may have."""
    return msgspec.structs.replace(ended, custom="") if PREFIX in ended.custom else ended


def _sign(key: bytes, said: str) -> bytes:
    return hmac.digest(key, said.encode(), "sha256")


def _text(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


_TICKET = re.compile(rf"{PREFIX}[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_TICKET_BYTES = re.compile(_TICKET.pattern.encode())
