"""A server of our own for scenario files: in this process, on a folder that goes away, open to be set up and looked into.

It is the whole server, behind real HTTP, and is told nothing that an operator could not tell it.
"""

import asyncio
import secrets
import socket
import tempfile
import time
from base64 import b64encode
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import uvicorn
from aiohttp import web

from callgate.app import build_store, build_vault, clock, opened
from callgate.demo import DECK
from callgate.emulator.applications import Application, CallbackUrls
from callgate.emulator.scenario_files.wording import AccountPart, FilePart
from callgate.errors import Error
from callgate.http.protocol import CallbackProtocol
from callgate.money import parse_micros
from callgate.platform.platforms import platforms
from callgate.policy.account import Status
from callgate.policy.limits import KINDS as LIMITS
from callgate.policy.number_list import ListKind
from callgate.protocol.call import CallKey
from callgate.rating.deck_csv import read_deck
from callgate.rating.deck_merge import ImportMode
from callgate.server import Gate
from callgate.service.add_application import AddApplication, SetApplication
from callgate.service.add_endpoint import add_endpoint
from callgate.service.application import Application as AnyApplication
from callgate.service.apply_rules import ApplyRules
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.hang_up import hang_up_call
from callgate.service.import_deck import import_deck
from callgate.service.number_list import ListKey
from callgate.service.number_lists import import_list, read_entries
from callgate.service.open_account import OpenAccount
from callgate.service.ports import Platform, Store
from callgate.service.rented import AddDid, read_did
from callgate.service.reports import account_report, call_report, ledger_verdict
from callgate.service.rules import read_document
from callgate.service.set_account import SetAccount
from callgate.service.set_limits import SetAccountLimits, SetApplicationLimits
from callgate.service.set_status import SetAccountStatus, SetApplicationStatus
from callgate.service.top_up import TopUp
from callgate.settings import Settings
from callgate.vault import new_key

DECISION_DEADLINE_MS = 2_000
"""Longer than the server's own default: a busy machine must not fail a scenario, and a stalled store still does."""

_LIFTED = tuple(f"{name}=none" for name in LIMITS)
"""A scenario is limited by what it says of itself alone."""

RECORD_PATIENCE_S = 5.0
"""How long a delivered record is waited for."""

LONGEST_QUIET_S = 0.3
"""How long to look whether more records come than are expected."""


@dataclass(frozen=True)
class Stall:
    """Keeps the writer busy: everything that comes behind it waits."""

    seconds: float

    def keys(self) -> Keys:
        return Keys()

    def run(self, _: Books) -> None:
        time.sleep(self.seconds)


