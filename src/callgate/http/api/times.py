"""Times as callers write them."""

from datetime import UTC, datetime


def aware(at: datetime | None) -> datetime | None:
    """Without a zone it is UTC."""
    return at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC)
