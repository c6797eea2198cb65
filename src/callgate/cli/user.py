"""`callgate user ...`: users of an application's own app, who sign in with a password."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callgate.cli.desk import AsJson, Config, InApp, open_books, say, say_json, table, the_application
from callgate.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from callgate.service.ports import Store
    from callgate.service.user import User

PAGE = 1_000

PasswordFile = Annotated[
    Path | None,
    Parameter(name="--password-file", help="File whose first line is the password; else it is asked for, or read."),
]


async def add(
    name: str,
    *,
    account: str,
    password_file: PasswordFile = None,
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Keep a user of an app, who signs in with a password; the account pays for their calls.

    Parameters
    ----------
    name
        The in-app user's id at the platform.
    account
        Who pays. The account answers to the identity user:NAME from then on.
    """
    from callgate.app import clock
    from callgate.passwords import hash_password
    from callgate.service.manage_users import AddUser
    from callgate.service.user import parse_user_name

    parse_user_name(name)
    kept = hash_password(_read_password(password_file))
    async with open_books(config) as store:
        application = await the_application(store, app)
        job = AddUser(application=application, name=name, account=account, password=kept, now=clock())
        user = await store.perform(job)
    if json:
        say_json(_shown(user))
    else:
        say(f"User {user.name} signs in with that password; account {user.account} pays.")
    return 0


async def list(*, app: InApp = None, config: Config = None, json: AsJson = False) -> int:  # noqa: A001 - the command's own name
    """List an application's users, without their passwords."""
    async with open_books(config) as store:
        application = await the_application(store, app)
        users = await _all(store, application)
    if json:
        say_json([_shown(each) for each in users])
    else:
        table(("user", "account", "added"), [tuple(_shown(each).values()) for each in users])
    return 0


async def passwd(
    name: str, *, password_file: PasswordFile = None, app: InApp = None, config: Config = None, json: AsJson = False
) -> int:
    """Give a user another password.

    Parameters
    ----------
    name
        The user's id.
    """
    from callgate.passwords import hash_password
    from callgate.service.manage_users import SetPassword

    kept = hash_password(_read_password(password_file))
    async with open_books(config) as store:
        application = await the_application(store, app)
        user = await store.perform(SetPassword(application=application, name=name, password=kept))
    if json:
        say_json(_shown(user))
    else:
        say(f"User {user.name} has another password.")
    return 0


async def remove(name: str, *, app: InApp = None, config: Config = None, json: AsJson = False) -> int:
    """Let a user sign in no more.

    Parameters
    ----------
    name
        The user's id. Its identity stays the account's: suspend the account to refuse calls.
    """
    from callgate.service.manage_users import RemoveUser

    async with open_books(config) as store:
        application = await the_application(store, app)
        user = await store.perform(RemoveUser(application=application, name=name))
    if json:
        say_json(_shown(user))
    else:
        say(f"User {user.name} signs in no more.")
    return 0


async def _all(store: "Store", application: str) -> "Sequence[User]":
    users = [*await store.users(application, after="", limit=PAGE)]
    while users and (page := await store.users(application, after=users[-1].name, limit=PAGE)):
        users += page
    return users


def _shown(user: "User") -> dict[str, str]:
    from callgate.service.reports import rfc3339

    return {"user": user.name, "account": user.account, "created_at": rfc3339(user.created_at)}


def _read_password(file: Path | None) -> str:
    """Asked for twice at a terminal, without showing it; else the first line of the file or of standard input."""
    from callgate.passwords import check_password

    if file is not None:
        return check_password(file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r"))
    if not sys.stdin.isatty():
        return check_password(sys.stdin.readline().rstrip("\r\n"))
    import getpass

    password = check_password(getpass.getpass("Password: "))
    if getpass.getpass("Again: ") != password:
        raise Invalid("password", "two that differ", "the same twice")
    return password
