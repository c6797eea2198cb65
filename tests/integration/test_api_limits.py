"""Limits, blocks, verification and the kill switch through the operators' API, as other people's programs use them."""

import asyncio
from typing import Any

import pytest
from api_client import api, place_call

from callgate.policy.limits import KINDS

BOB = "/api/v1/accounts/bob"


def test_limits_are_set_by_name_and_lifted_by_null() -> None:
    """What is not named stays; the reply has all of them, amounts as strings, lists as lists."""

    async def scenario() -> None:
        async with api() as (ask, _):
            await ask("POST", "/api/v1/accounts", json={"id": "bob", "currency": "USD"})
            first = (await ask("GET", f"{BOB}/limits")).json()
            assert list(first) == list(KINDS)
            assert (first["concurrent_calls"], first["spend_per_day"], first["countries"]) == (2, "20.00", None)
            body = {"countries": ["se", "NO"], "spend_per_day": "1.5", "concurrent_calls": 5, "repeats_per_hour": None}
            done = await ask("PUT", f"{BOB}/limits", json=body)
            assert done.status_code == 200
            wanted = {
                "countries": ["NO", "SE"],
                "spend_per_day": "1.50",
                "concurrent_calls": 5,
                "repeats_per_hour": None,
            }
            assert done.json() == first | wanted
            assert (await ask("GET", BOB)).json()["limits"] == done.json()
            await ask("PUT", f"{BOB}/limits", json={"concurrent_calls": "default"})
            assert (await ask("GET", f"{BOB}/limits")).json()["concurrent_calls"] == 2

    asyncio.run(scenario())


def test_limits_of_an_application() -> None:
    """An empty list refuses all."""

    async def scenario() -> None:
        async with api() as (ask, _):
            path = "/api/v1/applications/APP/limits"
            assert (await ask("PUT", path, json={"countries": [], "max_seconds": 60})).json()["countries"] == []
            shown = (await ask("GET", path)).json()
            assert (shown["countries"], shown["max_seconds"]) == ([], 60)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "body",
    [
        {"nosuch": 1}, {"countries": ["XX"]}, {"countries": "sweden"}, {"number_types": ["cell"]}, {"concurrent_calls": -1},
        {"concurrent_calls": True}, {"concurrent_calls": 1.5}, {"spend_per_day": "-1"}, {"spend_per_day": "much"},
        {"max_seconds": 0}, {"countries": [1]}, {"countries": {"a": 1}},
    ],
)  # fmt: skip
def test_bad_limits_change_nothing(body: dict[str, Any]) -> None:
    """A problem that names the limit; nothing of the body is applied."""

    async def scenario() -> None:
        async with api() as (ask, _):
            await ask("POST", "/api/v1/accounts", json={"id": "bob", "currency": "USD"})
            before = (await ask("GET", f"{BOB}/limits")).json()
            done = await ask("PUT", f"{BOB}/limits", json={"max_seconds": 90} | body)
            assert done.status_code in {400, 422}
            assert (await ask("GET", f"{BOB}/limits")).json() == before

    asyncio.run(scenario())


def test_block_and_verify() -> None:
    """A block by hand has an end, is listed and is lifted; a verified account may have ten calls up."""

    async def scenario() -> None:
        async with api() as (ask, _):
            await ask("POST", "/api/v1/accounts", json={"id": "bob", "currency": "USD"})
            blocked = (await ask("PUT", f"{BOB}/block", json={"minutes": 30})).json()
            assert blocked["blocked_until"] is not None
            assert (await ask("GET", "/api/v1/blocks")).json()["items"] == [blocked]
            assert (await ask("DELETE", f"{BOB}/block")).json() == {"id": "bob", "blocked_until": None}
            assert (await ask("GET", "/api/v1/blocks")).json()["items"] == []
            assert (await ask("PUT", f"{BOB}/block", json={"minutes": 0})).status_code in {400, 422}
            assert (await ask("PUT", f"{BOB}/verification", json={})).json() == {"id": "bob", "verified": True}
            shown = (await ask("GET", BOB)).json()
            assert (shown["verified"], shown["limits"]["concurrent_calls"]) == (True, 10)
            assert (await ask("PUT", "/api/v1/accounts/eve/block", json={})).status_code == 404

    asyncio.run(scenario())


