"""What is asked of the platform about one call, in neutral words: what became of it, end it, speak to its caller."""

from datetime import datetime
from typing import Any

import msgspec

from callgate.errors import PlatformFailed, PlatformRefused
from callgate.protocol.call import CallEnded, CallKey, CallOngoing, PlaceCall
from callgate.protocol.sinch.callbacks import Dice
from callgate.protocol.sinch.rest.callouts import ConferenceCallout, RingingCallout, TtsCallout
from callgate.protocol.sinch.rest.calls import CallInfo, GetCall, UpdateCall, UpdateLeg
from callgate.protocol.sinch.rest.conferences import KickParticipant
from callgate.protocol.sinch.rest.hosts import REGIONS, base_of
from callgate.protocol.sinch.rest.operation import NO_SUCH_THING, signed
from callgate.protocol.sinch.rest.operation import read as read_reply
from callgate.protocol.sinch.svaml import Address, Continue, Hangup, Say, Svaml
from callgate.protocol.sinch.translate import translate
from callgate.protocol.wire import WireRequest

__all__ = ["REGIONS", "ask", "base_url", "hang_up", "place", "put_out", "read_done", "read_placed", "read_told", "warn"]

ONGOING, FINAL = "ONGOING", "FINAL"


def base_url(region: str, resource: str) -> str:
    """Return where a call is asked about: the host that the call itself names, if it is the platform's, else the region's."""
    return base_of(resource) or REGIONS[region]


def ask(call: CallKey, secret: str, now: datetime) -> WireRequest:
    """Ask what is known of a call."""
    return signed(GetCall(call_id=call.call_id), call.application, secret, now)


def hang_up(call: CallKey, secret: str, now: datetime) -> WireRequest:
    """End a call."""
    return signed(_hang_up(call), call.application, secret, now)


def put_out(call: CallKey, secret: str, now: datetime, conference: str) -> WireRequest:
    """Put a caller out of a conference, where the platform passes over orders to a call. Raises `Invalid` for its name."""
    return signed(KickParticipant(conference_id=conference, call_id=call.call_id), call.application, secret, now)


def warn(call: CallKey, secret: str, now: datetime, text: str, locale: str) -> WireRequest:
    """Speak to the caller's side of a call, which goes on meanwhile. Raises `Invalid` for a text that is too long."""
    return signed(_warn(call, text, locale), call.application, secret, now)


def place(call: PlaceCall, application: str, secret: str, now: datetime) -> WireRequest:
    """Place a call, and be told of its answer and of its end. Raises `Invalid`."""
    return signed(_callout(call), application, secret, now)


def read_placed(status: int, body: bytes) -> str:
    """Read the answer to `place`."""
    return read_reply(_ANY_CALLOUT, status, body).call_id


def read_told(call: CallKey, status: int, body: bytes) -> CallEnded | CallOngoing | None:
    """Read the answer to `ask`. Money rests on it, so that what is not clear is no answer, and raises `PlatformFailed`."""
    try:
        info = read_reply(GetCall(call_id=call.call_id), status, body)
    except PlatformRefused as error:
        if error.code == NO_SUCH_THING:
            return None
        raise _is_it_the_platform(error) from None
    if info.call_id and info.call_id != call.call_id:
        raise PlatformFailed("the answer is about another call", is_retryable=True)
    if info.status == ONGOING:
        return CallOngoing()
    if info.status != FINAL:
        raise PlatformFailed("the answer says neither that the call is up nor that it is over", is_retryable=True)
    return _ended(call, info)


def read_done(status: int, body: bytes) -> bool:
    """Read the answer to `hang_up` and `warn`: False when there is no such call. Raises `PlatformFailed`."""
    try:
        read_reply(_ANY_ORDER, status, body)
    except PlatformRefused as error:
        if error.code == NO_SUCH_THING:
            return False
        raise _is_it_the_platform(error) from None
    return True


def _ended(call: CallKey, info: CallInfo) -> CallEnded:
    """Say it as a DiCE would have. `occurred_at` stays open: the platform does not say which moment its time is."""
    dice = Dice(
        callid=call.call_id,
        reason=info.reason,
        result=info.result,
        duration=info.duration,
        debit=info.debit,
        user_rate=info.user_rate,
        to=info.to,
        user=info.from_.text if info.from_ is not None and info.from_.type == "username" else "",
        custom=info.custom,
    )
    ended = translate(dice, call.application)
    if not isinstance(ended, CallEnded):
        raise PlatformFailed("the call has an id that cannot be asked about", is_retryable=False)
    said = {"timestamp": info.timestamp.isoformat()} if info.timestamp is not None else {}
    return msgspec.structs.replace(ended, name="final", extra={"sinch": said} if said else {})


def _is_it_the_platform(error: PlatformRefused) -> PlatformFailed:
    """A 404 that does not say the platform's own number for it comes from something in between, and settles nothing."""
    if error.status == _NOT_FOUND:
        return PlatformFailed("something that is not the platform answered with status 404", is_retryable=True)
    return error


def _hang_up(call: CallKey) -> UpdateCall:
    return UpdateCall(call_id=call.call_id, svaml=Svaml(action=Hangup()))


def _warn(call: CallKey, text: str, locale: str) -> UpdateLeg:
    svaml = Svaml(instructions=(Say(text=text, locale=locale or None),), action=Continue())
    return UpdateLeg(call_id=call.call_id, leg="caller", svaml=svaml)


def _callout(call: PlaceCall) -> RingingCallout:
    """A conference callout where there is a conference, else a spoken one, for which there is no `maxDuration`."""
    common: dict[str, Any] = {
        "destination": Address(type="number", endpoint=call.number),
        "domain": "pstn",
        "cli": call.cli,
        "custom": call.custom,
        "locale": call.locale or None,
        "enable_ace": True,
        "enable_dice": True,
    }
    if not call.conference:
        return TtsCallout(**common, text=call.text)
    return ConferenceCallout(
        **common,
        conference_id=call.conference,
        greeting=call.greeting or None,
        max_duration=call.max_duration_s,
    )


_ANY_CALLOUT = TtsCallout()
_ANY_ORDER = UpdateCall(call_id="", svaml=Svaml())
_NOT_FOUND = 404
