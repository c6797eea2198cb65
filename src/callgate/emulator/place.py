"""Places emulated calls over HTTP: signs each event, posts it, times the answer, and lets the call's time pass."""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from callgate.emulator.scenario import Scenario
from callgate.emulator.sinch import Ending, Exchange, Tell, play
from callgate.errors import Invalid, SignatureInvalid, TargetUnreachable
from callgate.protocol import sinch

CALLBACK_TIMEOUT_S = 5.0
"""How long the platform waits for an answer. Version 1 of the reference names no figure; version 2 says 5 seconds."""

MAX_ANSWER_BYTES = 1_048_576
"""Longest answer that is read; SVAML is some hundred bytes."""

CONTENT_TYPE = "application/json; charset=utf-8"

_encoder = msgspec.json.Encoder(decimal_format="number")


class Timeline(msgspec.Struct, frozen=True, kw_only=True):
    """A call that was played, from its first event to its ending."""

    call_id: str
    ending: Ending
    events: list[Exchange]

    def to_json(self) -> bytes:
        """Write it as one JSON object: the call id, the fields of the ending, and `events`."""
        return _encoder.encode(
            {"call_id": self.call_id, **msgspec.structs.asdict(self.ending), "events": self.events},
        )


class Platform:
    """The emulated platform in front of one callback server. Made by `connect`; places any number of calls at once."""

    def __init__(  # noqa: PLR0913 - what a callback is made of
        self, session: aiohttp.ClientSession, target: str, key: str, secret: str, *, timeout_s: float, pace: float
    ) -> None:
        self._session = session
        self._target = parse_target(target)
        self._key = key
        self._secret = check_secret(secret)
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._pace = pace

    async def place(self, scenario: Scenario, on_exchange: Callable[[Exchange], None] | None = None) -> Timeline:
        """Play one call. `on_exchange` hears each event as soon as it is answered.

        Raises `TargetUnreachable` when nothing listens there as the call begins. Later failures are part of the call.
        """
        call_id = uuid.uuid4().hex
        script = play(scenario, call_id=call_id, application_key=self._key, started_at=datetime.now(UTC))
        events: list[Exchange] = []
        came: Exchange | None = None
        while True:
            try:
                step = script.send(came)
            except StopIteration as end:
                return Timeline(call_id=call_id, ending=end.value, events=events)
            if isinstance(step, Tell):
                came = await self._post(step.body, is_first=not events)
                events.append(came)
                if on_exchange is not None:
                    on_exchange(came)
            else:
                came = None
                if self._pace:
                    await asyncio.sleep(step.seconds * self._pace)

    async def _post(self, sent: Any, *, is_first: bool) -> Exchange:
        body = _encoder.encode(sent)
        # The date of the signature is the real one, however far the call's own time has run ahead of it.
        headers = sinch.sign(
            "POST", self._target.raw_path, body, self._key, self._secret, datetime.now(UTC), content_type=CONTENT_TYPE
        )
        began = time.perf_counter()
        status, answer, fault = None, None, None
        try:
            async with self._session.post(
                self._target, data=body, headers=headers, timeout=self._timeout, allow_redirects=False
            ) as response:
                raw = await _read(response)
                status = response.status
                answer, fault = _decode(raw)
        except TimeoutError:
            fault = f"no answer within {self._timeout.total:g} s"
        except aiohttp.ClientSSLError as error:
            fault = f"the connection could not be made safe: {error}"
        except aiohttp.ClientConnectorError as error:
            if is_first:
                raise TargetUnreachable(str(self._target)) from error
            fault = "the connection could not be made"
        except aiohttp.ClientError as error:
            fault = str(error) or type(error).__name__
        ms = round((time.perf_counter() - began) * 1000, 1)
        return Exchange(sent=sent, status=status, answer=answer, ms=ms, fault=fault)


@asynccontextmanager
async def connect(
    target: str, key: str, secret: str, *, timeout_s: float = CALLBACK_TIMEOUT_S, pace: float = 0.0
) -> AsyncIterator[Platform]:
    """Open one session of kept-alive connections to a callback server.

    `pace` is how much real time a second of a call takes: 0 warps, 1 is real time. Raises `Invalid` for a target that
    is no URL and a secret that is no base64.
    """
    connector = aiohttp.TCPConnector(limit=0)  # how many calls there are at once is the callers' to bound
    async with aiohttp.ClientSession(connector=connector) as session:
        yield Platform(session, target, key, secret, timeout_s=timeout_s, pace=pace)


def parse_target(text: str, where: str = "--target") -> URL:
    """Read the URL of a callback server. Raises `Invalid`."""
    expected = "a URL such as http://127.0.0.1:8080/callbacks/sinch"
    try:
        url = URL(text.strip())
    except ValueError:
        raise Invalid(where, repr(text), expected) from None
    if url.scheme not in ("http", "https") or not url.host:
        raise Invalid(where, repr(text), expected)
    return url


def check_secret(secret: str, where: str = "--secret") -> str:
    """Return the secret as it came. Raises `Invalid`, which does not repeat it, when nothing can be signed with it."""
    try:
        sinch.sign("POST", "/", b"", "key", secret, datetime.now(UTC))
    except SignatureInvalid:
        raise Invalid(where, "text that is not base64", "the application's secret as the platform shows it") from None
    return secret


async def _read(response: aiohttp.ClientResponse) -> bytes | None:
    """Return the body, or None when it is longer than anybody's SVAML."""
    parts: list[bytes] = []
    size = 0
    async for part in response.content.iter_chunked(65_536):
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)


def _decode(raw: bytes | None) -> tuple[Any, str | None]:
    """Return the answer, and what is wrong with it; an empty one is None and well."""
    if raw is None:
        return None, f"the answer is longer than {MAX_ANSWER_BYTES} bytes"
    if not raw.strip():
        return None, None
    try:
        return msgspec.json.decode(raw), None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, "the answer is not JSON"
