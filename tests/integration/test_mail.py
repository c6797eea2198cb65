"""Records as e-mail, to a real mail server over real connections."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import described
import msgspec
import pytest
from mail_server import PASSWORD, USER, MailServer, write_certificate

from callgate.errors import Invalid
from callgate.outbox.mail import OURS, SENTENCES, Mailer, MailTrouble
from callgate.outbox.schedule import Answer, Fate
from callgate.outbox.senders import senders
from callgate.outbox.worker import Worker
from callgate.service.account_events import REPORTS
from callgate.service.add_endpoint import Wanted, add_endpoint
from callgate.service.books import Books, Keys
from callgate.service.catalog import Catalogs
from callgate.service.deliver import Conclude, Concluded, News
from callgate.service.delivery import Delivery, DeliveryState, Lane
from callgate.service.endpoint import OF_EMAIL, Endpoint, EndpointState, RecordType, Security, SmtpServer, read_mailto
from callgate.service.endpoint_events import DisabledReport
from callgate.service.reports import RecordReport
from callgate.storage.sqlite import SqliteStore

NOW = datetime(2026, 11, 23, 7, 1, 5, tzinfo=UTC)
LOW = {
    "event_id": "evt_1", "sequence": 1, "application": "app", "account": "alice", "currency": "USD", "balance": "4.20",
    "available": "3.10", "credit_limit": "0.00", "threshold": "5.00", "call_id": "c/1",
}  # fmt: skip


def delivery(kind: RecordType = RecordType.BALANCE_LOW, data: dict[str, Any] | None = None) -> Delivery:
    body = {"type": kind, "timestamp": "2026-11-23T07:01:05.000Z", "data": LOW if data is None else data}
    return Delivery(
        id="msg_1", lane=Lane("ep_1", "app", "alice"), type=kind, sequence=1, body=msgspec.json.encode(body),
        occurred_at=NOW, due_at=NOW,
    )  # fmt: skip


def endpoint(url: str = "mailto:ops@example.com,night@example.com", name: str = "ep_1") -> Endpoint:
    return Endpoint(
        id=name, url=url, types=OF_EMAIL, allow_private=True, created_at=NOW, sealed_secrets=(b"",), kind="email"
    )


def smtp(server: MailServer, **said: Any) -> SmtpServer:
    usual = {"host": "127.0.0.1", "port": server.port, "sender": "gate@example.com", "security": Security.NONE}
    return SmtpServer(**usual | said)


def link(application: str, call_id: str) -> str:
    return f"https://gate.example.com/calls/{call_id.replace('/', '%2F')}?app={application}"


async def send(server: MailServer, *, to: str = "", what: Delivery | None = None, **said: Any) -> Answer:
    mailer = Mailer(smtp(server, **said), link)
    return await mailer.send(what or delivery(), endpoint(to) if to else endpoint())


def test_an_alarm_is_mailed_in_words() -> None:
    """To every address, with the page of the call; a repeat has the same Message-ID."""

    async def steps() -> None:
        async with MailServer().running() as server:
            assert (await send(server)).fate is Fate.DELIVERED
            assert (await send(server)).fate is Fate.DELIVERED
            first, second = server.received
            assert first["Subject"] == "alice: 4.20 USD left"
            assert (first["From"], first["To"]) == ("gate@example.com", "ops@example.com, night@example.com")
            assert first["Message-ID"] == second["Message-ID"] == "<msg_1@example.com>"
            assert first["Date"].datetime == NOW
            assert first["Auto-Submitted"] == "auto-generated"
            assert server.envelopes[0].rcpt_tos == ["ops@example.com", "night@example.com"]
            assert first.get_content().replace("\r\n", "\n") == (
                "The balance of account alice is low: 4.20 USD, below 5.00.\n"
                "3.10 USD of it can be used for new calls.\n"
                "\n"
                "Call: https://gate.example.com/calls/c%2F1?app=app\n"
                "\n"
                "Application app\n"
            )

    asyncio.run(steps())


def test_every_type_can_be_mailed() -> None:
    """Each of our templates has every word that it uses; what has no template of its own is listed."""
    reports = {**REPORTS, RecordType.ENDPOINT_DISABLED: DisabledReport}
    mailer = Mailer(SmtpServer(host="x", sender="gate@example.com"), link)
    for kind in RecordType:
        facts = {name: f"<{name}>" for name in reports.get(kind, RecordReport).__struct_fields__}
        message, note = mailer.write(delivery(kind, facts), endpoint())
        assert note == ""
        assert "<" in message["Subject"] and "{" not in message.get_content()
    assert {each.stem for each in OURS.glob("*.txt")} == {*map(str, OF_EMAIL), "call.refused", "endpoint.test", "any"}


def test_what_a_caller_says_stays_what_it_is() -> None:
    """Neither a header of its own, nor a template, nor markup."""
    said = LOW | {"account": "a\r\nBcc: mallory@example.com", "balance": "{{ 7 * 7 }}"}
    message, _ = Mailer(SmtpServer(host="x", sender="g@example.com"), link).write(delivery(data=said), endpoint())
    assert message["Subject"] == "a Bcc: mallory@example.com: {{ 7 * 7 }} USD left"
    assert message["Bcc"] is None


def test_operators_have_templates_of_their_own(tmp_path: Path) -> None:
    """Text, and HTML beside it; a slip in one costs nobody the alarm, and is noted."""
    (tmp_path / "balance.low.txt").write_text("Subject: Saldo {{ balance }}\n\nHej {{ account }}\n", encoding="utf-8")
    (tmp_path / "balance.low.html").write_text("<b>{{ account }}</b>", encoding="utf-8")
    (tmp_path / "overrun.txt").write_text("Subject: {{ no_such_word }}\n", encoding="utf-8")
    (tmp_path / "limit.reached.txt").write_text("Subject: {% if %}\n", encoding="utf-8")
    (tmp_path / "call.refused.txt").write_text("Subject: {{ ''.__class__.__mro__ }}\n", encoding="utf-8")
    mailer = Mailer(SmtpServer(host="x", sender="g@example.com", templates=tmp_path), link)
    message, note = mailer.write(delivery(data=LOW | {"account": "<i>"}), endpoint())
    assert (message["Subject"], note) == ("Saldo 4.20", "")
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None and text.get_content() == "Hej <i>\n"
    assert html is not None and html.get_content() == "<b>&lt;i&gt;</b>\n"
    for kind in (RecordType.OVERRUN, RecordType.LIMIT_REACHED, RecordType.CALL_REFUSED):
        facts = dict.fromkeys(REPORTS.get(kind, RecordReport).__struct_fields__, "x")
        message, note = mailer.write(delivery(kind, facts), endpoint())
        assert note.startswith(f"template {kind}.txt could not be used") and message["Subject"].startswith("x: ")
    (tmp_path / "overrun.txt").write_text("Subject: mended\n", encoding="utf-8")
    facts = dict.fromkeys(RecordReport.__struct_fields__, "x")
    assert mailer.write(delivery(RecordType.OVERRUN, facts), endpoint())[0]["Subject"] == "mended"


@pytest.mark.parametrize("is_tls", [False, True])
def test_the_way_is_encrypted_and_the_login_secret(tmp_path: Path, *, is_tls: bool) -> None:
    """STARTTLS, or TLS from the first byte; the certificate is checked."""
    certificate = write_certificate(tmp_path)
    security = Security.TLS if is_tls else Security.STARTTLS

    async def steps() -> None:
        async with MailServer().running(certificate, is_tls=is_tls) as server:
            login = {"security": security, "user": USER, "password": PASSWORD}
            assert (await send(server, authority=certificate, **login)).fate is Fate.DELIVERED
            wrong = await send(server, authority=certificate, **login | {"password": "x"})
            assert (wrong.fate, wrong.why) == (
                Fate.HELD,
                f"login_refused (535): {SENTENCES[MailTrouble.LOGIN_REFUSED]}",
            )
            strange = await send(server, **login)
            assert (strange.fate, strange.why.partition(":")[0]) == (Fate.HELD, "certificate_refused")
            assert len(server.received) == 1

    asyncio.run(steps())


def test_no_password_goes_out_in_clear() -> None:
    """A server that offers no encryption gets nothing."""

    async def steps() -> None:
        async with MailServer().running() as server:
            answer = await send(server, security=Security.STARTTLS, user=USER, password=PASSWORD)
            assert (answer.fate, answer.why.partition(":")[0]) == (Fate.HELD, "no_encryption")
            assert server.received == []

    asyncio.run(steps())


@pytest.mark.parametrize(
    ("step", "reply", "fate", "trouble"),
    [
        ("MAIL", "550 not you", Fate.HELD, MailTrouble.SENDER_REFUSED),
        ("MAIL", "451 later", Fate.RETRY, MailTrouble.LATER),
        ("DATA", "554 spam", Fate.DEAD, MailTrouble.MESSAGE_REFUSED),
        ("DATA", "452 full", Fate.RETRY, MailTrouble.LATER),
    ],
)
def test_what_a_refusal_means(step: str, reply: str, fate: Fate, trouble: MailTrouble) -> None:
    """By its name and code, with what to do; nothing of the server's own words."""

    async def steps() -> None:
        async with MailServer().running() as server:
            server.answers[step] = reply
            answer = await send(server)
            assert (answer.fate, answer.why) == (fate, f"{trouble} ({reply[:3]}): {SENTENCES[trouble]}")

    asyncio.run(steps())


