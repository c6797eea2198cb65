"""The route of calls that we place: held for, then rung, once."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, post
from litestar.params import JSONBody

from callgate.errors import PlatformFailed
from callgate.http.api.access import may_operate
from callgate.http.api.accounts import IdempotencyKey, InApp
from callgate.http.api.desk import ApiRequest, Desk, TheDesk, refusal_of, reply_of
from callgate.http.problems import problem
from callgate.logs import log
from callgate.policy.refusal import SENTENCES, Refusal
from callgate.service.call_out import Prepared, Wanted, dial_first, what_became
from callgate.service.callout import CalloutKind
from callgate.service.dial import told
from callgate.service.idempotent import Asked, Idempotent, check_key
from callgate.service.place_callout import Placing
from callgate.service.records import Call, SettledBy

PENDING: Final = 202
"""The status of a call of which nobody knows yet, or any more, whether it rings."""

ANSWERED_WITHIN: Final = timedelta(seconds=12)
"""How long the platform may take to say what became of a request, all tries included."""

LOOK_S: Final = 0.05


class NewCallout(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A call to place. `tts` speaks `text` to `to`; `conference` rings `to` into `conference`; `bridge` rings `from`, and when
    that answers connects `to`. Of the first two, `from` is the number that is shown; of a bridge, `cli` is.
    """

    account: str
    kind: Literal["tts", "conference", "bridge"]
    to: str
    sender: Annotated[str, msgspec.Meta(description="A number.")] = msgspec.field(default="", name="from")
    cli: str = ""
    text: str = ""
    conference: str = ""
    greeting: str = ""
    locale: str = ""
    max_duration_s: int | None = None


class CalloutReply(msgspec.Struct, frozen=True, kw_only=True):
    """`call_id` is the platform's, of the phone that is rung first; for as long as the platform has not named it, our own
    `reference`. Each phone may talk for `granted_s` seconds.
    """

    call_id: str
    granted_s: int
    reference: str


@post("/callouts", guards=[may_operate])
async def place_callout(
    request: ApiRequest,
    desk: TheDesk,
    data: JSONBody[NewCallout],
    app: InApp = None,
    key: IdempotencyKey = None,
) -> Response[CalloutReply]:
    """Place a call: a spoken message, a conference, or click-to-call. Its money is held before anybody is rung; 409 names the
    refusal. 202 instead of 201: the platform did not say whether it rings, and is not asked again; events of the call, or
    time, will tell.
    """
    wanted = Wanted(
        **{name: getattr(data, name) for name in Wanted.__struct_fields__} | {"kind": CalloutKind(data.kind)}
    )
    prepared = await desk.prepare_callout(wanted, desk.application(app))
    if key is None:
        placing = await desk.store.perform(prepared.job)
        refusal = placing.refusal
        if refusal is not None:
            return reply_of(*_refused(refusal))
        return await _dialled(desk, prepared)
    scope = f"{request.auth.digest} POST {request.url.path} {check_key(key)}"
    digest = hashlib.sha256(request.url.query.encode() + b"\n" + await request.body()).hexdigest()
    once = Idempotent(
        job=prepared.job, asked=Asked(scope, digest), now=desk.clock(), render=_decided, refuse=refusal_of
    )
    kept = await desk.store.perform(once)
    if kept.status != PENDING:
        return reply_of(kept.status, kept.body)
    earlier = msgspec.json.decode(kept.body, type=CalloutReply)
    if earlier.reference == prepared.reference:
        return await _dialled(desk, prepared, forget=scope)
    return await _placed_before(desk, prepared.job.application.key, earlier, kept.at)


async def _dialled(desk: Desk, prepared: Prepared, *, forget: str | None = None) -> Response[Any]:
    """Ask the platform, in a task of its own: who no longer waits for the answer must not stop it half way."""
    dialling = asyncio.create_task(dial_first(desk.plain_store, desk.platform, prepared, desk.clock, forget=forget))
    try:
        call = await asyncio.shield(dialling)
    except PlatformFailed as error:
        log.warning("callout.not_placed", reference=prepared.reference, error=str(error))
        raise
    log.info("callout.dialled", **told(call, prepared.reference))
    if call is None:
        call = await desk.store.call_referred(prepared.job.application.key, prepared.reference)
    assert call is not None, "it was held for"
    return _told(call)


async def _placed_before(desk: Desk, application: str, earlier: CalloutReply, at: datetime) -> Response[Any]:
    """The same request came before: say what became of it, as soon as that is known."""
    call = await what_became(desk.store, application, earlier.reference, wait=_until(at + ANSWERED_WITHIN, desk.clock))
    return _told(call) if call is not None else reply_of(PENDING, msgspec.json.encode(earlier))


def _until(end: datetime, clock: Callable[[], datetime]) -> Callable[[], Awaitable[bool]]:
    async def wait() -> bool:
        await asyncio.sleep(LOOK_S)
        return clock() < end

    return wait


def _told(call: Call) -> Response[Any]:
    """What is known of a call that was let through, the same each time that it is asked."""
    assert call.callout is not None, "only calls that we place"
    if call.settled_by is SettledBy.NOT_PLACED:
        raise PlatformFailed("the platform did not place the call", is_retryable=False)
    reply = CalloutReply(call_id=call.key.call_id, granted_s=call.granted_s, reference=call.callout.ref)
    return reply_of(PENDING if reply.call_id == reply.reference else 201, msgspec.json.encode(reply))


def _decided(placing: Placing) -> tuple[int, bytes]:
    """What is kept for the key: until the platform has answered, that the call is held for."""
    if placing.refusal is not None:
        return _refused(placing.refusal)
    reference = placing.calls[0].key.call_id
    return PENDING, msgspec.json.encode(
        CalloutReply(call_id=reference, granted_s=placing.granted_s, reference=reference)
    )


def _refused(refusal: Refusal) -> tuple[int, bytes]:
    document = problem(409, "refused", "The call was refused.", f"{refusal}: {SENTENCES[refusal]}", refusal=refusal)
    return document.status, document.body
