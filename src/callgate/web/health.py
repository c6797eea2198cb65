"""Health: is everything well here, and what to do where it is not."""

import asyncio
from datetime import timedelta
from typing import Any

import msgspec
from litestar import Response, get

from callgate.errors import StorageUnavailable
from callgate.service.delivery import DeliveryState
from callgate.service.endpoint import EndpointState
from callgate.service.probe import SLOW_COMMIT_S, behind_by, commit_s
from callgate.service.reports import fault_reports
from callgate.web.desk import AnyRequest, AtDesk, Desk
from callgate.web.lists import Listed, as_file, form_of, paths

LATELY = timedelta(hours=1)
MANY = 1_000
READY_WITHIN_S = 2.0


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at. `advice` is what to do, empty when all is well; `path` is where more of it is seen."""

    about: str
    is_well: bool
    found: str
    advice: str = ""
    path: str = ""


@get(paths("/health"))
async def show_health(desk: AtDesk, request: AnyRequest) -> Response[Any]:
    """What a decision needs, and what waits or has failed."""
    desk.over_all()
    findings = [
        await _database(desk),
        await _clock(desk),
        await _callbacks(desk),
        await _overdue(desk),
        await _parked(desk),
        await _endpoints(desk),
        _public_url(desk),
    ]
    if form := form_of(request):
        return as_file(form, findings, None, "health")
    is_well = all(finding.is_well for finding in findings)
    return await desk.page("health.html", request, listed=Listed(findings, None, {}), is_well=is_well)


async def _database(desk: Desk) -> Finding:
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            took_s = await commit_s(desk.store)
    except (StorageUnavailable, TimeoutError) as error:
        return Finding("Database", False, str(error) or "it does not answer", "Until it does, no call is decided.")
    found = f"{await desk.store.describe()}; a commit takes {took_s * 1_000:.1f} ms"
    if took_s > SLOW_COMMIT_S:
        return Finding("Database", False, found, "Every caller waits as long: it needs a faster disk.")
    return Finding("Database", True, found)


async def _clock(desk: Desk) -> Finding:
    behind = await behind_by(desk.store, desk.clock())
    if behind:
        return Finding("Clock", False, f"{int(behind.total_seconds())} s behind what is recorded", "Set it; use NTP.")
    return Finding("Clock", True, "not behind anything that is recorded")


async def _callbacks(desk: Desk) -> Finding:
    since = (desk.clock() - LATELY).isoformat()
    faults = await fault_reports(desk.store, limit=MANY)
    lately = [fault for fault in faults if fault.is_known and fault.at >= since]
    if lately:
        found = f"{len(lately)} refused in the last hour, the newest for its {lately[0].ingredient}"
        return Finding("Callbacks", False, found, "They name a key of yours and were not genuine.", "applications")
    return Finding("Callbacks", True, "none that names a key of yours was refused in the last hour")


async def _overdue(desk: Desk) -> Finding:
    due = len(await desk.store.calls_to_ask(desk.clock(), MANY))
    if due:
        found = f"{due:,} {'call' if due == 1 else 'calls'} whose end is overdue"
        return Finding("Ends", True, found, "The platform is being asked about them.", "calls?outcome=live")
    return Finding("Ends", True, "no call is overdue")


async def _parked(desk: Desk) -> Finding:
    parked = (await desk.store.delivery_counts())[DeliveryState.PARKED]
    if parked:
        found = f"{parked:,} {'record was' if parked == 1 else 'records were'} given up"
        return Finding("Deliveries", False, found, "Mend the receiver, then recover them.", "deliveries?state=parked")
    return Finding("Deliveries", True, "none was given up")


async def _endpoints(desk: Desk) -> Finding:
    endpoints = await desk.store.endpoints()
    ill = [each for each in endpoints if each.state is EndpointState.DISABLED or each.failing_since is not None]
    if ill:
        found = f"{len(ill)} of {len(endpoints)} disabled or failing: {ill[0].why}"
        return Finding("Endpoints", False, found, "", "deliveries")
    return Finding("Endpoints", True, f"{len(endpoints)}, all of them well" if endpoints else "none yet")


def _public_url(desk: Desk) -> Finding:
    url = desk.settings.public_url
    if not url:
        return Finding(
            "Public URL", True, f"not set; {desk.settings.host}:{desk.settings.port} unless a proxy is in front"
        )
    return Finding("Public URL", True, url)
