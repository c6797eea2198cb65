"""What the API configures: applications, accounts, endpoints, tokens; tags, secrets that are shown once, bound tokens."""

import asyncio
from datetime import timedelta
from typing import Any

from api_client import NOW, Ask, api, place_call

from callgate.protocol import sinch
from callgate.protocol.call import CallEnded, CallKey, CallResult, Endpoint, EndpointKind
from callgate.service.issue_token import issue_token
from callgate.service.settle import Settle
from callgate.service.token import Role
from callgate.service.token_use import TokenUses
from callgate.storage.sqlite import SqliteStore

BOB = {"id": "bob", "currency": "USD"}
APP = {"provider": "sinch", "key": "OTHER", "secret": "b3RoZXI=", "name": "Other"}


def test_applications() -> None:
    """Added, shown, changed as a whole or not at all; the secret is in no reply."""

    async def scenario() -> None:
        async with api() as (ask, store):
            added = await ask("POST", "/api/v1/applications", json=APP, key="k")
            again = await ask("POST", "/api/v1/applications", json=APP, key="k")
            assert (added.status_code, added.content) == (201, again.content)
            assert "b3RoZXI" not in added.text and "secret_count" in added.json()
            change = {"name": "New", "settings": {"trust": "number"}, "secret": "bmV3ZXI=", "status": "suspended"}
            changed = (await ask("PATCH", "/api/v1/applications/OTHER", json=change)).json()
            assert (changed["name"], changed["status"], changed["secret_count"]) == ("New", "suspended", 2)
            assert changed["settings"]["trust"] == "number"
            half = {"name": "Half", "settings": {"trust": "everybody"}}
            refused = await ask("PATCH", "/api/v1/applications/OTHER", json=half)
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "trust")
            assert [row.name for row in await store.applications()] == ["APP", "New"]
            assert (await ask("PATCH", "/api/v1/applications/NONE", json={"name": "x"})).status_code == 404

    asyncio.run(scenario())


def test_an_account_is_changed() -> None:
    """Status, credit limit, deck, slices and identities, in one step; `ETag` and `If-Match` keep two from undoing each other."""

    async def scenario() -> None:
        async with api() as (ask, _):
            await ask("POST", "/api/v1/accounts", json=BOB)
            path = "/api/v1/accounts/bob"
            tag = (await ask("GET", path)).headers["etag"]
            await ask("POST", f"{path}/topups", json={"amount": "1"})
            assert (await ask("GET", path)).headers["etag"] == tag  # money is no configuration
            change = {"credit_limit": "7", "elastic": True, "identities": ["user:bob", "number:+46700000002"]}
            changed = await ask("PATCH", path, json=change, headers={"if-match": tag})
            shown = changed.json()
            assert (changed.status_code, shown["credit_limit"], shown["elastic"]) == (200, "7.00", True)
            assert shown["identities"] == ["number:+46700000002", "user:bob"]
            stale = await ask("PATCH", path, json={"credit_limit": "0"}, headers={"if-match": tag})
            assert (stale.status_code, stale.json()["type"].rpartition("/")[2]) == (412, "precondition-failed")
            fresh = {"if-match": changed.headers["etag"]}
            assert (await ask("PATCH", path, json={"identities": ["user:robert"]}, headers=fresh)).status_code == 200
            await ask("POST", "/api/v1/accounts", json={"id": "eve", "currency": "USD"})
            taken = await ask("PATCH", path, json={"identities": ["user:eve"], "credit_limit": "9"})
            assert taken.status_code == 409
            left = (await ask("GET", path)).json()
            assert (left["identities"], left["credit_limit"]) == (["user:robert"], "7.00")
            assert (
                await ask("POST", "/api/v1/accounts", json={**BOB, "id": "bobby", "identities": ["user:bob"]})
            ).status_code == 201
            closed = (await ask("PATCH", path, json={"status": "closed"})).json()
            assert closed["status"] == "closed"

    asyncio.run(scenario())


async def settled(store: SqliteStore, call_id: str) -> None:
    """A call of alice that cost 0.04."""
    await place_call(store, call_id)
    ended = CallEnded(
        key=CallKey("APP", call_id), name="dice", result=CallResult.ANSWERED, reason="callerhangup", duration_s=61,
        user="alice", destination=Endpoint(EndpointKind.NUMBER, "+46701740605"),
    )  # fmt: skip
    await store.perform(Settle(ended=ended, body=b"{}", provider=sinch, now=NOW))


