"""What an operator changes by command: what is refused names what would do, and nothing of it applies."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from callgate.errors import AmountInvalid, Conflict, Invalid, NotFound, StorageUnavailable
from callgate.protocol.call import CallKey
from callgate.rating.deck_merge import ImportMode
from callgate.service import catalog
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.add_endpoint import MAX_ENDPOINTS, SetEndpointState, add_endpoint
from callgate.service.adjust import Adjust
from callgate.service.books import AccountKey, Job
from callgate.service.catalog import Catalogs
from callgate.service.endpoint import EndpointState
from callgate.service.idempotent import MAX_KEY, check_key
from callgate.service.import_deck import import_deck
from callgate.service.open_account import OpenAccount
from callgate.service.refund import Refund
from callgate.service.set_account import SetAccount

if TYPE_CHECKING:
    from tests.conftest import House


def add_application(house: "House", key: str = "KEY", secret: str = "c2VjcmV0") -> AddApplication:  # noqa: S107
    return AddApplication(provider="sinch", key=key, secret=secret, name="", seal=str.encode, now=house.now)


def bring_deck(house: "House", name: str, currency: str) -> None:
    rows = [house.rate("46", "0.02")]
    house.run(import_deck(house.store, name, currency, rows, mode=ImportMode.REPLACE, is_dry_run=False, now=house.now))


def account(house: "House") -> Any:
    found = house.run(house.store.account(AccountKey(house.app, "alice")))
    assert found is not None
    return found.account


@pytest.mark.parametrize("key", ["", "a b", "a/b", "a" * 65, "\u00e5"])
def test_keys_that_no_provider_gives_out(house: "House", key: str) -> None:
    """A key stands in headers, addresses and on command lines."""
    with pytest.raises(Invalid, match=r"application key: .*1 to 64"):
        house.perform(add_application(house, key))


@pytest.mark.parametrize("secret", ["", "=", "not base64!", "\u00e5\u00e5\u00e5\u00e5"])
def test_secrets_that_no_provider_gives_out(house: "House", secret: str) -> None:
    """The refusal tells how long it was, and not what it was."""
    with pytest.raises(Invalid, match=f"application secret: found {len(secret)} characters"):
        house.perform(add_application(house, secret=secret))


def test_an_application_is_there_once(house: "House") -> None:
    """A second of the same key would take its calls."""
    house.perform(add_application(house))
    with pytest.raises(Conflict, match="KEY exists already"):
        house.perform(add_application(house, secret="b3RoZXI="))


def test_settings_of_an_application_that_is_not_there(house: "House") -> None:
    """A slip in the key."""
    with pytest.raises(NotFound, match="no application KEY"):
        house.perform(SetApplication(key="KEY", words=("freshness=30",)))


def test_the_platform_of_an_application(house: "House") -> None:
    """One of the provider's regions, or an address of its own; without words it is only read."""
    set_platform = SetApplication(key=house.app, words=("platform=nowhere",))
    with pytest.raises(Invalid, match=r"platform: found 'nowhere'; expected .*euc1.* or an URL"):
        house.perform(set_platform)
    house.perform(SetApplication(key=house.app, words=("platform=euc1",)))
    assert house.perform(SetApplication(key=house.app, words=())).platform == "euc1"
    house.perform(SetApplication(key=house.app, words=("platform=https://calls.example.com",)))
    assert house.perform(SetApplication(key=house.app, words=())).platform == "https://calls.example.com"


def test_an_account_is_priced_by_a_deck_of_its_currency(house: "House") -> None:
    """Another deck is attached only where it could charge the account."""
    house.open("alice")
    bring_deck(house, "cheap", "USD")
    bring_deck(house, "euro", "EUR")
    set_deck = {"application": house.app, "account": "alice"}
    with pytest.raises(NotFound, match="no deck nosuch; import it"):
        house.perform(SetAccount(**set_deck, words=("deck=nosuch",)))
    with pytest.raises(Conflict, match="euro is priced in EUR, account alice is in USD"):
        house.perform(SetAccount(**set_deck, words=("credit_limit=5", "deck=euro")))
    assert (account(house).deck, house.wallet().credit_limit_micros) == ("standard", 0)
    house.perform(SetAccount(**set_deck, words=("deck=cheap",)))
    assert account(house).deck == "cheap"
    house.perform(SetAccount(**set_deck, words=("deck=none", "markup=25%", "margin_guard=on")))
    assert (account(house).deck, account(house).pricing.markup_nanos) == ("none", 250_000_000)
    with pytest.raises(NotFound, match="no account bob in application app"):
        house.perform(SetAccount(application=house.app, account="bob", words=("deck=cheap",)))


