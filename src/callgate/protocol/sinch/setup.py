"""How an application is set up at the platform, in neutral words: where its callbacks are sent."""

from datetime import datetime

from callgate.protocol.provider import CallbackUrls
from callgate.protocol.sinch.rest.configuration import GetCallbacks, UpdateCallbacks
from callgate.protocol.sinch.rest.hosts import CONFIGURATION
from callgate.protocol.sinch.rest.operation import read, signed
from callgate.protocol.wire import WireRequest

__all__ = ["CONFIGURATION", "ask_callback_urls", "read_callback_urls", "read_set", "set_callback_urls"]


def ask_callback_urls(application: str, secret: str, now: datetime) -> WireRequest:
    """Ask where callbacks are sent; `read_callback_urls` reads the answer."""
    return signed(GetCallbacks(application_key=application), application, secret, now)


def set_callback_urls(application: str, secret: str, now: datetime, urls: CallbackUrls) -> WireRequest:
    """Say where callbacks are to be sent. Raises `Invalid` for what is no URL."""
    order = UpdateCallbacks(application_key=application, primary=urls.primary, fallback=urls.fallback)
    return signed(order, application, secret, now)


def read_callback_urls(status: int, body: bytes) -> CallbackUrls:
    """Read the answer to `ask_callback_urls`. Raises `PlatformFailed`."""
    found = read(GetCallbacks(application_key=""), status, body)
    return CallbackUrls(found.primary, found.fallback)


def read_set(status: int, body: bytes) -> None:
    """Read the answer to `set_callback_urls`. Raises `PlatformFailed`."""
    read(UpdateCallbacks(application_key="", primary=""), status, body)
