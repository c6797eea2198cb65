"""A CRM that is played on this machine: what all of them share. Each vendor's own words are in a file of its own.

Facts about the vendors are in those files; none of them was asked. What is sent is judged as strictly as they document it.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from callgate.outbox.connector import Connector
from callgate.outbox.contract import Fault, Logged

OF_WRITING = {Fault.REFUSED, Fault.FAILED_AFTER_WRITING, Fault.SILENT_AFTER_WRITING}


class FakeCrm:
    """`credentials` are what the connector is given; `is_renewed` when they are exchanged for tokens that end."""

    kind: type[Connector]
    credentials: Mapping[str, str] = {}
    options: Mapping[str, str] = {}
    is_renewed = False
    prefix = ""
    """Where its calls and contacts are; what lies elsewhere is not there."""

    def __init__(self) -> None:
        self.url = ""
        self.elsewhere: list[str] = []
        self.heard: list[tuple[str, str, Any]] = []
        self._people: list[tuple[str, str]] = []
        self._faults: dict[Fault, int] = {}
        self._tokens: list[str] = []
        self._held: list[asyncio.Event] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        async with TestServer(app) as server:
            self.url = str(server.make_url("")).rstrip("/")
            try:
                yield
            finally:
                for each in self._held:
                    each.set()

    def fail(self, fault: Fault, times: int = 1_000) -> None:
        self._faults = {fault: times}

    def add_contact(self, number: str) -> str:
        self._people.append((number, str(501 + len(self._people))))
        return self._people[-1][1]

    def contacts(self) -> list[str]:
        return [number for number, _ in self._people]

    def having(self, number: str) -> list[str]:
        return [name for each, name in self._people if each == number]

    # -- what a vendor's file says -------------------------------------------------------------------------------------

    def token(self, form: Mapping[str, str]) -> web.Response | None:
        """Give out a token, or say that none is; None when this is not where tokens are asked for."""

    def is_known(self, headers: Mapping[str, str]) -> bool:
        raise NotImplementedError

    def is_write(self, method: str, path: str) -> bool:
        """Whether this adds a call."""
        raise NotImplementedError

    def do(self, request: web.Request, path: str, body: Any) -> web.Response:
        raise NotImplementedError

    def trouble(self, fault: Fault) -> web.Response:
        """The vendor's own words for it."""
        raise NotImplementedError

    def calls(self) -> list[Logged]:
        raise NotImplementedError

    # -- the same for all ----------------------------------------------------------------------------------------------

    token_path = "/token"

    async def _answer(self, request: web.Request) -> web.StreamResponse:  # noqa: C901 - one case a fault
        if request.path.startswith("/elsewhere"):
            self.elsewhere.append(request.path)
            return web.json_response({})
        if self.is_renewed and request.path == self.token_path:
            return self._give_token(dict(await request.post()))
        text = await request.read()
        path = request.raw_path.partition("?")[0]
        self.heard.append((request.method, path, json.loads(text) if text else None))
        fault = self._strikes(request.method, path)
        if fault is Fault.TOKEN_EXPIRED:
            self._tokens.clear()
        if fault in {Fault.TOKEN_WRONG, Fault.TOKEN_REVOKED} or not self.is_known(request.headers):
            return self.trouble(Fault.TOKEN_WRONG)
        match fault:
            case Fault.REDIRECT:
                return web.Response(status=302, headers={"location": f"{self.url}/elsewhere"})
            case Fault.NONSENSE:
                return web.Response(text="<html>Welcome</html>", content_type="text/html")
            case Fault.SILENT_AFTER_WRITING:
                self.do(request, path, json.loads(text))
                self._held.append(asyncio.Event())
                await self._held[-1].wait()
            case Fault.FAILED_AFTER_WRITING:
                self.do(request, path, json.loads(text))
                return web.Response(status=500)
            case Fault.FAILED:
                return web.Response(status=503)
            case Fault.QUOTA | Fault.FORBIDDEN | Fault.LOCKED | Fault.REFUSED:
                return self.trouble(fault)
        return self.do(request, path, json.loads(text) if text else None)

    def _strikes(self, method: str, path: str) -> Fault | None:
        for fault, times in self._faults.items():
            if times > 0 and (fault not in OF_WRITING or self.is_write(method, path)):
                self._faults[fault] = times - 1
                return fault
        return None

    def _give_token(self, form: dict[str, Any]) -> web.Response:
        is_good = all(form.get(name) == value for name, value in self.credentials.items())
        if not is_good or any(
            times > 0 and fault in {Fault.TOKEN_WRONG, Fault.TOKEN_REVOKED} for fault, times in self._faults.items()
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        self._tokens.append(f"granted-{len(self.heard)}-{len(self._tokens)}")
        return web.json_response({"access_token": self._tokens[-1], "expires_in": 1800, **self.beside_token()})

    def beside_token(self) -> dict[str, str]:
        return {}

    def is_granted(self, headers: Mapping[str, str]) -> bool:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        return scheme == "Bearer" and token in self._tokens
