"""Carries callbacks over HTTP: signs each, posts it, times the answer, tries the fallback, and spoils what is to be spoilt."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import aiohttp
import msgspec
from yarl import URL

from callgate.emulator.applications import Application
from callgate.emulator.faults import SKEW_S, SLOW_S, Fault, FaultKind, Faults
from callgate.emulator.journal import Entry, Journal
from callgate.emulator.sinch import Exchange
from callgate.emulator.target import must_be_fit, read_target
from callgate.errors import TargetUnfit
from callgate.protocol import sinch

CALLBACK_TIMEOUT_S = 5.0
"""How long the platform waits for an answer. Version 1 of the reference names no figure; version 2 says 5 seconds."""

MAX_ANSWER_BYTES = 1_048_576
"""Longest answer that is read; SVAML is some hundred bytes."""

MAX_KEPT_BYTES = 65_536
"""How much of an answer the journal keeps."""

CONTENT_TYPE = "application/json; charset=utf-8"

encode = msgspec.json.Encoder(decimal_format="number").encode
"""Events to bytes; amounts as numbers."""


class Parcel(NamedTuple):
    """One callback on its way."""

    application: Application
    sent: Mapping[str, Any]
    body: bytes
    url: str
    headers: Mapping[str, str]
    note: str | None = None

    @property
    def event(self) -> str:
        return str(self.sent.get("event", ""))

    @property
    def call_id(self) -> str:
        return str(self.sent.get("callid", ""))


class Came(NamedTuple):
    """What came of one attempt. `is_unreachable`: no connection was made."""

    status: int | None = None
    raw: bytes | None = b""
    headers: Mapping[str, str] = {}
    fault: str | None = None
    is_unreachable: bool = False
    ms: float = 0.0


class Courier:
    """Delivers for all applications, over one session of kept-alive connections."""

    def __init__(
        self, session: aiohttp.ClientSession, journal: Journal, faults: Faults, *, timeout_s: float = CALLBACK_TIMEOUT_S
    ) -> None:
        self._session = session
        self._journal = journal
        self.faults = faults
        self.timeout_s = timeout_s
        self._held: defaultdict[str, list[tuple[FaultKind, Parcel]]] = defaultdict(list)

    async def deliver(
        self, application: Application, sent: Mapping[str, Any], url: str | None = None, headers: Mapping[str, str] = {}
    ) -> Exchange:
        """Deliver one event to `url`, or else to the application's callback URLs; `headers` go along."""
        parcel = Parcel(application, sent, encode(sent), url or application.urls.primary, headers)
        struck = self.faults.strike(parcel.event, parcel.call_id)
        for kind in (FaultKind.LOST, FaultKind.LATE, FaultKind.REORDERED):
            if kind in struck:
                return self._withhold(parcel, kind)
        came, used = await self._with_fallback(parcel, struck)
        if (duplicate := struck.get(FaultKind.DUPLICATE)) is not None:
            again = parcel._replace(url=used, note=str(FaultKind.DUPLICATE))
            signed = self._sign(again, struck)
            for _ in range(duplicate.copies):
                await self._attempt(again, signed, struck)
        await self._release(parcel)
        answer, fault = decode(came)
        return Exchange(
            sent=sent,
            status=came.status,
            answer=answer,
            ms=came.ms,
            fault=fault,
            url=used if used != application.urls.primary else None,
            note=", ".join(struck) or None,
            is_unreachable=came.is_unreachable,
            unfit=_unfit(came, used),
        )

    async def send_again(self, entry: Entry, application: Application, body: bytes | None, *, is_same: bool) -> Entry:
        """Send what the journal has once more: freshly signed, or `is_same`, byte for byte; or with another body."""
        parcel = Parcel(application, {}, entry.body if body is None else body, entry.url, {}, "replay")
        parcel = parcel._replace(sent={"event": entry.event, "callid": entry.call_id})
        kept = {name: value for name, value in entry.headers.items() if name.lower().startswith("x-cb-")}
        headers = dict(entry.headers) if is_same else kept | self._sign(parcel, {})
        await self._attempt(parcel, headers, {})
        return self._journal.entries(limit=1)[-1]

    async def finish(self, call_id: str) -> None:
        """The call is over: whatever is still held back goes out."""
        for _, parcel in self._held.pop(call_id, ()):
            await self._attempt(parcel, self._sign(parcel, {}), {})

    def _withhold(self, parcel: Parcel, kind: FaultKind) -> Exchange:
        if kind is not FaultKind.LOST:
            self._held[parcel.call_id].append((kind, parcel._replace(note=str(kind))))
        fault = "never sent" if kind is FaultKind.LOST else "held back until it was too late"
        self._write(parcel._replace(note=str(kind)), {}, Came(fault=fault))
        return Exchange(sent=parcel.sent, status=None, answer=None, ms=0.0, fault=fault, note=str(kind))

    async def _release(self, after: Parcel) -> None:
        """Send what waited for this callback to go first."""
        held = self._held.get(after.call_id)
        if not held:
            return
        due = [each for each in held if each[0] is FaultKind.REORDERED or after.event == "dice"]
        self._held[after.call_id] = [each for each in held if each not in due]
        for _, parcel in due:
            await self._attempt(parcel, self._sign(parcel, {}), {})

    async def _with_fallback(self, parcel: Parcel, struck: Mapping[FaultKind, Fault]) -> tuple[Came, str]:
        """Ask the primary, and the fallback where that failed. Returns what came, and from where."""
        fallback = parcel.application.urls.fallback if parcel.url == parcel.application.urls.primary else ""
        if FaultKind.PRIMARY_DOWN in struck:
            came = Came(fault="the primary URL is down on purpose")
            self._write(parcel._replace(note=str(FaultKind.PRIMARY_DOWN)), {}, came)
        else:
            came = await self._attempt(parcel, self._sign(parcel, struck), struck)
        if FaultKind.ANSWER_LOST in struck:
            came, fallback = Came(fault="the answer was lost on purpose"), fallback or parcel.url
        if (came.status is not None and came.status // 100 == 2) or not fallback:  # noqa: PLR2004 - the class of codes
            return came, parcel.url
        second = parcel._replace(url=fallback, note="fallback")
        again = {kind: fault for kind, fault in struck.items() if kind not in _FIRST_ONLY}
        return await self._attempt(second, self._sign(second, again), again), fallback

    def _sign(self, parcel: Parcel, struck: Mapping[FaultKind, Fault]) -> dict[str, str]:
        # The date of the signature is the real one, however far the call's own time has run ahead of it.
        at = datetime.now(UTC)
        if (skewed := struck.get(FaultKind.SKEWED_CLOCK)) is not None:
            at += timedelta(seconds=SKEW_S if skewed.seconds is None else skewed.seconds)
        key, secret, path = parcel.application.key, parcel.application.secret, read_target(parcel.url).path
        headers = dict(parcel.headers) | sinch.sign("POST", path, parcel.body, key, secret, at, CONTENT_TYPE)
        if FaultKind.BAD_SIGNATURE in struck:
            wrong = sinch.sign("POST", path, parcel.body + b" ", key, secret, at, CONTENT_TYPE)
            headers["authorization"] = wrong["authorization"]
        if FaultKind.UNSIGNED in struck:
            del headers["authorization"]
        return headers

    async def _attempt(self, parcel: Parcel, headers: dict[str, str], struck: Mapping[FaultKind, Fault]) -> Came:
        """Send it once, and write down what came."""
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout_s):
                if (slow := struck.get(FaultKind.SLOW)) is not None:
                    await asyncio.sleep(SLOW_S if slow.seconds is None else slow.seconds)
                post = _break if FaultKind.BROKEN in struck else self._post
                came = await post(parcel, headers)
        except TimeoutError:
            came = Came(fault=f"no answer within {self.timeout_s:g} s")
        came = came._replace(ms=round((time.perf_counter() - began) * 1000, 1))
        note = parcel.note or ", ".join(struck) or None
        self._write(parcel._replace(note=note), headers, came)
        return came

    async def _post(self, parcel: Parcel, headers: Mapping[str, str]) -> Came:
        try:
            async with self._session.post(
                _url_of(parcel), data=parcel.body, headers=headers, allow_redirects=False
            ) as response:
                raw = await _read(response)
                return Came(response.status, raw, dict(response.headers))
        except aiohttp.ClientSSLError as error:
            return Came(fault=f"the connection could not be made safe: {error}")
        except aiohttp.ClientConnectorError:
            return Came(fault="the connection could not be made", is_unreachable=True)
        except aiohttp.ClientError as error:
            return Came(fault=str(error) or type(error).__name__)

    def _write(self, parcel: Parcel, headers: Mapping[str, str], came: Came) -> None:
        self._journal.add(
            lambda number: Entry(
                number=number,
                way="out",
                at=datetime.now(UTC),
                method="POST",
                url=parcel.url,
                headers=headers,
                body=parcel.body,
                status=came.status,
                answer_headers=came.headers,
                answer=(came.raw or b"")[:MAX_KEPT_BYTES],
                ms=came.ms,
                application=parcel.application.key,
                call_id=parcel.call_id,
                event=parcel.event,
                fault=decode(came)[1],
                note=parcel.note,
            )
        )


