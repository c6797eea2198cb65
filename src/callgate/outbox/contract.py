"""What every connector must do, as cases that run against a server which plays its CRM: ours run them, yours can too.

    @pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
    def test_contract(case):
        asyncio.run(case(MyRig()))

A `Rig` plays the CRM: as strict as the real one about what it is sent, with faults that can be switched on.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import NamedTuple, Protocol

import aiohttp
import msgspec

from callgate.outbox.connector import Connector
from callgate.outbox.connectors import build
from callgate.outbox.crm import Crm
from callgate.outbox.schedule import Answer, Fate
from callgate.outbox.trouble import Trouble
from callgate.service.delivery import Delivery, DeliveryState, Lane
from callgate.service.endpoint import RecordType
from callgate.service.queue_record import Message
from callgate.service.reports import RecordReport, rfc3339

NUMBER = "+46701740605"
NOW = datetime(2026, 11, 23, 7, 0, tzinfo=UTC)
TIMEOUT_S = 0.4
"""How long an answer is waited for."""


class Fault(Enum):
    """What a played CRM can be told to do instead of answering as it should."""

    TOKEN_WRONG = auto()  # it knows no token at all, and renews none
    TOKEN_EXPIRED = auto()  # it does not know the tokens that it gave out so far
    TOKEN_REVOKED = auto()  # nor gives out others; a CRM whose tokens stay answers as for a wrong one
    FORBIDDEN = auto()
    QUOTA = auto()  # however it says that
    REDIRECT = auto()  # to `Rig.elsewhere`
    REFUSED = auto()  # it will never take that call
    LOCKED = auto()
    FAILED = auto()  # and nothing was written
    FAILED_AFTER_WRITING = auto()
    SILENT_AFTER_WRITING = auto()
    NONSENSE = auto()  # 200 with a page for people


class Logged(NamedTuple):
    """A call as the CRM has it. `text` is all that a person may read of it; `contact` empty where it has none."""

    duration_s: int
    contact: str
    text: str


class Rig(Protocol):
    """A CRM that is played for one case."""

    kind: type[Connector]
    credentials: Mapping[str, str]
    options: Mapping[str, str]
    is_renewed: bool
    """Whether the credentials are exchanged for tokens that end."""

    @property
    def url(self) -> str: ...

    @property
    def elsewhere(self) -> Sequence[str]:
        """Requests that followed a redirect."""

    def running(self) -> AbstractAsyncContextManager[object]:
        """Serve for as long as the block runs."""

    def add_contact(self, number: str) -> str:
        """Return its id. Later ones are newer."""

    def contacts(self) -> Sequence[str]:
        """Numbers of all contacts."""

    def calls(self) -> Sequence[Logged]: ...

    def fail(self, fault: Fault, times: int = 1_000) -> None:
        """Answer so many requests with this. What writes no call is not struck by faults that speak of writing."""


@asynccontextmanager
async def at_work(rig: Rig, **options: str) -> AsyncIterator[Crm]:
    """The connector, set up for the played CRM, as fast as it can."""
    async with rig.running():
        connector, setup = build(rig.kind, rig.url, {**rig.options, "per_s": "1000", **options}, rig.credentials)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield Crm(session, connector, setup, link, lambda: NOW)


def link(application: str, call_id: str) -> str:
    return f"https://gate.example.com/calls/{call_id}?app={application}"


def delivery(  # noqa: PLR0913 - what cases differ in
    call_id: str = "c-1",
    *,
    attempt: int = 1,
    seconds: int = 61,
    result: str = "answered",
    caller: str = "alice",
    destination: str = NUMBER,
    corrects: bool = False,
) -> Delivery:
    """A record on its way."""
    answered_at = NOW + timedelta(seconds=4) if result == "answered" else None
    record = RecordReport(
        call_id=call_id,
        account="alice",
        caller=caller,
        destination=destination,
        started_at=rfc3339(NOW),
        answered_at=None if answered_at is None else rfc3339(answered_at),
        ended_at=rfc3339((answered_at or NOW) + timedelta(seconds=seconds)),
        duration_s=seconds if result == "answered" else 0,
        billed_s=seconds if result == "answered" else 0,
        charge="0.0417" if result == "answered" else "0",
        currency="USD",
        cost=None,
        cost_currency=None,
        result=result,
        reason="calleehangup",
        settled_by="disconnect",
        application="app",
        record_id=f"{'correction:' if corrects else ''}app/{call_id}",
        sequence=1,
        corrects=f"app/{call_id}" if corrects else None,
    )
    kind = RecordType.CALL_ENDED
    return Delivery(
        id="msg_1",
        lane=Lane("ep_1", "app", "alice"),
        type=kind,
        sequence=1,
        body=msgspec.json.encode(Message(type=kind, timestamp=rfc3339(NOW), data=record)),
        occurred_at=NOW,
        due_at=NOW,
        state=DeliveryState.NEXT,
        attempt_count=attempt,
    )


def _told(answer: Answer) -> str:
    """The name of the trouble, empty when all was as usual."""
    return answer.why.partition(":")[0].partition(" ")[0]


# -- cases -------------------------------------------------------------------------------------------------------------


async def logs_a_call_with_its_contact(rig: Rig) -> None:
    """With its duration, charge and the link to its page."""
    async with at_work(rig) as crm:
        rig.add_contact("+4930123456")
        contact = rig.add_contact(NUMBER)
        assert await crm.send(delivery()) == Answer(Fate.DELIVERED)
        (logged,) = rig.calls()
        assert (logged.duration_s, logged.contact) == (61, contact)
        for word in ("0.0417 USD", link("app", "c-1"), NUMBER, "c-1"):
            assert word in logged.text, word


async def logs_calls_that_were_not_answered(rig: Rig) -> None:
    """Each result is one that the CRM takes."""
    async with at_work(rig) as crm:
        rig.add_contact(NUMBER)
        for number, result in enumerate(("busy", "no_answer", "failed", "none", "other")):
            answer = await crm.send(delivery(f"c-{number}", result=result))
            assert answer == Answer(Fate.DELIVERED), (result, answer)
        assert [logged.duration_s for logged in rig.calls()] == [0] * 5


async def logs_calls_from_phones(rig: Rig) -> None:
    """The contact is who called, where the operator says so."""
    async with at_work(rig, contact="caller") as crm:
        contact = rig.add_contact("+4930123456")
        assert (await crm.send(delivery(caller="+4930123456"))).fate is Fate.DELIVERED
        assert [logged.contact for logged in rig.calls()] == [contact]


async def logs_once_however_often_it_is_sent(rig: Rig) -> None:
    """A worker that died, or a resend by hand: it looks before it writes. Other calls are other calls."""
    async with at_work(rig) as crm:
        rig.add_contact(NUMBER)
        await crm.send(delivery())
        assert (await crm.send(delivery(attempt=2))).fate is Fate.DELIVERED
        assert len(rig.calls()) == 1
        assert (await crm.send(delivery("c-2", attempt=2))).fate is Fate.DELIVERED
        assert len(rig.calls()) == 2  # noqa: PLR2004 - the other call


async def looks_up_what_became_of_a_silent_write(rig: Rig) -> None:
    """The call was written and the answer lost: tried again, it is found."""
    async with at_work(rig) as crm:
        rig.add_contact(NUMBER)
        rig.fail(Fault.SILENT_AFTER_WRITING, times=1)
        lost = await crm.send(delivery())
        assert (lost.fate, _told(lost)) == (Fate.RETRY, Trouble.NO_ANSWER)
        assert lost.wait >= rig.kind.SETTLE
        assert (await crm.send(delivery(attempt=2))).fate is Fate.DELIVERED
        assert len(rig.calls()) == 1


async def looks_up_what_became_of_a_failed_write(rig: Rig) -> None:
    """It says that it failed, and has written all the same."""
    async with at_work(rig) as crm:
        rig.add_contact(NUMBER)
        rig.fail(Fault.FAILED_AFTER_WRITING, times=1)
        assert _told(await crm.send(delivery())) == Trouble.CRM_FAILED
        assert (await crm.send(delivery(attempt=2))).fate is Fate.DELIVERED
        assert len(rig.calls()) == 1


async def comes_again_after_a_failure(rig: Rig) -> None:
    """Nothing was written; later it is."""
    async with at_work(rig) as crm:
        rig.add_contact(NUMBER)
        rig.fail(Fault.FAILED, times=1)
        failed = await crm.send(delivery())
        assert (failed.fate, _told(failed)) == (Fate.RETRY, Trouble.CRM_FAILED)
        assert rig.calls() == []
        await crm.send(delivery(attempt=2))
        assert len(rig.calls()) == 1


async def comes_again_to_what_was_locked(rig: Rig) -> None:
    """Somebody else was changing it."""
    async with at_work(rig) as crm:
        rig.fail(Fault.LOCKED, times=1)
        locked = await crm.send(delivery())
        assert (locked.fate, _told(locked)) == (Fate.RETRY, Trouble.LOCKED)


async def rests_when_the_quota_is_hit(rig: Rig) -> None:
    """However the CRM says it, 403 included: nothing uses up a try, and the wait is the one that it asks for, if any."""
    async with at_work(rig) as crm:
        rig.fail(Fault.QUOTA)
        held = await crm.send(delivery())
        assert (held.fate, _told(held)) == (Fate.HELD, Trouble.QUOTA_HIT), held
        assert held.wait > timedelta(0)


async def rests_when_the_token_is_wrong(rig: Rig) -> None:
    """And says so by name."""
    async with at_work(rig) as crm:
        rig.fail(Fault.TOKEN_WRONG)
        held = await crm.send(delivery())
        assert held.fate is Fate.HELD
        assert _told(held) in {Trouble.TOKEN_WRONG, Trouble.TOKEN_REVOKED}
        assert rig.calls() == []


async def rests_when_the_token_was_revoked(rig: Rig) -> None:
    """It worked before."""
    async with at_work(rig) as crm:
        assert (await crm.send(delivery())).fate is Fate.DELIVERED
        rig.fail(Fault.TOKEN_REVOKED)
        held = await crm.send(delivery("c-2"))
        assert held.fate is Fate.HELD
        assert _told(held) == (Trouble.TOKEN_REVOKED if rig.is_renewed else Trouble.TOKEN_WRONG)


async def renews_a_token_that_ended(rig: Rig) -> None:
    """Without losing a try; a CRM whose tokens stay has none that end."""
    async with at_work(rig) as crm:
        await crm.send(delivery())
        rig.fail(Fault.TOKEN_EXPIRED, times=1)
        answer = await crm.send(delivery("c-2"))
        assert answer.fate is Fate.DELIVERED


async def rests_when_it_may_not(rig: Rig) -> None:
    """A right is missing: another thing than a quota, though both may be 403."""
    async with at_work(rig) as crm:
        rig.fail(Fault.FORBIDDEN)
        held = await crm.send(delivery())
        assert (held.fate, _told(held)) == (Fate.HELD, Trouble.FORBIDDEN)


async def follows_no_redirect(rig: Rig) -> None:
    """The token is shown to nobody else."""
    async with at_work(rig) as crm:
        rig.fail(Fault.REDIRECT)
        held = await crm.send(delivery())
        assert (held.fate, _told(held)) == (Fate.HELD, Trouble.REDIRECTED)
        assert rig.elsewhere == []


async def parks_what_is_refused(rig: Rig) -> None:
    """The same bytes would be refused again."""
    async with at_work(rig) as crm:
        rig.add_contact(NUMBER)
        rig.fail(Fault.REFUSED)
        refused = await crm.send(delivery())
        assert (refused.fate, _told(refused)) == (Fate.DEAD, Trouble.RECORD_REFUSED)


async def names_an_answer_that_cannot_be_read(rig: Rig) -> None:
    """A proxy's page in place of an answer is no success."""
    async with at_work(rig) as crm:
        rig.fail(Fault.NONSENSE)
        answer = await crm.send(delivery())
        assert (answer.fate, _told(answer)) == (Fate.RETRY, Trouble.UNREADABLE)