@pytest.mark.parametrize(
    ("job", "amount"),
    [
        (OpenAccount(application="app", account="bob", currency="USD", credit_limit_micros=-1), "-0.000001"),
        (SetAccount(application="app", account="alice", words=("credit_limit=-1",)), "-1"),
    ],
)
def test_a_credit_limit_is_not_below_zero(house: "House", job: Job[object], amount: str) -> None:
    """Neither from the start nor later."""
    house.open("alice")
    with pytest.raises(AmountInvalid, match=f"credit_limit: found .?{amount}.?; expected 0 or more"):
        house.perform(job)


def test_money_by_hand_needs_an_account(house: "House") -> None:
    """An adjustment of nobody's wallet, and a refund of less than nothing."""
    words: dict[str, Any] = {"reference": "r", "why": "a test", "now": house.now, "who": "test"}
    with pytest.raises(NotFound, match="no account bob"):
        house.perform(Adjust(application=house.app, account="bob", amount_micros=1, **words))
    with pytest.raises(AmountInvalid, match="more than 0"):
        house.perform(Refund(call=CallKey(house.app, "c1"), amount_micros=0, **words))


@pytest.mark.parametrize("key", ["", "a" * (MAX_KEY + 1), "a\n", "\u00e5"])
def test_idempotency_keys_that_will_not_do(key: str) -> None:
    """The longest does, and any printable ASCII."""
    assert check_key("a" * MAX_KEY) == "a" * MAX_KEY
    assert check_key("~ !") == "~ !"
    with pytest.raises(Invalid, match=f"Idempotency-Key: .*1 to {MAX_KEY} printable"):
        check_key(key)


def test_there_is_a_last_endpoint(house: "House") -> None:
    """Each costs a delivery for each record. To set what is so already changes nothing."""

    async def resolve(_: str) -> list[str]:
        return ["93.184.216.34"]

    async def fill() -> str:
        words: dict[str, Any] = {"allow_private": False, "seal": str.encode, "resolve": resolve, "now": house.now}
        for number in range(MAX_ENDPOINTS):
            added, _ = await add_endpoint(house.store, f"https://{number}.example.com/", (), **words)
        with pytest.raises(Conflict, match=f"there are {MAX_ENDPOINTS} endpoints already"):
            await add_endpoint(house.store, "https://one-more.example.com/", (), **words)
        return added.id

    last = house.run(fill())
    active = house.perform(SetEndpointState(id=last, state=EndpointState.ACTIVE))
    assert (active.state, active.why) == (EndpointState.ACTIVE, "")
    house.perform(SetEndpointState(id=last, state=EndpointState.DISABLED))
    again = house.perform(SetEndpointState(id=last, state=EndpointState.DISABLED))
    assert (again.state, again.why) == (EndpointState.DISABLED, "disabled by the operator")
    with pytest.raises(NotFound, match="no endpoint ep_none"):
        house.perform(SetEndpointState(id="ep_none", state=EndpointState.ACTIVE))


def test_a_store_that_is_down_leaves_the_last_snapshot(house: "House", monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls are decided by it meanwhile; the next look that succeeds brings what changed."""
    monkeypatch.setattr(catalog, "REFRESH_S", 0.001)
    catalogs = Catalogs(house.store, bytes.decode)
    version, looks = house.store.configuration_version, 0

    async def sometimes() -> int:
        nonlocal looks
        looks += 1
        if looks < 4:
            raise StorageUnavailable("the disk is gone")
        return await version()

    monkeypatch.setattr(house.store, "configuration_version", sometimes)

    async def steps() -> None:
        keeping = asyncio.ensure_future(catalogs.keep_current())
        await house.store.perform(add_application(house))
        while "KEY" not in catalogs.now.applications:  # noqa: ASYNC110 - nothing tells of a new snapshot
            await asyncio.sleep(0.001)
        keeping.cancel()
        await asyncio.wait({keeping})

    house.run(asyncio.wait_for(steps(), 30))
    assert repr(catalogs.now.applications["KEY"]) == "Application(KEY)"
    assert looks > 4
