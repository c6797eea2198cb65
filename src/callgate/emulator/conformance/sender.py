"""Sends the events of a check, signed as the platform signs or damaged in one ingredient, and ends what it began.

It remembers every call that the server let through, so that none stays up when the checks are over: the calls end
unanswered, which costs nobody anything.
"""

import secrets
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from callgate.emulator.svaml import IllegalSvaml, read_svaml
from callgate.emulator.transport import Headers, NoAnswer, Received, Transport
from callgate.protocol import sinch
from callgate.protocol.sinch.signature import JSON_UTF8

OTHER_SECRET = "YW5vdGhlciBzZWNyZXQsIG5vYm9keSdzIG93bg=="  # noqa: S105 - nobody's
OTHER_KEY = "00000000-0000-4000-8000-000000000bad"

SHOWN_BYTES = 120

NOT_THROUGH = ("hangup", "park")
"""Actions after which nothing is up that would have to end."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came back. `status` None: nothing, and `words` say why."""

    status: int | None
    body: bytes = b""
    content_type: str = ""
    words: str = ""
    seconds: float = 0.0

    @property
    def is_taken(self) -> bool:
        return self.status is not None and self.status // 100 == 2  # noqa: PLR2004 - the class of status codes

    @property
    def is_refused(self) -> bool:
        return self.status is not None and self.status // 100 == 4  # noqa: PLR2004

    @property
    def shown(self) -> str:
        """The answer in a few words."""
        if self.status is None:
            return self.words
        text = self.body[:SHOWN_BYTES].decode(errors="replace").strip()
        return f"answered {self.status} {' '.join(text.split())}".strip()

    def json(self) -> Any:
        """The answer's JSON; None where it is none."""
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None