async def names_a_server_that_is_not_there(rig: Rig) -> None:
    """Nobody listens."""
    async with at_work(rig) as crm:
        pass
    async with aiohttp.ClientSession() as session:
        connector, setup = build(rig.kind, "http://127.0.0.1:9", rig.options, rig.credentials)
        crm = Crm(session, connector, setup, link, lambda: NOW)
        answer = await crm.send(delivery())
    assert (answer.fate, _told(answer)) == (Fate.RETRY, Trouble.UNREACHABLE)


async def notes_that_a_contact_is_missing(rig: Rig) -> None:
    """The call is logged without one, and nobody is added."""
    async with at_work(rig) as crm:
        noted = await crm.send(delivery())
        assert (noted.fate, _told(noted)) == (Fate.DELIVERED, Trouble.CONTACT_MISSING)
        assert [logged.contact for logged in rig.calls()] == [""]
        assert rig.contacts() == []


async def adds_a_missing_contact_when_told_to(rig: Rig) -> None:
    """Once for all of their calls."""
    async with at_work(rig, on_missing="create") as crm:
        for call in ("c-1", "c-2"):
            assert await crm.send(delivery(call)) == Answer(Fate.DELIVERED)
        first, second = (logged.contact for logged in rig.calls())
        assert first == second != ""
        assert rig.contacts() == [NUMBER]