_FIRST_ONLY = frozenset((FaultKind.SLOW, FaultKind.BROKEN, FaultKind.PRIMARY_DOWN, FaultKind.ANSWER_LOST))
"""Faults of the way to the primary; those of the platform itself strike at the fallback too."""


def decode(came: Came) -> tuple[Any, str | None]:
    """Return the answer, and what is wrong with it; an empty one is None and well."""
    if came.status is None or came.fault is not None:
        return None, came.fault
    if came.raw is None:
        return None, f"the answer is longer than {MAX_ANSWER_BYTES} bytes"
    if not came.raw.strip():
        return None, None
    try:
        return msgspec.json.decode(came.raw), None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None, "the answer is not JSON"


def _unfit(came: Came, url: str) -> tuple[str, str] | None:
    """What was answered that no callback server answers, and what would do."""
    if came.status is None:
        return None
    headers = {name.lower(): value for name, value in came.headers.items()}
    try:
        must_be_fit(url, came.status, headers, came.raw or b"")
    except TargetUnfit as error:
        return error.found, error.expected
    return None


def _url_of(parcel: Parcel) -> URL:
    """Where to post it, in just the spelling of which the path is signed."""
    target = read_target(parcel.url)
    scheme = "https" if target.is_tls else "http"
    return URL(f"{scheme}://{target.netloc}{target.path_and_query}", encoded=True)


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


async def _break(parcel: Parcel, headers: Mapping[str, str]) -> Came:
    """Send half of the request, and go away."""
    url = _url_of(parcel)
    try:
        _, writer = await asyncio.open_connection(url.host, url.port, ssl=url.scheme == "https")
    except OSError:
        return Came(fault="the connection could not be made", is_unreachable=True)
    lines = [f"POST {url.raw_path_qs} HTTP/1.1", f"host: {url.authority}", f"content-length: {len(parcel.body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    head = "\r\n".join(lines).encode() + b"\r\n\r\n"
    writer.write(head + parcel.body[: len(parcel.body) // 2])
    try:
        await writer.drain()
        writer.close()
        await writer.wait_closed()
    except OSError:
        pass
    return Came(fault="the connection was broken on purpose")
