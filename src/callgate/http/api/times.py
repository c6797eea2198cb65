"""Times as callers write them."""

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from callgate.errors import Invalid

Time = Annotated[str, msgspec.Meta(max_length=40, extra_json_schema={"format": "date-time"})]
"""In a body: as text, since the framework would take a number of seconds for a time too."""


def read_time(field: str, text: str) -> datetime:
    """Read an RFC 3339 time; without a zone it is UTC. Raises `Invalid`."""
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo is not None else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise Invalid(field, repr(text), "a time such as 2026-11-23T07:00:00Z") from None