async def notes_that_several_have_the_number(rig: Rig) -> None:
    """The newest is taken unless the operator says none."""
    async with at_work(rig, on_several="newest") as crm:
        rig.add_contact(NUMBER)
        newest = rig.add_contact(NUMBER)
        noted = await crm.send(delivery())
        assert (noted.fate, _told(noted)) == (Fate.DELIVERED, Trouble.CONTACTS_SEVERAL)
        assert [logged.contact for logged in rig.calls()] == [newest]


async def takes_none_of_several_when_told_to(rig: Rig) -> None:
    """Rather no contact than the wrong one."""
    async with at_work(rig, on_several="none") as crm:
        rig.add_contact(NUMBER)
        rig.add_contact(NUMBER)
        assert _told(await crm.send(delivery())) == Trouble.CONTACTS_SEVERAL
        assert [logged.contact for logged in rig.calls()] == [""]


async def corrects_what_it_logged(rig: Rig) -> None:
    """The call has its true length afterwards, and is there once."""
    async with at_work(rig) as crm:
        rig.add_contact(NUMBER)
        await crm.send(delivery(seconds=600))
        for attempt in (1, 2):
            assert (await crm.send(delivery(seconds=61, corrects=True, attempt=attempt))).fate is Fate.DELIVERED
        (logged,) = rig.calls()
        assert "61 s" in logged.text


