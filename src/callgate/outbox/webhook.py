"""Post a record as a Standard Webhook: sign it, send it where it may go, hear no more of the answer than we need.

Source of headers and signature: Standard Webhooks 1.0.0.
"""

import base64
import hashlib
import hmac
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from functools import lru_cache

import aiohttp
from aiohttp.abc import AbstractResolver
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from callgate.errors import DeliveryFailed
from callgate.outbox.connections import Connections, NameUnknown, NoAnswer, Reply
from callgate.outbox.trouble import Trouble, sentence
from callgate.service.delivery import Delivery
from callgate.service.endpoint import MAX_ENDPOINTS, PRIVATE_PREFIX, SECRET_PREFIX, Receiver, is_public

TIMEOUT_S = 15.0
"""For the whole exchange: name, connection, request, answer."""


class Webhooks:
    """Posts to receivers over kept connections; made by `webhooks`.

    Endpoints that may be private have connections of their own: what one of them opened is never used for another.
    """

    def __init__(self, guarded: Connections, unguarded: Connections, timeout_s: float) -> None:
        self._guarded = guarded
        self._unguarded = unguarded
        self._timeout_s = timeout_s

    async def post(self, delivery: Delivery, receiver: Receiver, now: datetime) -> Reply:
        """Send once. Raises `DeliveryFailed` when there was no answer; it tells nothing of the URL."""
        endpoint = receiver.endpoint
        connections = self._unguarded if endpoint.allow_private else self._guarded
        headers = sign(delivery.id, now, delivery.body, receiver.secrets_at(now))
        lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()]).encode()
        try:
            return await connections.post(endpoint.url, lines, delivery.body, self._timeout_s)
        except NoAnswer as error:
            raise DeliveryFailed(f"no answer: {error}", is_retryable=True) from error
        except TimeoutError as error:
            raise DeliveryFailed("no answer in time", is_retryable=True) from error
        except (OSError, ValueError) as error:
            is_private = isinstance(error, PrivateAddress)
            raise DeliveryFailed(_no_connection(error), is_retryable=not is_private) from error


@asynccontextmanager
async def webhooks(
    *, timeout_s: float = TIMEOUT_S, resolver: AbstractResolver | None = None
) -> AsyncIterator[Webhooks]:
    """Keep connections for as long as the block runs. `resolver` says which addresses names have; the system's unless given."""
    guarded, unguarded = Connections(resolver, public_socket), Connections(resolver)
    try:
        yield Webhooks(guarded, unguarded, timeout_s)
    finally:
        guarded.close()
        unguarded.close()


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
    mac = _keyed(secret).copy()
    mac.update(signed)
    return f"v1,{base64.b64encode(mac.digest()).decode()}"


@lru_cache(maxsize=MAX_ENDPOINTS)
def _keyed(secret: str) -> hmac.HMAC:
    """The state that depends on the secret alone.

    `hmac.digest` lets go of the interpreter for each signature, and may wait for it afterwards; this does not.
    """
    return hmac.new(base64.b64decode(secret.removeprefix(SECRET_PREFIX)), digestmod=hashlib.sha256)


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


def _no_connection(error: OSError | ValueError) -> str:
    """Why there was none, without the host: it stands in the endpoint."""
    match error:
        case NameUnknown():
            return "its name is not known"
        case ssl.SSLCertVerificationError():
            return sentence(Trouble.CERTIFICATE_REFUSED)
        case ssl.SSLError():
            return "no encrypted connection"
        case PrivateAddress():
            return str(error)
        case OSError():
            return f"no connection: {error.strerror or type(error).__name__}"
        case _:
            return f"no connection: {type(error).__name__}"
