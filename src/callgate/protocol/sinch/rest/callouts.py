"""Calls that the platform places for us. Not to be repeated when in doubt: each one rings somebody's phone.

Source: Sinch Voice API reference, callouts.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import msgspec
from msgspec import field

from callgate.errors import CallbackMalformed
from callgate.protocol.sinch.allowed import check as check_svaml
from callgate.protocol.sinch.rest.operation import Operation, Reply, document, reply_of
from callgate.protocol.sinch.rules import CALLOUTS, Era, Fault, encode
from callgate.protocol.sinch.svaml import Address, ConferenceDtmfOptions, Svaml

MAX_CALLBACK_HEADERS = 5
MAX_HEADER_NAME = 32
MAX_HEADER_VALUE = 128

_HEADER_NAME = re.compile(r"(?i:X-CB-)[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[ -~]*")


class CalloutPlaced(Reply, frozen=True, kw_only=True):
    """The call that is being placed; `call_id` is in all its callbacks."""

    call_id: str = ""


class Callout(Operation[CalloutPlaced], frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What every callout may say.

    `callback_headers` are repeated on the callbacks of the call: their names begin with `X-CB-`. `custom` is repeated in
    the callbacks themselves.
    """

    method: ClassVar[str] = "POST"
    kind: ClassVar[str]

    destination: Address | None = None
    cli: str | None = None  # E.164 or `private`; a spoken call without it is said never to reach the phone
    custom: str | None = None
    dtmf: str | None = None
    callback_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """One for all kinds."""
        return "/calling/v1/callouts"

    @property
    def body(self) -> bytes:
        """The kind, and what is said of it."""
        return encode({"method": self.kind, self.kind: self.said()})

    @property
    def headers(self) -> Mapping[str, str]:
        """Those that callbacks will repeat."""
        return self.callback_headers

    @property
    def is_repeatable(self) -> bool:
        """Never: there is no key by which the platform would know the same one again."""
        return False

    def said(self) -> dict[str, Any]:
        """What is said of the callout, as it is spelled on the wire."""
        said: dict[str, Any] = msgspec.to_builtins(self)
        said.pop("callbackHeaders", None)
        return said

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """By the tables of the wire, and where two of its parts contradict each other."""
        yield from CALLOUTS[self.kind](self.said(), f"$.{self.kind}", Era.TODAY if strict else Era.OLDER)
        yield from _header_faults(self.callback_headers)

    def understand(self, body: bytes) -> CalloutPlaced:
        """Older documents spell `callid`."""
        raw = document(body)
        raw.setdefault("callId", raw.pop("callid", None))
        placed = reply_of(CalloutPlaced, raw)
        if not placed.call_id:
            raise CallbackMalformed("$.callId", "there is none")
        return placed


class RingingCallout(Callout, frozen=True, kw_only=True):
    """What the two callouts that ring a `destination` by themselves may say; without `enable_...` no callback comes."""

    domain: str | None = None
    locale: str | None = None
    enable_ace: bool | None = None
    enable_dice: bool | None = None
    enable_pie: bool | None = None


class TtsCallout(RingingCallout, frozen=True, kw_only=True):
    """Ring somebody and speak: `text`, or `prompts`."""

    kind: ClassVar[str] = "ttsCallout"

    text: str | None = None
    prompts: str | None = None

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """It needs something to say."""
        yield from Callout.faults(self, strict=strict)
        if (self.text is None) == (self.prompts is None):
            found = "nothing to say" if self.text is None else "text and prompts"
            yield Fault("$.ttsCallout", found, "text or prompts")


class ConferenceCallout(RingingCallout, frozen=True, kw_only=True):
    """Ring somebody and put them into a conference. Times in seconds."""

    kind: ClassVar[str] = "conferenceCallout"

    conference_id: str | None = None
    greeting: str | None = None
    conference_dtmf_options: ConferenceDtmfOptions | None = None
    moh_class: str | None = None
    max_duration: int | None = None


class CustomCallout(Callout, frozen=True, kw_only=True):
    """Place a call that callbacks decide about. Times in seconds.

    `ice`, `ace` and `pie` are each a URL to ask, an answer that is already known, or absent: the application's callback
    URL is asked. With a `destination` no ICE is needed; an `ice` that is already known says itself whom to ring.
    """

    kind: ClassVar[str] = "customCallout"

    max_duration: int | None = None
    ice: str | Svaml | None = None
    ace: str | Svaml | None = None
    pie: str | Svaml | None = None

    def said(self) -> dict[str, Any]:
        """Answers stand in it as text that holds JSON."""
        said = Callout.said(self)
        answers = {"ice": self.ice, "ace": self.ace, "pie": self.pie}
        return said | {event: each.to_json().decode() for event, each in answers.items() if isinstance(each, Svaml)}

    def faults(self, *, strict: bool) -> Iterator[Fault]:
        """Answers must be what their events take; URLs must be some."""
        yield from Callout.faults(self, strict=strict)
        for event, said in (("ice", self.ice), ("ace", self.ace), ("pie", self.pie)):
            path = f"$.customCallout.{event}"
            if isinstance(said, Svaml) or (isinstance(said, str) and said.lstrip().startswith("{")):
                svaml = said if isinstance(said, Svaml) else said.encode("utf-8", "replace")
                for fault in check_svaml(svaml, event, strict=strict):
                    yield Fault(f"{path}{fault.path.removeprefix('$')}", fault.found, fault.expected)
            elif said is not None and not re.fullmatch(r"https?://[!-~]+", said):
                yield Fault(path, repr(said[:60]), "a URL, or SVAML")
        is_known = isinstance(self.ice, Svaml) or (self.ice or "").lstrip().startswith("{")
        for name, value in (("destination", self.destination), ("cli", self.cli)):
            if is_known and value is not None:
                yield Fault(f"$.customCallout.{name}", "a value beside an ICE answer", "none: the answer says it")


def _header_faults(headers: Mapping[str, str]) -> Iterator[Fault]:
    if len(headers) > MAX_CALLBACK_HEADERS:
        yield Fault("callback_headers", f"{len(headers)} headers", f"at most {MAX_CALLBACK_HEADERS}")
    for name, value in headers.items():
        if len(name) > MAX_HEADER_NAME or not _HEADER_NAME.fullmatch(name):
            yield Fault("callback_headers", repr(name[:40]), f"X-CB- and a name, {MAX_HEADER_NAME} characters in all")
        if len(value) > MAX_HEADER_VALUE or not _HEADER_VALUE.fullmatch(value):
            yield Fault(
                f"callback_headers.{name[:MAX_HEADER_NAME]}", "another text", f"{MAX_HEADER_VALUE} ASCII characters"
            )