async def says_nothing_that_is_secret(rig: Rig) -> None:
    """Whatever happens, neither the credentials nor the number stand in what is shown."""
    for fault in Fault:
        rig.fail(fault, times=1_000)
        async with at_work(rig) as crm:
            answer = await crm.send(delivery())
            for secret in (*rig.credentials.values(), NUMBER):
                assert secret not in answer.why, fault


Case = Callable[[Rig], Awaitable[None]]

CASES: Sequence[Case] = (
    logs_a_call_with_its_contact,
    logs_calls_that_were_not_answered,
    logs_calls_from_phones,
    logs_once_however_often_it_is_sent,
    looks_up_what_became_of_a_silent_write,
    looks_up_what_became_of_a_failed_write,
    comes_again_after_a_failure,
    comes_again_to_what_was_locked,
    rests_when_the_quota_is_hit,
    rests_when_the_token_is_wrong,
    rests_when_the_token_was_revoked,
    renews_a_token_that_ended,
    rests_when_it_may_not,
    follows_no_redirect,
    parks_what_is_refused,
    names_an_answer_that_cannot_be_read,
    names_a_server_that_is_not_there,
    notes_that_a_contact_is_missing,
    adds_a_missing_contact_when_told_to,
    notes_that_several_have_the_number,
    takes_none_of_several_when_told_to,
    corrects_what_it_logged,
    says_nothing_that_is_secret,
)
"""In the order in which an author meets them."""
