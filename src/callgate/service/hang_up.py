"""End live calls at their platforms. What then becomes of them, and of their money, is told by their disconnects."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from callgate.errors import Conflict, NotFound, PlatformFailed
from callgate.protocol.call import CallKey, EndpointKind
from callgate.protocol.life import LIVE
from callgate.service.books import AccountKey
from callgate.service.ports import CallPosition, Platform, Store
from callgate.service.records import Call, Flag, is_unplaced
from callgate.service.reports import find_call

AT_ONCE = 8
"""Calls of one account that are being ended at a time."""

PAGE = 200

SEEN_S = 1.0
"""How soon every server knows that an application is suspended."""


class HungUp(NamedTuple):
    """What became of the live calls of an account or application: those that were ended, and why others were not, by call id."""

    ended: tuple[str, ...]
    failed: dict[str, str]


async def end_call(platform: Platform, call: Call) -> bool:
    """Have the platform end a call; False when it knows no such call. Raises `PlatformFailed`."""
    if call.connected.startswith(_CONFERENCE):
        return await platform.put_out(call.key, call.resource, call.connected.removeprefix(_CONFERENCE))
    return await platform.hang_up(call.key, call.resource)


_CONFERENCE = f"{EndpointKind.CONFERENCE}:"


async def hang_up_call(store: Store, platform: Platform, key: CallKey) -> Call:
    """End a call, and return it as it was. Raises `NotFound`, `Conflict` where it is not up, `PlatformFailed`."""
    call = await find_call(store, key)
    if call is None:
        raise NotFound(f"there is no call {key.call_id} in application {key.application}")
    if call.state not in LIVE:
        raise Conflict(f"call {key.call_id} is not up: it is {call.state}")
    if is_unplaced(call):
        raise Conflict(f"call {key.call_id} cannot be ended yet: the platform has not said by which id it goes")
    key = call.key
    if not await end_call(platform, call):
        raise Conflict(
            f"the platform knows no call {key.call_id}: it has ended, or it is one of another region than `app set` names"
        )
    return call


async def hang_up_account(store: Store, platform: Platform, account: AccountKey) -> HungUp:
    """End every call of an account that is up now. Suspend it first: then no call comes behind the last one seen."""
    return await _hang_up_all(platform, await _live_calls(store, account.application, account.account))


async def hang_up_application(store: Store, platform: Platform, application: str) -> HungUp:
    """End every call of an application that is up now. Suspend it first, as for an account: servers see that within a
    second, so that a second look is taken after it.
    """
    first = await _hang_up_all(platform, await _live_calls(store, application))
    await asyncio.sleep(SEEN_S)
    late = [call for call in await _live_calls(store, application) if call.key.call_id not in first.ended]
    second = await _hang_up_all(platform, late)
    return HungUp(tuple(sorted({*first.ended, *second.ended})), second.failed)


async def _hang_up_all(platform: Platform, calls: Sequence[Call]) -> HungUp:
    """Emergency calls go on: only who names one ends it."""
    calls = [call for call in calls if Flag.EMERGENCY not in call.flags]
    ended: list[str] = []
    failed: dict[str, str] = {}
    room = asyncio.Semaphore(AT_ONCE)

    async def end(call: Call) -> None:
        async with room:
            try:
                is_known = await end_call(platform, call)
            except PlatformFailed as error:
                failed[call.key.call_id] = str(error)
            else:
                # One that the platform does not know has ended meanwhile, and its end is on its way to us.
                ended.extend([call.key.call_id] if is_known else [])

    await asyncio.gather(*(end(call) for call in calls))
    return HungUp(tuple(sorted(ended)), dict(sorted(failed.items())))


async def _live_calls(store: Store, application: str, account: str | None = None) -> list[Call]:
    """All of them, before the first is ended: the list would move under our feet."""
    calls: list[Call] = []
    before: CallPosition | None = None
    while True:
        page = [*await store.calls(application, account=account, only_live=True, before=before, limit=PAGE)]
        if not page:
            return calls
        calls += page
        before = CallPosition(page[-1].decided_at, page[-1].key)
