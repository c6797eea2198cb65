"""`callgate calls ...`: what happened, and why."""

import sys
from typing import TYPE_CHECKING

from callgate.cli.desk import (
    AsJson,
    Config,
    InApp,
    Limit,
    open_books,
    read_settings,
    say,
    say_json,
    say_steps,
    table,
    the_application,
)
from callgate.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from callgate.service.follow import News
    from callgate.service.reports import CallReport, DecisionReport

SHOWN = 120
"""Characters of an answer that fit on a line."""

LOOK_AGAIN_S = 0.25


async def list(  # noqa: A001 - the command's own name; one parameter an option
    *, live: bool = False, limit: Limit = 50, app: InApp = None, config: Config = None, json: AsJson = False
) -> int:
    """List calls, newest first.

    Parameters
    ----------
    live
        Only calls that are up now.
    """
    from callgate.app import clock
    from callgate.service.reports import call_reports

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
            + ("" if report.settled_by == "disconnect" else f", settled by {report.settled_by}")
        )
    if report.flags:
        say(f"flags: {', '.join(report.flags)}")
    for event in report.events:
        told = event["sent"] if event["answer"] == "" else event["answer"]  # what we did ourselves has no answer
        say(f"  {event['at']}  {event['event']:<6}  {_short(told)}  {event['note']}".rstrip())
    return 0


async def hangup(call_id: str, *, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """End a live call at the platform.

    Parameters
    ----------
    call_id
        The provider's call id.
    """
    from callgate.app import asked
    from callgate.protocol.call import CallKey
    from callgate.service.hang_up import hang_up_call

    async with open_books(config) as store:
        key = CallKey(await the_application(store, app), call_id)
        async with asked(store, read_settings(config)) as platform:
            await hang_up_call(store, platform, key)
    if json:
        say_json({"call_id": call_id, "hung_up": True})
    else:
        say(f"The platform ends call {call_id}. What it cost is known when its disconnect comes.")
    return 0


async def tail(*, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Print calls as they are decided and as they end, until Ctrl-C. With --json one object a line."""
    import asyncio

    from callgate.app import clock
    from callgate.service.follow import Follower

    async with open_books(config) as store:
        follower = Follower(store, clock(), await the_application(store, app) if app is not None else None)
        try:
            while True:
                for news in await follower.look():
                    _say_news(news, clock(), as_json=json)
                await asyncio.sleep(LOOK_AGAIN_S)
        except asyncio.CancelledError:  # Ctrl-C: its proper end
            return 0


def _say_news(news: "News", now: "datetime", *, as_json: bool) -> None:
    """One line, at once: whoever reads may be a program that waits for it."""
    import msgspec

    from callgate.service.reports import report_call

    call = report_call(news.call, now)
    if as_json:
        sys.stdout.buffer.write(msgspec.json.encode({"event": news.what, **msgspec.structs.asdict(call)}) + b"\n")
    else:
        sides = f"{call.account or call.caller or '?'} -> {call.destination or '?'}"
        say(f"{_moment(news, call)}  {call.call_id}  {sides}  {_what(news, call)}")
    sys.stdout.flush()


def _moment(news: "News", call: "CallReport") -> str:
    return call.decided_at if news.what == "decided" else call.ended_at or call.decided_at


def _what(news: "News", call: "CallReport") -> str:
    if news.what == "ended":
        charge = f", {call.charge} {call.currency}" if call.charge is not None else ""
        return f"ended: {call.result}, {call.duration_s or 0} s{charge}"
    assert call.decision is not None, "it was decided"
    return f"refused: {call.decision.refusal}" if call.decision.refusal else f"connect for {call.decision.granted_s} s"


def _say_decision(decision: "DecisionReport") -> None:
    if decision.refusal is None:
        say(f"connect for at most {decision.granted_s} s")
    else:
        say(f"refused: {decision.refusal}. {decision.reason}")
    say_steps(decision.trace)


def _short(answer: object) -> str:
    import msgspec

    text = msgspec.json.encode(answer).decode()
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."
