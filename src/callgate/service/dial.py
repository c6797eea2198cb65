"""Ask the platform to dial a leg that is held for, once, and write down what it said."""

from collections.abc import Callable, Sequence
from datetime import datetime

from callgate.errors import PlatformFailed
from callgate.protocol.call import CallKey
from callgate.service.endpoint import Endpoint
from callgate.service.place_callout import KeepNotPlaced, KeepPlaced
from callgate.service.ports import Platform, Store
from callgate.service.records import Call


async def dial_leg(  # noqa: PLR0913 - who asks whom, and what is written down where
    store: Store,
    platform: Platform,
    call: Call,
    clock: Callable[[], datetime],
    *,
    others: Sequence[CallKey] = (),
    endpoints: Sequence[Endpoint] = (),
    forget: str | None = None,
) -> Call | None:
    """Return the call as the platform knows it; None where nobody can say whether it rings: its hold then stays until an
    event of it comes, or it expires.

    Raises `PlatformFailed` where no phone rings: nothing is held any more then, for the `others` either, and the reply that
    was kept under the scope `forget` is worth nothing, so that the same request may be tried again. Raises
    `StorageUnavailable` where what was said could not be written down, which an event of the call will make good.
    """
    assert call.callout is not None and call.callout.is_asked, "that it is asked for is written down before"
    try:
        call_id = await platform.place(call.key.application, call.callout.place)
    except PlatformFailed as error:
        if error.may_be_done:
            return None
        why = "the platform did not take it"
        given_up = KeepNotPlaced(calls=(call.key, *others), why=why, now=clock(), endpoints=endpoints, forget=forget)
        await store.perform(given_up, is_urgent=True)
        raise
    return await store.perform(KeepPlaced(call=call.key, call_id=call_id, now=clock()), is_urgent=True)


def told(call: Call | None, reference: str) -> dict[str, str]:
    """What a log says of a leg that was dialled: its id, or that nobody knows whether it rings."""
    return {"reference": reference, "call_id": call.key.call_id if call is not None else "unknown"}
