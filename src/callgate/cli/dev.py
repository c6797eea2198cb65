"""`callgate dev`: a server on loopback with a demonstration in it, and the emulated platform placing calls."""

import asyncio
import functools
import socket
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number

from callgate.cli.desk import Config, read_settings, say
from callgate.errors import SettingsInvalid
from callgate.settings import Settings

LOOPBACK = ("127.0.0.1", "localhost", "::1")

HOME = Path(".callgate-dev")
"""Where the demonstration keeps its database and key, in the working directory."""

PLATFORM_PORT = 8081
"""Where the emulated platform of the demonstration is, unless somebody else is there."""

MAX_RATE = 1_000
"""Calls a second that the demonstration places at most."""


def _check_rate(_kind: object, rate: float) -> None:
    if not 0 < rate <= MAX_RATE:  # which no not-a-number is
        raise ValueError(f"must be above 0 and at most {MAX_RATE}; --no-calls places none")


def dev(
    *,
    calls: Annotated[bool, Parameter(name="--calls", negative="--no-calls")] = True,
    rate: Annotated[float, Parameter(validator=_check_rate)] = 2.0,
    port: Annotated[int | None, Parameter(validator=Number(gte=0, lte=65_535))] = None,
    config: Config = None,
) -> int:
    """Start a server to look at and to build against: a demonstration on loopback, with calls that come and go.

    Parameters
    ----------
    calls
        Place emulated calls.
    rate
        Calls a second, on average.
    port
        Port on 127.0.0.1.
    """
    from callgate.logs import configure_logs
    from callgate.server import run

    settings = _settings(read_settings(config), port)
    configure_logs(settings.log_level)
    run(_serve(settings, rate if calls else None))
    return 0


async def _serve(settings: Settings, rate: float | None) -> None:
    from callgate.app import build_store, clock, opened
    from callgate.demo import prepare_demo
    from callgate.server import serve

    listening = _listen_for_platform()
    platform = f"http://127.0.0.1:{listening.getsockname()[1]}"
    store = build_store(settings)
    await store.migrate()
    async with opened(store):
        token = await prepare_demo(store, settings, clock(), platform)
    target = f"http://127.0.0.1:{settings.port}/callbacks/sinch"
    try:
        await serve(
            settings,
            is_open=True,
            on_listening=lambda: say(_welcome(settings, target, platform, token)),
            beside=functools.partial(_emulate, target, listening, rate),
        )
    finally:
        listening.close()


def _listen_for_platform() -> socket.socket:
    """The emulated platform's own port, or any other where somebody has that one."""
    try:
        return socket.create_server(("127.0.0.1", PLATFORM_PORT))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


def _settings(settings: Settings, port: int | None) -> Settings:
    """The demonstration's own database and key, unless others were set; loopback in any case."""
    from callgate.vault import new_key

    if settings.host not in LOOPBACK:
        raise SettingsInvalid(
            "host", settings.host, "a loopback address: the demonstration's key and secret are public"
        )
    HOME.mkdir(mode=0o700, exist_ok=True)
    key_file = HOME / "secret_key"
    if not key_file.exists():
        key_file.touch(mode=0o600)
        key_file.write_text(new_key(), encoding="ascii")
    return msgspec.structs.replace(
        settings,
        port=port or settings.port,
        secret_key=settings.secret_key or key_file.read_text(encoding="ascii"),
        database_url=settings.database_url
        if settings.database_url != Settings().database_url
        else f"sqlite:///{HOME}/gate.db",
        log_level="warning",
    )


def _welcome(settings: Settings, target: str, platform: str, token: str) -> str:
    from callgate.emulator import demo

    given = "" if settings.port == Settings().port else f" --target {target}"
    return f"""\
Callgate is running, with emulated calls. Ctrl-C stops all of it.

  Dashboard     http://127.0.0.1:{settings.port}/
  Callback URL  {target}
  Platform      {platform}/  (emulated: a phone pad, and a journal)
  API token     {token}
  Application   {demo.KEY}
  Secret        {demo.SECRET}

Try a call:     callgate call --from alice --to +46701740605 --talk 65s{given}
"""


async def _emulate(target: str, listening: socket.socket, rate: float | None) -> None:
    """The emulated platform: its interfaces, and calls where there are to be any."""
    from callgate.emulator import demo, traffic
    from callgate.emulator.place import connect
    from callgate.emulator.serve import serving

    async with (
        connect(target, demo.KEY, demo.SECRET, pace=traffic.PACE) as platform,
        serving(platform, "127.0.0.1", listening),
    ):
        while True:
            try:
                await (traffic.place_on(platform, rate_per_s=rate) if rate is not None else asyncio.Event().wait())
            except OSError:
                await asyncio.sleep(1)
