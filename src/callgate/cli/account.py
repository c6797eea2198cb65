"""`callgate account ...`: who pays."""

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from callgate.cli.desk import (
    AsJson,
    Config,
    InApp,
    Limit,
    Ref,
    open_books,
    read_settings,
    say,
    say_json,
    table,
    the_application,
    who,
)
from callgate.errors import NotFound

if TYPE_CHECKING:
    from datetime import datetime

    from callgate.policy.account import Status
    from callgate.service.adjust import Moved
    from callgate.service.ports import Store
    from callgate.service.reports import AccountReport
    from callgate.service.top_up import ToppedUp


async def create(
    account: str,
    *,
    currency: str,
    deck: str = "standard",
    identity: Annotated[tuple[str, ...], Parameter(negative=())] = (),
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Open an account. Without --identity it answers to the in-app user of the same id.

    Parameters
    ----------
    account
        The account's id, yours to choose.
    currency
        ISO 4217 code of its money.
    deck
        Rate deck that prices its calls.
    identity
        What its callers are known by: user:ID or number:+E164; may be given several times.
    """
    from callgate.service.open_account import OpenAccount
    from callgate.service.reports import report_account

    async with open_books(config) as store:
        application = await the_application(store, app)
        job = OpenAccount(application=application, account=account, currency=currency, deck=deck, identities=identity)
        _say(report_account(*await store.perform(job)), as_json=json)
    return 0


async def topup(
    account: str,
    amount: str,
    *,
    ref: Ref = None,
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Add money to an account. A repeated --ref moves nothing.

    Parameters
    ----------
    account
        The account's id.
    amount
        Decimal, in the account's currency.
    """
    from callgate.app import clock
    from callgate.money import parse_micros
    from callgate.service.top_up import TopUp

    micros, reference = parse_micros(amount), _reference(ref)
    async with open_books(config) as store:
        job = TopUp(
            application=await the_application(store, app),
            account=account,
            amount_micros=micros,
            reference=reference,
            now=clock(),
            who=who(),
        )
        _say_moved(f"Added {amount}.", reference, await store.perform(job), as_json=json)
    return 0


async def adjust(
    account: str,
    amount: Annotated[str, Parameter(allow_leading_hyphen=True)],
    *,
    why: str,
    ref: Ref = None,
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Correct a balance by hand: add money, or take it with an amount below 0.

    Parameters
    ----------
    account
        The account's id.
    amount
        Decimal, in the account's currency; no more can be taken than is available.
    why
        The reason, for the books.
    """
    from callgate.app import clock
    from callgate.money import parse_micros
    from callgate.service.adjust import Adjust

    micros, reference = parse_micros(amount), _reference(ref)
    async with open_books(config) as store:
        job = Adjust(
            application=await the_application(store, app),
            account=account,
            amount_micros=micros,
            why=why,
            reference=reference,
            now=clock(),
            who=who(),
        )
        _say_moved(f"Adjusted by {amount}.", reference, await store.perform(job), as_json=json)
    return 0


async def refund(
    call_id: str,
    amount: str,
    *,
    why: str,
    ref: Ref = None,
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Give back what a call was charged, or a part of it.

    Parameters
    ----------
    call_id
        The provider's call id.
    amount
        Decimal, in the account's currency; all refunds of a call together are at most its charge.
    why
        The reason, for the books.
    """
    from callgate.app import clock
    from callgate.money import parse_micros
    from callgate.protocol.call import CallKey
    from callgate.service.refund import Refund

    micros, reference = parse_micros(amount), _reference(ref)
    async with open_books(config) as store:
        job = Refund(
            call=CallKey(await the_application(store, app), call_id),
            amount_micros=micros,
            why=why,
            reference=reference,
            now=clock(),
            who=who(),
        )
        _say_moved(f"Refunded {amount} of call {call_id}.", reference, await store.perform(job), as_json=json)
    return 0


async def show(account: str, *, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Show an account and its money.

    Parameters
    ----------
    account
        The account's id.
    """
    from callgate.service.books import AccountKey
    from callgate.service.reports import account_report

    async with open_books(config) as store:
        application = await the_application(store, app)
        report = await account_report(store, AccountKey(application, account))
    if report is None:
        raise NotFound(f"there is no account {account} in application {application}")
    _say(report, as_json=json)
    return 0


async def statement(
    account: str, *, limit: Limit = 50, app: InApp = None, config: Config = None, json: AsJson = False
) -> int:
    """Show what moved on an account, newest first, with the balance after each line.

    Parameters
    ----------
    account
        The account's id.
    """
    from callgate.service.books import AccountKey
    from callgate.service.statement import account_statement

    async with open_books(config) as store:
        application = await the_application(store, app)
        lines = await account_statement(store, AccountKey(application, account), limit=limit)
    if lines is None:
        raise NotFound(f"there is no account {account} in application {application}")
    if json:
        say_json(lines)
        return 0
    columns = ("at", "kind", "amount", "posted", "owed", "reference", "who", "why")
    table(columns, [tuple(getattr(line, column) for column in columns) for line in lines])
    return 0


async def verify(
    account: str, *, undo: bool = False, app: InApp = None, config: Config = None, json: AsJson = False
) -> int:
    """Say that you know who is behind an account: more of its calls may be up at once.

    Parameters
    ----------
    account
        The account's id.
    undo
        Take it back.
    """
    from callgate.service.block import VerifyAccount

    async with open_books(config) as store:
        application = await the_application(store, app)
        await store.perform(VerifyAccount(application=application, account=account, is_verified=not undo))
        await _show(store, application, account, as_json=json)
    return 0


async def block(
    account: str,
    *,
    minutes: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=525_600))] = 60,
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Refuse an account's calls for a while; the block ends by itself.

    Parameters
    ----------
    account
        The account's id.
    minutes
        How long.
    """
    from datetime import timedelta

    from callgate.app import clock

    return await _block(account, clock() + timedelta(minutes=minutes), app, config, as_json=json)


async def unblock(account: str, *, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Lift an account's block, and forget what led to it.

    Parameters
    ----------
    account
        The account's id.
    """
    return await _block(account, None, app, config, as_json=json)


async def blocked(*, limit: Limit = 50, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """List the accounts that are blocked, and until when."""
    from callgate.app import clock
    from callgate.service.reports import rfc3339

    async with open_books(config) as store:
        found = await store.blocked_accounts(await the_application(store, app), clock(), limit)
    if json:
        say_json([{"id": account, "blocked_until": rfc3339(until)} for account, until in found])
    else:
        table(("account", "blocked until"), [(account, rfc3339(until)) for account, until in found])
    return 0


async def suspend(
    account: str, *, hangup: bool = False, app: InApp = None, config: Config = None, json: AsJson = False
) -> int:
    """Refuse new calls of an account; live ones go on.

    Parameters
    ----------
    account
        The account's id.
    hangup
        End its live calls too, at the platform.
    """
    from callgate.policy.account import Status

    if hangup:
        return await _suspend_and_hang_up(account, app, config, as_json=json)
    return await _set_status(account, Status.SUSPENDED, app, config, as_json=json)


async def resume(account: str, *, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Take new calls of a suspended or closed account again.

    Parameters
    ----------
    account
        The account's id.
    """
    from callgate.policy.account import Status

    return await _set_status(account, Status.ACTIVE, app, config, as_json=json)


async def close(account: str, *, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Close an account; refused while it has open holds.

    Parameters
    ----------
    account
        The account's id.
    """
    from callgate.policy.account import Status

    return await _set_status(account, Status.CLOSED, app, config, as_json=json)


async def set(  # noqa: A001 - the command's own name
    account: str, *words: str, app: InApp = None, config: Config = None, json: AsJson = False
) -> int:
    """Change what an account may owe, what prices its calls and how they hold money; or show it.

    Parameters
    ----------
    account
        The account's id.
    words
        credit_limit=AMOUNT, at least what open holds need of it; deck=NAME, in the account's currency; elastic=on|off,
        whether calls hold their money slice by slice; low_balance=AMOUNT|none|default, below what it is told to be low;
        locale=sv-SE|default, of what its callers hear; markup=PERCENT, markup_fee=AMOUNT,
        markup_increments=FIRST/NEXT, for an account without a deck; margin_guard=on|off.
        hours="Mo-Fr 08:00-18:00", timezone=ZONE, holidays=DAYS say when calls may be placed; caller_id=hide|refuse|require what
        becomes of a number that may not be shown, caller_ids=NUMBERS which may be. default: as the application says.
    """
    from callgate.service.set_account import SetAccount

    async with open_books(config) as store:
        application = await the_application(store, app)
        if words:
            await store.perform(SetAccount(application=application, account=account, words=words))
        await _show(store, application, account, as_json=json)
    return 0


async def limits(account: str, *words: str, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Set or show an account's limits. Limits of application and account must both hold.

    Parameters
    ----------
    account
        The account's id.
    words
        NAME=VALUE with the names that it shows; none lifts one, default puts it back, an empty value is the empty list; the
        single word open lifts all, defaults puts all back.
    """
    from callgate.cli.limits import say_limits
    from callgate.policy.limits import account_defaults
    from callgate.service.books import AccountKey
    from callgate.service.set_limits import SetAccountLimits

    async with open_books(config) as store:
        application = await the_application(store, app)
        job = SetAccountLimits(application=application, account=account, words=words)
        limits = await store.perform(job)
        opened = await store.account(AccountKey(application, account))
        assert opened is not None, "its limits were there"
    defaults = account_defaults(opened.account.currency, is_verified=opened.account.is_verified)
    say_limits(limits, defaults, as_json=json)
    return 0


def _reference(ref: str | None) -> str:
    """A reference of the operator's own, or one that nobody used."""
    return secrets.token_hex(8) if ref is None else ref


def _say_moved(what: str, reference: str, done: "ToppedUp | Moved", *, as_json: bool) -> None:
    from callgate.money import format_micros

    available = format_micros(done.wallet.available_micros)
    if as_json:
        say_json({"transfer_id": done.transfer_id, "available": available, "currency": done.wallet.currency})
        return
    news = f"Reference {reference} was there already; nothing moved." if done.is_repeat else what
    say(f"{news} Available: {available} {done.wallet.currency}")


async def _set_status(account: str, status: "Status", app: str | None, config: Path | None, *, as_json: bool) -> int:
    from callgate.service.set_status import SetAccountStatus

    async with open_books(config) as store:
        application = await the_application(store, app)
        await store.perform(SetAccountStatus(application=application, account=account, status=status))
        await _show(store, application, account, as_json=as_json)
    return 0


async def _block(account: str, until: "datetime | None", app: str | None, config: Path | None, *, as_json: bool) -> int:
    from callgate.service.block import BlockAccount
    from callgate.service.reports import rfc3339

    async with open_books(config) as store:
        application = await the_application(store, app)
        await store.perform(BlockAccount(application=application, account=account, until=until))
    end = None if until is None else rfc3339(until)
    if as_json:
        say_json({"id": account, "blocked_until": end})
    else:
        say(f"Account {account} is not blocked." if end is None else f"Account {account} is blocked until {end}.")
    return 0


async def _suspend_and_hang_up(account: str, app: str | None, config: Path | None, *, as_json: bool) -> int:
    """Exit code 1 when a call could not be ended: the account is suspended nevertheless."""
    from callgate.app import asked
    from callgate.policy.account import Status
    from callgate.service.books import AccountKey
    from callgate.service.hang_up import hang_up_account
    from callgate.service.set_status import SetAccountStatus

    async with open_books(config) as store, asked(store, read_settings(config)) as platform:
        application = await the_application(store, app)
        await store.perform(SetAccountStatus(application=application, account=account, status=Status.SUSPENDED))
        done = await hang_up_account(store, platform, AccountKey(application, account))
    if as_json:
        say_json({"id": account, "status": Status.SUSPENDED.value, "hung_up": done.ended, "failed": done.failed})
    else:
        say(f"Account {account} is suspended. Calls that the platform ends: {len(done.ended)}.")
        for call_id, why in done.failed.items():
            say(f"  {call_id} goes on: {why}")
    return 1 if done.failed else 0


async def _show(store: "Store", application: str, account: str, *, as_json: bool) -> None:
    from callgate.service.books import AccountKey
    from callgate.service.reports import account_report

    report = await account_report(store, AccountKey(application, account))
    if report is None:
        raise NotFound(f"there is no account {account} in application {application}")
    _say(report, as_json=as_json)


def _say(report: "AccountReport", *, as_json: bool) -> None:
    if as_json:
        say_json(report)
        return
    from callgate.policy.permissions import INHERITED

    say(f"{report.id}  {report.status}  deck {report.deck}  {', '.join(report.identities)}")
    money = f"posted {report.posted}, held {report.held}, owed {report.owed}"
    say(f"available {report.available} {report.currency}  ({money})")
    own = {name: value for name, value in report.permissions.items() if value != INHERITED}
    if own:
        say(", ".join(f"{name} {value}" for name, value in own.items()))
    if report.exposure is not None:
        exposure = report.exposure
        say(
            f"elastic: {exposure.call_count} calls, exposed {exposure.amount} ({exposure.seconds} s);"
            f" while the server is down {exposure.amount_if_down} ({exposure.seconds_if_down} s)"
        )
