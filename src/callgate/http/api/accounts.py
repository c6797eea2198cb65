"""Routes of accounts: who pays, and what they paid in."""

import secrets
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, patch, post
from litestar.params import FromPath, HeaderParameter, JSONBody, QueryParameter

from callgate.errors import Invalid, NotFound
from callgate.http.api.access import may_configure, may_look, may_operate
from callgate.http.api.desk import ApiRequest, Desk, TheDesk
from callgate.http.api.etags import IfMatch, account_tag, tag_of_account, tagged
from callgate.http.api.paging import Cursor, Limit, Page, page, read_cursor
from callgate.money import format_micros, parse_micros
from callgate.policy.account import Status
from callgate.policy.permissions import NAMES as PERMISSIONS
from callgate.policy.pricing import NAMES as PRICING
from callgate.service.books import AccountKey, Job
from callgate.service.open_account import OpenAccount
from callgate.service.reports import AccountReport, account_report, report_account
from callgate.service.set_account import SetAccount
from callgate.service.set_identities import SetIdentities
from callgate.service.set_limits import SetAccountLimits
from callgate.service.set_status import SetAccountStatus
from callgate.service.together import Together
from callgate.service.top_up import ToppedUp, TopUp

InApp = Annotated[
    str | None, QueryParameter(name="app", description="Application key; needed where there are several.")
]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        min_length=1,
        max_length=255,
        description="Same key and body: same reply, and nothing done again.",
    ),
]


class NewAccount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Without identities the account answers to the in-app user of the same id."""

    id: str
    currency: str
    credit_limit: str = "0"
    identities: tuple[str, ...] = ()
    deck: str = "standard"


class AccountChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is. `identities` are all that it has afterwards. An account with open holds cannot be closed,
    and a credit limit not be cut below what is held. `pricing` has `markup`, `markup_fee`, `markup_increments` and
    `margin_guard`; `none` for what the application says. `permissions` has `hours`, `timezone`, `holidays`, `caller_id` and
    `caller_ids`, `locale` is of what its callers hear; `default` for what the application says.
    """

    status: Literal["active", "suspended", "closed"] | None = None
    credit_limit: str | None = None
    deck: str | None = None
    elastic: bool | None = None
    pricing: dict[str, str] = {}
    permissions: dict[str, str] = {}
    locale: Annotated[str, msgspec.Meta(max_length=20)] | None = None
    identities: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] | None = None


class NewTopUp(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`reference` is the caller's own name for this payment: the same again moves nothing."""

    amount: str
    reference: str | None = None


class TopUpReply(msgspec.Struct, frozen=True, kw_only=True):
    """The transfer that added the money, and what is available after it."""

    transfer_id: str
    available: str
    currency: str


@get("/accounts", guards=[may_look])
async def list_accounts(
    desk: TheDesk, app: InApp = None, cursor: Cursor = None, limit: Limit = 50
) -> Page[AccountReport]:
    """List accounts by id."""
    found = await desk.store.accounts(desk.application(app), after=read_cursor(cursor), limit=limit + 1)
    return page(found, limit, lambda each: each.account.id, lambda each: report_account(*each))


@post("/accounts", guards=[may_configure])
async def create_account(
    request: ApiRequest, desk: TheDesk, data: JSONBody[NewAccount], app: InApp = None, key: IdempotencyKey = None
) -> Response[AccountReport]:
    """Open an account with its wallet and identities."""
    del key  # read by the desk; named here for the reference
    application = desk.application(app)
    job = OpenAccount(
        application=application,
        account=data.id,
        currency=data.currency,
        credit_limit_micros=parse_micros(data.credit_limit, "credit_limit"),
        deck=data.deck,
        identities=data.identities,
    )
    return await desk.do(request, job, lambda opened: report_account(*opened), status=201)


@get("/accounts/{account:str}", guards=[may_look])
async def show_account(desk: TheDesk, account: FromPath[str], app: InApp = None) -> Response[AccountReport]:
    """Show an account and its money. Its `ETag` tells what is configured: money that moves does not change it."""
    return await _shown(desk, AccountKey(desk.application(app), account))


async def _shown(desk: Desk, key: AccountKey) -> Response[AccountReport]:
    found = await desk.store.account(key)
    report = await account_report(desk.store, key)
    if report is None or found is None:
        raise NotFound(f"there is no account {key.account} in application {key.application}")
    return tagged(report, account_tag(found.account, found.wallet))


@patch("/accounts/{account:str}", guards=[may_configure])
async def change_account(
    request: ApiRequest,
    desk: TheDesk,
    account: FromPath[str],
    data: JSONBody[AccountChange],
    app: InApp = None,
    if_match: IfMatch = None,
) -> Response[AccountReport]:
    """Change what is set for an account: all of what is named, or nothing."""
    del if_match  # read by the desk; named here for the reference
    key = AccountKey(desk.application(app), account)
    jobs: list[Job[Any]] = [SetAccountLimits(application=key.application, account=account, words=())]
    if words := _words_of(data):
        jobs.append(SetAccount(application=key.application, account=account, words=words))
    if data.status is not None:
        jobs.append(SetAccountStatus(application=key.application, account=account, status=Status(data.status)))
    if data.identities is not None:
        found = await desk.store.account(key)
        known = found.identities if found is not None else ()
        jobs.append(
            SetIdentities(application=key.application, account=account, known=known, identities=data.identities)
        )
    await desk.do(
        request, Together(name="change_account", jobs=jobs), lambda _: None, status=200, tag=tag_of_account(key)
    )
    return await _shown(desk, key)


def _words_of(data: AccountChange) -> tuple[str, ...]:
    elastic = None if data.elastic is None else "on" if data.elastic else "off"
    if unknown := data.pricing.keys() - PRICING.keys():
        raise Invalid("pricing", ", ".join(sorted(unknown))[:60], f"names among {', '.join(PRICING)}")
    if unknown := data.permissions.keys() - PERMISSIONS.keys():
        raise Invalid("permissions", ", ".join(sorted(unknown))[:60], f"names among {', '.join(PERMISSIONS)}")
    named = {"credit_limit": data.credit_limit, "deck": data.deck, "elastic": elastic, "locale": data.locale}
    named |= data.pricing | data.permissions
    return tuple(f"{name}={value}" for name, value in named.items() if value is not None)


@post("/accounts/{account:str}/topups", guards=[may_operate])
async def top_up_account(
    request: ApiRequest,
    desk: TheDesk,
    account: FromPath[str],
    data: JSONBody[NewTopUp],
    app: InApp = None,
    key: IdempotencyKey = None,
) -> Response[TopUpReply]:
    """Add money to an account; what it owes is paid first."""
    del key  # read by the desk; named here for the reference
    job = TopUp(
        application=desk.application(app),
        account=account,
        amount_micros=parse_micros(data.amount),
        reference=data.reference if data.reference is not None else secrets.token_hex(8),
        now=desk.clock(),
        who=request.auth.name,
    )
    return await desk.do(request, job, _topped_up, status=201)


def _topped_up(done: ToppedUp) -> TopUpReply:
    return TopUpReply(
        transfer_id=done.transfer_id,
        available=format_micros(done.wallet.available_micros),
        currency=done.wallet.currency,
    )
