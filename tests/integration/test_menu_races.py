"""A choice in a menu and the end of the call, at the same time: whichever comes first, money is held once and settled once."""

import asyncio
import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from callgate.policy.limits import UNLIMITED
from callgate.policy.refusal import Refusal
from callgate.policy.rules.document import read_rules
from callgate.policy.rules.judge import compile_rules
from callgate.protocol import sinch
from callgate.protocol.call import (
    CallArrived,
    CallEnded,
    CallInput,
    CallKey,
    CallResult,
    Endpoint,
    EndpointKind,
    Origin,
)
from callgate.rating.deck import Deck
from callgate.service.add_application import AddApplication
from callgate.service.add_endpoint import KeepEndpoint
from callgate.service.answer_input import AnswerInput
from callgate.service.authorize import Authorize
from callgate.service.books import AccountKey, Job
from callgate.service.endpoint import Endpoint as Receiver
from callgate.service.open_account import OpenAccount
from callgate.service.outcome import Outcome
from callgate.service.rented import AddDid, read_did
from callgate.service.reports import ledger_verdict
from callgate.service.set_limits import SetAccountLimits
from callgate.service.settle import Settle
from callgate.service.top_up import TopUp
from callgate.storage.postgres import PostgresStore
from callgate.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import House

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
SHOP = AccountKey("app", "shop")
MENU = """
[[menu]]
id = "main"
say = "One"
keys = { 1 = "number:+46701740605", 2 = "number:+4930123456", 3 = "number:+46846500401", 9 = "hangup" }
"""


class Shop:
    """One rented number with a menu, on one store."""

    def __init__(self, store: SqliteStore | PostgresStore, deck: Deck, receive: str = "0.06") -> None:
        self.store, self.deck = store, deck
        self.did = read_did("app", "+46846500400", "shop", menu=MENU, receive=receive)
        self.application: Any = None

    async def open(self) -> None:
        await self.store.open()
        self.application = await self.store.perform(
            AddApplication(provider="sinch", key="app", secret="c2VjcmV0", name="", seal=str.encode, now=NOW)
        )
        self.application = msgspec.structs.replace(self.application, limits=UNLIMITED)
        await self.store.perform(OpenAccount(application="app", account="shop", currency="USD"))
        await self.store.perform(SetAccountLimits(application="app", account="shop", words=("open",)))
        top_up = TopUp(application="app", account="shop", amount_micros=5_000_000, reference="r", now=NOW)
        await self.store.perform(top_up)
        await self.store.perform(AddDid(did=self.did))

    def arrives(self, call: str) -> Job[Outcome]:
        arrived = CallArrived(
            key=CallKey("app", call),
            name="ice",
            destination=Endpoint(EndpointKind.DID, self.did.number),
            fingerprint=call,
            cli="+46701740606",
            origin=Origin.PHONE,
        )
        return Authorize(
            call=arrived,
            body=b"{}",
            provider=sinch,
            application=self.application,
            decks={"standard": self.deck},
            now=NOW,
            orphan_after=timedelta(seconds=600),
            did=self.did,
            rented={self.did.number, "+46846500401"},
        )

    def chooses(
        self, call: str, key: str, fingerprint: str = "f", *, endpoints: Sequence[Receiver] = ()
    ) -> Job[Outcome]:
        chosen = CallInput(
            key=CallKey("app", call), name="pie", fingerprint=fingerprint, menu="main", kind="return", value=key
        )
        return AnswerInput(
            chosen=chosen,
            body=b"{}",
            provider=sinch,
            application=self.application,
            decks={"standard": self.deck},
            dids={self.did.key: self.did},
            rented={self.did.number, "+46846500401"},
            now=NOW,
            endpoints=endpoints,
        )

    def ends(self, call: str, seconds: int) -> Job[Outcome]:
        ended = CallEnded(key=CallKey("app", call), name="dice", result=CallResult.ANSWERED, duration_s=seconds)
        return Settle(ended=ended, body=b"{}", provider=sinch, now=NOW)

    async def money(self) -> tuple[int, int]:
        """Posted and held, of books that are in order."""
        assert (await ledger_verdict(self.store)).faults == ()
        opened = await self.store.account(SHOP)
        assert opened is not None
        return opened.wallet.posted_micros, opened.wallet.held_micros


