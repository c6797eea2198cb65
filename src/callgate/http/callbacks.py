"""The provider's edge: one URL takes every callback of one provider. Bytes in, bytes out; a bare ASGI callable.

In this order: over 64 KiB 413; not proven genuine 401; not a JSON object 400; the rest is answered by the use cases.
"""

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime

from callgate.errors import CallbackMalformed, SignatureInvalid, StorageUnavailable
from callgate.http import problems
from callgate.http.asgi import Receive, Scope, Send, send_reply
from callgate.logs import log
from callgate.protocol import PROVIDERS, WireReply, WireRequest
from callgate.service.application import DEFAULT_FRESHNESS_S
from callgate.service.catalog import Catalogs
from callgate.service.faults import FaultWatch
from callgate.service.respond import Responder

MAX_BODY_BYTES = 65_536
MAX_BODY_WAIT_S = 10.0

PREFIX = "/callbacks/"
"""The rest of the path is the provider's name."""


FAILED = 400
"""The first of the statuses of callbacks that were not taken."""


class CallbackEdge:
    """ASGI callable for paths below `PREFIX`, with or without the public prefix before it.

    `public_prefix` is the path of the public URL: what a proxy may strip before the request comes here, and what the
    platform's signature covers all the same.
    """

    def __init__(
        self,
        catalogs: Catalogs,
        responder: Responder,
        faults: FaultWatch,
        clock: Callable[[], datetime],
        public_prefix: str,
    ) -> None:
        self._catalogs = catalogs
        self._responder = responder
        self._faults = faults
        self._clock = clock
        self._public_prefix = public_prefix
        self._targets = {
            f"{prefix}{PREFIX}{name}{end}".encode()
            for prefix in {"", public_prefix}
            for name in PROVIDERS
            for end in ("", "/")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            reply = await self._reply(scope, receive)
        except asyncio.CancelledError:  # the server stops, and waits for us no longer
            reply = problems.STOPPING
        if reply.status >= FAILED:
            self._responder.meter.rejected(reply.status)
        await send_reply(send, reply)

    def takes(self, target: bytes) -> bool:
        """Whether a request target is a callback's, spelled as it is written in the platform's settings."""
        return target in self._targets

    async def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> WireReply:
        """Answer one whole request whose target is one that this edge `takes`."""
        if len(body) > MAX_BODY_BYTES:
            reply = problems.TOO_LARGE
        else:
            request = WireRequest(method=method, path=self._signed_path(target), headers=headers, body=body)
            reply = await self.receive(request, target.rpartition(PREFIX)[2].removesuffix("/"))
        if reply.status >= FAILED:
            self._responder.meter.rejected(reply.status)
        return reply

    async def _reply(self, scope: Scope, receive: Receive) -> WireReply:
        name = scope["path"].rpartition(PREFIX)[2].removesuffix("/")
        if name not in PROVIDERS:
            return problems.NOT_FOUND
        if scope["method"] != "POST":
            return problems.METHOD_NOT_ALLOWED
        if is_declared_too_large(scope):
            return problems.TOO_LARGE
        try:
            async with asyncio.timeout(MAX_BODY_WAIT_S):
                body = await read_body(receive)
        except TimeoutError:
            return problems.TOO_SLOW
        if isinstance(body, WireReply):
            return body
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        path = self._signed_path(scope["raw_path"].decode("latin-1"))
        return await self.receive(WireRequest(method=scope["method"], path=path, headers=headers, body=body), name)

    async def receive(self, request: WireRequest, name: str) -> WireReply:
        """Answer one whole request to a provider of this name: genuine, understood, then its use case."""
        provider, catalog, now = PROVIDERS[name], self._catalogs.now, self._clock()
        key = provider.signing_key(request)
        application = catalog.application(name, key)
        secrets = {} if application is None else {key: application.secrets_at(now)}
        freshness_s = DEFAULT_FRESHNESS_S if application is None else application.row.settings.freshness
        try:
            provider.verify(request, secrets, now, freshness_s=freshness_s)
            event = provider.understand(request)
        except SignatureInvalid as error:
            self._faults.note(request, error, name=name, provider=provider, key=key, secrets=secrets)
            return problems.UNAUTHORIZED
        except CallbackMalformed as error:
            log.warning("callback.malformed", path=error.path, reason=error.explanation)
            return problems.problem(400, "malformed", "The body is not a callback.", str(error))
        try:
            return await self._responder.respond(event, request.body, provider, catalog)
        except StorageUnavailable as error:
            log.error("callback.not_stored", callback=event.name, call_id=event.key.call_id, error=str(error))
            return problems.UNAVAILABLE

    def _signed_path(self, path: str) -> str:
        """What the platform's signature covers of a path that a proxy may have shortened."""
        return path if path.startswith(self._public_prefix + PREFIX) else self._public_prefix + path


def is_declared_too_large(scope: Scope) -> bool:
    """Whether the request says of itself that its body is too large: it is not waited for. The server has checked that
    the length is a number.
    """
    return any(name == b"content-length" and int(value) > MAX_BODY_BYTES for name, value in scope["headers"])


async def read_body(receive: Receive) -> bytes | WireReply:
    """Return the whole body; or the refusal of one that breaks off, or is too large, as soon as that is known."""
    body: bytes = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return problems.BROKEN_OFF
        body += message.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            return problems.TOO_LARGE
        if not message.get("more_body", False):
            return body
