"""Post a record as a Standard Webhook: sign it, send it where it may go, hear no more of the answer than we need.

Source of headers and signature: Standard Webhooks 1.0.0.
"""

import base64
import hashlib
import hmac
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from callgate import __version__
from callgate.errors import DeliveryFailed
from callgate.service.delivery import Delivery
from callgate.service.endpoint import MAX_ENDPOINTS, PRIVATE_PREFIX, SECRET_PREFIX, Receiver, is_public

TIMEOUT_S = 15.0
"""For the whole exchange: name, connection, request, answer."""

HEARD = 4_096
"""Bytes of an answer's body that are read, so that its connection can be used again; a longer one is hung up on."""


class Reply(NamedTuple):
    """What the receiver answered. Its body is not kept: it could hold anything."""

    status: int
    retry_after: str | None


class Webhooks:
    """Posts to receivers over kept connections; made by `webhooks`.

    Endpoints that may be private have connections of their own: what one of them opened is never used for another.
    """

    def __init__(self, guarded: aiohttp.ClientSession, unguarded: aiohttp.ClientSession) -> None:
        self._guarded = guarded
        self._unguarded = unguarded

    async def post(self, delivery: Delivery, receiver: Receiver, now: datetime) -> Reply:
        """Send once. Raises `DeliveryFailed` when there was no answer; it tells nothing of the URL."""
        endpoint = receiver.endpoint
        session = self._unguarded if endpoint.allow_private else self._guarded
        headers = sign(delivery.id, now, delivery.body, receiver.secrets_at(now))
        try:
            async with session.post(
                endpoint.url, data=delivery.body, headers=headers, allow_redirects=False
            ) as response:
                with suppress(aiohttp.ClientError, TimeoutError):  # it has answered, whatever becomes of the rest
                    await response.content.read(HEARD)
                return Reply(response.status, response.headers.get("retry-after"))
        except TimeoutError as error:
            raise DeliveryFailed("no answer in time", is_retryable=True) from error
        except aiohttp.ClientConnectorError as error:
            is_private = isinstance(error.os_error, PrivateAddress)
            raise DeliveryFailed(_no_connection(error), is_retryable=not is_private) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise DeliveryFailed(f"no answer: {type(error).__name__}", is_retryable=True) from error


@asynccontextmanager
async def webhooks(
    *, timeout_s: float = TIMEOUT_S, resolver: AbstractResolver | None = None
) -> AsyncIterator[Webhooks]:
    """Keep connections for as long as the block runs. `resolver` says which addresses names have; the system's unless given."""

    def session(socket_factory: aiohttp.SocketFactoryType | None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=resolver, socket_factory=socket_factory),
            timeout=aiohttp.ClientTimeout(total=timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"content-type": "application/json", "user-agent": f"callgate/{__version__}"},
            auto_decompress=False,
        )

    async with session(public_socket) as guarded, session(None) as unguarded:
        yield Webhooks(guarded, unguarded)


def sign(message: str, now: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """Return the three headers of one attempt, with one signature for each secret."""
    timestamp = str(int(now.timestamp()))
    signed = b".".join((message.encode(), timestamp.encode(), body))
    return {
        "webhook-id": message,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def _signature(secret: str, signed: bytes) -> str:
    if secret.startswith(PRIVATE_PREFIX):
        return f"v1a,{base64.b64encode(_private_key(secret).sign(signed)).decode()}"
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


@lru_cache(maxsize=MAX_ENDPOINTS)
def _private_key(secret: str) -> Ed25519PrivateKey:
    """To read one takes longer than to sign with it."""
    return Ed25519PrivateKey.from_private_bytes(base64.b64decode(secret.removeprefix(PRIVATE_PREFIX)))


class PrivateAddress(OSError):
    """A name led to an address that records are not sent to. All say the same, so that many are taken for one."""

    def __init__(self) -> None:
        super().__init__("its address is not public, and it was added without --allow-private")


def public_socket(address: aiohttp.AddrInfoType) -> socket.socket:
    """Make the socket that will connect to exactly this address. Raises `PrivateAddress`.

    The check sits here and not where names are resolved: whatever a name said a moment ago, and however it was spelled,
    this is where the record would go.
    """
    family, kind, protocol, _, where = address
    if not is_public(str(where[0])):
        raise PrivateAddress
    return socket.socket(family, kind, protocol)


async def resolve(host: str) -> list[str]:
    """Return the addresses that a host has now; none when nobody knows it."""
    try:
        return [found["host"] for found in await aiohttp.ThreadedResolver().resolve(host, family=socket.AF_UNSPEC)]
    except OSError:
        return []


def _no_connection(error: aiohttp.ClientConnectorError) -> str:
    """Why there was none, without the host: it stands in the endpoint."""
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known"
    if isinstance(error, aiohttp.ClientSSLError):
        return "its certificate was not accepted"
    if isinstance(error.os_error, PrivateAddress):
        return str(error.os_error)
    return f"no connection: {error.os_error.strerror or type(error.os_error).__name__}"
