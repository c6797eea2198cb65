"""`callgate signature ...`: why a callback is not genuine."""

import sys

from callgate.cli.desk import AsJson, Config, Limit, open_books, say, say_json, table

MAX_REQUEST_BYTES = 1024 * 1024
"""Far more than a callback has; what is longer is cut."""


def verify(*, secret: str, path: str, key: str | None = None, json: AsJson = False) -> int:
    """Say which ingredient of a callback's signature differs. The raw HTTP request comes on standard input.

    Parameters
    ----------
    secret
        Application secret, base64 as the platform shows it.
    path
        Path of the URL that is set at the platform.
    key
        Application key; the one that the request names unless given.
    """
    from datetime import UTC, datetime

    import msgspec

    from callgate.protocol import sinch
    from callgate.protocol.capture import read_capture

    captured = read_capture(sys.stdin.buffer.read(MAX_REQUEST_BYTES))
    asked, _, query = path.partition("?")
    came_at, _, came_query = captured.path.partition("?")
    request = msgspec.structs.replace(captured, path=asked)
    # How old the request may be is no question here: it was captured some time ago.
    diagnosis = sinch.diagnose(
        request,
        {key or sinch.signing_key(request): secret},
        datetime.now(UTC),
        freshness_s=None,
        query=query or came_query,
        paths=[came_at],
    )
    is_genuine = diagnosis.ingredient is None
    explanation = diagnosis.explanation
    if is_genuine and came_at != asked:
        explanation += f"; it arrived at {came_at!r}, so the server must know the other by its setting public_url"
    if json:
        say_json({"genuine": is_genuine, "ingredient": diagnosis.ingredient, "explanation": explanation})
    else:
        say(explanation if is_genuine else f"{diagnosis.ingredient}: {explanation}")
    return 0 if is_genuine else 1


async def failures(*, limit: Limit = 50, config: Config = None, json: AsJson = False) -> int:
    """List callbacks that failed their signature lately, and what differed."""
    from callgate.service.reports import fault_reports

    async with open_books(config) as store:
        reports = await fault_reports(store, limit=limit)
    if json:
        say_json(reports)
        return 0
    lines = [
        (each.at, each.application or "-", each.path, each.ingredient, each.explanation, str(each.more))
        for each in reports
    ]
    table(("at", "key", "path", "ingredient", "what differed", "more like it"), lines)
    return 0
