"""Neutral words for what happens to a call and what we may say about it, the same for every provider.

Events come in from `Provider.understand`, decisions go out through `Provider.answer`. Provider words (ICE, DiCE, SVAML)
stay in the provider's folder; what neutral words cannot say rides in `extra`.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from callgate.protocol.menu import RunMenus


class CallKey(NamedTuple):
    """One call: the application whose key signed, and the provider's call id. An application has one provider."""

    application: str
    call_id: str


class Origin(StrEnum):
    """Where a call comes from. Only an in-app origin proves its user: the platform authenticated it."""

    IN_APP = "in_app"
    PHONE = "phone"
    SIP = "sip"
    SERVER = "server"
    UNKNOWN = "unknown"


class EndpointKind(StrEnum):
    """What kind of thing an address names."""

    NUMBER = "number"
    DID = "did"
    USER = "user"
    SIP = "sip"
    CONFERENCE = "conference"
    UNKNOWN = "unknown"


class CallResult(StrEnum):
    """How a call ended. NONE: the provider says that it does not apply."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    NONE = "none"
    OTHER = "other"


class Endpoint(msgspec.Struct, frozen=True):
    """One side of a call. `address` of a number is E.164 where it can be read as such, else as it came."""

    kind: EndpointKind
    address: str


class Price(msgspec.Struct, frozen=True):
    """Money as a provider states it: exact digits, and a currency when it says one."""

    amount: Decimal
    currency: str | None = None


class CallEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a provider told us about one call. `name` is the provider's own word for it.

    `custom` is what whoever started the call attached to it: an app's user can write anything there. `covered` is what its
    signature covers beside the body, as the provider keeps it; empty where it was not signed.
    """

    key: CallKey
    name: str
    occurred_at: datetime | None = None
    custom: str = ""
    covered: str = ""
    extra: Mapping[str, Any] = {}


class CallArrived(CallEvent, frozen=True, kw_only=True):
    """A call wants to be set up, and waits for our answer.

    `user` is the in-app user where the platform names one; it is proven only with `Origin.IN_APP`. `cli` is E.164, or
    None when withheld or unreadable. Equal `fingerprint`s mean the same call asked again. `headers` are the calling
    app's own; they can be forged, like `custom`. `resource` is the call's own address at the provider, empty when it
    gives none that we could keep.
    """

    destination: Endpoint
    fingerprint: str
    user: str | None = None
    cli: str | None = None
    origin: Origin = Origin.UNKNOWN
    provider_rate: Price | None = None
    headers: Mapping[str, str] = {}
    resource: str = ""


class CallAnswered(CallEvent, frozen=True, kw_only=True):
    """The callee answered, and the platform asks whether to go on. `is_machine` is None where nobody listened."""

    is_machine: bool | None = None


class CallInput(CallEvent, frozen=True, kw_only=True):
    """The caller did something in a menu, and the platform asks what next. Equal `fingerprint`s repeat.

    `kind` is the provider's word for what happened, `value` what was entered or chosen, if anything was.
    """

    fingerprint: str
    menu: str = ""
    kind: str = ""
    value: str = ""


class CallEnded(CallEvent, frozen=True, kw_only=True):
    """The call is over.

    `duration_s` is None where the provider gives none or 0. `reason` is the provider's word in lower case. `is_cut`:
    a time limit ended it. `debit` is what the provider charged us.
    """

    result: CallResult
    reason: str = ""
    is_cut: bool = False
    duration_s: int | None = None
    debit: Price | None = None
    user: str | None = None
    destination: Endpoint | None = None


class CallNoted(CallEvent, frozen=True, kw_only=True):
    """A report that asks nothing: a recording is ready, a machine answered."""

    kind: str


class CallUnusable(CallEvent, frozen=True, kw_only=True):
    """Genuine, but not to be acted upon: no call id, no destination, an event that we do not know.

    `wants_decision`: the platform waits for an answer, which is then to hang up. `key.call_id` may be empty.
    """

    why: str
    wants_decision: bool = False


class CallOngoing(msgspec.Struct, frozen=True):
    """The provider, asked about a call, says that it is still up."""


class Connect(msgspec.Struct, frozen=True, kw_only=True):
    """Put the call through to a number for at most `max_duration_s`. `cli` None shows no number to the callee."""

    number: str
    max_duration_s: int
    cli: str | None = None


class ConnectUser(msgspec.Struct, frozen=True, kw_only=True):
    """Put the call through to an app's user. `headers` take the place of those that the caller sent."""

    user: str
    headers: tuple[tuple[str, str], ...]


class ConnectSip(msgspec.Struct, frozen=True, kw_only=True):
    """Put the call through to a SIP address for at most `max_duration_s`. `cli` as for a number."""

    address: str
    max_duration_s: int
    cli: str | None = None


class JoinConference(msgspec.Struct, frozen=True, kw_only=True):
    """Put the caller into a conference. The platform knows no limit for it."""

    conference: str


class GoOn(msgspec.Struct, frozen=True):
    """Let the call go on as it is."""


class HangUp(msgspec.Struct, frozen=True):
    """End the call, or never set it up; `text` is spoken to the caller first, in the language of `locale`."""

    text: str = ""
    locale: str = ""


class Acknowledge(msgspec.Struct, frozen=True):
    """Heard; nothing to say."""


class PlaceCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call that the provider is asked to place: ring `number`, then put whoever answers into `conference`, or speak
    `text` where there is none.

    `custom` comes back with every event of the call. `cli` is the number that is shown, None for none. `max_duration_s` ends
    a call in a conference; what is spoken ends by itself, and no provider takes a limit for it. `locale` may be empty.
    """

    number: str
    custom: str
    max_duration_s: int
    cli: str | None = None
    text: str = ""
    conference: str = ""
    greeting: str = ""
    locale: str = ""

    @property
    def is_limited(self) -> bool:
        """Whether the provider itself ends the call after `max_duration_s`."""
        return bool(self.conference)


Decision = Connect | ConnectUser | ConnectSip | JoinConference | RunMenus | GoOn | HangUp | Acknowledge