class RuleShop(Shop):
    """One whose menu a rule leads to, in place of the number's own route."""

    def __init__(self, store: SqliteStore | PostgresStore, deck: Deck, receive: str) -> None:
        super().__init__(store, deck)
        self.did = read_did("app", "+46846500400", "shop", to="number:+46701740606", receive=receive)
        rule = f'[[rule]]\nname = "all"\ncondition = "true"\neffect = "menu"\nmenu = "main"\nmode = "binding"\n{MENU}'
        self.rules = compile_rules(read_rules(rule, "rules.toml"))

    def arrives(self, call: str) -> Job[Outcome]:
        return dataclasses.replace(super().arrives(call), rules=self.rules)  # type: ignore[type-var]

    def chooses(
        self, call: str, key: str, fingerprint: str = "f", *, endpoints: Sequence[Receiver] = ()
    ) -> Job[Outcome]:
        job = super().chooses(call, key, fingerprint, endpoints=endpoints)
        return dataclasses.replace(job, rules=self.rules)  # type: ignore[type-var]


class RefusedCallerShop(Shop):
    """One to whose number callers are led that nobody pays for: they dialled another."""

    def arrives(self, call: str) -> Job[Outcome]:
        job: Any = super().arrives(call)
        elsewhere = Endpoint(EndpointKind.NUMBER, "+4930123456")
        return dataclasses.replace(  # type: ignore[no-any-return]
            job,
            call=msgspec.structs.replace(job.call, destination=elsewhere),
            did=None,
            redirections={Refusal.CALLER_UNKNOWN: self.did},
        )


class RefusedCallerRoute(RefusedCallerShop):
    """One that is led on from there at once, to a number that costs money."""

    def __init__(self, store: SqliteStore | PostgresStore, deck: Deck) -> None:
        super().__init__(store, deck)
        self.did = read_did("app", "+46846500400", "shop", to="number:+46701740605", receive="0.0006")


def action(outcome: Outcome) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(outcome.answer)["action"]
    return found


@pytest.fixture(params=["sqlite", "postgres"])
def make(request: pytest.FixtureRequest, tmp_path: "Path") -> Any:
    if request.param == "sqlite":
        return partial(request.getfixturevalue("file_store"), tmp_path / "books.db")
    return partial(PostgresStore, request.getfixturevalue("postgres_url"))


@pytest.fixture
def deck(house: "House") -> Deck:
    return Deck(name="standard", currency="USD", rows=[house.rate("46", "0.06", first_s=1, next_s=1)])


def test_a_choice_replaces_the_hold(make: Any, deck: Deck) -> None:
    """The call is held for where it leads, at both prices; a repeat gets the same bytes and holds nothing more."""

    async def steps() -> None:
        shop = Shop(make(), deck)
        await shop.open()
        assert action(await shop.store.perform(shop.arrives("a")))["name"] == "runMenu"
        first = await shop.store.perform(shop.chooses("a", "1"))
        told = action(first)
        assert (told["name"], told["number"], told["cli"], told["maxDuration"]) == (
            "connectPstn", "+46701740605", "+46846500400", 2_500,
        )  # fmt: skip
        assert await shop.money() == (5_000_000, 5_000_000)
        assert (await shop.store.perform(shop.chooses("a", "1"))).answer == first.answer
        assert (
            action(await shop.store.perform(shop.chooses("a", "1", "later")))["name"] == "continue"
        )  # it left the menu
        await shop.store.perform(shop.ends("a", 60))
        assert await shop.money() == (4_880_000, 0)
        await shop.store.close()

    asyncio.run(steps())


