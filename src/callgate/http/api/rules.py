"""Routes of operators' rules: what they say, what they would say of a call, why a call was decided as it was."""

import asyncio
from datetime import timedelta
from typing import Annotated, Any

import msgspec
from litestar import Response, get, post, put
from litestar.params import FromQuery, QueryParameter

from callgate.errors import Invalid
from callgate.http.api.access import may_configure, may_look, may_operate
from callgate.http.api.accounts import InApp
from callgate.http.api.desk import ApiRequest, TheDesk
from callgate.http.api.times import read_time
from callgate.policy.number_list import ListKind
from callgate.policy.rules.rule import Rule
from callgate.protocol.call import CallKey
from callgate.service.apply_rules import ApplyRules
from callgate.service.backtest import MAX_LISTED, BacktestReport, Trial, backtest, read_trial_decks, trial_list
from callgate.service.backtest_turn import backtest_turn
from callgate.service.elastic import DEFAULT_TERMS
from callgate.service.explain import Explanation, explain_call, explain_what_if
from callgate.service.number_lists import read_entries
from callgate.service.rules import RulesReport, binding_anew, read_document, rules_report

SOURCE = "the document"
"""What errors call a document that came in a request."""

USUAL = timedelta(days=7)
"""How far a backtest looks back unless it is told."""

MOST_CALLS = 100_000
"""Calls that a backtest over the API looks at, at most; the command has no such bound."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """`version` is the one in force now. `binding_anew` are rules that bind and did not before, or not in these words."""

    application: str
    version: int
    rules: tuple[Rule, ...]
    binding_anew: list[str]


class DocumentBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The JSON form of a body: the TOML document as one string."""

    document: str


@get("/rules", guards=[may_look])
async def show_rules(
    desk: TheDesk,
    version: Annotated[
        int | None, QueryParameter(name="version", ge=1, description="The one in force, unless given.")
    ] = None,
    app: InApp = None,
) -> RulesReport:
    """Show the rules in force, or an earlier version of them."""
    return await rules_report(desk.store, desk.application(app), version)


@put("/rules", guards=[may_configure])
async def apply_rules(
    request: ApiRequest,
    desk: TheDesk,
    dry_run: FromQuery[bool] = False,  # noqa: FBT002 - a query parameter
    base: Annotated[
        int | None, QueryParameter(name="base", ge=0, description="Refused when another version is in force.")
    ] = None,
    app: InApp = None,
) -> Response[Applied]:
    """Put a document of rules in force. The body is the TOML itself, or in JSON `{"document": TOML}`.

    With `dry_run` it is only checked.
    """
    application = desk.application(app)
    text = await document_in(request)
    document = read_document(text, SOURCE)
    before = await rules_report(desk.store, application)
    anew = binding_anew(before.rules, document.rules)

    def applied(version: int) -> Applied:
        return Applied(application=application, version=version, rules=document.rules, binding_anew=anew)

    if dry_run:
        return Response(applied(before.version))
    job = ApplyRules(
        application=application, document=text, who=f"token:{request.auth.name}", now=desk.clock(), base=base
    )
    done = await desk.do(request, job, lambda head: applied(head.version), status=200)
    await desk.refresh()
    return done


@get("/rules/explain", guards=[may_look])
async def explain(
    desk: TheDesk,
    call_id: FromQuery[str | None] = None,
    caller: Annotated[str | None, QueryParameter(name="from", description="user:ID or a number.")] = None,
    to: FromQuery[str | None] = None,
    app: InApp = None,
) -> Explanation:
    """Explain the decision of a call, by its `call_id`; or how a call `from` somebody `to` somebody would be decided now."""
    application = desk.application(app)
    if call_id is not None and caller is None and to is None:
        return await explain_call(desk.store, CallKey(application, call_id))
    if call_id is None and caller is not None and to is not None:
        return await explain_what_if(
            desk.store, desk.catalog, application, caller, to, now=desk.clock(), elastic=DEFAULT_TERMS
        )
    raise Invalid("query", "neither or both", "call_id, or from and to")


@post("/rules/backtest", guards=[may_operate], status_code=200)
async def try_rules(
    request: ApiRequest,
    desk: TheDesk,
    since: Annotated[
        str | None, QueryParameter(name="since", format="date-time", description="Since then; a week ago.")
    ] = None,
    until: Annotated[
        str | None, QueryParameter(name="until", format="date-time", description="Calls before then; now.")
    ] = None,
    limit: Annotated[int, QueryParameter(name="limit", ge=0, le=MAX_LISTED, description="Changes listed.")] = 100,
    app: InApp = None,
) -> BacktestReport:
    """Say what other rules, prices or lists would have changed about past calls, without changing anything.

    The body is a document of rules in TOML, or in JSON `{"document": TOML, "decks": {NAME: CSV}, "lists": {NAME: {"kind",
    "entries"}}}`; what is left out is as it is in force, and so is the kind of a list that is there. Rules are judged as if
    all of them were binding. One backtest runs at a time.
    """
    application, now = desk.application(app), desk.clock()
    tried = trial_in(await request.body(), is_json(request))
    async with backtest_turn() as rest:
        mappings = await desk.store.supplier_mappings()
        files = {name: (f"decks.{name}", text.encode()) for name, text in tried.decks.items()}
        return await backtest(
            desk.store,
            desk.catalog,
            application,
            Trial(
                rules=None if tried.document is None else read_document(tried.document, SOURCE),
                decks=await asyncio.to_thread(read_trial_decks, desk.catalog, files, now, mappings),
                lists=[
                    trial_list(
                        desk.catalog, application, name, each.kind, read_entries(each.entries, f"lists.{name}.entries")
                    )
                    for name, each in tried.lists.items()
                ],
            ),
            since=now - USUAL if since is None else read_time("since", since),
            until=now if until is None else read_time("until", until),
            most_calls=MOST_CALLS,
            listed=limit,
            rest=rest,
        )


class TrialList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All entries of a list that is tried."""

    entries: list[str]
    kind: ListKind | None = None


class TrialBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is tried, in JSON."""

    document: str | None = None
    decks: dict[str, str] = {}
    lists: dict[str, TrialList] = {}


def trial_in(body: bytes, is_json: bool) -> TrialBody:  # noqa: FBT001 - what the request says of its body
    """Raises `Invalid`."""
    try:
        tried = msgspec.json.decode(body, type=TrialBody) if is_json else TrialBody(document=body.decode())
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Invalid("body", str(error)[:200], "a TOML document in UTF-8, or JSON as the reference has it") from None
    if tried.document is None and not tried.decks and not tried.lists:
        raise Invalid("body", "nothing to try", "a document of rules, decks or lists")
    return tried


def is_json(request: ApiRequest) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip() == "application/json"


async def document_in(request: ApiRequest) -> str:
    """The document in the body of a request. Raises `Invalid`."""
    body = await request.body()
    try:
        if is_json(request):
            return msgspec.json.decode(body, type=DocumentBody).document
        return body.decode()
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Invalid("body", str(error)[:200], 'a TOML document in UTF-8, or in JSON {"document": TOML}') from None


ROUTES: list[Any] = [show_rules, apply_rules, explain, try_rules]
