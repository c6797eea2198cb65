"""`callgate call`: one emulated call against any callback server. Needs no settings and no database."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callgate.emulator import demo
from callgate.errors import Error, Invalid

if TYPE_CHECKING:
    from callgate.emulator.scenario import Scenario
    from callgate.emulator.sinch import Ending

PLAYED, FAILED, MISUSED = 0, 1, 2
"""Exit codes: the call went as asked; the gate refused it or it failed; the command was not understood."""


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
        How the far side takes it: answered, busy, noanswer, cancel or failed.
    cli
        Number that the caller shows.
    target
        Callback URL of the server to call.
    key
        Application key to sign with; the demonstration's unless given.
    secret
        Application secret to sign with, base64.
    real_time
        Wait while the phone rings and they talk, instead of warping.
    json
        Print one JSON object instead of a ladder.
    """
    # Here and not above, and so below: the command line starts without loading an HTTP client.
    import asyncio

    from callgate.emulator import scenario as words

    try:
        scenario = words.Scenario(
            caller=words.parse_caller(caller),
            callee=words.parse_callee(callee),
            talk_s=words.parse_talk_s(talk),
            outcome=words.parse_outcome(outcome),
            cli=words.parse_cli(cli) if cli is not None else None,
        )
        place = _print_json if json else _print_ladder
        ending = asyncio.run(place(scenario, target, key, secret, pace=1.0 if real_time else 0.0))
    except Invalid as error:
        sys.stderr.write(f"{error}\n")
        return MISUSED
    except Error as error:
        sys.stderr.write(f"{error}\n")
        return FAILED
    return PLAYED if ending.is_as_asked else FAILED


async def _print_json(scenario: Scenario, target: str, key: str, secret: str, *, pace: float) -> Ending:
    from callgate.emulator.place import connect

    async with connect(target, key, secret, pace=pace) as platform:
        timeline = await platform.place(scenario)
    sys.stdout.write(f"{timeline.to_json().decode()}\n")
    return timeline.ending


async def _print_ladder(scenario: Scenario, target: str, key: str, secret: str, *, pace: float) -> Ending:
    from rich.console import Console

    from callgate.emulator.ladder import draw, draw_ending
    from callgate.emulator.place import connect

    console = Console(highlight=False, soft_wrap=True)
    async with connect(target, key, secret, pace=pace) as platform:
        timeline = await platform.place(scenario, lambda exchange: console.print(draw(exchange)))
    console.print(draw_ending(timeline.ending))
    return timeline.ending
