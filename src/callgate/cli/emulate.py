"""`callgate emulate`: the emulated platform alone. Needs no settings and no database."""

import sys
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from callgate.cli.desk import say
from callgate.emulator import demo
from callgate.errors import Invalid

MISUSED = 2


def emulate(
    *,
    target: Annotated[str, Parameter(name="--target")] = demo.TARGET,
    fallback: Annotated[str, Parameter(name="--fallback")] = "",
    key: Annotated[str, Parameter(name="--key")] = demo.KEY,
    secret: Annotated[str, Parameter(name="--secret")] = demo.SECRET,
    number: Annotated[tuple[str, ...], Parameter(name="--number")] = (),
    fault: Annotated[tuple[str, ...], Parameter(name="--fault")] = (),
    pace: Annotated[float, Parameter(name="--pace", validator=Number(gte=0, lte=1000))] = 1.0,
    strict: Annotated[bool, Parameter(name="--strict", negative=())] = False,
    timeout: Annotated[float, Parameter(name="--timeout", validator=Number(gt=0, lte=600))] = 5.0,
    seed: Annotated[int | None, Parameter(name="--seed")] = None,
    host: Annotated[str, Parameter(name="--host")] = "127.0.0.1",
    port: Annotated[int, Parameter(name="--port", validator=Number(gte=0, lte=65_535))] = 8081,
) -> int:
    """Serve the emulated platform: its REST interface, a control API, and pages with a phone pad and a journal.

    Parameters
    ----------
    target
        Callback URL of the application.
    fallback
        Callback URL that is asked when the first one fails.
    key
        Application key; the demonstration's unless given.
    secret
        Application secret, base64.
    number
        A rented number of the application; may be repeated.
    fault
        Something that goes wrong on purpose, as KIND, KIND:EVENT or KIND:EVENT:SECONDS; may be repeated.
    pace
        Real seconds that a second of a call takes; 0 lets time leap.
    strict
        Refuse SVAML that only older pages of the reference allow.
    timeout
        Seconds that a callback may take.
    seed
        Makes call ids and chances repeatable.
    host
        Address to listen on. Whoever reaches it controls the emulator.
    port
        Port to listen on.
    """
    import asyncio

    from callgate.emulator.applications import Application, CallbackUrls
    from callgate.emulator.faults import parse_fault
    from callgate.emulator.scenario import parse_cli
    from callgate.emulator.serve import Stand
    from callgate.emulator.serve import emulate as serve
    from callgate.emulator.target import check_secret, read_target

    try:
        urls = CallbackUrls(
            primary=read_target(target).url if target else "",
            fallback=read_target(fallback, "--fallback").url if fallback else "",
        )
        stand = Stand(
            host=host,
            port=port,
            applications=[Application(key=key, secret=check_secret(secret), urls=urls)],
            faults=[parse_fault(each) for each in fault],
            numbers=[parse_cli(each, "--number") for each in number],
            pace=pace,
            seed=seed,
            is_strict=strict,
            timeout_s=timeout,
        )
        asyncio.run(serve(stand, lambda url: _welcome(url, key, target)))
    except Invalid as error:
        sys.stderr.write(f"{error}\n")
        return MISUSED
    return 0


def _welcome(url: str, key: str, target: str) -> None:
    say(
        f"""\
The emulated platform is running. Ctrl-C stops it.

  Phone and journal  {url}/
  REST interface     {url}/calling/v1
  Control API        {url}/control/v1
  Application        {key}
  Calls              {target or "nobody: no callback URL is set"}
"""
    )
    sys.stdout.flush()
