"""`callgate endpoint ...`: receivers of call records."""

from datetime import timedelta
from typing import TYPE_CHECKING

from callgate.cli.desk import AsJson, Config, open_books, read_settings, say, say_json, table
from callgate.cli.times import parse_duration

if TYPE_CHECKING:
    from callgate.service.endpoint import EndpointState

OLD_SECRET_FOR = "24h"  # noqa: S105 - how long, not which


async def add(
    url: str,
    *,
    events: str | None = None,
    allow_private: bool = False,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Add a receiver of call records, and print its signing secret once.

    Parameters
    ----------
    url
        Where records are posted, http or https.
    events
        Types of records that it wants, with commas between; all of them unless given.
    allow_private
        It may have an address of your own network or this machine.
    """
    from callgate.app import build_vault, clock
    from callgate.outbox.webhook import resolve
    from callgate.service.add_endpoint import add_endpoint

    types = [] if events is None else [word.strip() for word in events.split(",")]
    seal = build_vault(read_settings(config)).seal
    async with open_books(config) as store:
        endpoint, secret = await add_endpoint(
            store, url, types, allow_private=allow_private, seal=seal, resolve=resolve, now=clock()
        )
    if json:
        say_json({"id": endpoint.id, "secret": secret})
    else:
        say(f"Added endpoint {endpoint.id}. It will be sent {', '.join(endpoint.types) or 'every type of record'}.")
        say(f"Signing secret, shown once: {secret}")
    return 0


async def list(*, config: Config = None, json: AsJson = False) -> int:  # noqa: A001 - the command's own name
    """List the receivers; secrets are never shown."""
    from callgate.service.reports import endpoint_reports

    async with open_books(config) as store:
        reports = await endpoint_reports(store)
    if json:
        say_json(reports)
        return 0
    lines = [
        (
            each.id,
            each.url,
            ", ".join(each.events) or "all",
            "yes" if each.allow_private else "no",
            f"{each.state}: {each.why}" if each.why else each.state,
        )
        for each in reports
    ]
    table(("id", "url", "events", "may be private", "state"), lines)
    return 0


async def rotate(endpoint: str, *, overlap: str = OLD_SECRET_FOR, config: Config = None, json: AsJson = False) -> int:
    """Give a receiver a new signing secret, and print it once. Until the overlap is over, records carry both signatures.

    Parameters
    ----------
    endpoint
        The endpoint's id.
    overlap
        How long the old secret is signed with too, such as 24h; 0s drops it at once.
    """
    from callgate.app import build_vault, clock
    from callgate.service.add_endpoint import rotate_endpoint
    from callgate.service.reports import rfc3339

    until = clock() + parse_duration(overlap, "--overlap", most=timedelta(days=30))
    seal = build_vault(read_settings(config)).seal
    async with open_books(config) as store:
        secret = await rotate_endpoint(store, endpoint, seal=seal, old_until=until)
    if json:
        say_json({"id": endpoint, "secret": secret, "old_secret_until": rfc3339(until)})
    else:
        say(f"New signing secret of {endpoint}, shown once: {secret}")
        say(f"The old one is signed with too until {rfc3339(until)}.")
    return 0


async def enable(endpoint: str, *, config: Config = None, json: AsJson = False) -> int:
    """Send to a receiver again: what waits for it, and what comes.

    Parameters
    ----------
    endpoint
        The endpoint's id.
    """
    from callgate.service.endpoint import EndpointState

    return await _set_state(endpoint, EndpointState.ACTIVE, config=config, as_json=json)


async def disable(endpoint: str, *, config: Config = None, json: AsJson = False) -> int:
    """Send nothing more to a receiver, and queue nothing more for it; what waits stays.

    Parameters
    ----------
    endpoint
        The endpoint's id.
    """
    from callgate.service.endpoint import EndpointState

    return await _set_state(endpoint, EndpointState.DISABLED, config=config, as_json=json)


async def _set_state(endpoint: str, state: "EndpointState", *, config: Config, as_json: bool) -> int:
    from callgate.service.add_endpoint import SetEndpointState
    from callgate.service.reports import report_endpoint

    async with open_books(config) as store:
        report = report_endpoint(await store.perform(SetEndpointState(id=endpoint, state=state)))
    if as_json:
        say_json(report)
    else:
        say(f"Endpoint {report.id} is {report.state}.")
    return 0
