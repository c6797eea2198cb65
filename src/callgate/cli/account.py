"""`callgate account ...`: who pays."""

import secrets
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callgate.cli.desk import AsJson, Config, InApp, open_books, say, say_json, the_application
from callgate.errors import NotFound

if TYPE_CHECKING:
    from callgate.service.reports import AccountReport


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
    ref: str | None = None,
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
    ref
        Your own name for this payment.
    """
    from callgate.app import clock
    from callgate.money import format_micros, parse_micros
    from callgate.service.top_up import TopUp

    micros = parse_micros(amount)
    async with open_books(config) as store:
        application = await the_application(store, app)
        reference = secrets.token_hex(8) if ref is None else ref
        done = await store.perform(
            TopUp(
                application=application,
                account=account,
                amount_micros=micros,
                reference=reference,
                now=clock(),
                who="cli",
            )
        )
    available = format_micros(done.wallet.available_micros)
    if json:
        say_json({"transfer_id": done.transfer_id, "available": available, "currency": done.wallet.currency})
    elif done.is_repeat:
        say(f"Reference {reference} was there already; nothing moved. Available: {available} {done.wallet.currency}")
    else:
        say(f"Added {format_micros(micros)}. Available: {available} {done.wallet.currency}")
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


async def limits(account: str, *words: str, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Set or show an account's limits. Limits of application and account must both hold.

    Parameters
    ----------
    account
        The account's id.
    words
        max_seconds=SECONDS|none, or the single word open.
    """
    from callgate.cli.limits import say_limits
    from callgate.service.set_limits import SetAccountLimits

    async with open_books(config) as store:
        application = await the_application(store, app)
        job = SetAccountLimits(application=application, account=account, words=words)
        say_limits(await store.perform(job), as_json=json)
    return 0


def _say(report: "AccountReport", *, as_json: bool) -> None:
    if as_json:
        say_json(report)
        return
    say(f"{report.id}  {report.status}  deck {report.deck}  {', '.join(report.identities)}")
    money = f"posted {report.posted}, held {report.held}, owed {report.owed}"
    say(f"available {report.available} {report.currency}  ({money})")
