"""Providers' wire formats, without I/O: needs msgspec and the standard library only."""

from callgate.protocol import sinch
from callgate.protocol.provider import Provider
from callgate.protocol.wire import WireReply, WireRequest

PROVIDERS: dict[str, Provider] = {
    "sinch": sinch,
}
"""One line a provider: the name is the last part of its callback URL."""

__all__ = ["PROVIDERS", "Provider", "WireReply", "WireRequest", "sinch"]
