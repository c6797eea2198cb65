"""`callgate scenario`: scenario files, played in leaping time. Needs no settings and no database."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from callgate.cli.desk import AsJson, say, table
from callgate.emulator import demo
from callgate.errors import Invalid, TargetUnfit, TargetUnreachable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractAsyncContextManager

    from callgate.emulator.scenario_files.books import Books
    from callgate.emulator.scenario_files.read import Plan
    from callgate.emulator.scenario_files.run import Result

AS_EXPECTED, MISSED, MISUSED = 0, 1, 2


def run(
    *files: Annotated[str, Parameter(name="FILES")],
    target: Annotated[str | None, Parameter(name="--target")] = None,
    key: Annotated[str, Parameter(name="--key")] = demo.KEY,
    secret: Annotated[str, Parameter(name="--secret")] = demo.SECRET,
    json: AsJson = False,
) -> int:
    """Play scenario files, draw each call, and say what was not as expected.

    Parameters
    ----------
    files
        Files, or names that `scenario list` lists; all of those where none is named.
    target
        Callback URL of the server to call; without it our own server is started, whose books are looked into too.
    key
        Application key to sign with, where there is a target.
    secret
        Application secret to sign with, base64.
    json
        Print one JSON document instead of ladders.
    """
    import asyncio

    from callgate.emulator.scenario_files.read import read_plan, shipped

    known = shipped()
    try:
        plans = [read_plan(known.get(each, Path(each))) for each in files or known]
        results = asyncio.run(_play(plans, target, key, secret, is_drawn=not json))
    except (Invalid, TargetUnreachable, TargetUnfit) as error:
        sys.stderr.write(f"{error}\n")
        return MISUSED
    if json:
        _print_json(results)
    else:
        _close(results)
    return AS_EXPECTED if all(each.is_as_expected for each in results) else MISSED


def list(  # noqa: A001 - the command is called so
    *, json: AsJson = False
) -> None:
    """List the scenarios that come with the emulator, with where they lie."""
    from callgate.cli.desk import say_json
    from callgate.emulator.scenario_files.read import read_plan, shipped

    found = [(name, read_plan(path).file.title, str(path)) for name, path in shipped().items()]
    if json:
        say_json([{"name": name, "title": title, "file": file} for name, title, file in found])
    else:
        table(("Name", "What happens"), [(name, title) for name, title, _ in found])


async def _play(
    plans: Sequence[Plan], target: str | None, key: str, secret: str, *, is_drawn: bool
) -> Sequence[Result]:
    from callgate.emulator.place import opened
    from callgate.emulator.scenario_files.run import play_plan

    results = []
    async with opened() as session, _gate(target, key, secret) as gate:
        for plan in plans:
            results.append(await play_plan(plan, session, gate))
            if is_drawn:
                _draw(results[-1])
    return results


def _gate(target: str | None, key: str, secret: str) -> AbstractAsyncContextManager[Books | Any]:
    from contextlib import nullcontext

    from callgate.emulator.applications import Application, CallbackUrls
    from callgate.emulator.target import check_secret, read_target

    if target is None:
        from callgate.logs import configure_logs
        from callgate.trial import trial_gate

        configure_logs("critical")
        return trial_gate()
    urls = CallbackUrls(primary=read_target(target).url)
    return nullcontext(Application(key=key, secret=check_secret(secret), urls=urls))


def _draw(result: Result) -> None:
    from rich.console import Console
    from rich.text import Text

    from callgate.emulator.ladder import draw, draw_ending

    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(result.plan.file.title, style="bold"))
    for call in result.calls:
        if call.live is None:
            continue
        if len(result.calls) > 1:
            console.print(Text(f"  {call.name}", style="dim"))
        for exchange in call.live.events:
            console.print(draw(exchange))
        console.print(draw_ending(call.live.ending))
    for miss in result.misses:
        console.print(Text(f"not as expected: {miss}", style="bold red"))
    if result.unseen:
        console.print(Text(f"not looked at: {', '.join(result.unseen)}", style="yellow"))
    console.print()


def _close(results: Sequence[Result]) -> None:
    missed = [each for each in results if not each.is_as_expected]
    said = f"{len(results)} played, {len(results) - len(missed)} as expected"
    say(said if not missed else f"{said}; not so: {', '.join(Path(each.plan.source).stem for each in missed)}")


def _print_json(results: Sequence[Result]) -> None:
    from callgate.emulator.courier import encode

    shown = [
        {
            "file": each.plan.source,
            "title": each.plan.file.title,
            "is_as_expected": each.is_as_expected,
            "misses": each.misses,
            "unseen": each.unseen,
            "calls": [
                {"name": call.name, **({} if call.live is None else call.live.timeline().as_dict())}
                for call in each.calls
            ],
        }
        for each in results
    ]
    sys.stdout.write(f"{encode(shown).decode()}\n")
