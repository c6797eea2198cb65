"""What the control API is asked for, read and checked, and what it shows."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from callgate.emulator.applications import Application, CallbackUrls
from callgate.emulator.call_words import CallWords
from callgate.emulator.emulated import LiveCall
from callgate.emulator.journal import Entry
from callgate.emulator.scenario import Side
from callgate.emulator.sinch import HungUp, Input, LostNetwork, Pressed, Spoke
from callgate.emulator.sinch.events import timestamp
from callgate.emulator.target import check_secret, read_target
from callgate.errors import Invalid

PAD = frozenset("0123456789*#")

MAX_KEYS = 100
"""Keys that one order presses."""


class NewCall(CallWords, frozen=True, kw_only=True):
    """A call to place."""

    application: str | None = None


class NewApplication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An application to carry, or to carry otherwise."""

    key: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    secret: str
    primary: str = ""
    fallback: str = ""
    allows_basic: bool = True
    has_credit: bool = True

    def application(self) -> Application:
        """Raises `Invalid`."""
        urls = [read_target(url, where).url if url else "" for where, url in self._urls()]
        return Application(
            key=self.key,
            secret=check_secret(self.secret, "secret"),
            urls=CallbackUrls(primary=urls[0], fallback=urls[1]),
            allows_basic=self.allows_basic,
            has_credit=self.has_credit,
        )

    def _urls(self) -> tuple[tuple[str, str], ...]:
        return (("primary", self.primary), ("fallback", self.fallback))


class Keys(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys to press."""

    keys: str


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words to say."""

    words: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]


class HangUp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who hangs up: `caller`, `callee`, or `network`, which is the caller's app losing its connection."""

    by: str = "caller"


class Replay(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to send something again: with another body, or `is_same`, byte for byte with its old date and signature."""

    body: Any = None
    is_same: bool = False


class Users(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The in-app users that there are; null: everybody."""

    users: Sequence[str] | None
    application: str | None = None


def pressed(keys: str) -> list[Input]:
    """The keys of one order. Raises `Invalid`."""
    if not 0 < len(keys) <= MAX_KEYS or not PAD.issuperset(keys):
        raise Invalid("keys", repr(keys[:MAX_KEYS]), f"1 to {MAX_KEYS} of the keys 0-9, * and #")
    return [Pressed(key) for key in keys]


def spoken(words: str) -> Input:
    """Words of the person at the phone."""
    return Spoke(words)


def hung_up(by: str) -> Input:
    """Raises `Invalid`."""
    if by == "network":
        return LostNetwork()
    try:
        return HungUp(Side(by))
    except ValueError:
        raise Invalid("by", repr(by), "caller, callee or network") from None


def show_call(live: LiveCall) -> dict[str, Any]:
    """A call, with what was said of it."""
    call, ending = live.call, live.ending
    return {
        "call_id": call.call_id,
        "application": call.application_key,
        "from": str(call.scenario.caller),
        "to": str(call.scenario.callee),
        "state": str(call.state),
        "began_at": timestamp(live.began_at),
        "connected_to": str(call.connected_to),
        "granted_s": call.granted_s,
        "ending": None if ending is None else msgspec.to_builtins(ending),
        "events": live.events,
    }


def show_entry(entry: Entry) -> dict[str, Any]:
    """An entry of the journal; bodies as text."""
    shown = {name: getattr(entry, name) for name in entry.__struct_fields__}
    return shown | {
        "at": entry.at,
        "body": entry.body.decode("utf-8", "replace"),
        "answer": entry.answer.decode("utf-8", "replace"),
    }