@pytest.mark.parametrize(("key", "why"), [("2", "no_rate"), ("3", "no_route"), ("9", ""), ("7", "")])
def test_a_choice_that_is_refused_hangs_up(make: Any, deck: Deck, key: str, why: str) -> None:
    """Where it has no price, leads to a rented number, or nowhere; the menu's own hold is settled by the end."""

    async def steps() -> None:
        shop = Shop(make(), deck)
        await shop.open()
        await shop.store.perform(shop.arrives("a"))
        outcome = await shop.store.perform(shop.chooses("a", key))
        assert (action(outcome)["name"], outcome.note) == ("hangup", why)
        await shop.store.perform(shop.ends("a", 10))
        assert await shop.money() == (4_990_000, 0)
        await shop.store.close()

    asyncio.run(steps())


def test_refused_choices_block_who_pays_and_tell_it(make: Any, deck: Deck) -> None:
    """As refused calls do: the limit once, then the block. No call was refused, since the one of the menu is up."""

    async def steps() -> None:
        shop = Shop(make(), deck)
        await shop.open()
        words = ("block_after=2", "ceiling_price=0.05")
        await shop.store.perform(SetAccountLimits(application="app", account="shop", words=words))
        listening = Receiver(
            id="ep_1", url="https://8.8.8.8/", types=(), allow_private=False, created_at=NOW, sealed_secrets=(b"",)
        )
        await shop.store.perform(KeepEndpoint(endpoint=listening))
        await shop.store.perform(shop.arrives("a"))
        for fingerprint in ("1", "2"):
            await shop.store.perform(shop.chooses("a", "1", fingerprint, endpoints=(listening,)))
        told = [msgspec.json.decode(each.body) for each in reversed(await shop.store.deliveries(None, 10))]
        assert [each["type"] for each in told] == ["limit.reached", "account.blocked"]
        reached, blocked = (each["data"] for each in told)
        assert (reached["limit"], reached["destination"], reached["call_id"]) == ("ceiling_price", "+46701740605", "a")
        assert blocked["why"].startswith("2 suspicious refusals")
        assert action(await shop.store.perform(shop.arrives("b"))) == {"name": "hangup"}
        await shop.store.close()

    asyncio.run(steps())


@pytest.mark.parametrize("kind", [Shop, RuleShop, RefusedCallerShop])
def test_a_choice_and_the_end_race(make: Any, deck: Deck, kind: type[Shop]) -> None:
    """Whichever is first: the end is settled at the price of where the call was then, once, and nothing stays held."""

    async def steps() -> None:
        shop = kind(make(), deck, receive="0.0006")
        await shop.open()
        other = make()
        await other.open()
        possible = {60 * 10: "in the menu", 60 * 1_010: "connected"}
        spent = 0
        for number in range(12):
            call = f"c{number}"
            await shop.store.perform(shop.arrives(call))
            jobs = [(shop.store, shop.chooses(call, "1")), (other, shop.ends(call, 60))]
            jobs = jobs if number % 2 else jobs[::-1]
            await asyncio.gather(*(store.perform(job) for store, job in jobs))
            posted, held = await shop.money()
            assert held == 0
            assert 5_000_000 - posted - spent in possible
            spent = 5_000_000 - posted
        await other.close()
        await shop.store.close()

    asyncio.run(steps())


def test_a_redirect_and_the_end_race(make: Any, deck: Deck) -> None:
    """A call that is led on, its repeat and its end arrive at once: it is held once and settled once at the price of where it
    led; where the end came first it was over before anybody was asked. Nothing stays held.
    """

    async def steps() -> None:
        shop = RefusedCallerRoute(make(), deck)
        await shop.open()
        other, third = make(), make()
        await asyncio.gather(other.open(), third.open())
        spent, charged = 0, set()
        for number in range(12):
            call = f"c{number}"
            jobs = [(shop.store, shop.arrives(call)), (other, shop.arrives(call)), (third, shop.ends(call, 60))]
            turn = number % 3
            await asyncio.gather(*(store.perform(job) for store, job in jobs[turn:] + jobs[:turn]))
            posted, held = await shop.money()
            assert held == 0
            charged.add(5_000_000 - posted - spent)
            spent = 5_000_000 - posted
        assert 60 * 1_010 in charged <= {0, 60 * 1_010}
        await asyncio.gather(other.close(), third.close(), shop.store.close())

    asyncio.run(steps())
