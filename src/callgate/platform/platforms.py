"""What the service asks of platforms, answered by the provider of each application: see `service.ports.Platform`."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from functools import partial
from typing import TypeVar

from callgate.errors import Invalid, PlatformFailed, PlatformRefused, SignatureInvalid
from callgate.platform.wire import Wire, wire
from callgate.protocol import PROVIDERS, Provider, WireRequest
from callgate.protocol.base_url import is_url
from callgate.protocol.call import CallEnded, CallKey, CallOngoing, PlaceCall
from callgate.protocol.provider import CallbackUrls
from callgate.service.application import Application

T = TypeVar("T")

UNAUTHORIZED = 401

Build = Callable[[Provider, str], WireRequest]
"""Makes a request of a provider's, signed with a secret."""


class Platforms:
    """The platforms of all applications; made by `platforms`."""

    def __init__(
        self, carrier: Wire, application: Callable[[str], Application | None], clock: Callable[[], datetime]
    ) -> None:
        self._wire = carrier
        self._application = application
        self._clock = clock

    async def ask(self, call: CallKey, resource: str) -> CallEnded | CallOngoing | None:
        """Return what the platform knows of the call: its end, that it is still up, or None for no such call."""
        return await self._carry(
            call.application,
            resource,
            lambda provider, secret: provider.ask(call, secret, self._clock()),
            lambda provider, status, body: provider.read_told(call, status, body),
        )

    async def hang_up(self, call: CallKey, resource: str) -> bool:
        """End a live call; False when the platform knows no such call, which has then ended."""
        return await self._carry(
            call.application,
            resource,
            lambda provider, secret: provider.hang_up(call, secret, self._clock()),
            lambda provider, status, body: provider.read_done(status, body),
        )

    async def put_out(self, call: CallKey, resource: str, conference: str) -> bool:
        """Put a caller out of a conference, which ends the call; False when the caller is not in it."""
        return await self._carry(
            call.application,
            resource,
            lambda provider, secret: provider.put_out(call, secret, self._clock(), conference),
            lambda provider, status, body: provider.read_done(status, body),
        )

    async def warn(self, call: CallKey, resource: str, text: str, locale: str) -> bool:
        """Speak to the caller of a live call; False when the platform knows no such call."""
        return await self._carry(
            call.application,
            resource,
            lambda provider, secret: provider.warn(call, secret, self._clock(), text, locale),
            lambda provider, status, body: provider.read_done(status, body),
            is_repeatable=False,
        )

    async def place(self, application: str, call: PlaceCall) -> str:
        """Place a call, once, and return the platform's id of it."""
        return await self._carry(
            application,
            "",
            lambda provider, secret: provider.place(call, application, secret, self._clock()),
            lambda provider, status, body: provider.read_placed(status, body),
            is_repeatable=False,
        )

    async def callback_urls(self, application: str) -> CallbackUrls:
        """Return where the platform sends an application's callbacks."""
        return await self._set_up(
            application,
            lambda provider, secret: provider.ask_callback_urls(application, secret, self._clock()),
            lambda provider, status, body: provider.read_callback_urls(status, body),
        )

    async def set_callback_urls(self, application: str, urls: CallbackUrls) -> None:
        """Say where the platform is to send them. Raises `Invalid` for what is no URL."""
        await self._set_up(
            application,
            lambda provider, secret: provider.set_callback_urls(application, secret, self._clock(), urls),
            lambda provider, status, body: provider.read_set(status, body),
        )

    async def _set_up(self, key: str, build: Build, read: Callable[[Provider, int, bytes], T]) -> T:
        """Ask about an application itself, with its newest secret. An emulated platform is asked where the operator says."""
        application = self._application(key)
        if application is None:
            raise PlatformFailed(f"there is no application {key} here", is_retryable=False)
        provider = PROVIDERS[application.row.provider]
        said = application.row.settings.platform
        base_url = said if is_url(said) else provider.CONFIGURATION
        secret = application.secrets_at(self._clock())[0]
        try:
            return await self._wire.carry(
                base_url, partial(build, provider, secret), partial(read, provider), is_repeatable=True
            )
        except SignatureInvalid as error:
            raise PlatformFailed(f"it cannot be asked: {error}", is_retryable=False) from error

    async def _carry(
        self,
        key: str,
        resource: str,
        build: Build,
        read: Callable[[Provider, int, bytes], T],
        *,
        is_repeatable: bool = True,
    ) -> T:
        application = self._application(key)
        if application is None:
            raise PlatformFailed(f"there is no application {key} here", is_retryable=False)
        provider = PROVIDERS[application.row.provider]
        base_url = _base_url(application, provider, resource)
        secrets = application.secrets_at(self._clock())
        for secret in secrets:
            try:
                return await self._wire.carry(
                    base_url, partial(build, provider, secret), partial(read, provider), is_repeatable=is_repeatable
                )
            except (Invalid, SignatureInvalid) as error:
                raise PlatformFailed(f"it cannot be asked: {error}", is_retryable=False) from error
            except PlatformRefused as error:
                # While a secret is being changed, only the newer or the older one of ours is the platform's too.
                if error.status != UNAUTHORIZED or secret is secrets[-1]:
                    raise
        raise AssertionError("an application has a secret")


@asynccontextmanager
async def platforms(
    application: Callable[[str], Application | None], clock: Callable[[], datetime]
) -> AsyncIterator[Platforms]:
    """Keep connections for as long as the block runs. `application` returns the one of a key, as it is now, or None."""
    async with wire() as carrier:
        yield Platforms(carrier, application, clock)


def _base_url(application: Application, provider: Provider, resource: str) -> str:
    """Where the operator says, else where the call itself says, if that is a host of the provider's."""
    said = application.row.settings.platform
    return said if is_url(said) else provider.base_url(said or next(iter(provider.REGIONS)), resource)