def test_money_by_hand() -> None:
    """Adjusted with a reason, refunded up to the charge and never more, and all of it in a statement whose pages meet."""

    async def scenario() -> None:
        async with api(Role.OPERATOR) as (ask, store):
            await settled(store, "c1")
            adjust = {"amount": "-1.50", "why": "typing error"}
            done = await ask("POST", "/api/v1/accounts/alice/adjustments", json=adjust, key="k1")
            assert (done.status_code, done.json()["available"]) == (201, "8.46")
            nameless = await ask("POST", "/api/v1/accounts/alice/adjustments", json={"amount": "1", "why": " "})
            assert (nameless.status_code, nameless.json()["errors"][0]["field"]) == (400, "why")
            refund = {"amount": "0.03", "why": "bad line"}
            first = await ask("POST", "/api/v1/calls/c1/refunds", json=refund, key="k2")
            again = await ask("POST", "/api/v1/calls/c1/refunds", json=refund, key="k2")
            assert (first.status_code, first.content) == (201, again.content)
            more = await ask("POST", "/api/v1/calls/c1/refunds", json=refund)
            assert more.status_code == 409 and "at most 0.01" in more.json()["detail"]
            every = (await ask("GET", "/api/v1/accounts/alice/statement")).json()["items"]
            assert [(each["kind"], each["amount"], each["posted"]) for each in every] == [
                ("refund", "0.03", "8.49"),
                ("adjustment", "-1.50", "8.46"),
                ("charge", "-0.04", "9.96"),
                ("topup", "10.00", "10.00"),
            ]
            assert await pages_of(ask, "/api/v1/accounts/alice/statement?limit=1") == every
            assert (await ask("GET", "/api/v1/accounts/nobody/statement")).status_code == 404

    asyncio.run(scenario())


async def pages_of(ask: Ask, path: str) -> list[Any]:
    found, cursor = [], ""
    while cursor is not None:
        reply = (await ask("GET", path + (f"&cursor={cursor}" if cursor else ""))).json()
        found += reply["items"]
        cursor = reply["next"]
    return found


def test_endpoints_and_deliveries() -> None:
    """A secret is in the first reply alone; what is queued is listed in pages and sent again; a removed endpoint is gone."""

    async def scenario() -> None:
        async with api() as (ask, store):
            body = {"url": "https://127.0.0.1/hook", "allow_private": True, "events": ["call.ended"]}
            private = await ask("POST", "/api/v1/endpoints", json={**body, "allow_private": False})
            assert (private.status_code, private.json()["errors"][0]["field"]) == (400, "url")
            added = await ask("POST", "/api/v1/endpoints", json=body, key="k")
            again = await ask("POST", "/api/v1/endpoints", json=body, key="k")
            assert added.json()["secret"].startswith("whsec_") and again.json()["secret"] is None
            named = added.json()["id"]
            assert again.json()["id"] == named and len((await ask("GET", "/api/v1/endpoints")).json()) == 1
            path = f"/api/v1/endpoints/{named}"
            (endpoint,) = await store.endpoints()
            for number in range(3):
                await place_call(store, f"c{number}")
                ended = CallEnded(key=CallKey("APP", f"c{number}"), name="dice", result=CallResult.BUSY, reason="n/a")
                await store.perform(Settle(ended=ended, body=b"{}", provider=sinch, now=NOW, endpoints=(endpoint,)))
            every = (await ask("GET", f"/api/v1/deliveries?endpoint={named}")).json()["items"]
            assert [each["sequence"] for each in every] == [3, 2, 1]
            assert await pages_of(ask, "/api/v1/deliveries?limit=2") == every
            assert len((await ask("GET", "/api/v1/deliveries?state=next")).json()["items"]) == 1
            resent = await ask("POST", f"/api/v1/deliveries/{every[0]['id']}/resend")
            assert (resent.status_code, resent.json()["id"]) == (202, every[0]["id"])
            rotated = await ask("POST", f"{path}/rotate", json={"overlap_s": 60})
            assert rotated.json()["secret"].startswith("whsec_") and rotated.json()["secret"] != added.json()["secret"]
            tag = (await ask("GET", path)).headers["etag"]
            off = await ask("PATCH", path, json={"state": "disabled"}, headers={"if-match": tag})
            assert (off.status_code, off.json()["state"]) == (200, "disabled")
            assert (await ask("PATCH", path, json={"state": "active"}, headers={"if-match": tag})).status_code == 412
            assert (await ask("DELETE", path)).status_code == 204
            assert (await ask("GET", path)).status_code == 404
            assert (await ask("DELETE", path)).status_code == 404
            assert (await ask("GET", "/api/v1/deliveries")).json()["items"] == []

    asyncio.run(scenario())


