"""The words of a scenario file, as they are written. What they mean together is `read`'s."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from callgate.emulator.call_words import CallWords
from callgate.emulator.faults import Fault
from callgate.emulator.phones import Manner
from callgate.emulator.sinch import Habits

Seconds = Annotated[float, msgspec.Meta(ge=0, le=864_000)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of all of them: a word that is not known is a mistake."""


class PlatformPart(Part, frozen=True, kw_only=True):
    """How the platform is set up. `users` are the in-app users that there are, everybody unless named. With a `seed` call
    ids are the same in every run, which a server that remembers the last run takes for repeats.
    """

    habits: Habits = Habits()
    users: Sequence[str] | None = None
    phones: Mapping[str, Manner] = {}
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60)] = 5.0
    seed: int | None = None
    fallback: bool = False


class DidPart(Part, frozen=True, kw_only=True):
    """A rented number of our own server: whose it is, and its route, or menus as TOML."""

    number: str
    account: str
    to: str = ""
    menu: str = ""
    receive: str = ""


class GatePart(Part, frozen=True, kw_only=True):
    """How our own server is set up for this scenario: words of `app set`, `app limits`, a deck as CSV, what is on a
    deny and on an allow list, rented numbers, and rules as TOML.
    """

    settings: Sequence[str] = ()
    limits: Sequence[str] = ()
    suspended: bool = False
    deck: str = ""
    deny: Sequence[str] = ()
    allow: Sequence[str] = ()
    dids: Sequence[DidPart] = ()
    rules: str = ""


class AccountPart(Part, frozen=True, kw_only=True):
    """An account of our own server. `credit` is what is paid in; amounts are text."""

    id: str
    currency: str = "USD"
    credit: str = "0"
    credit_limit: str = "0"
    identities: Sequence[str] = ()
    limits: Sequence[str] = ()
    settings: Sequence[str] = ()
    status: str = "active"


class AnswerPart(Part, frozen=True, kw_only=True):
    """One answer that is expected: to the `nth` event of a kind, with these values at these JSON paths."""

    event: str
    nth: Annotated[int, msgspec.Meta(ge=1)] = 1
    status: int | None = 200
    action: str | None = None
    has: Mapping[str, Any] = {}


class ExpectPart(Part, frozen=True, kw_only=True):
    """What is expected of one call; what is not named may be anything. The second half is asked of our own books."""

    outcome: str | None = None
    events: Sequence[str] | None = None
    reason: str | None = None
    result: str | None = None
    duration_s: int | None = None
    granted_s: int | None = None
    answers: Sequence[AnswerPart] = ()
    refusal: str | None = None
    charge: str | None = None
    hold: str | None = None
    flags: Sequence[str] | None = None
    record: Mapping[str, Any] | None = None
    delivered: int | None = None


class CallPart(CallWords, frozen=True, kw_only=True):
    """One call: from somebody to somebody, or a callout as the REST interface takes it."""

    name: str = ""
    at_s: Seconds = 0
    talk: str = "60s"
    callout: Mapping[str, Any] | None = None
    faults: Sequence[Fault] = ()
    expect: ExpectPart = ExpectPart()


class ActPart(Part, frozen=True, kw_only=True):
    """Something that is done at a time: to a call by hand, over the REST interface, to the journal, or to our server."""

    at_s: Seconds
    call: str = ""
    press: str = ""
    speak: str = ""
    hang_up: str = ""
    request: str = ""
    body: Mapping[str, Any] | None = None
    replay: str = ""
    change: Mapping[str, Any] = {}
    operator_hangs_up: str = ""
    stall_s: Annotated[float, msgspec.Meta(ge=0, le=30)] = 0
    status: int | None = None
    has: Mapping[str, Any] = {}


class AccountExpectPart(Part, frozen=True, kw_only=True):
    """What an account is expected to have in the end."""

    id: str
    posted: str | None = None
    held: str | None = None
    available: str | None = None


class SaidPart(Part, frozen=True, kw_only=True):
    """One answer of the server that stands in for a backend: to the next event of its kind in a call; the last of a kind
    goes on being given.
    """

    event: str
    svaml: Mapping[str, Any] = {}
    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 200


class FilePart(Part, frozen=True, kw_only=True):
    """A whole file."""

    title: str
    about: str = ""
    platform: PlatformPart = PlatformPart()
    gate: GatePart = GatePart()
    account: Sequence[AccountPart] = ()
    backend: Sequence[SaidPart] = ()
    call: Annotated[Sequence[CallPart], msgspec.Meta(min_length=1, max_length=1_000)]
    act: Annotated[Sequence[ActPart], msgspec.Meta(max_length=1_000)] = ()
    expect: Sequence[AccountExpectPart] = ()
