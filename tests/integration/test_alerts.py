"""Every alert of an account, through the whole server: as a signed event to a webhook, and as a mail with its own words."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import described
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from mail_server import MailServer
from standardwebhooks import Webhook

from callgate.app import build_vault
from callgate.policy.limits import UNLIMITED
from callgate.protocol import sinch
from callgate.protocol.call import CallArrived, CallEnded, CallKey, CallResult, Endpoint, EndpointKind, Origin
from callgate.rating.deck import Deck
from callgate.rating.deck_csv import read_deck
from callgate.rating.deck_merge import ImportMode
from callgate.server import Gate
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.add_endpoint import Wanted, add_endpoint
from callgate.service.apply_rules import ApplyRules
from callgate.service.authorize import Authorize
from callgate.service.endpoint import OF_EMAIL, RecordType
from callgate.service.import_deck import import_deck
from callgate.service.open_account import OpenAccount
from callgate.service.ports import Store
from callgate.service.set_account import SetAccount
from callgate.service.set_limits import SetAccountLimits
from callgate.service.top_up import TopUp
from callgate.settings import Settings
from callgate.storage.postgres import PostgresStore
from callgate.vault import new_key

KEY = "669E367E-6BBA-48AB-AF15-266871C28135"
SECRET = "BeIukql3pTKJ8RGL5zo0DA=="
DECK = b"""prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from
4670,Sweden,0.02,0,60,60,2020-01-01
"""
BAD_RULE = """[[rule]]
name = "bad"
condition = 'account == "clumsy" && int(custom) > 5'
effect = "refuse"
mode = "binding"
"""
SWEDEN, GERMANY = "+46701740605", "+4930123456"
WITHIN_S = 20.0

ALERTS = frozenset(OF_EMAIL) - {RecordType.ENDPOINT_DISABLED}
SUBJECTS = {
    RecordType.BALANCE_LOW: "low: 0.02 USD left",
    RecordType.BALANCE_DEPLETED: "spent: the balance is used up",
    RecordType.LIMIT_REACHED: "busy: limit concurrent_calls reached",
    RecordType.ACCOUNT_BLOCKED: "stolen: blocked",
    RecordType.CALL_EMERGENCY: "danger: the emergency number 112 was dialled",
    RecordType.RULE_FAILED: "clumsy: rule bad could not be judged",
    RecordType.OVERRUN: "long: a call cost more than was held",
    RecordType.CALL_SETTLED_BY_ESTIMATE: "lost: a call was settled by estimate",
}
"""Each alert is of another account."""


class Desk:
    """An operator who wants to hear of everything that goes wrong, at a webhook and by mail."""

    def __init__(self, store: Store, database_url: str, mail: MailServer) -> None:
        self.store = store
        self.settings = Settings(
            database_url=database_url, secret_key=new_key(), public_url="https://gate.example.com", decision_deadline_ms=10_000,
            smtp_host="127.0.0.1", smtp_port=mail.port, smtp_security="none", smtp_from="gate@example.com",
        )  # fmt: skip
        self.heard: list[tuple[dict[str, str], bytes]] = []
        self.secret = ""

    async def hear(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.heard.append((headers, await request.read()))
        return web.Response(status=204)

    async def open(self, platform_url: str, hook: str) -> None:
        await self.store.open()
        vault, now = build_vault(self.settings), datetime.now(UTC)
        await self.store.perform(
            AddApplication(
                provider="sinch", key=KEY, secret=SECRET, name="", seal=vault.seal, now=now, limits=UNLIMITED
            )
        )
        await self.store.perform(
            SetApplication(key=KEY, words=(f"platform={platform_url}", "lost_dice=post_full", "emergency_numbers=112"))
        )
        await self.store.perform(ApplyRules(application=KEY, document=BAD_RULE, who="test", now=now))
        rates = list(read_deck(DECK, "deck", now).rows)
        await import_deck(self.store, "standard", "USD", rates, mode=ImportMode.REPLACE, is_dry_run=False, now=now)
        of_hook = ("webhook", hook, tuple(map(str, ALERTS)))
        for kind, url, types in (of_hook, ("email", "mailto:ops@example.com", ())):
            _, secret = await add_endpoint(
                self.store, url, types, wanted=Wanted(kind=kind), allow_private=True, seal=vault.seal, resolve=_nobody,
                now=now,
            )  # fmt: skip
            self.secret = self.secret or secret

    async def account(self, name: str, credit: str, *limits: str, low: str = "none") -> None:
        micros, now = round(float(credit) * 1_000_000), datetime.now(UTC)
        await self.store.perform(OpenAccount(application=KEY, account=name, currency="USD", limits=UNLIMITED))
        if micros:
            paid = TopUp(application=KEY, account=name, amount_micros=micros, reference="first", now=now)
            await self.store.perform(paid)
        if limits:
            await self.store.perform(SetAccountLimits(application=KEY, account=name, words=limits))
        if low != "none":
            await self.store.perform(SetAccount(application=KEY, account=name, words=(f"low_balance={low}",)))

    async def lose(self, call_id: str, user: str) -> None:
        """A call that began an hour ago and of which nothing was heard since."""
        began_at = datetime.now(UTC) - timedelta(hours=1)
        (application,) = await self.store.applications()
        deck = Deck(name="standard", currency="USD", rows=read_deck(DECK, "deck", began_at).rows)
        await self.store.perform(
            Authorize(
                call=arrived(call_id, user), body=b"{}", provider=sinch, application=application,
                decks={"standard": deck}, now=began_at, orphan_after=timedelta(seconds=600),
            )
        )  # fmt: skip


async def _nobody(host: str) -> list[str]:
    del host
    return []


def arrived(call_id: str, user: str, to: str = SWEDEN) -> CallArrived:
    return CallArrived(
        key=CallKey(KEY, call_id), name="ice", destination=Endpoint(EndpointKind.NUMBER, to), fingerprint=call_id,
        user=user, origin=Origin.IN_APP,
    )  # fmt: skip


def ended(call_id: str, user: str, seconds: int) -> CallEnded:
    return CallEnded(
        key=CallKey(KEY, call_id), name="dice", result=CallResult.ANSWERED, reason="callerhangup", duration_s=seconds,
        user=user, destination=Endpoint(EndpointKind.NUMBER, SWEDEN),
    )  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Store, str]:
    if request.param == "sqlite":
        path = tmp_path / "gate.db"
        return request.getfixturevalue("file_store")(path), f"sqlite:///{path}"
    url = request.getfixturevalue("postgres_url")
    return PostgresStore(url), url


@asynccontextmanager
async def receiving(desk: Desk) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/hook", desk.hear)
    async with TestServer(app) as server:
        yield str(server.make_url("/hook"))


def test_every_alert_arrives_as_an_event_and_as_a_mail(platform: Any, database: tuple[Store, str]) -> None:
    """Each once, of its own account, with the page of the call that led to it."""

    async def steps() -> None:
        async with MailServer().running() as mail:
            desk = Desk(*database, mail)
            async with receiving(desk) as hook:
                await desk.open(platform.url, hook)
                await desk.account("low", "0.04", low="0.03")
                await desk.account("spent", "0.02")
                await desk.account("busy", "1", "concurrent_calls=1", "max_seconds=60")
                await desk.account("stolen", "1", "countries=SE", "block_after=2")
                await desk.account("danger", "0")
                await desk.account("clumsy", "1")
                await desk.account("long", "1", "max_seconds=60")
                await desk.account("lost", "1", "max_seconds=60")
                await desk.lose("c-lost", "lost")
                gate = Gate(desk.settings, desk.store)
                async with gate.working():
                    await happen(gate)
                    async with asyncio.timeout(WITHIN_S):
                        while len(desk.heard) < len(ALERTS) or len(mail.received) < len(ALERTS):  # noqa: ASYNC110
                            await asyncio.sleep(0.02)
        told = {}
        for headers, body in desk.heard:
            Webhook(desk.secret).verify(body, headers)
            described.check(body)
            said = json.loads(body)
            told[said["type"]] = said["data"]
        assert set(told) == ALERTS and len(desk.heard) == len(ALERTS)
        assert {kind: data["account"] for kind, data in told.items()} == {
            kind: subject.partition(":")[0] for kind, subject in SUBJECTS.items()
        }
        by_subject = {str(message["Subject"]): message.get_content() for message in mail.received}
        assert sorted(by_subject) == sorted(SUBJECTS.values()) and len(mail.received) == len(ALERTS)
        for kind, subject in SUBJECTS.items():
            link = f"https://gate.example.com/calls/{told[kind]['call_id']}?app={KEY}"
            assert link in by_subject[subject].replace("=\r\n", "")
        assert told["account.blocked"]["why"].startswith("2 suspicious refusals within an hour")
        assert told["account.blocked"]["why"] in " ".join(by_subject["stolen: blocked"].split())
        assert told["overrun"]["charge"] == "0.06" and told["call.settled_by_estimate"]["settled_by"] == "estimate"
        await desk.store.close()

    asyncio.run(steps())


async def happen(gate: Gate) -> None:
    """What leads to each of them, as the platform tells it; the lost call the server asks about by itself."""

    async def hear(event: CallArrived | CallEnded) -> None:
        await gate.responder.respond(event, b"{}", sinch, gate.catalogs.now)

    for user, seconds in (("low", 60), ("spent", 60), ("long", 150)):
        await hear(arrived(f"c-{user}", user))
        await hear(ended(f"c-{user}", user, seconds))
    await hear(arrived("c-danger", "danger", "112"))
    for number in range(2):
        await hear(arrived(f"c-clumsy-{number}", "clumsy"))
    for number in range(3):
        await hear(arrived(f"c-busy-{number}", "busy"))
        await hear(arrived(f"c-stolen-{number}", "stolen", GERMANY))
