"""`callgate conformance`: is a callback server safe and correct? Needs no settings and no database."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callgate.cli.desk import AsJson, say, say_json
from callgate.emulator import demo
from callgate.errors import Invalid, TargetUnfit, TargetUnreachable

if TYPE_CHECKING:
    from callgate.emulator.conformance.report import Checked, Conformance

DONE, FAILED, MISUSED = 0, 1, 2
"""Exit codes: nothing failed; something did; there is no callback server at that URL."""


def conformance(
    url: str,
    /,
    *,
    key: Annotated[str, Parameter(name="--key")] = demo.KEY,
    secret: Annotated[str, Parameter(name="--secret")] = demo.SECRET,
    caller: Annotated[str | None, Parameter(name="--from")] = None,
    number: Annotated[str | None, Parameter(name="--to")] = None,
    json: AsJson = False,
) -> int:
    """Ask a callback server everything that can go wrong, and say what does, one line a check.

    Parameters
    ----------
    url
        Its callback URL.
    key
        Application key that it knows; the demonstration's unless given.
    secret
        Secret of that application, base64.
    caller
        In-app user who calls.
    number
        Number that this user dials.
    """
    from callgate.emulator.conformance.run import CALLER, NUMBER, check_conformance
    from callgate.emulator.load.mix import parse_callers, parse_numbers
    from callgate.emulator.target import check_secret, read_target
    from callgate.emulator.transport import HttpTransport

    try:
        report = check_conformance(
            HttpTransport(read_target(url, "URL")),
            key,
            check_secret(secret),
            caller=parse_callers(caller)[0] if caller is not None else CALLER,
            number=parse_numbers(number)[0] if number is not None else NUMBER,
            on_checked=None if json else _print,
        )
    except (Invalid, TargetUnreachable, TargetUnfit) as error:
        sys.stderr.write(f"{error}\n")
        return MISUSED
    if json:
        say_json(_as_json(report))
    else:
        say(f"\n{_summary(report)}")
    return DONE if report.is_well else FAILED


def _print(checked: Checked) -> None:
    from rich.console import Console
    from rich.text import Text

    styles = {"pass": "green", "fail": "bold red", "advice": "yellow", "skipped": "dim"}
    line = Text(f"{checked.mark:8}", style=styles[checked.mark])
    line.append(f"{checked.name:24}{checked.says}", style="default")
    if checked.todo:
        line.append(f"\n{'':8}found: {checked.found}", style="dim")
        line.append(f"\n{'':8}do: {checked.todo}", style="bold")
    Console(highlight=False, soft_wrap=True).print(line)


def _summary(report: Conformance) -> str:
    counts = {
        mark: sum(check.mark == mark for check in report.checks) for mark in ("pass", "fail", "advice", "skipped")
    }
    said = (
        f"{len(report.checks)} checks: {counts['pass']} passed, {counts['fail']} failed, {counts['advice']} with advice"
    )
    return f"{said}, {counts['skipped']} not tried" if counts["skipped"] else said


def _as_json(report: Conformance) -> dict[str, object]:
    import msgspec

    return {"target": report.target, "ok": report.is_well, "checks": msgspec.to_builtins(report.checks)}
