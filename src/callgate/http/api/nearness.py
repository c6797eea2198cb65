"""Routes of nearness: how much of each limit an account has used, now and in the windows that limits count in."""

from collections.abc import Sequence

import msgspec
from litestar import get
from litestar.params import FromPath

from callgate.errors import NotFound
from callgate.http.api.access import may_look
from callgate.http.api.accounts import InApp
from callgate.http.api.desk import Desk, TheDesk
from callgate.http.api.paging import Cursor, Limit, Page, page, read_cursor
from callgate.money import format_micros
from callgate.policy.nearness import NEAR_PERCENT, Near
from callgate.service.books import AccountKey
from callgate.service.nearness import Standing, standings
from callgate.service.open_account import OpenedAccount
from callgate.service.reports import rfc3339


class UsedReport(msgspec.Struct, frozen=True, kw_only=True):
    """One limit. Of money `used` and `most` are amounts in the account's currency, and `held` the part of what was used that
    live calls hold and may yet give back; else they are counts, as text too, and `held` is null. `about` is the number that a
    limit on one number is nearest for. `is_near` from four fifths on.
    """

    limit: str
    used: str
    most: str
    held: str | None
    about: str
    percent: int
    is_near: bool


class NearnessReport(msgspec.Struct, frozen=True, kw_only=True):
    """How an account stands: each limit that is used up, in the order in which a decision asks. `nearest` names the one of which
    most was used, null where nothing was.
    """

    id: str
    application: str
    currency: str
    nearest: str | None
    blocked_until: str | None
    limits: Sequence[UsedReport]


@get("/nearness", guards=[may_look])
async def list_nearness(
    desk: TheDesk, app: InApp = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[NearnessReport]:
    """Say of all accounts, by id, how near they are to their limits."""
    application = desk.application(app)
    opened = await desk.store.accounts(application, after=read_cursor(cursor), limit=limit + 1)
    reports = await _reports(desk, application, opened)
    return page(reports, limit, lambda report: report.id, lambda report: report)


@get("/accounts/{account:str}/nearness", guards=[may_look])
async def show_nearness(desk: TheDesk, account: FromPath[str], app: InApp = None) -> NearnessReport:
    """Say how near an account is to its limits, those of its application included."""
    key = AccountKey(desk.application(app), account)
    opened = await desk.store.account(key)
    if opened is None:
        raise NotFound(f"there is no account {account} in application {key.application}")
    return (await _reports(desk, key.application, [opened]))[0]


async def _reports(desk: Desk, application: str, opened: Sequence[OpenedAccount]) -> list[NearnessReport]:
    """Of all of them at once: one look, however many."""
    if not opened:
        return []
    row, ids = desk.catalog.applications[application].row, [each.account.id for each in opened]
    found = await standings(desk.plain_store, row, ids, desk.clock())
    return [_report(each, found[each.account.id]) for each in opened if each.account.id in found]


def _report(opened: OpenedAccount, standing: Standing) -> NearnessReport:
    return NearnessReport(
        id=opened.account.id,
        application=opened.account.application,
        currency=opened.account.currency,
        nearest=None if standing.nearest is None else standing.nearest.limit,
        blocked_until=None if standing.blocked_until is None else rfc3339(standing.blocked_until),
        limits=[_used(near) for near in standing.near],
    )


def _used(near: Near) -> UsedReport:
    shown = format_micros if near.is_money else str
    return UsedReport(
        limit=near.limit,
        used=shown(near.used),
        most=shown(near.most),
        held=format_micros(near.held) if near.is_money else None,
        about=near.about,
        percent=near.percent,
        is_near=near.percent >= NEAR_PERCENT,
    )


ROUTES = (list_nearness, show_nearness)
