"""`callgate did ...`: rented numbers and what happens to calls that reach them."""

from pathlib import Path

from callgate.cli.desk import AsJson, Config, InApp, open_books, say, say_json, table, the_application
from callgate.errors import Invalid

MENU = "menu:"


async def add(
    number: str,
    *,
    account: str,
    to: str,
    receive: str = "",
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Say where calls to a rented number go; a number that is there gets the new route.

    Parameters
    ----------
    number
        The rented number.
    account
        Account that owns it, and pays for its calls.
    to
        user:ID, number:+46..., sip:USER@DOMAIN, conference:ID, or menu:FILE.
    receive
        Price per minute for receiving, such as 0.01, on top of what the route costs.
    """
    from callgate.service.rented import AddDid, read_did, report_did

    menu = _content(to.removeprefix(MENU)) if to.startswith(MENU) else ""
    async with open_books(config) as store:
        did = read_did(
            await the_application(store, app),
            number,
            account,
            to="" if menu else to,
            menu=menu,
            source=to.removeprefix(MENU),
            receive=receive,
        )
        report = report_did(await store.perform(AddDid(did=did)))
    if json:
        say_json(report)
    else:
        say(f"Calls to {report.number} go to {report.to} and are paid by {report.account}.")
    return 0


async def list(*, app: InApp = None, config: Config = None, json: AsJson = False) -> int:  # noqa: A001 - the command's own name
    """List the rented numbers with their routes."""
    from callgate.service.rented import dids_of, report_did

    async with open_books(config) as store:
        reports = [report_did(did) for did in await dids_of(store, await the_application(store, app))]
    if json:
        say_json(reports)
    else:
        lines = [(each.number, each.account, each.to, each.receive or "") for each in reports]
        table(("number", "account", "to", "receive"), lines)
    return 0


async def remove(number: str, *, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Refuse calls to a rented number from now on.

    Parameters
    ----------
    number
        The rented number.
    """
    from callgate.service.did import DidKey
    from callgate.service.rented import RemoveDid, read_number, report_did

    async with open_books(config) as store:
        key = DidKey(await the_application(store, app), read_number(number))
        report = report_did(await store.perform(RemoveDid(key=key)))
    if json:
        say_json(report)
    else:
        say(f"Calls to {report.number} are refused from now on.")
    return 0


def _content(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid("to", f"{file}: {getattr(error, 'strerror', None) or error}", "a readable menu file") from error
