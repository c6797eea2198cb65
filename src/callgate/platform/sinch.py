"""A client of Sinch Voice's REST interface, usable without the server: needs msgspec and aiohttp."""

from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Self, TypeVar

from callgate.errors import Invalid
from callgate.platform.wire import ATTEMPT_S, TOTAL_S, Wire, wire
from callgate.protocol.base_url import read_base_url
from callgate.protocol.sinch import rest
from callgate.protocol.wire import WireRequest

T = TypeVar("T")


class SinchClient:
    """Asks the platform for one application: `async with SinchClient(KEY, SECRET) as client: await client.send(...)`.

    `region` is one of `rest.REGIONS`; `base_url` takes the place of all the platform's hosts: of an emulated one, for
    example. Requests are signed, and the secret is in none of them; with `is_basic` it is in all of them. Times are in
    seconds: for one attempt, and for all of them together.
    """

    def __init__(  # noqa: PLR0913 - what can be said of a client
        self,
        key: str,
        secret: str,
        *,
        region: str = "global",
        base_url: str | None = None,
        is_basic: bool = False,
        attempt_s: float = ATTEMPT_S,
        total_s: float = TOTAL_S,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Raises `Invalid` for a region or a base URL that cannot be used."""
        if region not in rest.REGIONS:
            raise Invalid("region", repr(region), f"one of {', '.join(rest.REGIONS)}")
        self._key = key
        self._secret = secret
        self._region = region
        self._base_url = None if base_url is None else read_base_url(base_url)
        self._is_basic = is_basic
        self._attempt_s = attempt_s
        self._total_s = total_s
        self._clock = clock
        self._wire: Wire | None = None
        self._exits = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self._wire = await self._exits.enter_async_context(wire(attempt_s=self._attempt_s, total_s=self._total_s))
        return self

    async def __aexit__(self, *_: object) -> None:
        self._wire = None
        await self._exits.aclose()

    async def send(self, operation: rest.Operation[T], *, resource: str = "", strict: bool = True) -> T:
        """Ask, and return what was answered.

        `resource` is the `call_resource_url` of a call's callbacks, where there is one: calls are known in their own region.
        Not strict: what older documents of the platform allowed is sent too. Raises `Invalid` for what `rest.check` finds,
        `SignatureInvalid` for a secret that is none, and `PlatformUnreachable`, `PlatformRefused` or `PlatformFailed`.
        """
        if self._wire is None:
            raise RuntimeError("the client is not open: use it as `async with SinchClient(...) as client`")
        return await self._wire.carry(
            self._home(operation, resource),
            lambda: self._request(operation, strict=strict),
            lambda status, body: rest.read(operation, status, body),
            is_repeatable=operation.is_repeatable,
        )

    def _home(self, operation: rest.Operation[T], resource: str) -> str:
        if self._base_url is not None:
            return self._base_url
        if operation.is_configuration:
            return rest.CONFIGURATION
        return rest.base_of(resource) or rest.REGIONS[self._region]

    def _request(self, operation: rest.Operation[T], *, strict: bool) -> WireRequest:
        if self._is_basic:
            return rest.basic(operation, self._key, self._secret, strict=strict)
        return rest.signed(operation, self._key, self._secret, self._clock(), strict=strict)

    def __repr__(self) -> str:
        return f"SinchClient({self._key!r})"
