"""Places emulated calls against one callback server: an emulated platform with one application."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import aiohttp
import msgspec

from callgate.emulator.applications import Application, CallbackUrls
from callgate.emulator.clock import OwnTime, RealClock
from callgate.emulator.courier import CALLBACK_TIMEOUT_S
from callgate.emulator.emulated import Platform, Timeline
from callgate.emulator.faults import Fault
from callgate.emulator.target import check_secret, read_target

__all__ = ["CALLBACK_TIMEOUT_S", "Platform", "Timeline", "connect", "opened"]


@asynccontextmanager
async def connect(  # noqa: PLR0913 - each has its default but the first three
    target: str,
    key: str,
    secret: str,
    *,
    fallback: str = "",
    timeout_s: float = CALLBACK_TIMEOUT_S,
    pace: float = 0.0,
    faults: Sequence[Fault] = (),
    is_strict: bool = False,
) -> AsyncIterator[Platform]:
    """Open a platform with one application, whose callbacks go to `target`.

    `pace` is how much real time a second of a call takes: 0 warps, 1 is real time. Raises `Invalid` for a target that
    is no URL and a secret that is no base64.
    """
    urls = CallbackUrls(
        primary=read_target(target).url,
        fallback=read_target(fallback, "--fallback").url if fallback else "",
    )
    application = Application(key=key, secret=check_secret(secret), urls=urls)
    async with opened() as session:
        platform = Platform(session, RealClock(pace) if pace else OwnTime(), timeout_s=timeout_s)
        platform.add(application)
        platform.habits = msgspec.structs.replace(platform.habits, is_strict=is_strict)
        for fault in faults:
            platform.faults.add(fault)
        yield platform


@asynccontextmanager
async def opened() -> AsyncIterator[aiohttp.ClientSession]:
    """A session of kept-alive connections."""
    connector = aiohttp.TCPConnector(limit=0)  # how many calls there are at once is the callers' to bound
    # The deadline of a callback is the courier's.
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        yield session