class Sender:
    """In front of one server. `caller` is an in-app user, `number` a number that it may dial."""

    def __init__(self, transport: Transport, key: str, secret: str, *, caller: str, number: str) -> None:
        self.transport = transport
        self.key, self.secret = key, secret
        self.caller, self.number = caller, number
        self.slowest_s = 0.0
        self.leaks: list[str] = []
        self._up: dict[str, None] = {}

    # -- events --------------------------------------------------------------------------------------------------------

    def new_call(self) -> str:
        return secrets.token_hex(16)

    def event(self, kind: str, call_id: str, **changes: Any) -> dict[str, Any]:
        """Compose an event of this kind as the platform does; a change to None leaves the field out."""
        common = {
            "event": kind,
            "callid": call_id,
            "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "version": 1,
            "custom": "",
            "applicationKey": self.key,
            "user": self.caller,
        }
        whole = {**common, **self._parts(kind), **changes}
        return {name: value for name, value in whole.items() if value is not None}

    def _parts(self, kind: str) -> dict[str, Any]:
        to = {"type": "number", "endpoint": self.number}
        rate = {"currencyId": "USD", "amount": 0.01}
        match kind:
            case "ice":
                return {
                    "userRate": rate,
                    "cli": "private",
                    "to": to,
                    "domain": "pstn",
                    "originationType": "MXP",
                    "duration": 0,
                    "rdnis": "",
                }
            case "pie":
                menu = {"menuId": "main", "type": "return", "value": "1", "inputMethod": "dtmf"}
                return {"menuResult": menu}
            case "dice":
                return {
                    "reason": "TIMEOUT",
                    "result": "NOANSWER",
                    "debit": rate | {"amount": 0.0},
                    "userRate": rate,
                    "to": to,
                    "from": self.caller,
                }
            case "notify":
                return {"type": "recording_finished", "timestamp": None}
            case _:
                return {}

    # -- sending -------------------------------------------------------------------------------------------------------

    def send(self, event: dict[str, Any] | bytes, **damage: Any) -> Outcome:
        """Send an event with a signature that is right, or in which the ingredients named by `damage` differ."""
        body = event if isinstance(event, bytes) else msgspec.json.encode(event)
        headers, sent = self.sign(body, **damage)
        outcome = self.post(headers, sent)
        if isinstance(event, dict):
            self.note(event, outcome)
        return outcome

    def sign(  # noqa: PLR0913 - each ingredient can be the one that differs
        self,
        body: bytes,
        *,
        key: str | None = None,
        secret: str | None = None,
        path: str | None = None,
        method: str = "POST",
        content_type: str = JSON_UTF8,
        sent_content_type: str | None = None,
        age_s: float = 0.0,
        stamp: str | None = None,
        sent_stamp: str | None = None,
        sent_body: bytes | None = None,
        scheme: str = "application",
        flip: bool = False,
        without: Sequence[str] = (),
        is_titled: bool = False,
    ) -> tuple[Headers, bytes]:
        """Return headers and body as they are to be sent. What is `sent_` differs from what was signed."""
        stamp = stamp or f"{datetime.now(UTC) - timedelta(seconds=age_s):%Y-%m-%dT%H:%M:%SZ}"
        text = sinch.string_to_sign(method, path or self.transport.path, body, stamp, content_type)
        signature = sinch.signature_of(secret or self.secret, text)
        if flip:
            signature = ("B" if signature[0] != "B" else "C") + signature[1:]
        headers = {
            "authorization": f"{scheme} {key or self.key}:{signature}",
            "x-timestamp": sent_stamp or stamp,
            "content-type": sent_content_type or content_type,
        }
        kept = [(name.title() if is_titled else name, value) for name, value in headers.items() if name not in without]
        return kept, body if sent_body is None else sent_body

    def post(self, headers: Headers, body: bytes, *, method: str = "POST") -> Outcome:
        """Send bytes as they are. Of whatever comes back it is noted how long it took and whether it tells secrets."""
        began = time.monotonic()
        try:
            received = self.transport.send(method, self.transport.requested, headers, body)
        except NoAnswer as error:
            took_s = time.monotonic() - began
            self.slowest_s = max(self.slowest_s, took_s)
            return Outcome(status=None, words=str(error), seconds=took_s)
        took_s = time.monotonic() - began
        self.slowest_s = max(self.slowest_s, took_s)
        self._look_for_leaks(received, headers, body)
        return Outcome(
            status=received.status,
            body=received.body,
            content_type=received.headers.get("content-type", ""),
            seconds=took_s,
        )

    def end_all(self) -> None:
        """End every call that was let through and has not ended."""
        for call_id in list(self._up):
            self.send(self.event("dice", call_id))

    def note(self, event: dict[str, Any], outcome: Outcome) -> None:
        """Remember a call that was let through, or forget one that has ended."""
        call_id = str(event.get("callid", ""))
        if event["event"] == "dice":
            self._up.pop(call_id, None)
        elif event["event"] == "ice" and outcome.is_taken:
            action = action_of(outcome, "ice")
            if action is not None and action not in NOT_THROUGH:
                self._up[call_id] = None

    def _look_for_leaks(self, received: Received, headers: Headers, body: bytes) -> None:
        """A refusal that shows the right signature, or the secret, teaches how to forge the next one."""
        if received.status // 100 not in (4, 5):
            return
        stamp = next((value for name, value in headers if name.lower() == "x-timestamp"), "")
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        right = sinch.signature_of(self.secret, sinch.string_to_sign("POST", self.transport.path, body, stamp, kind))
        told = received.body.decode(errors="replace") + " ".join(received.headers.values())
        sent = " ".join(value for _, value in headers)
        for what, text in (("the right signature", right), ("the secret", self.secret)):
            if text in told and text not in sent and text.encode() not in body:
                self.leaks.append(f"{what} stands in an answer of status {received.status}")


def action_of(outcome: Outcome, event: str) -> str | None:
    """Return the action of a legal answer; None for any other."""
    try:
        return read_svaml(outcome.json(), event).action.name
    except IllegalSvaml:
        return None


def fault_of(outcome: Outcome, event: str) -> str | None:
    """Say why an answer is not legal for this event; None when it is."""
    if outcome.json() is None:
        return "not JSON"
    try:
        read_svaml(outcome.json(), event)
    except IllegalSvaml as fault:
        return str(fault)
    return None
