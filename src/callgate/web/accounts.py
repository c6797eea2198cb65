"""Accounts: who pays, what they have, and what an operator does to it."""

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from litestar import Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from callgate.errors import Error, NotFound, StorageUnavailable
from callgate.ledger.transfer import TransferKind
from callgate.money import CURRENCIES, format_micros, parse_micros
from callgate.policy.account import Status
from callgate.policy.permissions import INHERITED
from callgate.policy.permissions import NAMES as PERMISSIONS
from callgate.service.adjust import Adjust
from callgate.service.books import AccountKey
from callgate.service.hang_up import HungUp, hang_up_account
from callgate.service.look_through import Looked, look_through
from callgate.service.nearness import Standing, standings
from callgate.service.open_account import OpenAccount, OpenedAccount
from callgate.service.reports import AccountReport, account_report, report_account, report_call
from callgate.service.set_account import SetAccount
from callgate.service.set_limits import SetAccountLimits
from callgate.service.set_status import SetAccountStatus
from callgate.service.statement import StatementPosition, account_statement, lines_of_kind, statement_page
from callgate.service.token import Role
from callgate.service.top_up import TopUp
from callgate.service.watch import CallFilter
from callgate.web.balance import available_chart
from callgate.web.desk import AnyRequest, AtDesk, Desk, Form, name_of
from callgate.web.formats import money
from callgate.web.forms import Filled
from callgate.web.limit_bars import bars_of, nearest_of
from callgate.web.limit_fields import changed_words, to_fill, to_show
from callgate.web.lists import Listed, as_file, form_of, given, paths, query
from callgate.web.search import fragment_of, holds
from callgate.web.view import view_line

SHOWN = 50
STATEMENT_SHOWN = 12
CALLS_SHOWN = 10
CHARTED = 300
"""Newest transfers that the chart of a balance goes back over: more would be closer together than dots on a screen."""

STATEMENT_PAGE = 100
FILED = 1_000
"""Lines of a statement on a page, and in a file; both say where the next ones are."""

CHARTED_CALLS = 200
"""Newest calls whose holds it shows."""


