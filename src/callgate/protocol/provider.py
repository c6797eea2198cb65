"""What a provider's folder offers. The module itself satisfies this; no class is needed."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from callgate.protocol.call import CallEvent, Decision
from callgate.protocol.wire import WireReply, WireRequest


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

    def answer(self, event: CallEvent, decision: Decision) -> WireReply:
        """Say it in the provider's words. Raises `DecisionUnsupported`."""
