"""How requests to a CRM say who asks: headers that stay, or a token that is asked for and renewed."""

import asyncio
import base64
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol

from callgate.outbox.trouble import CrmFailed, Told, Trouble

EARLY_S = 60.0
"""A token is renewed so long before its end, so that it does not end under a request."""

USUAL_S = 1_500.0
"""How long a token is taken to last when nobody says."""

Fetch = Callable[[str, Mapping[str, str]], Awaitable[tuple[int, Any]]]
"""Post a form to a path or URL of the CRM; gives status and decoded body. Raises `CrmFailed` when there is no answer."""


class Authorization(Protocol):
    """Who asks."""

    async def headers(self, fetch: Fetch) -> Mapping[str, str]:
        """Headers for the next request. Raises `CrmFailed`."""

    def renew(self) -> bool:
        """The CRM did not take them: forget them, and say whether others can be had."""


class Fixed:
    """Headers that stay."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers

    async def headers(self, fetch: Fetch) -> Mapping[str, str]:
        del fetch
        return self._headers

    def renew(self) -> bool:
        return False


def bearer(token: str) -> Fixed:
    return Fixed({"authorization": f"Bearer {token}"})


def basic(user: str, password: str) -> Fixed:
    return Fixed({"authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"})


class OAuth:
    """A bearer token that is asked for with a form (OAuth 2.0: client credentials, refresh token) and renewed in time.

    `told` is handed each answer, for what a CRM says beside the token.
    """

    def __init__(
        self, where: str, form: Mapping[str, str], told: Callable[[Mapping[str, Any]], None] | None = None
    ) -> None:
        self._where = where
        self._form = form
        self._told = told
        self._token = ""
        self._good_until = 0.0
        self._one = asyncio.Lock()

    async def headers(self, fetch: Fetch) -> Mapping[str, str]:
        async with self._one:  # those that come meanwhile take what the first was given
            if time.monotonic() >= self._good_until:
                await self._ask(fetch)
        return {"authorization": f"Bearer {self._token}"}

    def renew(self) -> bool:
        self._good_until = 0.0
        return True

    async def _ask(self, fetch: Fetch) -> None:
        status, body = await fetch(self._where, self._form)
        if status in (400, 401):
            code = body.get("error") if isinstance(body, dict) else None
            raise CrmFailed(Told(Trouble.TOKEN_REVOKED, code if isinstance(code, str) and code.isidentifier() else ""))
        token = body.get("access_token") if isinstance(body, dict) else None
        if not isinstance(token, str):
            raise CrmFailed(Told(Trouble.UNREADABLE, str(status)))
        lasts_s = body.get("expires_in")
        self._token = token
        lasts_s = float(lasts_s) if isinstance(lasts_s, int | float) else USUAL_S
        self._good_until = time.monotonic() + max(lasts_s - EARLY_S, lasts_s / 2)
        if self._told is not None:
            self._told(body)
