"""Opening hours, caller ids and emergency numbers through the operators' API, as other people's programs use them."""

import asyncio

import pytest
from api_client import api

BOB = "/api/v1/accounts/bob"


def test_permissions_of_an_account_are_set_by_name() -> None:
    """What is not named stays, `default` takes one back, and the reply has all of them in the form that is kept."""

    async def scenario() -> None:
        async with api() as (ask, _):
            await ask("POST", "/api/v1/accounts", json={"id": "bob", "currency": "USD"})
            first = (await ask("GET", BOB)).json()["permissions"]
            assert first == dict.fromkeys(("hours", "timezone", "holidays", "caller_id", "caller_ids"), "default")
            change = {"hours": "mo-fr 8:00-18:00", "timezone": "Europe/Stockholm", "caller_id": "refuse"}
            done = await ask("PATCH", BOB, json={"permissions": change})
            assert done.status_code == 200
            kept = first | change | {"hours": "Mo-Fr 08:00-18:00"}
            assert done.json()["permissions"] == kept
            await ask("PATCH", BOB, json={"permissions": {"caller_id": "default"}})
            assert (await ask("GET", BOB)).json()["permissions"] == kept | {"caller_id": "default"}

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "permissions",
    [{"hours": "always"}, {"nosuch": "1"}, {"caller_ids": "switchboard"}, {"timezone": "?"}, {"hours": 1}],
)
def test_permissions_that_cannot_be_read_change_nothing(permissions: dict[str, object]) -> None:
    """Nor does what stands beside them."""

    async def scenario() -> None:
        async with api() as (ask, _):
            await ask("POST", "/api/v1/accounts", json={"id": "bob", "currency": "USD"})
            refused = await ask("PATCH", BOB, json={"credit_limit": "5", "permissions": permissions})
            assert refused.status_code == 400
            shown = (await ask("GET", BOB)).json()
            assert (shown["credit_limit"], set(shown["permissions"].values())) == ("0.00", {"default"})

    asyncio.run(scenario())


def test_an_application_has_them_among_its_settings() -> None:
    """With the country where it is at home."""

    async def scenario() -> None:
        async with api() as (ask, _):
            change = {"home_country": "se", "emergency_numbers": "116117", "hours": "24/7", "holidays": "12-25"}
            changed = await ask("PATCH", "/api/v1/applications/APP", json={"settings": change})
            assert changed.status_code == 200
            assert changed.json()["settings"].items() >= (change | {"home_country": "SE"}).items()
            refused = await ask("PATCH", "/api/v1/applications/APP", json={"settings": {"home_country": "Sweden"}})
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "home_country")

    asyncio.run(scenario())
