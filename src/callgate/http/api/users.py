"""Routes of an app's users, for delegated security: kept, listed, given another password, removed."""

import asyncio

import msgspec
from litestar import delete, get, post, put
from litestar.params import FromPath, JSONBody

from callgate.http.api.access import may_configure, may_look
from callgate.http.api.accounts import InApp
from callgate.http.api.desk import TheDesk
from callgate.http.api.paging import Cursor, Limit, Page, page, read_cursor
from callgate.passwords import check_password, hash_password
from callgate.service.manage_users import AddUser, RemoveUser, SetPassword
from callgate.service.reports import rfc3339
from callgate.service.user import User


class NewUser(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`name` is the in-app user's id at the platform. `account` pays, and answers to that user from then on."""

    name: str
    account: str
    password: str


class NewPassword(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At least 8 characters."""

    password: str


class UserReport(msgspec.Struct, frozen=True, kw_only=True):
    """A user without the password, of which only an Argon2id hash is kept."""

    name: str
    account: str
    application: str
    created_at: str


@get("/users", guards=[may_look])
async def list_users(desk: TheDesk, app: InApp = None, cursor: Cursor = None, limit: Limit = 50) -> Page[UserReport]:
    """List an application's users by name."""
    found = await desk.store.users(desk.application(app), after=read_cursor(cursor), limit=limit + 1)
    return page(found, limit, lambda user: user.name, _report)


@post("/users", guards=[may_configure])
async def add_user(desk: TheDesk, data: JSONBody[NewUser], app: InApp = None) -> UserReport:
    """Keep a user. There is no `Idempotency-Key` here, since a digest of the body would tell of the password: the same again
    is a conflict.
    """
    application = desk.application(app)
    kept = await asyncio.to_thread(hash_password, check_password(data.password))
    job = AddUser(application=application, name=data.name, account=data.account, password=kept, now=desk.clock())
    return _report(await desk.store.perform(job))


@put("/users/{name:str}/password", guards=[may_configure])
async def set_password(
    desk: TheDesk, name: FromPath[str], data: JSONBody[NewPassword], app: InApp = None
) -> UserReport:
    """Give a user another password."""
    application = desk.application(app)
    kept = await asyncio.to_thread(hash_password, check_password(data.password))
    return _report(await desk.store.perform(SetPassword(application=application, name=name, password=kept)))


@delete("/users/{name:str}", guards=[may_configure])
async def remove_user(desk: TheDesk, name: FromPath[str], app: InApp = None) -> None:
    """Let a user sign in no more. The identity stays the account's."""
    await desk.store.perform(RemoveUser(application=desk.application(app), name=name))


def _report(user: User) -> UserReport:
    return UserReport(
        name=user.name, account=user.account, application=user.application, created_at=rfc3339(user.created_at)
    )
