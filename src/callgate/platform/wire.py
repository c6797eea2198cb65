"""Carry a request to a platform and its answer back: no longer than it may take, no larger than it may be, no further than
the host that was meant, and a second time only where that does no harm.
"""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from callgate import __version__
from callgate.errors import PlatformFailed, PlatformUnreachable
from callgate.protocol.wire import WireRequest

T = TypeVar("T")

ATTEMPT_S = 5.0
"""For one exchange: name, connection, request, answer."""

CONNECT_S = 3.0

TOTAL_S = 10.0
"""For all attempts and the pauses between them."""

MAX_ATTEMPTS = 3

FIRST_PAUSE_S = 0.2
"""Between the first two attempts, give or take a half; doubled for each later one."""

MAX_REPLY_BYTES = 1_048_576
"""A list of some thousand rented numbers; every other answer is a few hundred bytes."""

MAX_CONNECTIONS = 32

_CHUNK_BYTES = 65_536


class Reply(NamedTuple):
    """What came back. `retry_after_s`: how long the platform asks us to wait, None where it does not say."""

    status: int
    body: bytes
    retry_after_s: float | None


class Wire:
    """Connections to platforms; made by `wire`.

    Requests that must not be repeated get connections of their own: on a kept one, that the other side has just closed
    looks like an answer that was lost, and could not be tried again.
    """

    def __init__(self, kept: aiohttp.ClientSession, fresh: aiohttp.ClientSession, *, total_s: float) -> None:
        self._kept = kept
        self._fresh = fresh
        self._total_s = total_s

    async def carry(
        self,
        base_url: str,
        build: Callable[[], WireRequest],
        read: Callable[[int, bytes], T],
        *,
        is_repeatable: bool,
    ) -> T:
        """Return what `read` makes of the answer; it raises `PlatformFailed` where it is none, and so do we.

        `build` is called for each attempt, since a signature ages. What is not repeatable is tried again only when there was
        no connection.
        """
        deadline = asyncio.get_running_loop().time() + self._total_s
        may_be_done = False
        for attempt in range(1, MAX_ATTEMPTS + 1):
            retry_after_s = None
            request = build()
            try:
                reply = await self._exchange(base_url, request, is_repeatable=is_repeatable, deadline=deadline)
                retry_after_s = reply.retry_after_s
                return read(reply.status, reply.body)
            except PlatformFailed as error:
                may_be_done = error.may_be_done = request.method != "GET" and (error.may_be_done or may_be_done)
                may_again = error.is_retryable and (is_repeatable or isinstance(error, PlatformUnreachable))
                pause_s = max(FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1.5), retry_after_s or 0)  # noqa: S311 - it spreads load
                if not may_again or attempt == MAX_ATTEMPTS or pause_s >= deadline - asyncio.get_running_loop().time():
                    raise
            await asyncio.sleep(pause_s)
        raise AssertionError("the last attempt returns or raises")

    async def _exchange(self, base_url: str, request: WireRequest, *, is_repeatable: bool, deadline: float) -> Reply:
        session = self._kept if is_repeatable else self._fresh
        host = urlsplit(base_url).netloc
        try:
            async with (
                asyncio.timeout_at(deadline),
                session.request(
                    request.method,
                    URL(base_url + request.path, encoded=True),  # as it was spelled when it was signed
                    data=request.body or None,
                    headers=dict(request.headers),
                    allow_redirects=False,
                ) as response,
            ):
                body = await _read(response)
                return Reply(response.status, body, _retry_after_s(response.headers.get("retry-after")))
        except aiohttp.ClientConnectorCertificateError as error:
            raise PlatformUnreachable(f"the certificate of {host} was not accepted", is_retryable=False) from error
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise PlatformUnreachable(f"no connection to {host}: {_why(error)}", is_retryable=True) from error
        except TimeoutError as error:
            raise PlatformFailed(f"{host} did not answer in time", is_retryable=True, may_be_done=True) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            explanation = f"{host} gave no answer that can be read: {type(error).__name__}"
            raise PlatformFailed(explanation, is_retryable=True, may_be_done=True) from error
        except _TooLarge as error:
            explanation = f"{host} answered with more than {MAX_REPLY_BYTES} bytes"
            raise PlatformFailed(explanation, is_retryable=False, may_be_done=True) from error


@asynccontextmanager
async def wire(*, attempt_s: float = ATTEMPT_S, total_s: float = TOTAL_S) -> AsyncIterator[Wire]:
    """Keep connections for as long as the block runs."""

    def session(connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=attempt_s, sock_connect=min(CONNECT_S, attempt_s)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={
                "accept": "application/json",
                "accept-encoding": "identity",
                "user-agent": f"callgate/{__version__}",
            },
            auto_decompress=False,  # what was asked for comes plain; a few bytes that unfold to gigabytes do not
        )

    kept = session(aiohttp.TCPConnector(limit=MAX_CONNECTIONS))
    fresh = session(aiohttp.TCPConnector(limit=MAX_CONNECTIONS, force_close=True))
    async with kept, fresh:
        yield Wire(kept, fresh, total_s=total_s)


class _TooLarge(Exception):
    """The answer is longer than any that we expect."""


async def _read(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_chunked(_CHUNK_BYTES):
        size += len(part)
        if size > MAX_REPLY_BYTES:
            response.close()
            raise _TooLarge
        parts.append(part)
    return b"".join(parts)


def _why(error: Exception) -> str:
    """Why there was no connection, without a host, which the caller says."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known here"
    if isinstance(error, aiohttp.ClientSSLError):
        return "it could not be made safe"
    if isinstance(error, aiohttp.ClientConnectorError):
        return os.strerror(error.os_error.errno) if error.os_error.errno else type(error.os_error).__name__
    return "it took too long"


def _retry_after_s(text: str | None) -> float | None:
    """Read `Retry-After`: seconds, or a date."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # no date, or one without a zone
        return None
