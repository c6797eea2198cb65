"""The seam to CRMs: what a connector is given, and what it must be able to do.

A connector knows one CRM's words. When to send, what to do about an unknown outcome, which contact to take and how often to
ask are the same for all of them and stand in `crm`; HTTP, tokens and faults in `api`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, NamedTuple, Protocol

import msgspec

from callgate.outbox.api import Api, Reply
from callgate.outbox.tokens import Authorization
from callgate.outbox.trouble import Told

ENTRY_POINTS = "callgate.connectors"
"""The group of entry points in which packages name their connectors: `kind = module:Class`."""


class CallLog(msgspec.Struct, frozen=True, kw_only=True):
    """A record in the words that CRMs share.

    `reference` names the call for ever, in letters, digits and a hyphen, 37 characters: what the CRM's own field for ids of
    others gets, and what repeats are told by. `number` is the contact's side, E.164. `link` leads to the call's page, empty
    where no public URL is set. `charge` is a decimal string, `result` one of `CallResult`.
    """

    reference: str
    call_id: str
    account: str
    caller: str
    destination: str
    number: str
    is_outbound: bool
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime
    duration_s: int
    billed_s: int
    charge: str
    currency: str
    result: str
    reason: str
    link: str

    @property
    def title(self) -> str:
        return f"{'Outbound call to' if self.is_outbound else 'Inbound call from'} {self.number}"

    @property
    def lines(self) -> list[str]:
        """What is said of the call where a CRM has room for text; the reference is its last word."""
        lines = [
            f"{self.duration_s} s, {self.result.replace('_', ' ')}, charged {self.charge} {self.currency}.",
            f"Account {self.account}, call {self.call_id}.",
        ]
        return [*lines, self.link, self.reference] if self.link else [*lines, self.reference]


class Contact(NamedTuple):
    """A person in the CRM. `kind` is for CRMs that have several, `created_at` as the CRM writes it, for `newest`."""

    id: str
    kind: str = ""
    created_at: str = ""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator said of an endpoint. `credentials` holds `token` alone where one token was given."""

    url: str
    options: Mapping[str, str]
    credentials: Mapping[str, str]

    def __repr__(self) -> str:
        return f"Setup({self.url})"


class Connector(Protocol):
    """One CRM, for one endpoint; made anew when the endpoint changes. Inherit from it for what is the same for most.

    Methods raise `CrmFailed` (which `Api.ask` does for them) and nothing else on purpose.
    """

    URL: ClassVar[str] = ""
    """Where the CRM is; empty where each customer has an address of their own."""

    OPTIONS: ClassVar[Mapping[str, str]] = {}
    """Options of this CRM with their defaults, beside those that all have."""

    PER_S: ClassVar[float] = 5
    """Requests a second, below what the CRM allows its smallest customers."""

    SETTLE: ClassVar[timedelta] = timedelta(0)
    """How long what was written may stay invisible to `find_call`."""

    def __init__(self, setup: Setup) -> None:
        """Raises `Invalid` when an option or the credentials cannot be used."""

    def authorization(self) -> Authorization:
        """What each request carries to say who asks."""
        ...

    async def find_contacts(self, api: Api, number: str) -> Sequence[Contact]:
        """Everybody who has this number."""
        ...

    async def add_contact(self, api: Api, number: str) -> Contact:
        """Add somebody of whom nothing but the number is known."""
        ...

    async def find_call(self, api: Api, call: CallLog) -> str | None:
        """Return the CRM's id of what was logged under this reference before, None when there is nothing."""
        ...

    async def add_call(self, api: Api, call: CallLog, contact: Contact | None) -> None:
        """Log the call."""
        ...

    async def change_call(self, api: Api, found: str, call: CallLog, contact: Contact | None) -> None:
        """Correct what was logged."""
        ...

    def explain(self, reply: Reply) -> Told | None:
        """What is the matter with an answer that is not 2xx, where the status alone would mislead."""
        del reply
        return None
