"""Calls that are up, or were: what the platform knows of one, and what shall become of it.

Source: Sinch Voice API reference, calls.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import ClassVar

from msgspec import field
from msgspec.structs import force_setattr

from callgate.protocol.sinch.allowed import check as check_svaml
from callgate.protocol.sinch.callbacks import Destination, Money, Whole, in_utc
from callgate.protocol.sinch.rest.operation import Operation, Order, Reply, document, id_faults, reply_of, segment
from callgate.protocol.sinch.rules import Fault
from callgate.protocol.sinch.svaml import Hangup, Svaml

CALL_LEGS = ("caller", "callee", "both")


class CallInfo(Reply, frozen=True, kw_only=True):
    """What the platform knows of a call. `status` is `ONGOING` or `FINAL`; of an ongoing one the rest may be missing.

    Words are in upper case, except for the types of destinations and the domain. `duration` is in seconds. Documents do
    not say which moment of the call `timestamp` is.
    """

    from_: Destination | None = field(default=None, name="from")
    to: Destination | None = None
    domain: str = ""
    call_id: str = ""
    duration: Whole | None = None
    status: str = ""
    result: str = ""
    reason: str = ""
    timestamp: datetime | None = None
    custom: str = ""
    user_rate: Money | None = None
    debit: Money | None = None

    def __post_init__(self) -> None:
        """Bring words to one case and times to UTC."""
        for name in ("status", "result", "reason"):
            force_setattr(self, name, getattr(self, name).upper())
        force_setattr(self, "domain", self.domain.lower())
        if self.timestamp is not None:
            force_setattr(self, "timestamp", in_utc(self.timestamp))


class GetCall(Operation[CallInfo], frozen=True, kw_only=True):
    """Ask what is known of a call."""

    call_id: str

    @property
    def path(self) -> str:
        """The call's own."""
        return _path(self.call_id)

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Of the id."""
        del strict
        yield from id_faults(self.call_id, "call_id")

    def understand(self, body: bytes) -> CallInfo:
        """Liberally."""
        raw = document(body)
        if "callid" in raw:  # as callbacks spell it
            raw.setdefault("callId", raw.pop("callid"))
        return reply_of(CallInfo, raw)


class UpdateCall(Order, frozen=True, kw_only=True):
    """Hang up, go on, speak or play: SVAML for a call that is up. For calls that come from or go to PSTN or SIP only."""

    method: ClassVar[str] = "PATCH"

    call_id: str
    svaml: Svaml

    @property
    def path(self) -> str:
        """The call's own."""
        return _path(self.call_id)

    @property
    def body(self) -> bytes:
        """The SVAML as it is."""
        return self.svaml.to_json()

    @property
    def is_repeatable(self) -> bool:
        """A hang-up is; whatever is heard would be heard twice."""
        return not self.svaml.instructions and isinstance(self.svaml.action, Hangup)

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Of the id, then of the SVAML."""
        yield from id_faults(self.call_id, "call_id")
        yield from check_svaml(self.svaml, "patch", strict=strict)


class UpdateLeg(UpdateCall, frozen=True, kw_only=True):
    """Speak or play to one side of a call, or to both. Without effect on calls in a conference and on callouts."""

    leg: str = "caller"

    @property
    def path(self) -> str:
        """The leg's own."""
        return f"{_path(self.call_id)}/leg/{segment(self.leg)}"

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Of the id and the leg, then of the SVAML."""
        yield from id_faults(self.call_id, "call_id")
        if self.leg not in CALL_LEGS:
            yield Fault("leg", repr(self.leg[:40]), f"one of {', '.join(CALL_LEGS)}")
        yield from check_svaml(self.svaml, "patch-leg", strict=strict)


def _path(call_id: str) -> str:
    return f"/calling/v1/calls/id/{segment(call_id)}"