def test_tokens() -> None:
    """Shown once, listed without themselves, worthless when revoked or expired; nobody makes one mightier than their own."""

    async def scenario() -> None:
        async with api() as (ask, store):
            body = {"name": "shop", "role": "operator"}
            made = (await ask("POST", "/api/v1/tokens", json=body, key="k")).json()
            assert (await ask("POST", "/api/v1/tokens", json=body, key="k")).json()["token"] is None
            assert (await ask("GET", "/api/v1/accounts", bearer=made["token"])).status_code == 200
            assert (await ask("POST", "/api/v1/tokens", json=body, bearer=made["token"])).status_code == 403
            past = {**body, "expires_at": "2026-11-23T11:59:59Z"}
            assert (await ask("POST", "/api/v1/tokens", json=past)).status_code == 400
            old = await issue_token(store, "old", Role.VIEWER, NOW - timedelta(2), expires_at=NOW)
            assert (await ask("GET", "/api/v1/accounts", bearer=old)).status_code == 401
            listed = await ask("GET", "/api/v1/tokens")
            assert made["token"] not in listed.text and made["hint"] in listed.text
            assert (await ask("DELETE", f"/api/v1/tokens/{made['id']}")).status_code == 204
            assert (await ask("GET", "/api/v1/accounts", bearer=made["token"])).status_code == 401

    asyncio.run(scenario())


def test_the_last_use_of_a_token() -> None:
    """Noted in memory and written for all at once; a token that was revoked meanwhile stays so."""

    async def scenario() -> None:
        async with api() as (_, store):
            await issue_token(store, "second", Role.VIEWER, NOW)
            tokens, uses = await store.tokens(), TokenUses()
            for token in tokens:
                uses.note(token.digest, NOW + timedelta(seconds=5))
            uses.note("0" * 64, NOW)
            await uses.write(store)
            assert [each.last_used_at for each in await store.tokens()] == [NOW + timedelta(seconds=5)] * 2

    asyncio.run(scenario())


def test_a_bound_token() -> None:
    """It sees and changes its own application without naming it, and nothing of another."""

    async def scenario() -> None:
        async with api() as (ask, store):
            await ask("POST", "/api/v1/applications", json=APP)
            await ask("POST", "/api/v1/accounts?app=APP", json=BOB)
            mine = await issue_token(store, "tenant", Role.ADMIN, NOW, application="OTHER")
            assert (await ask("POST", "/api/v1/accounts", json=BOB, bearer=mine)).json()["application"] == "OTHER"
            listed = (await ask("GET", "/api/v1/accounts", bearer=mine)).json()["items"]
            assert [each["application"] for each in listed] == ["OTHER"]
            for method, path in (
                ("GET", "/accounts/bob?app=APP"), ("GET", "/calls?app=APP"), ("GET", "/cdrs?app=APP"), ("GET", "/audit?app=APP"),
                ("GET", "/applications/APP"), ("PATCH", "/applications/APP"), ("GET", "/endpoints"), ("POST", "/applications"),
            ):  # fmt: skip
                reply = await ask(method, f"/api/v1{path}", bearer=mine, json={} if method != "GET" else None)
                assert reply.status_code == 403, (method, path, reply.text)
            assert [each["key"] for each in (await ask("GET", "/api/v1/applications", bearer=mine)).json()] == ["OTHER"]
            made = await ask("POST", "/api/v1/tokens", json={"name": "x", "role": "viewer"}, bearer=mine)
            assert made.status_code == 201
            listed = (await ask("GET", "/api/v1/tokens", bearer=mine)).json()
            assert [each["application"] for each in listed] == ["OTHER", "OTHER"]
            lines = (await ask("GET", "/api/v1/audit", bearer=mine)).json()["items"]
            assert lines and {each["application"] for each in lines} == {"OTHER"}

    asyncio.run(scenario())
