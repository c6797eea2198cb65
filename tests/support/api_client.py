"""The API over real books in memory, with one application, one deck, and somebody who asks."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar.testing import AsyncTestClient

from callgate.app import build_signing
from callgate.errors import Conflict
from callgate.http.api.app import build_api
from callgate.http.api.desk import Desk
from callgate.platform.platforms import platforms
from callgate.policy.limits import UNLIMITED
from callgate.protocol import WireRequest, sinch
from callgate.protocol.call import CallArrived, CallKey, PlaceCall
from callgate.rating.deck import Deck
from callgate.rating.deck_csv import read_deck
from callgate.rating.deck_merge import ImportMode
from callgate.server import api_tools
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.authorize import Authorize
from callgate.service.catalog import Catalogs
from callgate.service.import_deck import import_deck
from callgate.service.issue_token import issue_token
from callgate.service.open_account import OpenAccount
from callgate.service.token import Role
from callgate.service.top_up import TopUp
from callgate.storage.sqlite import SqliteStore
from callgate.vault import Vault, new_key

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
DECK = (
    b"prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n4670,Sweden,0.02,0,60,60,2020-01-01\n"
)

Ask = Callable[..., Awaitable[Any]]


class AskedInTheLoopOfTheRequest:
    """The real platforms, with connections for one question: the client of these tests has an event loop of its own."""

    def __init__(self, catalogs: Catalogs) -> None:
        self._known = catalogs.now.applications.get

    async def ask(self, call: CallKey, resource: str) -> Any:
        async with platforms(self._known, lambda: datetime.now(UTC)) as asking:
            return await asking.ask(call, resource)

    async def hang_up(self, call: CallKey, resource: str) -> bool:
        async with platforms(self._known, lambda: datetime.now(UTC)) as asking:
            return await asking.hang_up(call, resource)

    async def put_out(self, call: CallKey, resource: str, conference: str) -> Any:
        async with platforms(self._known, lambda: datetime.now(UTC)) as asking:
            return await asking.put_out(call, resource, conference)

    async def place(self, application: str, call: PlaceCall) -> str:
        async with platforms(self._known, lambda: datetime.now(UTC)) as asking:
            return await asking.place(application, call)

    async def warn(self, call: CallKey, resource: str, text: str, locale: str) -> bool:
        async with platforms(self._known, lambda: datetime.now(UTC)) as asking:
            return await asking.warn(call, resource, text, locale)


@asynccontextmanager
async def api(role: Role = Role.ADMIN, *, platform_url: str = "") -> AsyncIterator[tuple[Ask, SqliteStore]]:
    """An API with one application and one deck, and a way to ask it with a token of this role."""
    store = SqliteStore(":memory:")
    await store.migrate()
    await store.open()
    vault = Vault(new_key())
    await store.perform(
        AddApplication(
            provider="sinch", key="APP", secret="c2VjcmV0", name="", seal=vault.seal, now=NOW, limits=UNLIMITED
        )
    )
    if platform_url:
        await store.perform(SetApplication(key="APP", words=(f"platform={platform_url}",)))
    rows = list(read_deck(DECK, "deck", NOW).rows)
    await import_deck(store, "standard", "USD", rows, mode=ImportMode.REPLACE, is_dry_run=False, now=NOW)
    catalogs = Catalogs(store, vault.unseal)
    await catalogs.refresh()
    token = await issue_token(store, "test", role, NOW)
    asking = AskedInTheLoopOfTheRequest(catalogs)
    stopped = asyncio.Event()
    stopped.set()  # a stream that would go on for ever ends at once: this client waits for ends
    desk = Desk(
        store,
        catalogs,
        asking,
        lambda: NOW,
        tools=api_tools(store, vault),
        stopping=stopped,
        signing=build_signing(vault),
    )
    async with AsyncTestClient(build_api(desk)) as client:

        async def ask(method: str, path: str, *, bearer: str = token, key: str | None = None, **how: Any) -> Any:
            headers = {"authorization": f"Bearer {bearer}"} | ({"idempotency-key": key} if key else {})
            return await client.request(method, path, headers=headers | how.pop("headers", {}), **how)

        yield ask, store
    await store.close()


async def place_call(store: SqliteStore, call_id: str) -> None:
    """Let a call of a rich account through, so that it is up."""
    with contextlib.suppress(Conflict):
        await store.perform(OpenAccount(application="APP", account="alice", currency="USD", limits=UNLIMITED))
        await store.perform(TopUp(application="APP", account="alice", amount_micros=10**7, reference="r", now=NOW))
    resource = "https://evil.example.com/calling/v1/calls/id/x"
    ice = {
        "event": "ice", "callid": call_id, "to": {"type": "number", "endpoint": "+46701740605"}, "user": "alice",
        "originationType": "mxp", "callResourceUrl": resource,
    }  # fmt: skip
    body = json.dumps(ice).encode()
    headers = {"authorization": "application APP:x"}
    event = sinch.understand(WireRequest(method="POST", path="/callbacks/sinch", headers=headers, body=body))
    assert isinstance(event, CallArrived)
    (head,) = await store.deck_heads()
    decks = {"standard": Deck(name="standard", currency="USD", rows=await store.deck_rows(head))}
    (row,) = await store.applications()
    await store.perform(
        Authorize(
            call=event, body=body, provider=sinch, application=row, decks=decks, now=NOW, orphan_after=timedelta(minutes=10)
        )
    )  # fmt: skip
