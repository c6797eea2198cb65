"""`callgate deliveries ...`: call records on their way to their receivers."""

from callgate.cli.desk import AsJson, Config, Limit, open_books, say, say_json, table
from callgate.cli.times import parse_since
from callgate.errors import Invalid
from callgate.service.delivery import DeliveryState


async def list(  # noqa: A001 - the command's own name
    *, state: DeliveryState | None = None, limit: Limit = 50, config: Config = None, json: AsJson = False
) -> int:
    """List deliveries, newest first.

    Parameters
    ----------
    state
        Only those that wait behind another, are next, were delivered, or are parked: given up until resent.
    """
    from callgate.service.reports import delivery_reports

    async with open_books(config) as store:
        reports = await delivery_reports(store, state=state, limit=limit)
    if json:
        say_json(reports)
        return 0
    lines = [
        (
            each.id,
            each.endpoint,
            each.type,
            each.account,
            str(each.sequence),
            each.state,
            str(each.attempts),
            each.due_at or "-",
            each.why or "-",
        )
        for each in reports
    ]
    table(("id", "endpoint", "type", "account", "sequence", "state", "attempts", "due", "last failure"), lines)
    return 0


async def resend(
    delivery: str | None = None,
    *,
    since: str | None = None,
    state: DeliveryState = DeliveryState.PARKED,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Send a record again, or all of a time. Id, body and sequence stay the same, so that receivers know a repeat.

    Parameters
    ----------
    delivery
        The delivery's id.
    since
        Instead of an id: all of what happened since then, such as 24h or 2026-11-23T07:00:00Z.
    state
        With --since: which ones; those that are parked unless given.
    """
    from callgate.app import clock
    from callgate.service.resend import resend_one, resend_since

    if (delivery is None) == (since is None):
        raise Invalid(
            "deliveries resend", "both an id and --since" if since else "nothing", "a delivery's id, or --since"
        )
    now = clock()
    async with open_books(config) as store:
        if delivery is not None:
            count = await resend_one(store, delivery, now)
        else:
            count = await resend_since(store, state, parse_since(since or "", "--since", now), now)
    if json:
        say_json({"resent": count})
    else:
        say(f"{count} {'delivery' if count == 1 else 'deliveries'} will be sent again.")
    return 0
