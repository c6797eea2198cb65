"""What a provider's folder offers. The module itself satisfies this; no class is needed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

from callgate.protocol.call import CallEnded, CallEvent, CallKey, CallOngoing, Decision, PlaceCall
from callgate.protocol.wire import WireReply, WireRequest


class CallbackUrls(NamedTuple):
    """Where a platform sends an application's callbacks. `fallback` is asked only when `primary` fails; both may be empty."""

    primary: str
    fallback: str = ""


class Diagnosis(Protocol):
    """What is wrong with a signature, for the operator. `ingredient` is None when nothing is."""

    @property
    def ingredient(self) -> str | None: ...

    @property
    def explanation(self) -> str: ...


class Provider(Protocol):
    """Functions between a provider's wire and our neutral words. They do no I/O and read no clock."""

    def verify(
        self,
        request: WireRequest,
        secrets: Mapping[str, str | Sequence[str]],
        now: datetime,
        *,
        freshness_s: int | None = 300,
    ) -> None:
        """Return when the request is genuine and fresh; raise `SignatureInvalid` when not."""

    def diagnose(
        self,
        request: WireRequest,
        secrets: Mapping[str, str | Sequence[str]],
        now: datetime,
        *,
        freshness_s: int | None = 300,
    ) -> Diagnosis:
        """Say why a request is not genuine, by guessing what its sender had. Takes milliseconds: never while a call waits."""

    def signing_key(self, request: WireRequest) -> str:
        """Return the application key that the request claims to be signed with, empty when it names none. A claim:
        only `verify` proves it.
        """

    def understand(self, request: WireRequest) -> CallEvent:
        """Read a verified request. Raises `SignatureInvalid` when the body belongs to another application than the one
        that signed, `CallbackMalformed` when it is not what the protocol says at all.
        """

    def signed_lines(self, covered: str, body: bytes) -> Sequence[tuple[str, str]]:
        """What a callback's signature was made of, in the order in which it is signed: each ingredient with its line. `covered`
        is the event's own, empty for none.
        """

    def answer(self, event: CallEvent, decision: Decision) -> WireReply:
        """Say it in the provider's words. Raises `DecisionUnsupported`."""

    @property
    def REGIONS(self) -> Mapping[str, str]:  # noqa: N802 - a module's constant
        """Base URLs of the provider's own interface, by the name of the region; the first is the usual one."""

    def base_url(self, region: str, resource: str) -> str:
        """Return where a call is asked about: the host that `resource` names, if it is the provider's, else the region's."""

    def ask(self, call: CallKey, secret: str, now: datetime) -> WireRequest:
        """Ask what became of a call; `read_told` reads the answer. Raises `SignatureInvalid` when the secret is none."""

    def hang_up(self, call: CallKey, secret: str, now: datetime) -> WireRequest:
        """End a call; `read_done` reads the answer. May be sent twice. Raises as `ask` does."""

    def put_out(self, call: CallKey, secret: str, now: datetime, conference: str) -> WireRequest:
        """Put a caller out of a conference; `read_done` reads the answer. May be sent twice. Raises as `ask` does."""

    def warn(self, call: CallKey, secret: str, now: datetime, text: str, locale: str) -> WireRequest:
        """Speak to the caller of a call; `read_done` reads the answer. Raises `Invalid`, and as `ask` does."""

    def read_told(self, call: CallKey, status: int, body: bytes) -> CallEnded | CallOngoing | None:
        """Return a call's end, that it is still up, or None for no such call. Raises `PlatformFailed`, also for what is not
        clear: money rests on it.
        """

    def read_done(self, status: int, body: bytes) -> bool:
        """Return True when it was done, False when there is no such call. Raises `PlatformFailed`."""

    def place(self, call: PlaceCall, application: str, secret: str, now: datetime) -> WireRequest:
        """Place a call; `read_placed` reads the answer. Each request rings somebody's phone: never sent again when in doubt.
        Raises `Invalid` for what the provider does not take, and as `ask` does.
        """

    def read_placed(self, status: int, body: bytes) -> str:
        """Return the provider's id of the call that is being placed. Raises `PlatformFailed`."""

    @property
    def CONFIGURATION(self) -> str:  # noqa: N802 - a module's constant
        """Base URL of what applications are set to."""

    def ask_callback_urls(self, application: str, secret: str, now: datetime) -> WireRequest:
        """Ask where callbacks are sent; `read_callback_urls` reads the answer. Raises as `ask` does."""

    def set_callback_urls(self, application: str, secret: str, now: datetime, urls: CallbackUrls) -> WireRequest:
        """Say where callbacks are to be sent; `read_set` reads the answer. Raises `Invalid`, and as `ask` does."""

    def read_callback_urls(self, status: int, body: bytes) -> CallbackUrls:
        """Return where callbacks are sent. Raises `PlatformFailed`."""

    def read_set(self, status: int, body: bytes) -> None:
        """Raises `PlatformFailed` when it was not set."""
