"""Routes of provider applications: who signs callbacks, and what is set for each."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, patch, post
from litestar.params import FromPath, JSONBody

from callgate.errors import NotFound
from callgate.http.api.access import may_configure, may_look
from callgate.http.api.accounts import IdempotencyKey
from callgate.http.api.desk import ApiRequest, Desk, TheDesk
from callgate.http.api.etags import IfMatch, application_tag, tag_of_application, tagged
from callgate.http.api.times import Time, read_time
from callgate.policy.account import Status
from callgate.policy.limits import APPLICATION_DEFAULTS, filled, shown
from callgate.service.add_application import AddApplication, NameApplication, SetApplication
from callgate.service.application import ApplicationRow
from callgate.service.books import Job
from callgate.service.reports import rfc3339
from callgate.service.rotate import OVERLAP, RotateSecret
from callgate.service.set_status import SetApplicationStatus
from callgate.service.together import Together

Text = Annotated[str, msgspec.Meta(max_length=600)]


class NewApplication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The key and the secret are the provider's. The secret is encrypted, and never returned."""

    provider: Literal["sinch"] = "sinch"
    key: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    secret: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)]
    name: Annotated[str, msgspec.Meta(max_length=100)] = ""


class ApplicationChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is. `settings` are those of `callgate app set`, by name. A new `secret` is the first of two:
    the old one is good until `old_secret_until`, for a day unless given.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=100)] | None = None
    status: Literal["active", "suspended"] | None = None
    settings: Annotated[dict[str, Text], msgspec.Meta(max_length=50)] | None = None
    secret: Annotated[str, msgspec.Meta(min_length=1, max_length=1_000)] | None = None
    old_secret_until: Time | None = None


class ApplicationReport(msgspec.Struct, frozen=True, kw_only=True):
    """An application without its secrets; `secret_count` says how many it has, two while one is being replaced."""

    key: str
    provider: str
    name: str
    status: str
    created_at: str
    settings: dict[str, str]
    limits: dict[str, Any]
    secret_count: int


@get("/applications", guards=[may_look], opt={"is_for_bound": True})
async def list_applications(desk: TheDesk) -> list[ApplicationReport]:
    """List the applications, in the order in which they were added."""
    mine = desk.scope(None)
    return [report_application(row) for row in await desk.store.applications() if mine in (None, row.key)]


@post("/applications", guards=[may_configure])
async def add_application(
    request: ApiRequest, desk: TheDesk, data: JSONBody[NewApplication], key: IdempotencyKey = None
) -> Response[ApplicationReport]:
    """Add an application by the key and secret that the platform shows for it."""
    del key  # read by the desk; named here for the reference
    job = AddApplication(
        provider=data.provider,
        key=data.key,
        secret=data.secret,
        name=data.name,
        seal=desk.tools.seal,
        now=desk.clock(),
    )
    added = await desk.do(request, job, report_application, status=201)
    await desk.refresh()
    return added


@get("/applications/{key:str}", guards=[may_look], opt={"is_for_bound": True})
async def show_application(desk: TheDesk, key: FromPath[str]) -> Response[ApplicationReport]:
    """Show an application."""
    return await _shown(desk, key)


@patch("/applications/{key:str}", guards=[may_configure], opt={"is_for_bound": True})
async def change_application(
    request: ApiRequest,
    desk: TheDesk,
    key: FromPath[str],
    data: JSONBody[ApplicationChange],
    if_match: IfMatch = None,
) -> Response[ApplicationReport]:
    """Change what is set for an application: all of what is named, or nothing."""
    del if_match  # read by the desk; named here for the reference
    key = desk.scope(key) or key
    jobs: list[Job[Any]] = [SetApplication(key=key, words=())]
    now = desk.clock()
    if data.name is not None:
        jobs.append(NameApplication(key=key, name=data.name))
    if data.settings:
        jobs.append(SetApplication(key=key, words=tuple(f"{name}={value}" for name, value in data.settings.items())))
    if data.status is not None:
        jobs.append(SetApplicationStatus(key=key, status=Status(data.status)))
    if data.secret is not None:
        until = now + OVERLAP
        if data.old_secret_until is not None:
            until = read_time("old_secret_until", data.old_secret_until)
        seal, unseal = desk.tools.seal, desk.tools.unseal
        jobs.append(RotateSecret(key=key, secret=data.secret, until=until, seal=seal, unseal=unseal, now=now))
    job = Together(name="change_application", jobs=jobs)
    await desk.do(request, job, lambda _: None, status=200, tag=tag_of_application(key))
    return await _shown(desk, key)


async def _shown(desk: Desk, key: str) -> Response[ApplicationReport]:
    named = desk.scope(key)
    for row in await desk.store.applications():
        if row.key == named:
            return tagged(report_application(row), application_tag(row))
    raise NotFound(f"there is no application {key}")


def report_application(row: ApplicationRow) -> ApplicationReport:
    return ApplicationReport(
        key=row.key,
        provider=row.provider,
        name=row.name,
        status=row.status,
        created_at=rfc3339(row.created_at),
        settings=row.settings.shown(),
        limits=shown(filled(row.limits, APPLICATION_DEFAULTS)),
        secret_count=len(row.sealed_secrets),
    )
