"""What single CRMs do otherwise than others, and what is true of all requests to them. The common cases are a contract."""

import asyncio
import datetime as dt
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_hubspot import FakeHubSpot
from fake_pipedrive import FakePipedrive
from fake_salesforce import FakeSalesforce
from fake_zendesk import FakeZendesk

from callgate.errors import Invalid
from callgate.outbox.api import Pace
from callgate.outbox.connectors import build, connector_class, kinds
from callgate.outbox.contract import NOW, NUMBER, Fault, at_work, delivery, link
from callgate.outbox.crm import REMEMBERED, Contacts, Crm, Found
from callgate.outbox.schedule import Fate
from callgate.outbox.trouble import SENTENCES, Trouble
from callgate.outbox.webhook import public_socket


def test_every_trouble_has_a_sentence() -> None:
    """A name alone tells nobody what to do."""
    assert set(SENTENCES) == set(Trouble)


@pytest.mark.parametrize(
    ("policy", "wait"), [("TEN_SECONDLY_ROLLING", 10), ("SECONDLY", 1), ("DAILY", 3600), ("ANOTHER", 300)]
)
def test_hubspot_waits_as_long_as_the_policy_lasts(policy: str, wait: int) -> None:
    """It promises no `Retry-After`."""

    async def steps() -> None:
        played = FakeHubSpot()
        played.policy = policy
        played.fail(Fault.QUOTA)
        async with at_work(played) as crm:
            answer = await crm.send(delivery())
            assert (answer.fate, answer.wait) == (Fate.HELD, timedelta(seconds=wait))

    asyncio.run(steps())


def test_hubspot_is_left_alone_until_its_search_has_caught_up() -> None:
    """What was written is not found at once: a try after an unknown outcome comes half a minute later at least."""

    async def steps() -> None:
        played = FakeHubSpot()
        async with at_work(played) as crm:
            played.fail(Fault.SILENT_AFTER_WRITING, times=1)
            assert (await crm.send(delivery())).wait >= timedelta(seconds=30)

    asyncio.run(steps())


def test_salesforce_with_two_tasks_for_a_call_writes_nothing() -> None:
    """It answers 300; a person must choose."""

    async def steps() -> None:
        played = FakeSalesforce()
        played.is_double = True
        async with at_work(played) as crm:
            answer = await crm.send(delivery())
            assert (answer.fate, answer.why.partition(":")[0]) == (Fate.DEAD, Trouble.CALL_TWICE)

    asyncio.run(steps())


@pytest.mark.parametrize(
    ("instance", "is_followed"),
    [
        ("https://eu44.my.salesforce.com", True),
        ("https://eu44.my.salesforce.com.example.net", False),
        ("http://eu44.my.salesforce.com", False),
        (7, False),
    ],
)
def test_salesforce_is_followed_to_hosts_of_its_own_only(instance: object, is_followed: bool) -> None:  # noqa: FBT001
    """An organisation may live elsewhere than where it signs in; whoever says so could name any host."""
    connector, _ = build(
        connector_class("salesforce"), "https://login.example.com", {}, {"client_id": "a", "client_secret": "b"}
    )
    connector._hear_instance({"instance_url": instance})  # type: ignore[attr-defined] # noqa: SLF001
    assert bool(connector._instance) is is_followed  # type: ignore[attr-defined] # noqa: SLF001


def test_pipedrive_tells_a_block_from_a_missing_right() -> None:
    """Both are 403; after many 429 nothing is left."""

    async def steps() -> None:
        played = FakePipedrive()
        async with at_work(played) as crm:
            played.fail(Fault.QUOTA)
            assert (await crm.send(delivery())).wait == timedelta(seconds=2)
            played.is_blocking = True
            blocked = await crm.send(delivery())
            assert (blocked.why.partition(" ")[0], blocked.wait) == (Trouble.QUOTA_HIT, timedelta(hours=1))

    asyncio.run(steps())


