"""Routes of limits: what may be done, who is blocked, who is verified, and the switch that ends everything."""

from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response, delete, get, post, put
from litestar.params import FromPath, JSONBody

from callgate.errors import Invalid, NotFound
from callgate.http.api.access import may_configure, may_look, may_operate
from callgate.http.api.accounts import InApp
from callgate.http.api.desk import ApiRequest, Desk, TheDesk
from callgate.http.api.paging import Page
from callgate.logs import log
from callgate.policy.account import Status
from callgate.policy.limits import APPLICATION_DEFAULTS, Limits, account_defaults, filled, shown
from callgate.policy.usage import Usage, blocked_until
from callgate.service.block import BlockAccount, VerifyAccount
from callgate.service.books import AccountKey
from callgate.service.hang_up import HungUp, hang_up_account, hang_up_application
from callgate.service.reports import AccountReport, account_report, rfc3339
from callgate.service.set_limits import SetAccountLimits, SetApplicationLimits
from callgate.service.set_status import SetAccountStatus, SetApplicationStatus

MAX_BLOCK_MINUTES = 525_600


class NewBlock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long an account is blocked."""

    minutes: int = 60


class Verification(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether the operator knows who is behind the account."""

    verified: bool = True


class BlockReport(msgspec.Struct, frozen=True, kw_only=True):
    """An account and the end of its block, None where it is not blocked."""

    id: str
    blocked_until: str | None


class KilledReport(msgspec.Struct, frozen=True, kw_only=True):
    """What was suspended, the calls that the platform ends, and why others go on, by call id."""

    id: str
    status: str
    hung_up: tuple[str, ...]
    failed: dict[str, str]


@get("/accounts/{account:str}/limits", guards=[may_look])
async def show_account_limits(desk: TheDesk, account: FromPath[str], app: InApp = None) -> dict[str, Any]:
    """Show an account's limits by name, its defaults among them; null where there is none."""
    return (await _account(desk, AccountKey(desk.application(app), account))).limits


@put("/accounts/{account:str}/limits", guards=[may_configure])
async def set_account_limits(
    request: ApiRequest, desk: TheDesk, account: FromPath[str], data: JSONBody[dict[str, Any]], app: InApp = None
) -> Response[dict[str, Any]]:
    """Set the limits that are named; null lifts one. From the next call on."""
    application = desk.application(app)
    report = await _account(desk, AccountKey(application, account))
    defaults = account_defaults(report.currency, is_verified=report.verified)
    job = SetAccountLimits(application=application, account=account, words=words_of(data))
    return await desk.do(request, job, lambda limits: shown(filled(limits, defaults)), status=200)


@get("/applications/{key:str}/limits", guards=[may_look])
async def show_application_limits(desk: TheDesk, key: FromPath[str]) -> dict[str, Any]:
    """Show an application's limits by name; null where there is none."""
    job = SetApplicationLimits(application=desk.application(key), words=())
    return _of_application(await desk.store.perform(job))


@put("/applications/{key:str}/limits", guards=[may_configure])
async def set_application_limits(
    request: ApiRequest, desk: TheDesk, key: FromPath[str], data: JSONBody[dict[str, Any]]
) -> Response[dict[str, Any]]:
    """Set the limits that are named; null lifts one. They hold for each of its accounts, within a second."""
    job = SetApplicationLimits(application=desk.application(key), words=words_of(data))
    return await desk.do(request, job, _of_application, status=200)


@get("/blocks", guards=[may_look])
async def list_blocks(desk: TheDesk, app: InApp = None) -> Page[BlockReport]:
    """List the accounts that are blocked, at most 1 000."""
    found = await desk.store.blocked_accounts(desk.application(app), desk.clock(), 1_000)
    return Page(items=[BlockReport(id=account, blocked_until=rfc3339(until)) for account, until in found], next=None)