def test_recipients_are_refused_one_by_one() -> None:
    """The others get it; where nobody is left the mail is parked."""

    async def steps() -> None:
        async with MailServer().running() as server:
            some = await send(server, to="mailto:ops@example.com,nobody@example.com")
            assert (some.fate, some.why) == (Fate.DELIVERED, "not taken for 1 of the recipients")
            none = await send(server, to="mailto:nobody@example.com")
            assert (none.fate, none.why.partition(" ")[0]) == (Fate.DEAD, "recipient_refused")
            server.answers["RCPT"] = "450 greylisted"
            later = await send(server, to="mailto:ops@example.com")
            assert (later.fate, later.why.partition(" ")[0]) == (Fate.RETRY, "asked_to_wait")

    asyncio.run(steps())


def test_a_server_that_is_not_there_is_asked_again() -> None:
    """And one that is not even set holds the endpoint until it is."""

    async def steps() -> None:
        async with MailServer().running() as server:
            gone = smtp(server)
        answer = await Mailer(gone, link).send(delivery(), endpoint())
        assert (answer.fate, answer.why.partition(":")[0]) == (Fate.RETRY, "mail_server_unreachable")
        unset = await Mailer(None, link).send(delivery(), endpoint())
        assert (unset.fate, unset.why.partition(":")[0]) == (Fate.HELD, "no_mail_server")

    asyncio.run(steps())


