"""Who may do what with the API: every operation and every role, as a table that fails when an operation is missing."""

import asyncio
import re
from typing import Any

from api_client import NOW, api

from callgate.service.issue_token import issue_token
from callgate.service.token import Role

VIEWER, OPERATOR, ADMIN = Role.VIEWER, Role.OPERATOR, Role.ADMIN

OPERATIONS = {
    # applications
    ("GET", "/applications"): VIEWER,
    ("POST", "/applications"): ADMIN,
    ("GET", "/applications/{key}"): VIEWER,
    ("PATCH", "/applications/{key}"): ADMIN,
    # accounts and their money
    ("GET", "/accounts"): VIEWER,
    ("POST", "/accounts"): ADMIN,
    ("GET", "/accounts/{account}"): VIEWER,
    ("PATCH", "/accounts/{account}"): ADMIN,
    ("POST", "/accounts/{account}/topups"): OPERATOR,
    ("POST", "/accounts/{account}/adjustments"): OPERATOR,
    ("GET", "/accounts/{account}/statement"): VIEWER,
    # limits
    ("GET", "/accounts/{account}/limits"): VIEWER,
    ("PUT", "/accounts/{account}/limits"): ADMIN,
    ("GET", "/applications/{key}/limits"): VIEWER,
    ("PUT", "/applications/{key}/limits"): ADMIN,
    ("GET", "/blocks"): VIEWER,
    ("GET", "/nearness"): VIEWER,
    ("GET", "/accounts/{account}/nearness"): VIEWER,
    ("PUT", "/accounts/{account}/block"): OPERATOR,
    ("DELETE", "/accounts/{account}/block"): OPERATOR,
    ("PUT", "/accounts/{account}/verification"): ADMIN,
    ("POST", "/accounts/{account}/kill"): OPERATOR,
    ("POST", "/applications/{key}/kill"): ADMIN,
    # prices
    ("GET", "/quote"): VIEWER,
    ("GET", "/decks"): VIEWER,
    ("GET", "/decks/{name}"): VIEWER,
    ("GET", "/decks/{name}/rates"): VIEWER,
    ("PUT", "/decks/{name}"): ADMIN,
    # rules
    ("GET", "/rules"): VIEWER,
    ("PUT", "/rules"): ADMIN,
    ("GET", "/rules/explain"): VIEWER,
    ("POST", "/rules/backtest"): OPERATOR,
    # rented numbers
    ("GET", "/supplier-mappings"): VIEWER,
    ("DELETE", "/supplier-mappings/{id}"): ADMIN,
    ("GET", "/dids"): VIEWER,
    ("POST", "/dids"): ADMIN,
    ("DELETE", "/dids/{number}"): ADMIN,
    # lists
    ("GET", "/lists"): VIEWER,
    ("PUT", "/lists/{name}"): ADMIN,
    ("GET", "/lists/{name}"): VIEWER,
    ("DELETE", "/lists/{name}"): ADMIN,
    ("POST", "/lists/{name}/entries"): ADMIN,
    ("DELETE", "/lists/{name}/entries/{value}"): ADMIN,
    # calls and their records
    ("GET", "/calls"): VIEWER,
    ("GET", "/calls/{call_id}"): VIEWER,
    ("GET", "/calls/{call_id}/replay"): VIEWER,
    ("POST", "/calls/{call_id}/hangup"): OPERATOR,
    ("POST", "/calls/{call_id}/refunds"): OPERATOR,
    ("GET", "/cdrs"): VIEWER,
    ("POST", "/callouts"): OPERATOR,
    ("GET", "/events"): VIEWER,
    # the outbox
    ("GET", "/deliveries"): VIEWER,
    ("POST", "/deliveries/{delivery_id}/resend"): OPERATOR,
    ("POST", "/deliveries/resend"): OPERATOR,
    ("GET", "/endpoints"): VIEWER,
    ("POST", "/endpoints"): ADMIN,
    ("GET", "/endpoints/{endpoint_id}"): VIEWER,
    ("PATCH", "/endpoints/{endpoint_id}"): ADMIN,
    ("DELETE", "/endpoints/{endpoint_id}"): ADMIN,
    ("POST", "/endpoints/{endpoint_id}/rotate"): ADMIN,
    ("POST", "/endpoints/{endpoint_id}/test"): ADMIN,
    # an app's own users
    ("GET", "/users"): VIEWER,
    ("POST", "/users"): ADMIN,
    ("PUT", "/users/{name}/password"): ADMIN,
    ("DELETE", "/users/{name}"): ADMIN,
    # access
    ("GET", "/tokens"): ADMIN,
    ("POST", "/tokens"): ADMIN,
    ("DELETE", "/tokens/{token_id}"): ADMIN,
    ("GET", "/audit"): ADMIN,
}
"""The least role that each operation asks for."""

