"""Whoever sends a record to an endpoint: posted as a webhook, mailed, or put into a CRM by its connector."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from urllib.parse import quote

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver

from callgate import __version__
from callgate.errors import DeliveryFailed, Invalid
from callgate.outbox.connectors import build, connector_class
from callgate.outbox.crm import Crm, Link
from callgate.outbox.mail import Mailer
from callgate.outbox.schedule import Answer, Fate, read_status
from callgate.outbox.trouble import REST, Trouble, sentence
from callgate.outbox.webhook import TIMEOUT_S, Webhooks, public_socket, webhooks
from callgate.service.add_endpoint import known_endpoint
from callgate.service.delivery import Delivery, Lane
from callgate.service.endpoint import EMAIL, WEBHOOK, Receiver, RecordType, SmtpServer
from callgate.service.ports import Store
from callgate.service.reports import rfc3339

CRM_TIMEOUT_S = 8.0
"""For one request to a CRM: a record takes three at most, which together must end before its claim."""


def call_link(public_url: str) -> Link:
    """How the pages of calls are reached, where a public URL is set; else calls have no page that others could open."""

    def link(application: str, call_id: str) -> str:
        page = f"{public_url.rstrip('/')}/calls/{quote(call_id, safe='')}?app={quote(application, safe='')}"
        return page if public_url else ""

    return link


TEST = "endpoint.test"
"""The type of what is sent to see whether an endpoint works. It is sent once, whatever becomes of it."""


class Senders:
    """Made by `senders`. A connector lasts until its endpoint changes: it keeps tokens and contacts."""

    def __init__(
        self,
        webhooks: Webhooks,
        crms: tuple[aiohttp.ClientSession, aiohttp.ClientSession],
        mailer: Mailer,
        clock: Callable[[], datetime],
        link: Link,
    ) -> None:
        self._webhooks = webhooks
        self._mailer = mailer
        self._guarded, self._unguarded = crms
        self._clock = clock
        self._link = link
        self._crms: dict[str, tuple[Receiver, Crm]] = {}

    async def send(self, delivery: Delivery, receiver: Receiver) -> Answer:
        """Send once. Never raises: what went wrong is the answer."""
        if receiver.endpoint.kind == WEBHOOK:
            return await self._post(delivery, receiver)
        if receiver.endpoint.kind == EMAIL:
            return await self._mailer.send(delivery, receiver.endpoint)
        try:
            crm = self._crm(receiver)
        except (Invalid, msgspec.DecodeError) as error:  # a package was removed, or is another version now
            return Answer(Fate.HELD, str(error), REST)
        return await crm.send(delivery)

    async def probe(self, receiver: Receiver) -> str:
        """See `try_endpoint`."""
        endpoint, now = receiver.endpoint, self._clock()
        if endpoint.kind not in {WEBHOOK, EMAIL}:
            try:
                return await self._crm(receiver).probe()
            except (Invalid, msgspec.DecodeError) as error:
                return str(error)
        body = {"type": TEST, "timestamp": rfc3339(now), "data": {"endpoint": endpoint.id}}
        delivery = Delivery(
            id=f"msg_{secrets.token_hex(16)}",
            lane=Lane(endpoint.id, "", ""),
            type=RecordType.CALL_ENDED,
            sequence=0,
            body=msgspec.json.encode(body),
            occurred_at=now,
            due_at=now,
        )
        if endpoint.kind == EMAIL:
            answer = await self._mailer.send(delivery, endpoint, TEST)
        else:
            answer = await self._post(delivery, receiver)
        return "" if answer.fate is Fate.DELIVERED else answer.why

    async def _post(self, delivery: Delivery, receiver: Receiver) -> Answer:
        try:
            reply = await self._webhooks.post(delivery, receiver, self._clock())
        except DeliveryFailed as error:
            return Answer(Fate.RETRY if error.is_retryable else Fate.DEAD, str(error))
        answer = read_status(reply.status, reply.retry_after, self._clock())
        is_redirect = HTTPStatus.MULTIPLE_CHOICES <= reply.status < HTTPStatus.BAD_REQUEST
        return answer._replace(why=sentence(Trouble.REDIRECTED, str(reply.status))) if is_redirect else answer

    def _crm(self, receiver: Receiver) -> Crm:
        """Raises `Invalid`."""
        endpoint = receiver.endpoint
        known, crm = self._crms.get(endpoint.id, (None, None))
        if known is not None and crm is not None and _is_same(known, receiver):
            return crm
        credentials = _read_credentials(receiver.secrets[0])
        connector, setup = build(connector_class(endpoint.kind), endpoint.url, endpoint.options, credentials)
        session = self._unguarded if endpoint.allow_private else self._guarded
        crm = Crm(session, connector, setup, self._link, self._clock)
        self._crms[endpoint.id] = (receiver, crm)
        return crm


def _is_same(one: Receiver, other: Receiver) -> bool:
    """Whether a connector made for one does for the other; whether it is failing does not matter to it."""
    return (one.secrets, one.endpoint.url, one.endpoint.options, one.endpoint.allow_private) == (
        other.secrets, other.endpoint.url, other.endpoint.options, other.endpoint.allow_private,
    )  # fmt: skip


_read_credentials = msgspec.json.Decoder(dict[str, str]).decode


@asynccontextmanager
async def senders(
    clock: Callable[[], datetime],
    *,
    link: Link = call_link(""),  # noqa: B008 - a function that never changes
    smtp: SmtpServer | None = None,
    timeout_s: float = TIMEOUT_S,
    resolver: AbstractResolver | None = None,
) -> AsyncIterator[Senders]:
    """Keep connections for as long as the block runs. `resolver` says which addresses names have; the system's unless given."""

    def session(socket_factory: aiohttp.SocketFactoryType | None) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, resolver=resolver, socket_factory=socket_factory),
            timeout=aiohttp.ClientTimeout(total=min(timeout_s, CRM_TIMEOUT_S)),
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"accept": "application/json", "user-agent": f"callgate/{__version__}"},
        )

    async with AsyncExitStack() as stack:
        posts = await stack.enter_async_context(webhooks(timeout_s=timeout_s, resolver=resolver))
        guarded = await stack.enter_async_context(session(public_socket))
        unguarded = await stack.enter_async_context(session(None))
        yield Senders(posts, (guarded, unguarded), Mailer(smtp, link), clock, link)


async def try_endpoint(
    store: Store,
    named: str,
    unseal: Callable[[bytes], str],
    clock: Callable[[], datetime],
    smtp: SmtpServer | None = None,
) -> str:
    """Send a test event to a webhook, a test mail, or look a number up in a CRM. Return what is wrong, empty when all is well.

    Raises `NotFound`.
    """
    endpoint = await known_endpoint(store, named)
    receiver = Receiver(endpoint, tuple(unseal(sealed) for sealed in endpoint.sealed_secrets))
    async with senders(clock, smtp=smtp) as sending:
        return await sending.probe(receiver)
