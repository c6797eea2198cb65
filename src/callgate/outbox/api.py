"""Requests to a CRM: to its own host and nowhere else, at a bearable pace, with every failure named.

Redirects are never followed: they would carry the token to wherever the answer says. What the CRM says in words is not kept,
since it may repeat names and numbers; its codes are.
"""

import asyncio
import json as json_of
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import aiohttp

from callgate.outbox.schedule import read_retry_after
from callgate.outbox.trouble import CrmFailed, Told, Trouble
from callgate.outbox.webhook import PrivateAddress

if TYPE_CHECKING:
    from collections.abc import Callable

    from callgate.outbox.tokens import Authorization

MAX_ANSWER = 1_000_000
"""Bytes of an answer that are read; a longer one is no answer to what we ask."""


class Reply(NamedTuple):
    """What a CRM answered. `body` is decoded JSON, None where there was none."""

    status: int
    headers: Mapping[str, str]
    body: Any


class Pace:
    """Lets through so many a second, and up to a second's worth at once after a rest."""

    def __init__(self, per_s: float) -> None:
        self._every_s = 1 / per_s
        self._burst_s = max(1.0, self._every_s)
        self._next = 0.0

    async def turn(self) -> None:
        """Wait until it is the caller's turn."""
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now - self._burst_s) + self._every_s
        if self._next > now:
            await asyncio.sleep(self._next - now)


class Api:
    """One CRM. `explain` is the connector's; `base` may be moved by it, see `Salesforce`."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it takes to ask, and to bear the answers
        self,
        session: aiohttp.ClientSession,
        base: str,
        authorization: "Authorization",
        explain: "Callable[[Reply], Told | None]",
        pace: Pace,
        clock: "Callable[[], datetime]",
    ) -> None:
        self.base = base.rstrip("/")
        self._session = session
        self._authorization = authorization
        self._explain = explain
        self._pace = pace
        self._clock = clock

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request to a path of the CRM and return its 2xx answer. A token that it does not take is renewed, once.

        Raises `CrmFailed`.
        """
        told = Told(Trouble.TOKEN_WRONG)
        for _ in range(2):
            who = await self._authorization.headers(self._fetch)
            reply = await self._send(method, self.base + path, query, json, {**(headers or {}), **who})
            if 200 <= reply.status < 300:  # noqa: PLR2004 - the class of success
                return reply
            told = self._explain(reply) or self._usual(reply)
            if told.trouble is not Trouble.TOKEN_WRONG or not self._authorization.renew():
                break
        raise CrmFailed(told)

    async def _fetch(self, where: str, form: Mapping[str, str]) -> tuple[int, Any]:
        """Ask for a token, at a path of the CRM or at an URL that the operator gave."""
        url = where if urlsplit(where).scheme else self.base + where
        reply = await self._send("POST", url, None, None, {}, form)
        if reply.status not in (200, 400, 401):
            raise CrmFailed(self._usual(reply))
        return reply.status, reply.body

    async def _send(  # noqa: PLR0913, PLR0917 - the parts of a request
        self,
        method: str,
        url: str,
        query: Mapping[str, str] | None,
        json: object,
        headers: Mapping[str, str],
        form: Mapping[str, str] | None = None,
    ) -> Reply:
        await self._pace.turn()
        try:
            async with self._session.request(
                method, url, params=query, json=json, data=form, headers=headers, allow_redirects=False
            ) as response:
                text = await response.content.read(MAX_ANSWER)
                return Reply(response.status, response.headers, _decoded(text))
        except (TimeoutError, aiohttp.ServerTimeoutError) as error:
            raise CrmFailed(Told(Trouble.NO_ANSWER)) from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise CrmFailed(Told(Trouble.CERTIFICATE_REFUSED)) from error
        except aiohttp.ClientConnectorError as error:
            is_private = isinstance(error.os_error, PrivateAddress)
            raise CrmFailed(Told(Trouble.ADDRESS_PRIVATE if is_private else Trouble.UNREACHABLE)) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise CrmFailed(Told(Trouble.NO_ANSWER, type(error).__name__)) from error

    def _usual(self, reply: Reply) -> Told:
        """What a status means where the CRM says nothing better."""
        wait = read_retry_after(reply.headers.get("retry-after"), self._clock())
        match reply.status:
            case 401:
                return Told(Trouble.TOKEN_WRONG)
            case 403:
                return Told(Trouble.FORBIDDEN)
            case 404 | 410:
                return Told(Trouble.WRONG_PLACE, str(reply.status))
            case 429:
                return Told(Trouble.QUOTA_HIT, wait=wait)
            case 408 | 409 | 423 | 425:
                return Told(Trouble.LOCKED, str(reply.status), wait)
            case status if 300 <= status < 400:  # noqa: PLR2004 - the class of redirects
                return Told(Trouble.REDIRECTED)
            case status if status >= 500:  # noqa: PLR2004 - the class of failures
                return Told(Trouble.CRM_FAILED, str(status), wait)
            case status:
                return Told(Trouble.RECORD_REFUSED, str(status))


def _decoded(text: bytes) -> Any:
    try:
        return json_of.loads(text)
    except ValueError:
        return None


def part(body: Any, *path: str | int) -> Any:
    """Follow names and places into a decoded answer. Raises `CrmFailed` where it has another shape."""
    for step in path:
        try:
            body = body[step]
        except (KeyError, IndexError, TypeError) as error:
            raise CrmFailed(Told(Trouble.UNREADABLE, ".".join(map(str, path)))) from error
    return body


def seconds(text: str | None) -> timedelta:
    """A header of seconds, zero where it is missing or something else; at most a day."""
    is_number = text is not None and text.isascii() and text.isdigit()
    return timedelta(seconds=min(int((text or "0")[:9]), 86_400)) if is_number else timedelta(0)