OF_ALL_APPLICATIONS = {
    ("POST", "/applications"),
    ("GET", "/decks"),
    ("GET", "/decks/{name}"),
    ("GET", "/decks/{name}/rates"),
    ("PUT", "/decks/{name}"),
    ("GET", "/supplier-mappings"),
    ("DELETE", "/supplier-mappings/{id}"),
    ("POST", "/deliveries/resend"),
    ("GET", "/endpoints"),
    ("POST", "/endpoints"),
    ("GET", "/endpoints/{endpoint_id}"),
    ("PATCH", "/endpoints/{endpoint_id}"),
    ("DELETE", "/endpoints/{endpoint_id}"),
    ("POST", "/endpoints/{endpoint_id}/rotate"),
    ("POST", "/endpoints/{endpoint_id}/test"),
    ("GET", "/applications/{key}/limits"),
    ("PUT", "/applications/{key}/limits"),
    ("POST", "/applications/{key}/kill"),
}
"""Operations that are about no application in particular, so that a token which is bound to one may not do them."""

RANK = [VIEWER, OPERATOR, ADMIN]


def path_of(template: str) -> str:
    """A path with something in each place of it; nothing of that name needs to be there to be refused."""
    return "/api/v1" + re.sub(r"\{[^}]*\}", "zoe", template)


def test_every_operation_is_in_the_table() -> None:
    """A route that nobody said a role for is a hole: the table names each operation of the reference, with the same role."""

    async def scenario() -> None:
        async with api() as (ask, _):
            reference = (await ask("GET", "/api/v1/openapi.json", bearer="")).json()
            assert reference["openapi"].startswith("3.1")
            found = {
                (method.upper(), path.removeprefix("/api/v1")): operation
                for path, item in reference["paths"].items()
                for method, operation in item.items()
            }
            assert {each: operation["x-least-role"] for each, operation in found.items()} == OPERATIONS
            assert {each for each, operation in found.items() if not operation["x-bound-tokens"]} == OF_ALL_APPLICATIONS

    asyncio.run(scenario())


def test_roles() -> None:
    """A role below the least that an operation asks for gets 403, before the body is looked at; others never get it."""

    async def scenario() -> None:
        async with api() as (ask, store):
            for role in RANK:
                token = await issue_token(store, role, role, NOW)
                for (method, template), least in OPERATIONS.items():
                    broken: dict[str, Any] = {"content": b"{", "headers": {"content-type": "application/json"}}
                    reply = await ask(method, path_of(template), bearer=token, **(broken if method != "GET" else {}))
                    may = RANK.index(role) >= RANK.index(least)
                    assert (reply.status_code != 403) is may, (role, method, template, reply.text)
                    assert reply.status_code != 401

    asyncio.run(scenario())


def test_nobody_without_a_token() -> None:
    """Every operation asks who it is, and says how to say so."""

    async def scenario() -> None:
        async with api() as (ask, _):
            for method, template in OPERATIONS:
                reply = await ask(method, path_of(template), bearer="cg_" + "x" * 43)
                assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer"), (method, template)

    asyncio.run(scenario())
