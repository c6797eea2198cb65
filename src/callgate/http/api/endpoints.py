"""Routes of endpoints: the receivers of records."""

from datetime import datetime, timedelta
from typing import Annotated, Literal

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.params import FromPath, JSONBody

from callgate.http.api.access import may_configure, may_look
from callgate.http.api.accounts import IdempotencyKey
from callgate.http.api.desk import ApiRequest, Desk, TheDesk
from callgate.http.api.etags import IfMatch, endpoint_tag, tag_of_endpoint, tagged
from callgate.service.add_endpoint import (
    SetEndpointState,
    Wanted,
    known_endpoint,
    new_endpoint,
    new_rotation,
    remove_endpoint,
)
from callgate.service.endpoint import EMAIL, MAX_NAMED, MAX_URL, WEBHOOK, Endpoint, EndpointState
from callgate.service.reports import EndpointReport, report_endpoint, rfc3339

MAX_OVERLAP_S = int(timedelta(days=30).total_seconds())
OVERLAP_S = int(timedelta(hours=24).total_seconds())

Named = Annotated[tuple[str, ...], msgspec.Meta(max_length=MAX_NAMED)]


class NewEndpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`kind` is `webhook`, `email`, whose URL is `mailto:` and addresses, or names a connector to a CRM,
    which has no URL of its own unless it says so, and proves itself with `token`. `events`, `applications` and `accounts` are
    what it is sent; empty for all.
    """

    url: Annotated[str, msgspec.Meta(max_length=MAX_URL)] = ""
    events: Named = ()
    kind: Annotated[str, msgspec.Meta(max_length=40)] = WEBHOOK
    options: Annotated[dict[str, str], msgspec.Meta(max_length=50)] = {}
    token: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None
    applications: Named = ()
    accounts: Named = ()
    allow_private: bool = False


class EndpointReply(msgspec.Struct, frozen=True, kw_only=True):
    """`secret` is what a webhook is signed with, or the public half of a pair. It is in the first reply alone: a repeat with
    the same `Idempotency-Key` gets null, and so does a connector.
    """

    endpoint: EndpointReport
    id: str
    secret: str | None


class EndpointChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A disabled endpoint is sent nothing, and nothing more is queued for it; what waits stays."""

    state: Literal["active", "disabled"]


class NewSecret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`overlap_s` is how long the old secret is signed with too, a day unless given. A connector gets a `token` instead."""

    overlap_s: Annotated[int, msgspec.Meta(ge=0, le=MAX_OVERLAP_S)] = OVERLAP_S
    token: Annotated[str, msgspec.Meta(max_length=10_000)] | None = None


class SecretReply(msgspec.Struct, frozen=True, kw_only=True):
    """As in `EndpointReply`."""

    id: str
    secret: str | None
    old_secret_until: str


class TestReply(msgspec.Struct, frozen=True, kw_only=True):
    """Whether it took what it was sent; `why` says what is wrong."""

    id: str
    works: bool
    why: str


@get("/endpoints", guards=[may_look])
async def list_endpoints(desk: TheDesk) -> list[EndpointReport]:
    """List the endpoints, in the order in which they were added."""
    return [report_endpoint(each) for each in await desk.store.endpoints()]


@post("/endpoints", guards=[may_configure])
async def add_endpoint(
    request: ApiRequest, desk: TheDesk, data: JSONBody[NewEndpoint], key: IdempotencyKey = None
) -> Response[EndpointReply]:
    """Add a receiver of records: a webhook, whose signing secret is in this reply alone, or a connector to a CRM."""
    del key  # read by the desk; named here for the reference
    url, secret = data.url, ""
    if data.kind not in {WEBHOOK, EMAIL}:
        url, secret = desk.tools.check_connector(data.kind, data.url, data.options, data.token or "")
    wanted = Wanted(
        kind=data.kind,
        options=data.options,
        secret=secret,
        applications=data.applications,
        accounts=data.accounts,
    )
    job, shown = await new_endpoint(
        desk.store,
        url,
        data.events,
        wanted=wanted,
        allow_private=data.allow_private,
        seal=desk.tools.seal,
        resolve=desk.tools.resolve,
        now=desk.clock(),
    )
    return await desk.do(
        request,
        job,
        lambda kept: _reply(kept, None),
        secret=lambda kept: _reply(kept, None if secret else shown or None),
        status=201,
    )


@get("/endpoints/{endpoint_id:str}", guards=[may_look])
async def show_endpoint(desk: TheDesk, endpoint_id: FromPath[str]) -> Response[EndpointReport]:
    """Show an endpoint, without its secrets."""
    return await _shown(desk, endpoint_id)


@patch("/endpoints/{endpoint_id:str}", guards=[may_configure])
async def change_endpoint(
    request: ApiRequest,
    desk: TheDesk,
    endpoint_id: FromPath[str],
    data: JSONBody[EndpointChange],
    if_match: IfMatch = None,
) -> Response[EndpointReport]:
    """Stop sending to an endpoint, or start again."""
    del if_match  # read by the desk; named here for the reference
    job = SetEndpointState(id=endpoint_id, state=EndpointState(data.state))
    await desk.do(request, job, report_endpoint, status=200, tag=tag_of_endpoint(endpoint_id))
    return await _shown(desk, endpoint_id)


@delete("/endpoints/{endpoint_id:str}", guards=[may_configure], status_code=204)
async def drop_endpoint(desk: TheDesk, endpoint_id: FromPath[str]) -> None:
    """Forget an endpoint, and everything that was queued for it."""
    await remove_endpoint(desk.store, endpoint_id)


@post("/endpoints/{endpoint_id:str}/rotate", guards=[may_configure], status_code=200)
async def rotate_secret(
    request: ApiRequest,
    desk: TheDesk,
    endpoint_id: FromPath[str],
    data: JSONBody[NewSecret],
    key: IdempotencyKey = None,
) -> Response[SecretReply]:
    """Give a webhook a new signing secret, or a connector a new token. Until the overlap is over, both are signed with."""
    del key  # read by the desk; named here for the reference
    until = desk.clock() + timedelta(seconds=data.overlap_s)
    credentials = None
    if data.token is not None:
        found = await known_endpoint(desk.store, endpoint_id)
        _, credentials = desk.tools.check_connector(found.kind, found.url, dict(found.options), data.token)
    job, secret = await new_rotation(
        desk.store, endpoint_id, seal=desk.tools.seal, old_until=until, credentials=credentials
    )
    shown = None if credentials else secret
    return await desk.do(
        request,
        job,
        lambda kept: _rotated(kept, None, until),
        secret=lambda kept: _rotated(kept, shown, until),
        status=200,
    )


@post("/endpoints/{endpoint_id:str}/test", guards=[may_configure], status_code=200)
async def test_endpoint(desk: TheDesk, endpoint_id: FromPath[str]) -> TestReply:
    """Send a test event to a webhook, a test mail, or look something up in a CRM, now."""
    why = await desk.tools.try_endpoint(endpoint_id)
    return TestReply(id=endpoint_id, works=not why, why=why)


async def _shown(desk: Desk, named: str) -> Response[EndpointReport]:
    endpoint = await known_endpoint(desk.store, named)
    return tagged(report_endpoint(endpoint), endpoint_tag(endpoint))


def _reply(endpoint: Endpoint, secret: str | None) -> EndpointReply:
    return EndpointReply(endpoint=report_endpoint(endpoint), id=endpoint.id, secret=secret)


def _rotated(endpoint: Endpoint, secret: str | None, until: datetime) -> SecretReply:
    return SecretReply(id=endpoint.id, secret=secret, old_secret_until=rfc3339(until))
