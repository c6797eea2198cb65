"""`callgate call`: one emulated call against any callback server. Needs no settings and no database."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callgate.emulator import demo
from callgate.errors import Error, Invalid, TargetUnfit, TargetUnreachable

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from callgate.emulator.place import Platform
    from callgate.emulator.scenario import Scenario
    from callgate.emulator.sinch import Ending

PLAYED, FAILED, MISUSED = 0, 1, 2
"""Exit codes: the call went as asked; the gate refused it or it failed; the command was not understood, or no callback
server is where it was told to call."""


def call(
    *,
    caller: Annotated[str, Parameter(name="--from")],
    callee: Annotated[str, Parameter(name="--to")],
    talk: Annotated[str, Parameter(name="--talk")] = "60s",
    outcome: Annotated[str, Parameter(name="--outcome")] = "answered",
    cli: Annotated[str | None, Parameter(name="--cli")] = None,
    target: Annotated[str, Parameter(name="--target")] = demo.TARGET,
    key: Annotated[str, Parameter(name="--key")] = demo.KEY,
    secret: Annotated[str, Parameter(name="--secret")] = demo.SECRET,
    fallback: Annotated[str, Parameter(name="--fallback")] = "",
    keys: Annotated[tuple[str, ...], Parameter(name="--keys")] = (),
    custom: Annotated[str, Parameter(name="--custom")] = "",
    fault: Annotated[tuple[str, ...], Parameter(name="--fault")] = (),
    strict: Annotated[bool, Parameter(name="--strict", negative=())] = False,
    real_time: Annotated[bool, Parameter(name="--real-time", negative=())] = False,
    json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Place one emulated call and print its timeline.

    Parameters
    ----------
    caller
        Who calls: user:ID, a number, or a bare word, which is a user.
    callee
        Who is called: +NUMBER, user:ID, conference:ID, sip:ADDRESS or did:NUMBER.
    talk
        How long they would talk if nobody cut them: 65s, 2m, 1m5s.
    outcome
        How the far side takes it: answered, busy, rejected, noanswer, cancel, failed, blocked, nocredit, otherpeer,
        usernotfound or networklost.
    cli
        Number that the caller shows.
    target
        Callback URL of the server to call.
    key
        Application key to sign with; the demonstration's unless given.
    secret
        Application secret to sign with, base64.
    fallback
        Callback URL that is asked when the first one fails.
    keys
        What the caller presses when a menu asks; one for each time that it does. Also say:WORDS, and hangup.
    custom
        Text that the calling app sends along.
    fault
        Something that goes wrong on purpose, as KIND, KIND:EVENT or KIND:EVENT:SECONDS; may be repeated.
    strict
        Refuse SVAML that only older pages of the reference allow.
    real_time
        Wait while the phone rings and they talk, instead of warping.
    json
        Print one JSON object instead of a ladder.
    """
    # Here and not above, and so below: the command line starts without loading an HTTP client.
    import asyncio

    from callgate.emulator import scenario as words
    from callgate.emulator.faults import parse_fault
    from callgate.emulator.place import connect

    try:
        scenario = words.Scenario(
            caller=words.parse_caller(caller),
            callee=words.parse_callee(callee),
            talk_s=words.parse_talk_s(talk),
            outcome=words.parse_outcome(outcome),
            cli=words.parse_cli(cli) if cli is not None else None,
            keys=keys,
            custom=custom,
        )
        platform = connect(
            target,
            key,
            secret,
            fallback=fallback,
            pace=1.0 if real_time else 0.0,
            faults=[parse_fault(each) for each in fault],
            is_strict=strict,
        )
        ending = asyncio.run((_print_json if json else _print_ladder)(scenario, platform))
    except (Invalid, TargetUnreachable, TargetUnfit) as error:
        sys.stderr.write(f"{error}\n")
        return MISUSED
    except Error as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    return PLAYED if ending.is_as_asked else FAILED


async def _print_json(scenario: Scenario, connected: AbstractAsyncContextManager[Platform]) -> Ending:
    async with connected as platform:
        timeline = await platform.place(scenario)
    sys.stdout.write(f"{timeline.to_json().decode()}\n")
    return timeline.ending


async def _print_ladder(scenario: Scenario, connected: AbstractAsyncContextManager[Platform]) -> Ending:
    from rich.console import Console

    from callgate.emulator.ladder import draw, draw_ending

    console = Console(highlight=False, soft_wrap=True)
    async with connected as platform:
        timeline = await platform.place(scenario, lambda exchange: console.print(draw(exchange)))
    console.print(draw_ending(timeline.ending))
    return timeline.ending