def test_every_trouble_says_what_to_do() -> None:
    """As those of CRMs do."""
    assert set(SENTENCES) == set(MailTrouble)


@asynccontextmanager
async def books() -> AsyncIterator[SqliteStore]:
    store = SqliteStore(":memory:")
    await store.migrate()
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def add(store: SqliteStore, url: str, kind: str = "email", types: tuple[str, ...] = ()) -> Endpoint:
    async def nobody(host: str) -> list[str]:
        del host
        return []

    added, _ = await add_endpoint(
        store, url, types, wanted=Wanted(kind=kind), allow_private=False, seal=str.encode, resolve=nobody, now=NOW
    )
    return added


class Queue:
    """A job that queues one record."""

    def __init__(self, queued: Delivery) -> None:
        self._queued = queued

    def keys(self) -> Keys:
        return Keys()

    def run(self, books: Books) -> None:
        books.deliveries.put(self._queued.id, self._queued)


def test_an_endpoint_that_is_disabled_raises_an_alarm_by_mail() -> None:
    """A record to whoever else listens, and a mail; once, and not to the one that it is about."""

    async def steps() -> None:
        async with MailServer().running() as server, books() as store:
            hook = await add(store, "https://crm.example.com/secret-path", "webhook")
            await add(store, "mailto:ops@example.com")
            catalogs = Catalogs(store, lambda sealed: sealed.decode())
            await catalogs.refresh()
            queued = msgspec.structs.replace(delivery(), lane=Lane(hook.id, "app", "alice"))
            await store.perform(Queue(queued))
            (claimed,) = await store.claim_deliveries(hook.id, NOW, NOW, 1)
            parked = msgspec.structs.replace(claimed, state=DeliveryState.PARKED)
            told = Concluded(claimed, parked, News(disables="failing for 5 days, last: answered 500"))
            await store.perform(Conclude(of=(told,), endpoints=catalogs.now.endpoints))
            await store.perform(Conclude(of=(told,), endpoints=catalogs.now.endpoints))
            states = {each.kind: each.state for each in await store.endpoints()}
            assert states == {"webhook": EndpointState.DISABLED, "email": EndpointState.ACTIVE}
            await catalogs.refresh()

            def posts(clock: Any) -> Any:
                return senders(clock, link=link, smtp=smtp(server))

            worker = asyncio.create_task(Worker(store, catalogs, lambda: datetime.now(UTC), posts=posts).work())
            async with asyncio.timeout(10):
                while not server.received:  # noqa: ASYNC110 - what comes over a socket has no event
                    await asyncio.sleep(0.02)
            worker.cancel()
            await asyncio.gather(worker, return_exceptions=True)
            (message,) = server.received
            assert message["Subject"] == "Records are not sent to crm.example.com any more"
            assert "failing for 5 days" in message.get_content() and "secret-path" not in message.as_string()
            (alarm,) = [each for each in await store.deliveries(None, 10) if each.type is RecordType.ENDPOINT_DISABLED]
            assert alarm.state is DeliveryState.DELIVERED
            described.check(alarm.body)
            assert json.loads(alarm.body)["data"]["endpoint"] == hook.id

    asyncio.run(steps())


def test_an_endpoint_for_mail_is_added_by_its_addresses() -> None:
    """It is sent what somebody should look at, unless it asks for more; what is no address is refused."""

    async def steps() -> None:
        async with books() as store:
            assert (await add(store, "mailto:ops@example.com")).types == OF_EMAIL
            more = await add(store, "mailto:ops@example.com", types=("call.refused",))
            assert more.types == (RecordType.CALL_REFUSED,)
            for url in ("ops@example.com", "mailto:", "mailto:ops", "mailto:a b@example.com", "mailto:a@b,<c@d>"):
                with pytest.raises(Invalid, match="mailto:"):
                    await add(store, url)

    asyncio.run(steps())


def test_addresses_are_read_as_they_are_written() -> None:
    """Commas between them."""
    assert read_mailto("mailto:a+b@example.com,c@d.example.org") == ["a+b@example.com", "c@d.example.org"]