@get(paths("/accounts"))
async def list_accounts(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """Accounts by id. `find` is the beginning of an id; `number` a part of a number or name that one answers to; `status`."""
    desk.who()
    filters = given(request, ("app", "find", "number", "status", "after"))
    if not desk.applications:
        nothing: dict[str, Any] = {"listed": Listed((), None, filters), "app": "", "applications": (), "statuses": ()}
        form = form_of(request)
        return as_file(form, (), None, "accounts") if form else await desk.page("accounts.html", request, **nothing)
    app = desk.application(filters["app"])
    found = await _found(desk, app, filters)
    items = [report_account(*each) for each in found.items]
    following = None if found.last is None else query(request, after=found.last.account.id)
    if form := form_of(request):
        return as_file(form, items, following, "accounts")
    del filters["after"], filters["app"]
    listed = Listed(items, following, filters, is_cut=found.is_cut)
    standings = await _standings(desk, app, [item.id for item in items])
    return await desk.page(
        "accounts.html",
        request,
        listed=listed,
        app=app,
        applications=tuple(desk.applications),
        statuses=tuple(status.value for status in Status),
        same=query(request, after=None),
        nearest={item.id: nearest_of(standings.get(item.id), item.currency) for item in items},
    )


async def _found(desk: Desk, app: str, filters: Mapping[str, str]) -> Looked[OpenedAccount]:
    """Those whose ids begin so are together; for what they answer to and how they are, they are looked through."""
    find, fragment, status = filters["find"], fragment_of(filters["number"]), filters["status"]
    first = max(filters["after"], _before(find))

    async def read(last: OpenedAccount | None, limit: int) -> Sequence[OpenedAccount]:
        after = first if last is None else last.account.id
        found = await desk.store.accounts(app, after=after, limit=limit)
        return [each for each in found if each.account.id.startswith(find)]

    def is_wanted(opened: OpenedAccount) -> bool:
        named = (identity.partition(":")[2] for identity in opened.identities)
        return status in ("", opened.account.status) and (not fragment or holds(fragment, *named))

    return await look_through(read, SHOWN, is_wanted if fragment or status else None)


@get("/accounts/new")
async def ask_account(desk: AtDesk, request: AnyRequest) -> Response[str]:
    """The form of a new account."""
    desk.at_least(Role.ADMIN)
    return await _new_account_page(desk, request, Filled(currency="USD", deck="standard", credit_limit="0"))


@post("/accounts/new")
async def open_account(desk: AtDesk, request: AnyRequest, data: Form) -> Response[Any]:
    """Open an account."""
    desk.at_least(Role.ADMIN)
    form = Filled(data)
    try:
        job = OpenAccount(
            application=desk.application(form["app"]),
            account=form["id"].strip(),
            currency=form["currency"],
            credit_limit_micros=parse_micros(form["credit_limit"] or "0", "credit_limit"),
            deck=form["deck"].strip() or "standard",
            identities=tuple(form.words("identities")),
        )
        await desk.store.perform(job)
    except StorageUnavailable:
        raise
    except Error as error:
        places = {"account id": "id", "currency": "currency", "credit_limit": "credit_limit", "identity": "identities"}
        return await _new_account_page(
            desk, request, form.blame(error, places, "deck" if "deck" in str(error) else "id")
        )
    return desk.done(request, _path(job.application, job.account), f"Account {job.account} is open.")


async def _new_account_page(desk: Desk, request: AnyRequest, form: Filled) -> Response[str]:
    return await desk.page(
        "account_new.html",
        request,
        form=form,
        applications=tuple(desk.applications),
        decks=sorted({"standard", *desk.decks}),
        currencies=sorted(CURRENCIES),
        status_code=422 if form.is_faulty else 200,
    )


@get("/accounts/{account:str}")
async def show_account(desk: AtDesk, request: AnyRequest, account: FromPath[str]) -> Response[str]:
    """One account: its money, its limits, its calls and what moved."""
    desk.who()
    return await _account_page(desk, request, account, {})


@get(paths("/accounts/{account:str}/statement"))
async def show_statement(desk: AtDesk, request: AnyRequest, account: FromPath[str]) -> Response[Any]:
    """What moved on an account, newest first; of one `kind`, or of all."""
    desk.who()
    key, form = _key(desk, request, account), form_of(request)
    filters = given(request, ("kind", "before"))
    kind, place, limit = filters["kind"], _place(filters.pop("before")), FILED if form else STATEMENT_PAGE
    if kind in set(TransferKind):
        found = await lines_of_kind(desk.store, key, kind, limit=limit, behind=place)
    else:
        page = await statement_page(desk.store, key, limit=limit, behind=place)
        found = None if page is None else (*page, False)
    if found is None:
        raise NotFound(f"there is no account {account} in application {key.application}")
    lines, behind, is_cut = found
    following = None if behind is None else query(request, before=_mark(behind))
    if form:
        return as_file(form, lines, following, f"statement-{account}")
    return await desk.page(
        "statement.html",
        request,
        account={"id": account, "application": key.application},
        listed=Listed(lines, following, filters, is_cut=is_cut),
        kinds=tuple(kind.value for kind in TransferKind),
        same=query(request, before=None),
    )


def _mark(place: StatementPosition) -> str:
    """A place in a statement as it stands in the URL."""
    return f"{place.posted_micros},{place.owed_micros},{place.transfer_id}"


def _place(mark: str) -> StatementPosition | None:
    """Raises `NotFoundException` for what no page leads to."""
    if not mark:
        return None
    posted, _, rest = mark.partition(",")
    owed, _, transfer = rest.partition(",")
    try:
        return StatementPosition(transfer, int(posted), int(owed))
    except ValueError:
        raise NotFoundException(detail="There is no such page of this statement.") from None


# -- what an operator does ---------------------------------------------------------------------------------------------


@post("/accounts/{account:str}/top-up")
async def top_up(desk: AtDesk, request: AnyRequest, account: FromPath[str], data: Form) -> Response[Any]:
    """Add money. The reference comes with the form, so that sending it twice moves money once."""
    who = desk.at_least(Role.OPERATOR)
    form, key = Filled(data), _key(desk, request, account)
    try:
        done = await desk.store.perform(
            TopUp(
                application=key.application,
                account=account,
                amount_micros=parse_micros(form["amount"]),
                reference=form["reference"].strip(),
                why=form["why"].strip(),
                now=desk.clock(),
                who=name_of(who),
            )
        )
    except StorageUnavailable:
        raise
    except Error as error:
        blamed = form.blame(error, {"reference": "reference", "why": "why"}, "amount")
        return await _account_page(desk, request, account, {"top_up": blamed})
    available = f"{format_micros(done.wallet.available_micros)} {done.wallet.currency} is available now."
    sentence = "This had been added before; nothing moved." if done.is_repeat else f"{form['amount']} was added."
    return desk.done(request, _path(*key), f"{sentence} {available}")


@post("/accounts/{account:str}/adjust")
async def adjust(desk: AtDesk, request: AnyRequest, account: FromPath[str], data: Form) -> Response[Any]:
    """Add or take money by hand."""
    who = desk.at_least(Role.OPERATOR)
    form, key = Filled(data), _key(desk, request, account)
    try:
        done = await desk.store.perform(
            Adjust(
                application=key.application,
                account=account,
                amount_micros=parse_micros(form["amount"]),
                why=form["why"].strip(),
                reference=form["reference"].strip(),
                now=desk.clock(),
                who=name_of(who),
            )
        )
    except StorageUnavailable:
        raise
    except Error as error:
        return await _account_page(desk, request, account, {"adjust": form.blame(error, {"why": "why"}, "amount")})
    available = f"{format_micros(done.wallet.available_micros)} {done.wallet.currency} is available now."
    sentence = "This had been done before; nothing moved." if done.is_repeat else "The balance was adjusted."
    return desk.done(request, _path(*key), f"{sentence} {available}")


@post("/accounts/{account:str}/status")
async def set_status(desk: AtDesk, request: AnyRequest, account: FromPath[str], data: Form) -> Response[Any]:
    """Suspend, with its live calls or without; resume; close."""
    desk.at_least(Role.OPERATOR)
    form, key = Filled(data), _key(desk, request, account)
    try:
        status = Status(form["status"])
    except ValueError:
        status = Status.ACTIVE
    try:
        await desk.store.perform(SetAccountStatus(application=key.application, account=account, status=status))
    except StorageUnavailable:
        raise
    except Error as error:
        return await _account_page(desk, request, account, {"status": form.blame(error, {}, "status")})
    sentence = f"Account {account} is {status}."
    if status is Status.SUSPENDED and form["hangup"]:
        sentence = f"{sentence} {_said_of(await hang_up_account(desk.store, desk.platform, key))}"
    return desk.done(request, _path(*key), sentence)


@post("/accounts/{account:str}/settings")
async def set_account(desk: AtDesk, request: AnyRequest, account: FromPath[str], data: Form) -> Response[Any]:
    """Change what it may owe, what prices its calls, and how they hold their money."""
    desk.at_least(Role.ADMIN)
    form, key = Filled(data), _key(desk, request, account)
    permissions = (await _report(desk, key)).permissions
    changed = {
        name: form[name].strip() or INHERITED
        for name in PERMISSIONS
        if name in data and form[name] != permissions[name]
    }
    plain = {name: form[name].strip() for name in ("credit_limit", "deck", "elastic") if form[name]}
    words = tuple(f"{name}={value}" for name, value in (plain | changed).items())
    try:
        await desk.store.perform(SetAccount(application=key.application, account=account, words=words))
    except StorageUnavailable:
        raise
    except Error as error:
        fields = {name: name for name in ("credit_limit", "elastic", *PERMISSIONS)}
        otherwise = "deck" if isinstance(error, NotFound) or "deck" in str(error) else "credit_limit"
        return await _account_page(desk, request, account, {"settings": form.blame(error, fields, otherwise)})
    return desk.done(request, _path(*key), "The settings hold from the next call on.")


@post("/accounts/{account:str}/limits")
async def set_limits(desk: AtDesk, request: AnyRequest, account: FromPath[str], data: Form) -> Response[Any]:
    """Set the limits that were changed: each by its name, a field that was emptied lifts it."""
    desk.at_least(Role.ADMIN)
    form, key = Filled(data), _key(desk, request, account)
    report = await _report(desk, key)
    words = changed_words(to_fill(report.limits), data)
    try:
        await desk.store.perform(SetAccountLimits(application=key.application, account=account, words=words))
    except StorageUnavailable:
        raise
    except Error as error:
        fields = {name: name for name in report.limits}
        blamed = form.blame(error, fields, next(iter(fields)))
        return await _account_page(desk, request, account, {"limits": blamed})
    return desk.done(request, _path(*key), "The limits hold from the next call on.")


# -- the page ----------------------------------------------------------------------------------------------------------


async def _account_page(desk: Desk, request: AnyRequest, account: str, faulty: Mapping[str, Filled]) -> Response[str]:
    """The page of an account, with the forms that were filled in wrongly as they were sent."""
    key, now = _key(desk, request, account), desk.clock()
    report = await _report(desk, key)
    lines = await account_statement(desk.store, key, limit=CHARTED) or []
    wanted = CallFilter(application=key.application, account=account)
    found = await desk.store.search_calls(wanted, before=None, limit=CHARTED_CALLS)
    calls = [report_call(call, now) for call in found.calls[:CALLS_SHOWN]]
    standing = (await _standings(desk, key.application, [account])).get(account)
    return await desk.page(
        "account.html",
        request,
        account=report,
        figures={name: money(getattr(report, name), report.currency) for name in _FIGURES},
        lines=lines[:STATEMENT_SHOWN],
        has_more=len(lines) > STATEMENT_SHOWN,
        chart=available_chart(report, lines, found.calls, now, is_cut=len(found.calls) == CHARTED_CALLS),
        bars=bars_of(standing, report.currency),
        blocked_until=None if standing is None else standing.blocked_until,
        calls=[view_line(call) for call in calls],
        decks=sorted({*desk.decks, report.deck}),
        forms={**_first_forms(report, now), **faulty},
        limits=to_show(report.limits),
        permissions=PERMISSION_HINTS,
        status_code=422 if faulty else 200,
    )


PERMISSION_HINTS = {
    "hours": "Such as Mo-Fr 08:00-18:00; Sa 10:00-14:00; default: as its application says.",
    "timezone": "",
    "holidays": "Days such as 2026-12-24, or 12-25 of every year, comma between.",
    "caller_id": "What becomes of a number that it may not show: hide, refuse, or require one.",
    "caller_ids": "Numbers and prefixes that it may show beside its own.",
}
"""What is said of each in the form."""

_FIGURES = ("available", "held", "posted", "owed", "credit_limit")


def _first_forms(report: AccountReport, now: datetime) -> dict[str, Filled]:
    """Every form of the page as it is shown the first time."""
    reference = f"web-{now:%Y%m%d}-{secrets.token_hex(4)}"
    limits = to_fill(report.limits)
    plain = {"credit_limit": report.credit_limit, "deck": report.deck, "elastic": "on" if report.elastic else "off"}
    settings = plain | report.permissions
    return {
        "top_up": Filled(reference=reference),
        "adjust": Filled(reference=reference),
        "status": Filled(),
        "settings": Filled(settings),
        "limits": Filled(limits),
    }


async def _standings(desk: Desk, app: str, accounts: Sequence[str]) -> Mapping[str, Standing]:
    """How near accounts are to their limits, all at once."""
    return await standings(desk.store, desk.applications[app].row, accounts, desk.clock()) if accounts else {}


def _before(start: str) -> str:
    """What stands in the order of ids right before all that begin with these letters."""
    return f"{start[:-1]}{chr(ord(start[-1]) - 1)}\x7f" if start.isascii() and start > " " else ""


async def _report(desk: Desk, key: AccountKey) -> AccountReport:
    report = await account_report(desk.store, key)
    if report is None:
        raise NotFound(f"there is no account {key.account} in application {key.application}")
    return report


def _key(desk: Desk, request: AnyRequest, account: str) -> AccountKey:
    return AccountKey(desk.application(request.query_params.get("app") or ""), account)


def _path(application: str, account: str) -> str:
    return f"accounts/{account}?app={application}"


def _said_of(hung_up: HungUp) -> str:
    count = len(hung_up.ended)
    ended = f"The platform was asked to end {count} live {'call' if count == 1 else 'calls'}."
    return f"{ended} {len(hung_up.failed)} could not be ended." if hung_up.failed else ended


account_routes = (
    list_accounts, ask_account, open_account, show_account, show_statement,
    top_up, adjust, set_status, set_account, set_limits,
)  # fmt: skip
