"""A whole request and a whole reply, as bytes: what crosses the seam between a provider's folder and the rest."""

from collections.abc import Mapping
from typing import final

import msgspec


class WireRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One callback as it came in.

    `path` is the path of the URL that the platform requested, without query, as it was spelled (escapes kept).
    `headers` may spell names in any case. `body` is untouched: signatures cover its bytes.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@final
class WireReply(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer, byte for byte."""

    status: int = 200
    content_type: str = "application/json"
    body: bytes = b"{}"
