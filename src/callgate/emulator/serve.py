"""Serves the emulated platform alone, until told to stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
from aiohttp import web

from callgate.emulator.applications import Application
from callgate.emulator.clock import Clock, RealClock, VirtualClock
from callgate.emulator.control import build_app
from callgate.emulator.courier import CALLBACK_TIMEOUT_S
from callgate.emulator.emulated import Platform
from callgate.emulator.faults import Fault
from callgate.emulator.place import opened
from callgate.errors import Invalid

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Stand(msgspec.Struct, frozen=True, kw_only=True):
    """How the platform is set up. `pace` is how much real time a second of a call takes; 0 lets time leap."""

    host: str = "127.0.0.1"
    port: int = 8081
    applications: Sequence[Application] = ()
    faults: Sequence[Fault] = ()
    numbers: Sequence[str] = ()
    pace: float = 1.0
    seed: int | None = None
    is_strict: bool = False
    timeout_s: float = CALLBACK_TIMEOUT_S


async def emulate(stand: Stand, on_listening: Callable[[str], None]) -> None:
    """Serve until told to stop. Raises `Invalid` for an address that cannot be had."""
    clock: Clock = RealClock(stand.pace) if stand.pace else VirtualClock()
    async with opened() as session:
        platform = Platform(session, clock, timeout_s=stand.timeout_s, seed=stand.seed)
        set_up(platform, stand)
        async with serving(platform, stand.host, stand.port) as url:
            on_listening(url)
            await _told_to_stop()


@asynccontextmanager
async def serving(platform: Platform, host: str, port: int | socket.socket) -> AsyncIterator[str]:
    """Serve a platform's interfaces for as long as the block runs, at a port or on a socket that listens already.

    Gives the address, which calls are told to be asked about at. Raises `Invalid` for one that cannot be had.
    """
    runner = web.AppRunner(build_app(platform, is_loopback=host in LOOPBACK), access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port) if isinstance(port, int) else web.SockSite(runner, port)
        try:
            await site.start()
        except OSError as error:
            expected = "an address of this machine and a port that nobody listens on"
            raise Invalid(f"host {host!r}, port {port}", error.strerror or str(error), expected) from None
        platform.resource_base = f"http://{host if ':' not in host else f'[{host}]'}:{runner.addresses[0][1]}"
        yield platform.resource_base
    finally:
        await platform.reset()
        await runner.cleanup()


def set_up(platform: Platform, stand: Stand) -> None:
    """Give the platform its applications, numbers and faults."""
    for application in stand.applications:
        platform.add(application)
    for number in stand.numbers:
        platform.numbers[number] = stand.applications[0].key if stand.applications else ""
    for fault in stand.faults:
        platform.faults.add(fault)
    platform.habits = msgspec.structs.replace(platform.habits, is_strict=stand.is_strict)


async def _told_to_stop() -> None:
    """Ctrl-C, or an orderly stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # not on every system
            loop.add_signal_handler(each, stop.set)
    await stop.wait()
