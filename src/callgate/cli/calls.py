"""`callgate calls ...`: what happened, and why."""

import msgspec

from callgate.cli.desk import AsJson, Config, InApp, open_books, say, say_json, table, the_application
from callgate.errors import Invalid, NotFound
from callgate.service.reports import DecisionReport

SHOWN = 120
"""Characters of an answer that fit on a line."""


async def list(  # noqa: A001 - the command's own name; one parameter an option
    *, live: bool = False, limit: int = 50, app: InApp = None, config: Config = None, json: AsJson = False
) -> int:
    """List calls, newest first.

    Parameters
    ----------
    live
        Only calls that are up now.
    limit
        How many, 1 to 1000.
    """
    from callgate.app import clock
    from callgate.service.reports import MAX_LIST, call_reports

    if not 1 <= limit <= MAX_LIST:
        raise Invalid("--limit", str(limit), f"1 to {MAX_LIST}")
    async with open_books(config) as store:
        application = await the_application(store, app) if app is not None else None
        reports = await call_reports(store, clock(), application=application, only_live=live, limit=limit)
    if json:
        say_json(reports)
        return 0
    lines = [
        (
            call.decided_at,
            call.call_id,
            call.account or "-",
            call.destination,
            call.state,
            (call.decision and call.decision.refusal) or "-",
            "-" if call.duration_s is None else f"{call.duration_s} s",
            f"{call.charge} {call.currency}" if call.charge is not None else "-",
        )
        for call in reports
    ]
    table(("decided", "call", "account", "destination", "state", "refusal", "talked", "charge"), lines)
    return 0


async def show(call_id: str, *, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Show one call: its timeline, and the reason of its decision.

    Parameters
    ----------
    call_id
        The provider's call id.
    """
    from callgate.app import clock
    from callgate.protocol.call import CallKey
    from callgate.service.reports import call_report

    async with open_books(config) as store:
        application = await the_application(store, app)
        report = await call_report(store, CallKey(application, call_id), clock())
    if report is None:
        raise NotFound(f"there is no call {call_id} in application {application}")
    if json:
        say_json(report)
        return 0
    sides = f"{report.caller or '?'} -> {report.destination or '?'}"
    say(f"{report.call_id}  {report.state}  {sides}  account {report.account or '-'}")
    if report.decision is not None:
        _say_decision(report.decision)
    if report.charge is not None:
        say(
            f"{report.result}, {report.duration_s or 0} s, billed {report.billed_s} s: {report.charge} {report.currency}"
        )
    if report.flags:
        say(f"flags: {', '.join(report.flags)}")
    for event in report.events:
        say(f"  {event['at']}  {event['event']:<6}  {_short(event['answer'])}  {event['note']}".rstrip())
    return 0


def _say_decision(decision: DecisionReport) -> None:
    if decision.refusal is None:
        say(f"connect for at most {decision.granted_s} s")
    else:
        say(f"refused: {decision.refusal}. {decision.reason}")
    for step in decision.trace:
        saw = ", ".join(f"{name} {value}" for name, value in step["saw"].items())
        say(f"  {step['step']:<12} {step['refusal'] or 'passed'}  ({saw})")


def _short(answer: object) -> str:
    text = msgspec.json.encode(answer).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
