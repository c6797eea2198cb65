"""What decisions look up outside the lock: applications, rate decks, rules and endpoints, as one immutable snapshot.

None of them changes under a call: a call is judged by the snapshot that was in force when it came.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import msgspec

from callgate.errors import Error
from callgate.logs import log
from callgate.policy.number_list import NumberList
from callgate.policy.rules.judge import RuleSet
from callgate.rating.deck import Deck
from callgate.service.application import Application, opened
from callgate.service.books import AccountKey, DeckHead
from callgate.service.did import Did, DidKey
from callgate.service.endpoint import Endpoint, EndpointState, Receiver
from callgate.service.load_deck import load_deck
from callgate.service.number_list import ListHead, ListKey
from callgate.service.number_lists import apply_changes, load_list
from callgate.service.ports import Store
from callgate.service.redirect import Redirections, redirections_of
from callgate.service.rules import load_rules

REFRESH_S = 0.25
"""How often a server looks whether somebody changed the configuration: well inside the second that is promised."""


class Catalog(msgspec.Struct, frozen=True, kw_only=True):
    """One snapshot: applications by key, decks by name, rules and lists by application, rented numbers.

    `redirections` are where refusals lead, of the applications that lead any; `receivers` are the active endpoints by id,
    `endpoints` the same without their secrets, for jobs.
    """

    version: int = -1
    applications: Mapping[str, Application] = {}
    decks: Mapping[str, Deck] = {}
    lists: Mapping[str, Sequence[NumberList]] = {}  # by application
    dids: Mapping[DidKey, Did] = {}
    rented: Mapping[str, Collection[AccountKey]] = {}  # the numbers of all of them, with whose they are
    redirections: Mapping[str, Redirections] = {}
    rules: Mapping[str, RuleSet] = {}  # of the applications that have any
    receivers: Mapping[str, Receiver] = {}
    endpoints: Sequence[Endpoint] = ()

    def application(self, provider: str, key: str) -> Application | None:
        """Return the application of this key at this provider, or None."""
        found = self.applications.get(key)
        return found if found is not None and found.row.provider == provider else None


def _owners(dids: Iterable[Did]) -> dict[str, frozenset[AccountKey]]:
    """Whose each number is. It may be rented in several applications."""
    owners: dict[str, frozenset[AccountKey]] = {}
    for did in dids:
        owners[did.number] = owners.get(did.number, frozenset()) | {AccountKey(did.application, did.account)}
    return owners


class Catalogs:
    """Keeps the snapshot current. `now` is the one in force: take it once a request. `unseal` decrypts a stored secret."""

    def __init__(self, store: Store, unseal: Callable[[bytes], str]) -> None:
        self._store = store
        self._unseal = unseal
        self._loaded_decks: dict[str, tuple[DeckHead, Deck]] = {}
        self._loaded_lists: dict[ListKey, tuple[ListHead, NumberList]] = {}
        self._loaded_rules: dict[str, RuleSet] = {}
        self.now = Catalog()

    async def refresh(self) -> None:
        """Load what has changed since the last time; nothing happens when nothing has."""
        while (version := await self._store.configuration_version()) != self.now.version:
            loaded = await self._load(version)
            if await self._store.configuration_version() == version:  # else it changed while we read: read again
                self.now = loaded

    async def keep_current(self) -> None:
        """Refresh for ever. A store that is down, or a secret that we cannot read, leaves the last snapshot in force."""
        while True:
            try:
                await self.refresh()
            except Error as error:
                log.warning("catalog.stale", error=str(error))
            await asyncio.sleep(REFRESH_S)

    async def _load(self, version: int) -> Catalog:
        applications = {row.key: opened(row, self._unseal) for row in await self._store.applications()}
        receivers = await self._receivers()
        dids = {did.key: did for did in await self._store.dids()}
        return Catalog(
            version=version,
            applications=applications,
            decks=await self._decks(),
            lists=await self._lists(),
            dids=dids,
            rented=_owners(dids.values()),
            redirections=redirections_of(applications, dids),
            rules=await self._rules(),
            receivers=receivers,
            endpoints=tuple(receiver.endpoint for receiver in receivers.values()),
        )

    async def _receivers(self) -> dict[str, Receiver]:
        return {
            endpoint.id: Receiver(endpoint, tuple(self._unseal(sealed) for sealed in endpoint.sealed_secrets))
            for endpoint in await self._store.endpoints()
            if endpoint.state is EndpointState.ACTIVE
        }

    async def _lists(self) -> dict[str, list[NumberList]]:
        """Of a list that is loaded only what changed is read; all of them may have millions of entries."""
        lists: dict[str, list[NumberList]] = {}
        loaded = {}
        for head in await self._store.list_heads():
            before, numbers = self._loaded_lists.get(head.key, (None, None))
            if before is None or numbers is None or before.version != head.version:
                numbers = await load_list(self._store, head)
            elif before.revision != head.revision:
                changes = await self._store.list_changes(head.version, before.revision, head.revision)
                numbers = apply_changes(numbers, changes)
            loaded[head.key] = (head, numbers)
            lists.setdefault(head.application, []).append(numbers)
        self._loaded_lists = loaded
        return lists

    async def _rules(self) -> dict[str, RuleSet]:
        """Compiled once for each version."""
        in_force = await self._store.rules_in_force()
        new = [
            each
            for each in in_force
            if (known := self._loaded_rules.get(each.application)) is None or known.version != each.version
        ]
        if new:  # in a thread: the first time it loads a library, and decisions go on meanwhile
            self._loaded_rules |= await asyncio.to_thread(load_rules, new)
        return {each.application: self._loaded_rules[each.application] for each in in_force}

    async def _decks(self) -> dict[str, Deck]:
        """Only decks whose version is new are read: they may have a million rows."""
        decks = {}
        for head in await self._store.deck_heads():
            before, deck = self._loaded_decks.get(head.name, (None, None))
            if deck is None or before != head:
                deck = await load_deck(self._store, head)
                self._loaded_decks[head.name] = (head, deck)
            decks[head.name] = deck
        return decks
