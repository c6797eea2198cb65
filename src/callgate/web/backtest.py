"""What other rules, prices or a list would have changed: past calls are judged again, and nothing is written."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from litestar import Response, get, post

from callgate.errors import (
    Conflict,
    DeckFault,
    Error,
    Invalid,
    ListInvalid,
    NotFound,
    RateDeckInvalid,
    RuleFault,
    RulesInvalid,
)
from callgate.policy.number_list import ListKind, NumberList
from callgate.policy.rules.document import RuleDocument, read_rules
from callgate.rating.deck import Deck
from callgate.service.backtest import BacktestReport, Trial, backtest, read_trial_decks, trial_list
from callgate.service.backtest_turn import backtest_turn
from callgate.service.number_lists import read_entries
from callgate.service.rules import rules_report
from callgate.service.token import Role
from callgate.web.calls import read_time
from callgate.web.deck_upload import CARRIED, prepared_deck
from callgate.web.desk import AnyRequest, AtDesk, Desk, Form
from callgate.web.forms import Filled, told_first
from callgate.web.lists import as_file, form_of, given, paths

LISTED = 200
"""Changes that are shown; files have as many."""

MOST_CALLS = (
    ("2000", "the newest 2,000"),
    ("10000", "the newest 10,000"),
    ("50000", "the newest 50,000: some minutes"),
)
"""How many calls are looked at: somebody waits for the answer."""

FAULTS_SHOWN = 20

KINDS = {
    "refused": "connected before, refused then",
    "connected": "refused before, connected then",
    "reason": "refused for another reason",
    "elsewhere": "sent to another destination",
    "price": "at another price",
    "shorter": "granted less time",
    "longer": "granted more time",
}
"""What each kind of change is called."""


@get("/rules/backtest")
async def ask_backtest(desk: AtDesk, request: AnyRequest) -> Response[str]:
    """The form, with the rules in force in it."""
    desk.at_least(Role.OPERATOR)
    app = desk.application(given(request, ("app",))["app"])
    report = await rules_report(desk.store, app)
    first = {
        "app": app,
        "since": "7d",
        "most": MOST_CALLS[0][0],
        "document": report.document,
        "list_kind": ListKind.DENY.value,
    }
    first |= {"rules": "on"} if report.document.strip() else {}
    return await _page(desk, request, Filled(first))


@post(paths("/rules/backtest"))
async def run_backtest(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Judge the calls of a time again. One backtest runs at a time: it gives way to decisions, and takes a while."""
    desk.at_least(Role.OPERATOR)
    form, now = Filled(data), desk.clock()
    app = desk.application(form["app"])
    try:
        since = read_time(form["since"].strip() or "7d", "since", now) or now - timedelta(days=7)
        trial = await _trial(desk, form, app)
        report = await _judged(desk, form, app, trial, since)
    except RulesInvalid as error:
        form.faults["document"] = told_first("This document cannot be tried", error.faults)
        return await _page(desk, request, form, faults=error.faults)
    except RateDeckInvalid as error:
        form.faults["rows"] = told_first("These rows cannot be tried", error.faults)
        return await _page(desk, request, form, faults=error.faults)
    except ListInvalid as error:
        form.faults["entries"] = told_first("These numbers cannot be tried", error.faults)
        return await _page(desk, request, form)
    except (Invalid, Conflict, NotFound) as error:
        return await _page(desk, request, _blamed(form, error))
    if kind := form_of(request):
        return as_file(kind, report.changes, None, f"backtest-{app}")
    return await _page(desk, request, form, report=report)


async def _judged(desk: Desk, form: Filled, app: str, trial: Trial, since: datetime) -> BacktestReport:
    """Raises `Conflict` while another one runs."""
    async with backtest_turn() as rest:
        return await backtest(
            desk.store,
            desk.catalogs.now,
            app,
            trial,
            since=since,
            until=desk.clock(),
            most_calls=int(form["most"] if form["most"] in dict(MOST_CALLS) else MOST_CALLS[0][0]),
            listed=LISTED,
            rest=rest,
        )


async def _trial(desk: Desk, form: Filled, app: str) -> Trial:
    """What is to be tried. Raises what reading it does, and `Invalid` where there is nothing."""
    rules: RuleDocument | None = None
    if form["rules"]:
        rules = read_rules(form["document"].replace("\r\n", "\n"), "the document")
    decks: dict[str, Deck] = {}
    if form["upload"]:
        prepared = await prepared_deck(desk, form)
        decks[form["deck"]] = Deck(name=form["deck"], currency=prepared.currency, rows=prepared.after)
    elif form["rows"].strip():
        if not form["deck"]:
            raise Invalid("deck", "nothing", "the deck that these rows stand for")
        rows = {form["deck"]: ("the rows", form["rows"].encode())}
        mappings = await desk.store.supplier_mappings(form["deck"])
        decks = await asyncio.to_thread(read_trial_decks, desk.catalogs.now, rows, desk.clock(), mappings)
    lists: list[NumberList] = []
    if form["entries"].strip():
        entries = read_entries(form["entries"].split(), "the list")
        name, kind = (
            form["list"].strip() or "tried",
            ListKind.ALLOW if form["list_kind"] == ListKind.ALLOW else ListKind.DENY,
        )
        lists.append(trial_list(desk.catalogs.now, app, name, kind, entries))
    if rules is None and not decks and not lists:
        raise Invalid("rules", "nothing", "rules, rows of a deck, or numbers of a list to try")
    return Trial(rules=rules, decks=decks, lists=lists)


async def _page(
    desk: Desk,
    request: AnyRequest,
    form: Filled,
    *,
    report: BacktestReport | None = None,
    faults: Sequence[RuleFault | DeckFault] = (),
) -> Response[str]:
    return await desk.page(
        "backtest.html",
        request,
        form=form,
        app=form["app"],
        report=report,
        kinds=[] if report is None else [(KINDS.get(kind, kind), count) for kind, count in report.kinds.items()],
        kind_names=KINDS,
        faults=faults[:FAULTS_SHOWN],
        more_faults=max(0, len(faults) - FAULTS_SHOWN),
        applications=tuple(desk.applications),
        decks=sorted(desk.decks),
        most=MOST_CALLS,
        carried=tuple(name for name in CARRIED if name != "deck"),
        list_kinds=(
            (ListKind.DENY.value, "deny: refuse what is on it"),
            (ListKind.ALLOW.value, "allow: refuse what is not"),
        ),
        status_code=422 if form.is_faulty else 200,
    )


def _blamed(form: Filled, error: Error) -> Filled:
    otherwise = "deck" if "deck" in str(error) else "list" if "list" in str(error) else "document"
    return form.blame(error, {"since": "since", "rules": "document", "deck": "deck", "list": "list"}, otherwise)


backtest_routes = (ask_backtest, run_backtest)
