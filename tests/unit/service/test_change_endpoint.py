"""An endpoint is changed: what it is sent and where, never its secret."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from callgate.errors import Conflict, Invalid, NotFound
from callgate.service.add_endpoint import Wanted, add_endpoint, known_endpoint, remove_endpoint
from callgate.service.change_endpoint import changed_endpoint
from callgate.service.endpoint import ED25519, SIGNING, Endpoint

if TYPE_CHECKING:
    from tests.conftest import House

HOOK = "https://crm.example.com/hook"


async def resolve(host: str) -> Sequence[str]:
    """Private ones are named so."""
    return ["10.0.0.1"] if host.startswith("own") else ["8.8.8.8"]


def added(house: "House", url: str = HOOK, **wanted: Any) -> Endpoint:
    endpoint, _ = house.run(
        add_endpoint(
            house.store,
            url,
            (),
            wanted=Wanted(**wanted),
            allow_private=False,
            seal=str.encode,
            resolve=resolve,
            now=house.now,
        )
    )
    return endpoint


def change(house: "House", endpoint: Endpoint, **words: Any) -> Endpoint:
    said = {
        "url": endpoint.url, "types": endpoint.types, "options": endpoint.options, "applications": endpoint.applications,
        "accounts": endpoint.accounts, "allow_private": endpoint.allow_private,
    }  # fmt: skip
    job = house.run(changed_endpoint(endpoint, **said | words, resolve=resolve))
    changed: Endpoint = house.run(house.store.perform(job))
    return changed


def test_what_is_said_of_it_is_kept_and_its_secret_too(house: "House") -> None:
    """As it is read again."""
    endpoint = added(house)
    changed = change(
        house,
        endpoint,
        url=f"{HOOK}/2",
        types=["call.ended"],
        options={"per_s": "5"},
        accounts=("alice",),
        applications=("app",),
    )
    assert changed == house.run(known_endpoint(house.store, endpoint.id))
    assert (changed.url, changed.types, changed.options, changed.accounts) == (
        f"{HOOK}/2", ("call.ended",), {"per_s": "5"}, ("alice",)
    )  # fmt: skip
    assert changed.sealed_secrets == endpoint.sealed_secrets
    assert change(house, changed) == changed


@pytest.mark.parametrize(
    "words",
    [
        {"url": "ftp://crm.example.com"},
        {"url": "https://own.example.com/hook"},
        {"types": ["call.begun"]},
        {"options": {"per_s": "0"}},
        {"options": {SIGNING: ED25519}},
        {"accounts": tuple(map(str, range(101)))},
    ],
)
def test_what_cannot_be_is_refused(house: "House", words: dict[str, Any]) -> None:
    """As of a new one; and a webhook does not change how it is signed."""
    endpoint = added(house)
    with pytest.raises(Invalid):
        change(house, endpoint, **words)
    assert house.run(known_endpoint(house.store, endpoint.id)) == endpoint


def test_where_a_crm_is_belongs_to_its_credentials(house: "House") -> None:
    """Its filters may change."""
    endpoint = added(house, "https://api.hubapi.com", kind="hubspot", secret='{"token":"x"}')
    with pytest.raises(Invalid):
        change(house, endpoint, url="https://elsewhere.example.com")
    assert change(house, endpoint, types=["call.ended"]).types == ("call.ended",)


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(house: "House") -> None:
    """And what was removed is not there."""
    endpoint = added(house)
    change(house, endpoint, url=f"{HOOK}/2")
    with pytest.raises(Conflict):
        change(house, endpoint, url=f"{HOOK}/3")
    current = house.run(known_endpoint(house.store, endpoint.id))
    house.run(remove_endpoint(house.store, endpoint.id))
    with pytest.raises(NotFound):
        change(house, current, url=f"{HOOK}/3")
