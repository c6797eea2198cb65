"""Errors as RFC 9457 problem documents. What went wrong with a signature is the operator's business, not the sender's."""

from collections.abc import Sequence

import msgspec

from callgate.protocol import WireReply

TYPE = "https://callgate.dev/problems/"
"""Types are names and need not resolve; the last part is stable."""


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that cannot be used: where it stands, what was found there, and what would do."""

    field: str
    found: str
    expected: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document. Source: RFC 9457. `errors` names each thing that cannot be used, `refusal` why a
    call was refused.
    """

    type: str
    title: str
    status: int
    detail: str = ""
    errors: Sequence[Fault] = ()
    refusal: str = ""


def problem(  # noqa: PLR0913, PLR0917 - what a document may say
    status: int, name: str, title: str, detail: str | None = None, errors: Sequence[Fault] = (), refusal: str = ""
) -> WireReply:
    """Return the reply for an error: `type` ends in its stable name."""
    document = Problem(
        type=f"{TYPE}{name}", title=title, status=status, detail=detail or "", errors=errors, refusal=refusal
    )
    return WireReply(status=status, content_type="application/problem+json", body=msgspec.json.encode(document))


TOO_LARGE = problem(413, "too-large", "The body is larger than 64 KiB.")
BROKEN_OFF = problem(400, "broken-off", "The body did not come to its end.")
TOO_SLOW = problem(408, "too-slow", "The body did not come in time.")
UNAUTHORIZED = problem(401, "signature-invalid", "The request is not proven genuine.")
METHOD_NOT_ALLOWED = problem(405, "method-not-allowed", "Callbacks are posted.")
NOT_FOUND = problem(404, "not-found", "Nothing is here.")
UNAVAILABLE = problem(503, "store-unavailable", "The store did not take it in time. Try again.")
STARTING = problem(503, "starting", "The server is starting.")
INTERNAL = problem(500, "internal", "Something is wrong on our side; it was logged.")
STOPPING = problem(503, "stopping", "The server is stopping. Try again.")