@put("/accounts/{account:str}/block", guards=[may_operate])
async def block_account(
    request: ApiRequest, desk: TheDesk, account: FromPath[str], data: JSONBody[NewBlock], app: InApp = None
) -> Response[BlockReport]:
    """Refuse an account's calls for a while."""
    if not 1 <= data.minutes <= MAX_BLOCK_MINUTES:
        raise Invalid("minutes", str(data.minutes), f"1 to {MAX_BLOCK_MINUTES}")
    until = desk.clock() + timedelta(minutes=data.minutes)
    job = BlockAccount(application=desk.application(app), account=account, until=until)
    return await desk.do(request, job, _of_block, status=200)


@delete("/accounts/{account:str}/block", guards=[may_operate], status_code=200)
async def unblock_account(
    request: ApiRequest, desk: TheDesk, account: FromPath[str], app: InApp = None
) -> Response[BlockReport]:
    """Lift an account's block, and forget what led to it."""
    job = BlockAccount(application=desk.application(app), account=account, until=None)
    return await desk.do(request, job, _of_block, status=200)


@put("/accounts/{account:str}/verification", guards=[may_configure])
async def verify_account(
    request: ApiRequest, desk: TheDesk, account: FromPath[str], data: JSONBody[Verification], app: InApp = None
) -> Response[dict[str, Any]]:
    """Say whether you know who is behind an account: then more of its calls may be up at once."""
    job = VerifyAccount(application=desk.application(app), account=account, is_verified=data.verified)
    return await desk.do(request, job, lambda done: {"id": done.id, "verified": done.is_verified}, status=200)


@post("/accounts/{account:str}/kill", guards=[may_operate], status_code=200)
async def kill_account(request: ApiRequest, desk: TheDesk, account: FromPath[str], app: InApp = None) -> KilledReport:
    """Suspend an account and end its live calls at the platform."""
    key = AccountKey(desk.application(app), account)
    await desk.store.perform(SetAccountStatus(application=key.application, account=account, status=Status.SUSPENDED))
    done = await hang_up_account(desk.store, desk.platform, key)
    log.warning("account.killed", application=key.application, who=request.auth.name, ended=len(done.ended))
    return _killed(account, done)


@post("/applications/{key:str}/kill", guards=[may_configure], status_code=200)
async def kill_application(request: ApiRequest, desk: TheDesk, key: FromPath[str]) -> KilledReport:
    """Suspend an application and end all of its live calls at the platform."""
    key = desk.application(key)
    await desk.store.perform(SetApplicationStatus(key=key, status=Status.SUSPENDED))
    done = await hang_up_application(desk.store, desk.platform, key)
    log.warning("application.killed", application=key, who=request.auth.name, ended=len(done.ended))
    return _killed(key, done)


ROUTES = (
    show_account_limits, set_account_limits, show_application_limits, set_application_limits,
    list_blocks, block_account, unblock_account, verify_account, kill_account, kill_application,
)  # fmt: skip


def words_of(limits: dict[str, Any]) -> tuple[str, ...]:
    """A JSON object of limits as the words of commands. Raises `Invalid` for a value of a kind that no limit has."""
    words = []
    for name, value in limits.items():
        if value is None:
            word = "none"
        elif isinstance(value, list) and all(isinstance(each, str) for each in value):
            word = ",".join(value)
        elif isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool)):
            word = str(value)
        else:
            raise Invalid(name, repr(value)[:100], "a string, a whole number, a list of strings, or null")
        words.append(f"{name}={word}")
    return tuple(words)


def _of_application(limits: Limits) -> dict[str, Any]:
    return shown(filled(limits, APPLICATION_DEFAULTS))


def _of_block(usage: Usage) -> BlockReport:
    until = blocked_until(usage)
    return BlockReport(id=usage.account, blocked_until=None if until is None else rfc3339(until))


def _killed(named: str, done: HungUp) -> KilledReport:
    return KilledReport(id=named, status=Status.SUSPENDED.value, hung_up=done.ended, failed=done.failed)


async def _account(desk: Desk, key: AccountKey) -> AccountReport:
    report = await account_report(desk.store, key)
    if report is None:
        raise NotFound(f"there is no account {key.account} in application {key.application}")
    return report