def test_zendesk_keeps_a_key_and_knows_the_call_when_it_is_forgotten() -> None:
    """The same request in two hours makes no second ticket, nor does one later."""

    async def steps() -> None:
        played = FakeZendesk()
        async with at_work(played) as crm:
            for is_forgetful, attempt in ((False, 1), (False, 1), (True, 2)):
                played.is_forgetful = is_forgetful
                assert (await crm.send(delivery(attempt=attempt))).fate is Fate.DELIVERED
            assert len(played.calls()) == 1
            played.is_forgetful = False
            changed = await crm.send(delivery(seconds=90))
            assert (changed.fate, changed.why.partition(" ")[0]) == (Fate.RETRY, Trouble.LOCKED)
            assert (await crm.send(delivery(seconds=90, attempt=2))).fate is Fate.DELIVERED

    asyncio.run(steps())


def test_a_contact_is_looked_up_once_an_hour() -> None:
    """Searches are what CRMs allow least of."""

    async def steps() -> None:
        played = FakeHubSpot()
        played.add_contact(NUMBER)
        async with at_work(played) as crm:
            for call in ("c-1", "c-2", "c-3"):
                await crm.send(delivery(call))
        assert [path for _, path, _ in played.heard].count("/crm/v3/objects/contacts/search") == 1

    asyncio.run(steps())


def test_only_so_many_contacts_are_remembered() -> None:
    """Memory has a bound, whatever is called."""
    contacts = Contacts()
    for number in range(REMEMBERED + 10):
        contacts.put(f"+46{number}", Found(None))
    assert contacts.get("+460") is None
    assert contacts.get(f"+46{REMEMBERED}") is not None


def test_requests_keep_their_pace() -> None:
    """A second's worth at once, then one after the other."""

    async def steps() -> float:
        pace = Pace(50)
        began_at = time.monotonic()
        for _ in range(65):
            await pace.turn()
        return time.monotonic() - began_at

    assert 0.25 <= asyncio.run(steps()) < 3


def test_a_certificate_of_another_host_is_a_state_of_its_own(tmp_path: Path) -> None:
    """Nothing is sent: the connection is not what it says."""

    async def steps() -> None:
        async with self_signed(tmp_path) as url, aiohttp.ClientSession() as session:
            connector, setup = build(FakeHubSpot.kind, url, {}, FakeHubSpot.credentials)
            answer = await Crm(session, connector, setup, link, lambda: NOW).send(delivery())
            assert (answer.fate, answer.why.partition(":")[0]) == (Fate.HELD, Trouble.CERTIFICATE_REFUSED)

    asyncio.run(steps())


def test_a_private_address_is_a_state_of_its_own() -> None:
    """A name may come to mean one at any time."""

    async def steps() -> None:
        played = FakeHubSpot()
        connection = aiohttp.TCPConnector(socket_factory=public_socket)
        async with played.running(), aiohttp.ClientSession(connector=connection) as session:
            connector, setup = build(played.kind, played.url, {}, played.credentials)
            answer = await Crm(session, connector, setup, link, lambda: NOW).send(delivery())
            assert (answer.fate, answer.why.partition(":")[0]) == (Fate.HELD, Trouble.ADDRESS_PRIVATE)
            assert played.heard == []

    asyncio.run(steps())


def test_what_cannot_be_a_connector_is_answered_with_what_would_do() -> None:
    """Kind, options, address and credentials; nothing secret is repeated."""
    assert {"hubspot", "pipedrive", "salesforce", "zendesk"} <= set(kinds())
    with pytest.raises(Invalid, match="hubspot, pipedrive"):
        connector_class("sugar")
    token = {"token": "a-secret"}
    for options, expected in (
        ({"owner": "5"}, "owner_id"),
        ({"on_several": "all"}, "first, newest, none"),
        ({"per_s": "0"}, "from 1 to"),
        ({"per_s": "many"}, "from 1 to"),
    ):
        with pytest.raises(Invalid, match=expected):
            build(connector_class("hubspot"), "", options, token)
    with pytest.raises(Invalid, match="your own address"):
        build(connector_class("zendesk"), "", {}, token)
    with pytest.raises(Invalid, match="refresh_token") as refused:
        build(connector_class("hubspot"), "", {}, {"client_id": "a-secret"})
    assert "a-secret" not in str(refused.value)


@asynccontextmanager
async def self_signed(folder: Path) -> AsyncIterator[str]:
    """A server that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256())
    file = folder / "both.pem"
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, form, plain)
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    server = TestServer(web.Application())
    await server.start_server(ssl=context)
    try:
        yield f"https://localhost:{server.port}"
    finally:
        await server.close()