def test_the_kill_switch(platform: Any) -> None:
    """The account is suspended whatever the platform says; calls that could not be ended are named."""

    async def scenario() -> None:
        async with api(platform_url=platform.url) as (ask, store):
            await place_call(store, "c1")
            done = await ask("POST", "/api/v1/accounts/alice/kill")
            assert done.status_code == 200
            assert done.json()["status"] == "suspended"
            assert (await ask("GET", "/api/v1/accounts/alice")).json()["status"] == "suspended"

    asyncio.run(scenario())


def test_how_near_limits_are() -> None:
    """What live calls hold counts as used; money is written as amounts, counts as numbers; of one account and of all."""

    async def scenario() -> None:
        async with api() as (ask, store):
            await place_call(store, "c1")
            limits = {"concurrent_calls": 1, "spend_per_day": "10.00"}
            await ask("PUT", "/api/v1/accounts/alice/limits", json=limits)
            await ask("POST", "/api/v1/accounts", json={"id": "bob", "currency": "USD"})
            alice = (await ask("GET", "/api/v1/accounts/alice/nearness")).json()
            used = {each["limit"]: each for each in alice["limits"]}
            assert list(used) == ["concurrent_calls", "spend_per_day"]
            assert (alice["nearest"], alice["currency"], alice["blocked_until"]) == ("concurrent_calls", "USD", None)
            one = {"used": "1", "most": "1", "held": None, "about": "", "percent": 100, "is_near": True}
            assert used["concurrent_calls"] == {"limit": "concurrent_calls"} | one
            held = (await ask("GET", "/api/v1/accounts/alice")).json()["held"]
            spent = used["spend_per_day"]
            assert (spent["used"], spent["held"], spent["most"]) == (held, held, "10.00") and held != "0.00"
            first = (await ask("GET", "/api/v1/nearness?limit=1")).json()
            assert first["items"] == [alice]
            second = (await ask("GET", f"/api/v1/nearness?cursor={first['next']}")).json()
            assert [(each["id"], each["nearest"]) for each in second["items"]] == [("bob", "spend_per_day")]
            assert second["next"] is None
            await ask("PUT", f"{BOB}/block", json={"minutes": 30})
            assert (await ask("GET", f"{BOB}/nearness")).json()["blocked_until"] is not None
            assert (await ask("GET", "/api/v1/accounts/eve/nearness")).status_code == 404

    asyncio.run(scenario())


def test_a_call_is_judged_again() -> None:
    """By what is in force now, beside what was recorded; a call that is not there, or has no question, is a 404 that says so."""

    async def scenario() -> None:
        async with api() as (ask, store):
            await place_call(store, "c1")
            same = (await ask("GET", "/api/v1/calls/c1/replay")).json()
            assert (same["first_then"], same["first_now"]) == (None, None)
            assert same["recorded"]["outcome"] == same["then"]["outcome"] == same["now"]["outcome"] == "connect"
            rule = (
                '[[rule]]\nname = "no-sweden"\ncondition = \'country == "SE"\'\neffect = "refuse"\nmode = "binding"\n'
            )
            assert (await ask("PUT", "/api/v1/rules", json={"document": rule})).status_code == 200
            again = (await ask("GET", "/api/v1/calls/c1/replay")).json()
            assert (again["first_then"], again["now"]["rule"]) == ("rules", "no-sweden")
            assert [step["step"] for step in again["steps"] if step["differs"]] == ["rules"]
            assert (await ask("GET", "/api/v1/calls/c1")).json()["decision"]["outcome"] == "connect"
            assert (await ask("GET", "/api/v1/calls/nosuch/replay")).status_code == 404

    asyncio.run(scenario())
