"""The operators' API over real books: who may, what is answered, and that nothing is done twice."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from api_client import NOW, api, place_call

from callgate.protocol import sinch
from callgate.protocol.call import CallEnded, CallKey, CallResult, Endpoint, EndpointKind
from callgate.service.endpoint import RecordType
from callgate.service.open_account import OpenAccount
from callgate.service.reports import RecordReport, ledger_verdict
from callgate.service.settle import Settle
from callgate.service.token import Role
from callgate.service.top_up import TopUp
from callgate.storage.sqlite import SqliteStore


@pytest.mark.parametrize("bearer", ["", "nope", "cg_" + "x" * 43])
def test_without_a_token(bearer: str) -> None:
    """No token, or one that is not known, is a 401 with a challenge, as a problem document."""

    async def scenario() -> None:
        async with api() as (ask, _):
            reply = await ask("GET", "/api/v1/accounts", bearer=bearer)
            assert reply.status_code == 401
            assert reply.headers["content-type"] == "application/problem+json"
            assert reply.headers["www-authenticate"] == "Bearer"

    asyncio.run(scenario())


def test_account_and_money() -> None:
    """An account is opened, topped up and shown; amounts are decimal strings."""

    async def scenario() -> None:
        async with api() as (ask, _):
            opened = await ask("POST", "/api/v1/accounts", json={"id": "bob", "currency": "usd", "credit_limit": "5"})
            assert opened.status_code == 201
            assert opened.json()["identities"] == ["user:bob"]
            topped = await ask("POST", "/api/v1/accounts/bob/topups", json={"amount": "25.00", "reference": "inv-1"})
            assert topped.status_code == 201
            assert topped.json()["available"] == "30.00"
            shown = (await ask("GET", "/api/v1/accounts/bob")).json()
            assert (shown["posted"], shown["held"], shown["credit_limit"]) == ("25.00", "0.00", "5.00")
            quote = (await ask("GET", "/api/v1/quote?destination=%2B46700000001&account=bob&seconds=61")).json()
            assert (quote["charge"], quote["prefix"], quote["billed_seconds"]) == ("0.04", "4670", 120)

    asyncio.run(scenario())


def test_idempotency() -> None:
    """Same key and body: same reply, money moved once. Same key with another body: 409. A refusal is kept as well."""

    async def scenario() -> None:
        async with api() as (ask, store):
            await ask("POST", "/api/v1/accounts", json={"id": "bob", "currency": "USD"})
            path, body = "/api/v1/accounts/bob/topups", {"amount": "2.00"}
            replies = await asyncio.gather(*(ask("POST", path, json=body, key="k1") for _ in range(50)))
            assert {(reply.status_code, reply.content) for reply in replies} == {(201, replies[0].content)}
            assert (await ask("GET", "/api/v1/accounts/bob")).json()["posted"] == "2.00"
            assert (await ask("POST", path, json={"amount": "3.00"}, key="k1")).status_code == 409
            missing = [await ask("POST", "/api/v1/accounts/eve/topups", json=body, key="k2") for _ in range(2)]
            assert [reply.status_code for reply in missing] == [404, 404]
            assert missing[0].content == missing[1].content
            assert not (await ledger_verdict(store)).faults

    asyncio.run(scenario())


def test_a_kept_reply_is_forgotten() -> None:
    """After its time the key may be used for new work; before it, nothing is removed."""

    async def scenario() -> None:
        async with api() as (ask, store):
            await ask("POST", "/api/v1/accounts", json={"id": "bob", "currency": "USD"})
            path = "/api/v1/accounts/bob/topups"
            await ask("POST", path, json={"amount": "2.00"}, key="k1")
            await store.forget_replies(NOW)
            assert (await ask("POST", path, json={"amount": "3.00"}, key="k1")).status_code == 409
            await store.forget_replies(NOW + timedelta(microseconds=1))
            assert (await ask("POST", path, json={"amount": "3.00"}, key="k1")).status_code == 201

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("body", "names"),
    [
        ({"amount": "-1"}, "amount"),
        ({"amount": "1e3"}, "amount"),
        ({"amount": "0.0000001"}, "amount"),
        ({"amount": 5}, "amount"),
        ({"amount": "1", "refrence": "x"}, "refrence"),
        ({"amount": "1", "reference": ""}, "reference"),
        ({}, "amount"),
    ],
)
def test_a_bad_body(body: object, names: str) -> None:
    """What cannot be used is a 400 problem that names the field, and nothing moves."""

    async def scenario() -> None:
        async with api() as (ask, _):
            await ask("POST", "/api/v1/accounts", json={"id": "bob", "currency": "USD"})
            reply = await ask("POST", "/api/v1/accounts/bob/topups", json=body)
            assert reply.status_code == 400
            assert reply.headers["content-type"] == "application/problem+json"
            assert names in reply.json()["detail"]
            assert (await ask("GET", "/api/v1/accounts/bob")).json()["posted"] == "0.00"

    asyncio.run(scenario())


def test_pages() -> None:
    """Each item of a long list is seen once, page by page; a cursor that is not ours is refused."""

    async def scenario() -> None:
        async with api() as (ask, _):
            names = [f"a{number:02}" for number in range(7)]
            for name in names:
                await ask("POST", "/api/v1/accounts", json={"id": name, "currency": "USD"})
            seen, cursor = [], None
            while True:
                found = (await ask("GET", "/api/v1/accounts?limit=3" + (f"&cursor={cursor}" if cursor else ""))).json()
                seen += [item["id"] for item in found["items"]]
                if (cursor := found["next"]) is None:
                    break
            assert seen == names
            assert (await ask("GET", "/api/v1/accounts?limit=0")).status_code == 400
            assert (await ask("GET", "/api/v1/calls?cursor=%F0")).status_code == 400

    asyncio.run(scenario())


def test_unknown_paths() -> None:
    """Nothing there is a 404 problem, a wrong method a 405."""

    async def scenario() -> None:
        async with api() as (ask, _):
            for method, path, status in (("GET", "/api/v1/nope", 404), ("DELETE", "/api/v1/accounts", 405)):
                reply = await ask(method, path)
                assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")

    asyncio.run(scenario())


def test_a_live_call_is_hung_up(platform: Any) -> None:
    """202 while it is up; 409 when the platform knows it no more, 404 where we never did, 502 when nobody answers."""

    async def scenario() -> None:
        async with api(Role.OPERATOR, platform_url=platform.url) as (ask, store):
            await place_call(store, "c1")
            await place_call(store, "c2")
            assert (await ask("POST", "/api/v1/calls/nope/hangup")).status_code == 404
            done = await ask("POST", "/api/v1/calls/c1/hangup")
            assert (done.status_code, done.json()["state"]) == (202, "arrived")
            assert platform.calls == {"c2": {}}
            gone = await ask("POST", "/api/v1/calls/c1/hangup")
            assert (gone.status_code, gone.json()["type"].rpartition("/")[2]) == (409, "conflict")
            platform.secret = "b3RoZXI="
            failed = await ask("POST", "/api/v1/calls/c2/hangup")
            assert (failed.status_code, failed.json()["type"].rpartition("/")[2]) == (502, "platform-failed")
            assert "c2VjcmV0" not in failed.text

    platform.key, platform.secret, platform.calls = "APP", "c2VjcmV0", {"c1": {}, "c2": {}}
    asyncio.run(scenario())


def test_only_a_live_call_is_hung_up(platform: Any) -> None:
    """One that was refused is not up: 409, and the platform is not asked."""

    async def scenario() -> None:
        async with api(platform_url=platform.url) as (ask, store):
            await store.perform(OpenAccount(application="APP", account="alice", currency="USD"))
            await store.perform(TopUp(application="APP", account="alice", amount_micros=1, reference="r", now=NOW))
            await place_call(store, "poor")
            refused = await ask("POST", "/api/v1/calls/poor/hangup")
            assert refused.status_code == 409 and "it is refused" in refused.json()["detail"]

    asyncio.run(scenario())
    assert platform.heard == []


def test_records_are_a_page_or_a_file() -> None:
    """By `format` or by `Accept`; pages meet without a gap, and a file has all of them."""

    async def scenario() -> None:
        async with api(Role.VIEWER) as (ask, store):
            for number in range(5):
                await settle_call(store, f"c{number}")
            every = (await ask("GET", "/api/v1/cdrs?since=2026-11-01T00:00:00Z&until=2026-12-01T00:00:00Z")).json()
            assert [each["call_id"] for each in every["items"]] == ["c0", "c1", "c2", "c3", "c4"]
            assert every["next"] is None
            found, path = [], "/api/v1/cdrs?since=2026-11-01T00:00:00Z&until=2026-12-01T00:00:00Z&limit=2"
            cursor = ""
            while cursor is not None:
                reply = (await ask("GET", path + (f"&cursor={cursor}" if cursor else ""))).json()
                found += [each["call_id"] for each in reply["items"]]
                cursor = reply["next"]
            assert found == ["c0", "c1", "c2", "c3", "c4"]
            csv = await ask("GET", f"{path}&format=csv")
            assert csv.headers["content-type"] == "text/csv; charset=utf-8"
            assert len(csv.text.splitlines()) == 6
            lines = await ask("GET", path, headers={"accept": "application/x-ndjson"})
            assert [json.loads(line) for line in lines.text.splitlines()] == every["items"]
            assert (await ask("GET", f"{path}&format=parquet")).content[:4] == b"PAR1"
            assert (await ask("GET", f"{path}&format=xml")).status_code == 400
            assert (await ask("GET", f"{path}&cursor=zzz")).status_code in {400, 422}
            assert (await ask("GET", f"{path}&account=bob&format=ndjson")).text == ""

    asyncio.run(scenario())


async def settle_call(store: SqliteStore, call_id: str) -> None:
    """An end that was never begun: it leaves a record when it is given up."""
    await place_call(store, call_id)
    number = int(call_id.removeprefix("c"))
    ended = CallEnded(
        key=CallKey("APP", call_id), name="dice", result=CallResult.ANSWERED, reason="callerhangup", duration_s=61,
        user="alice", destination=Endpoint(EndpointKind.NUMBER, "+46700000001"),
    )  # fmt: skip
    await store.perform(Settle(ended=ended, body=b"{}", provider=sinch, now=NOW + timedelta(seconds=number)))


def test_what_endpoints_are_sent_is_described() -> None:
    """AsyncAPI, open; each type of record has a message with a schema that a real body keeps to."""

    async def scenario() -> None:
        async with api() as (ask, _):
            found = (await ask("GET", "/api/v1/asyncapi.json", bearer="")).json()
            assert found["asyncapi"] == "3.0.0"
            assert [each["name"] for each in found["components"]["messages"].values()] == list(RecordType)
            record = found["components"]["schemas"]["RecordReport"]
            assert list(record["properties"]) == list(RecordReport.__struct_fields__)
            for message in found["components"]["messages"].values():
                assert (
                    message["payload"]["$ref"].removeprefix("#/components/schemas/") in found["components"]["schemas"]
                )

    asyncio.run(scenario())


def test_lists_over_the_api() -> None:
    """Put whole, changed by entries, read in pages; bad entries are all named and nothing is changed."""

    async def scenario() -> None:
        async with api() as (ask, _):
            path = "/api/v1/lists/fraud"
            assert (await ask("GET", path)).status_code == 404
            body = {"kind": "deny", "entries": ["+4690*", "+46 701 740 605", "+881*"]}
            would = await ask("PUT", f"{path}?dry_run=true", json=body)
            assert (would.status_code, would.json()["added"]) == (200, 3)
            assert (await ask("GET", path)).status_code == 404
            assert (await ask("PUT", path, json=body)).json()["entry_count"] == 3
            added = await ask("POST", f"{path}/entries", json={"entries": ["+882*", "+881*"]})
            assert (added.status_code, added.json()["added"], added.json()["entry_count"]) == (200, 1, 4)
            gone = await ask("DELETE", f"{path}/entries/%2B4690*")
            assert (gone.status_code, gone.json()["removed"]) == (200, 1)
            first = (await ask("GET", f"{path}?limit=2")).json()
            rest = (await ask("GET", f"{path}?limit=2&cursor={first['next']}")).json()
            assert first["entries"] + rest["entries"] == ["+46701740605", "+881*", "+882*"]
            assert (first["kind"], rest["next"]) == ("deny", None)
            bad = await ask("POST", f"{path}/entries", json={"entries": ["+883*", "sweden", "47"]})
            assert bad.status_code == 400 and "entry 2" in bad.json()["detail"] and "entry 3" in bad.json()["detail"]
            assert (await ask("GET", "/api/v1/lists")).json()["items"][0]["entry_count"] == 3
            assert (await ask("PUT", path, json={"kind": "allow"})).json()["removed"] == 3
            assert (await ask("DELETE", path)).status_code == 204
            assert (await ask("GET", path)).status_code == 404

    asyncio.run(scenario())
