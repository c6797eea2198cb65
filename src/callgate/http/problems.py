"""Errors as RFC 9457 problem documents. What went wrong with a signature is the operator's business, not the sender's."""

from collections.abc import Mapping, Sequence

import msgspec

from callgate.protocol import WireReply

TYPE = "https://callgate.dev/problems/"
"""Types are names and need not resolve; the last part is stable."""


def problem(
    status: int, name: str, title: str, detail: str | None = None, errors: Sequence[Mapping[str, object]] = ()
) -> WireReply:
    """Return the reply for an error: `type` ends in its stable name; `errors` has one for each fault where there are several."""
    document: dict[str, object] = {"type": f"{TYPE}{name}", "title": title, "status": status}
    if detail is not None:
        document["detail"] = detail
    if errors:
        document["errors"] = errors
    return WireReply(status=status, content_type="application/problem+json", body=msgspec.json.encode(document))


TOO_LARGE = problem(413, "too-large", "The body is larger than 64 KiB.")
BROKEN_OFF = problem(400, "broken-off", "The body did not come to its end.")
TOO_SLOW = problem(408, "too-slow", "The body did not come in time.")
UNAUTHORIZED = problem(401, "signature-invalid", "The request is not proven genuine.")
METHOD_NOT_ALLOWED = problem(405, "method-not-allowed", "Callbacks are posted.")
NOT_FOUND = problem(404, "not-found", "Nothing is here.")
UNAVAILABLE = problem(503, "store-unavailable", "The store did not take it in time. Try again.")
STARTING = problem(503, "starting", "The server is starting.")
STOPPING = problem(503, "stopping", "The server is stopping. Try again.")