@dataclass
class Receiver:
    """Takes the records that the server delivers. `heard` by application and call."""

    heard: defaultdict[tuple[str, str], list[Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def receive(self, request: web.Request) -> web.Response:
        data = msgspec.json.decode(await request.read())["data"]
        self.heard[data["application"], data["call_id"]].append(data)
        self.news.set()
        return web.Response(status=204)


class TrialGate:
    """What scenario files ask of our own server; see `emulator.scenario_files.books`."""

    def __init__(  # noqa: PLR0913, PLR0917 - what the server is made of
        self, store: Store, gate: Gate, settings: Settings, url: str, receiver: Receiver, platform: Platform
    ) -> None:
        self._store = store
        self._platform = platform
        self._gate = gate
        self._vault = build_vault(settings)
        self._url = url
        self._receiver = receiver
        self._stalls: set[asyncio.Task[None]] = set()

    async def prepare(self, file: FilePart, platform_url: str) -> Application:
        """An application, a deck and accounts that no other scenario has."""
        application = Application(
            key=f"scenario-{secrets.token_hex(8)}",
            secret=b64encode(secrets.token_bytes(16)).decode(),
            urls=CallbackUrls(primary=self._url),
        )
        now, key = clock(), application.key
        added = AddApplication(
            provider="sinch", key=key, secret=application.secret, name=file.title, seal=self._vault.seal, now=now
        )
        await self._store.perform(added)
        words = (f"platform={platform_url}", *file.gate.settings)
        await self._store.perform(SetApplication(key=key, words=words))
        await self._store.perform(SetApplicationLimits(application=key, words=(*_LIFTED, *file.gate.limits)))
        read = read_deck(file.gate.deck.encode() or DECK, "gate.deck", now)
        currency = read.currency or "USD"
        await import_deck(
            self._store, key, currency, list(read.rows), mode=ImportMode.REPLACE, is_dry_run=False, now=now
        )
        for kind, texts in ((ListKind.DENY, file.gate.deny), (ListKind.ALLOW, file.gate.allow)):
            if texts:
                entries = read_entries(texts, f"gate.{kind}")
                listed = ListKey(key, str(kind))
                await import_list(self._store, listed, entries, mode=ImportMode.REPLACE, is_dry_run=False, kind=kind)
        if file.gate.rules:
            read_document(file.gate.rules, "gate.rules")
            await self._store.perform(ApplyRules(application=key, document=file.gate.rules, who="scenario", now=now))
        for account in file.account:
            await self._open(key, account)
        for did in file.gate.dids:
            rented = read_did(key, did.number, did.account, to=did.to, menu=did.menu, receive=did.receive)
            await self._store.perform(AddDid(did=rented))
        if file.gate.suspended:
            await self._store.perform(SetApplicationStatus(key=key, status=Status.SUSPENDED))
        await self._gate.catalogs.refresh()
        return application

    async def account(self, application: str, named: str) -> Mapping[str, str] | None:
        """Its money as the operators' API shows it."""
        report = await account_report(self._store, AccountKey(application, named))
        return None if report is None else msgspec.to_builtins(report)

    async def call(self, application: str, call_id: str) -> Mapping[str, Any] | None:
        """A call as the operators' API shows it."""
        report = await call_report(self._store, CallKey(application, call_id), clock())
        return None if report is None else msgspec.to_builtins(report)

    async def records(self, application: str, call_id: str, least: int) -> Sequence[Mapping[str, Any]]:
        """What was delivered of a call, waiting for so many, and then a moment for more than that."""
        patience_s = RECORD_PATIENCE_S if least else LONGEST_QUIET_S
        try:
            async with asyncio.timeout(patience_s):
                while len(self._receiver.heard[application, call_id]) < max(least, 1):
                    self._receiver.news.clear()
                    await self._receiver.news.wait()
        except TimeoutError:
            pass
        return self._receiver.heard[application, call_id]

    async def hang_up(self, application: str, call_id: str) -> str:
        """End a call as the operators' API and `calls hangup` do."""
        try:
            await hang_up_call(self._store, self._platform, CallKey(application, call_id))
        except Error as error:
            return str(error)
        return ""

    async def stall(self, seconds: float) -> None:
        """Keep the store busy."""
        task = asyncio.create_task(self._store.perform(Stall(seconds)))
        self._stalls.add(task)
        task.add_done_callback(self._stalls.discard)
        await asyncio.sleep(0.05)  # it has begun, or is first in the queue

    async def verify(self) -> Sequence[str]:
        """The invariants of the whole ledger."""
        return (await ledger_verdict(self._store)).faults

    async def _open(self, application: str, account: AccountPart) -> None:
        opened_account = OpenAccount(
            application=application,
            account=account.id,
            currency=account.currency,
            deck=application,
            identities=tuple(account.identities),
            credit_limit_micros=parse_micros(account.credit_limit),
        )
        await self._store.perform(opened_account)
        if micros := parse_micros(account.credit):
            paid = TopUp(
                application=application, account=account.id, amount_micros=micros, reference="scenario", now=clock()
            )
            await self._store.perform(paid)
        await self._store.perform(
            SetAccountLimits(application=application, account=account.id, words=(*_LIFTED, *account.limits))
        )
        set_account = SetAccount(application=application, account=account.id, words=tuple(account.settings))
        await self._store.perform(set_account)
        status = Status(account.status)
        await self._store.perform(SetAccountStatus(application=application, account=account.id, status=status))


@asynccontextmanager
async def trial_gate() -> AsyncIterator[TrialGate]:
    """A server for as long as the block runs; what it wrote goes with it."""
    with tempfile.TemporaryDirectory(prefix="callgate-") as folder:
        settings = Settings(
            database_url=f"sqlite:///{folder}/gate.db",
            secret_key=new_key(),
            decision_deadline_ms=DECISION_DEADLINE_MS,
        )
        store = build_store(settings)
        await store.migrate()
        async with opened(store), _receiving() as (receiver, address):
            vault = build_vault(settings)
            await add_endpoint(store, address, (), allow_private=True, seal=vault.seal, resolve=_nowhere, now=clock())
            gate = Gate(settings, store)

            def application(key: str) -> AnyApplication | None:
                return gate.catalogs.now.applications.get(key)

            async with gate.working(), _serving(gate) as url, platforms(application, clock) as platform:
                yield TrialGate(store, gate, settings, f"{url}/callbacks/sinch", receiver, platform)


@asynccontextmanager
async def _serving(gate: Gate) -> AsyncIterator[str]:
    """The server on a loopback port, without handlers of signals: those are the command's."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(gate, http=CallbackProtocol, ws="none", lifespan="off", access_log=False, log_level="error")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listening]))  # noqa: SLF001 - `serve` would take the signals
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        gate.stopping.set()
        server.should_exit = True
        await serving


@asynccontextmanager
async def _receiving() -> AsyncIterator[tuple[Receiver, str]]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_post("/records", receiver.receive)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield receiver, f"http://127.0.0.1:{runner.addresses[0][1]}/records"
    finally:
        await runner.cleanup()


async def _nowhere(_: str) -> list[str]:
    """Nothing is resolved: the one endpoint is on loopback."""
    return []
