"""Make deny and allow lists, change them entry by entry, import them whole, and put them in force."""

import re
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from callgate.errors import Conflict, Invalid, ListFault, ListInvalid, NotFound, StorageUnavailable
from callgate.policy.number_list import EXPECTED, ListKind, NumberList, format_entry, parse_entry
from callgate.rating.deck_merge import ImportMode
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.number_list import ListChange, ListHead, ListKey
from callgate.service.ports import Store
from callgate.service.probe import Probe

MAX_FAULTS = 1_000
"""Reading stops here: a file as wrong as this is another kind of file."""

MOST_CHANGES = 20_000
"""Entries that changes of one version may name; beyond it the list is written anew, so that it loads in one go."""

ATTEMPTS = 5
"""How often a change is tried that somebody else's change came before."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_SHOWN_CHARACTERS = 60


class ListDiff(msgspec.Struct, frozen=True, kw_only=True):
    """What a change does to a list: how many entries come, go and stay."""

    added: int
    removed: int
    unchanged: int


@dataclass(frozen=True, kw_only=True)
class CreateList:
    """A list without entries. An empty allow list lets nothing pass. `version` is one that nothing had before."""

    application: str
    name: str
    kind: ListKind
    account: str | None
    version: int

    def keys(self) -> Keys:
        named = (AccountKey(self.application, self.account),) if self.account is not None else ()
        return Keys(
            applications=(self.application,), lists=(ListKey(self.application, self.name),), accounts=named
        )  # fmt: skip

    def run(self, books: Books) -> ListHead:
        """Raises `Invalid` for a name, `NotFound`, `Conflict` where the name is taken."""
        if not _NAME.fullmatch(self.name):
            raise Invalid("list", repr(self.name[:80]), "1 to 64 of letters, digits and . _ -")
        if books.applications.get(self.application) is None:
            raise NotFound(f"there is no application {self.application}")
        if self.account is not None and books.accounts.get(AccountKey(self.application, self.account)) is None:
            raise NotFound(f"there is no account {self.account} in application {self.application}")
        key = ListKey(self.application, self.name)
        if (known := books.lists.get(key)) is not None:
            raise Conflict(f"list {self.name} exists already: it is a list to {known.kind}")
        head = ListHead(
            application=self.application, name=self.name, kind=self.kind, account=self.account, version=self.version
        )
        books.lists.put(key, head)
        return head


@dataclass(frozen=True, kw_only=True)
class ChangeList:
    """Put entries on a list and take others off it, if the list still is `base`, on which they were looked up."""

    base: ListHead
    added: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()

    def keys(self) -> Keys:
        return Keys(lists=(self.base.key,))

    def run(self, books: Books) -> bool:
        """False, and nothing is changed, where somebody else changed the list meanwhile."""
        if books.lists.get(self.base.key) != self.base:
            return False
        revision = self.base.revision + 1
        for entries, is_added in ((self.removed, False), (self.added, True)):
            for entry in entries:
                books.list_changes.add(
                    ListChange(version=self.base.version, revision=revision, entry=entry, is_added=is_added)
                )
        head = msgspec.structs.replace(
            self.base,
            revision=revision,
            change_count=self.base.change_count + len(self.added) + len(self.removed),
            entry_count=self.base.entry_count + len(self.added) - len(self.removed),
        )
        books.lists.put(head.key, head)
        return True


@dataclass(frozen=True, kw_only=True)
class PublishList:
    """Put a staged version in force, if `base` still is what it was made from; None: there was none of this name."""

    head: ListHead
    base: ListHead | None

    def keys(self) -> Keys:
        return Keys(applications=(self.head.application,), lists=(self.head.key,))

    def run(self, books: Books) -> None:
        """Raises `Conflict` when somebody else changed the list meanwhile, `NotFound` for the application."""
        if books.applications.get(self.head.application) is None:
            raise NotFound(f"there is no application {self.head.application}")
        if books.lists.get(self.head.key) != self.base:
            raise Conflict(
                f"list {self.head.name} was changed by somebody else meanwhile; nothing was changed, try again"
            )
        books.lists.put(self.head.key, self.head)


@dataclass(frozen=True, kw_only=True)
class DropList:
    """Take a list out of force, with all of its entries."""

    key: ListKey

    def keys(self) -> Keys:
        return Keys(lists=(self.key,))

    def run(self, books: Books) -> ListHead:
        """Raises `NotFound`."""
        head = books.lists.get(self.key)
        if head is None:
            raise NotFound(f"there is no list {self.key.name} in application {self.key.application}")
        books.lists.remove(self.key)
        return head


async def create_list(store: Store, application: str, name: str, kind: ListKind, account: str | None) -> ListHead:
    """Raises what `CreateList` does."""
    version = await store.next_deck_version()
    job = CreateList(application=application, name=name, kind=kind, account=account, version=version)
    return await store.perform(job)


async def drop_list(store: Store, key: ListKey) -> ListHead:
    """Raises `NotFound`."""
    head = await store.perform(DropList(key=key))
    await store.drop_list_rows(head.version)
    return head


async def change_list(
    store: Store, key: ListKey, *, added: Sequence[int] = (), removed: Sequence[int] = ()
) -> ListDiff:
    """Put entries on a list and take others off it; what is so already changes nothing.

    Raises `NotFound` for the list, `Conflict` where others keep changing it at the same time.
    """
    for _ in range(ATTEMPTS):
        head = await find_list(store, key)
        there = await store.list_has(head, [*added, *removed])
        coming = tuple(sorted(set(added) - there))
        going = tuple(sorted(set(removed) & there))
        diff = ListDiff(added=len(coming), removed=len(going), unchanged=head.entry_count - len(going))
        if not coming and not going:
            return diff
        if head.change_count + len(coming) + len(going) > MOST_CHANGES:
            after = (await load_list(store, head)).changed(coming, going)
            await _publish(store, head, msgspec.structs.replace(head, entry_count=len(after)), after)
            return diff
        if await store.perform(ChangeList(base=head, added=coming, removed=going)):
            return diff
    raise Conflict(f"list {key.name} is being changed by somebody else; nothing was changed, try again")


async def import_list(  # noqa: PLR0913 - what an import says
    store: Store,
    key: ListKey,
    entries: Iterable[int],
    *,
    mode: ImportMode,
    is_dry_run: bool,
    kind: ListKind | None = None,
    account: str | None = None,
) -> ListDiff:
    """Import entries and return what changes. A dry run changes nothing.

    Where `kind` is named the list is made if it is not there, and becomes one of that kind. Raises `NotFound`, `Invalid`
    for a name, `Conflict` when somebody else changed the list meanwhile.
    """
    heads = {head.key: head for head in await store.list_heads()}
    base = heads.get(key)
    if base is None and kind is None:
        raise NotFound(f"there is no list {key.name}; make it with: callgate list create {key.name} --kind deny|allow")
    if not _NAME.fullmatch(key.name):
        raise Invalid("list", repr(key.name[:80]), "1 to 64 of letters, digits and . _ -")
    if account is not None and await store.account(AccountKey(key.application, account)) is None:
        raise NotFound(f"there is no account {account} in application {key.application}")
    before = set(await load_list(store, base)) if base is not None else set()
    imported = set(entries)
    after = before | imported if mode is ImportMode.MERGE else imported
    diff = ListDiff(added=len(after - before), removed=len(before - after), unchanged=len(after & before))
    if is_dry_run:
        return diff
    assert kind is not None or base is not None, "one of them names the kind"
    head = ListHead(
        application=key.application,
        name=key.name,
        kind=kind if kind is not None else base.kind,  # type: ignore[union-attr]
        account=account if kind is not None or base is None else base.account,
        version=0,
        entry_count=len(after),
    )
    await _publish(store, base, head, sorted(after))
    return diff


async def _publish(store: Store, base: ListHead | None, head: ListHead, entries: Iterable[int]) -> None:
    """Write the entries beside those in force, then put them in force in one step."""
    head = msgspec.structs.replace(head, version=await store.next_deck_version(), revision=0, change_count=0)
    try:
        await store.stage_list(head.version, entries)
        await store.perform(PublishList(head=head, base=base))
    except BaseException:
        with suppress(StorageUnavailable):  # rows that nobody reads are left behind then, and do no harm
            await store.perform(Probe(), is_urgent=True)  # behind it, a publication has been done or taken back
            if head not in await store.list_heads():
                await store.drop_list_rows(head.version)
        raise
    if base is not None:
        await store.drop_list_rows(base.version)


async def find_list(store: Store, key: ListKey) -> ListHead:
    """Return what is in force under a name. Raises `NotFound`."""
    heads = [head for head in await store.list_heads() if head.application == key.application]
    for head in heads:
        if head.key == key:
            return head
    known = ", ".join(head.name for head in heads) or "none"
    raise NotFound(f"there is no list {key.name} in application {key.application}; there are: {known}")


async def load_list(store: Store, head: ListHead) -> NumberList:
    """Return a list as it stands."""
    entries = array("q", await store.list_entries(head.version))
    numbers = NumberList(name=head.name, kind=head.kind, account=head.account, entries=entries)
    if head.revision == 0:
        return numbers
    return apply_changes(numbers, await store.list_changes(head.version, 0, head.revision))


async def page_of_list(store: Store, head: ListHead, after: int, limit: int) -> list[int]:
    """Entries of a list as it stands, by their digits: those behind the entry `after`, which is -1 for the first page."""
    changes = await store.list_changes(head.version, 0, head.revision) if head.revision else ()
    last = {change.entry: change.is_added for change in changes}
    asked = limit + list(last.values()).count(False)
    found = await store.list_entries(head.version, after, asked)
    until = found[-1] if len(found) == asked else None
    added = (entry for entry, is_added in last.items() if is_added and entry > after)
    kept = {entry for entry in found if last.get(entry, True)}
    return sorted(kept.union(entry for entry in added if until is None or entry < until))[:limit]


def apply_changes(numbers: NumberList, changes: Iterable[ListChange]) -> NumberList:
    """Return the list after changes, which come in their order."""
    last = {change.entry: change.is_added for change in changes}
    added = [entry for entry, is_added in last.items() if is_added]
    return numbers.changed(added, [entry for entry, is_added in last.items() if not is_added])


def read_entries(texts: Iterable[str], source: str) -> list[int]:
    """Read entries one by one. Raises `ListInvalid` with all that are none; `source` says where they stand."""
    return _read(((number, text) for number, text in enumerate(texts, 1)), source, "entry")


def read_list_file(content: bytes, source: str) -> list[int]:
    """Read one entry a line, or of a CSV its first column; blank lines and what stands behind `#` are passed over.

    A first line of `number`, `prefix` or `value` is a header. Raises `ListInvalid` with all lines that are no entry.
    """
    return _read(_lines(content), source, "line")


def _lines(content: bytes) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(content.decode("utf-8-sig", errors="replace").splitlines(), 1):
        text = raw.partition("#")[0].partition(",")[0].partition(";")[0].partition("\t")[0].strip().strip('"')
        if text and not (number == 1 and text.lower() in _HEADERS):
            yield number, text


_HEADERS = frozenset({"number", "prefix", "value", "entry", "destination"})


def _read(texts: Iterable[tuple[int, str]], source: str, place: str) -> list[int]:
    entries, faults = [], []
    for number, text in texts:
        entry = parse_entry(text)
        if entry is None:
            faults.append(ListFault(f"{place} {number}", _shown(text), EXPECTED))
            if len(faults) >= MAX_FAULTS:
                break
        else:
            entries.append(entry)
    if faults:
        raise ListInvalid(source, faults)
    return entries


def _shown(text: str) -> str:
    cut = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
    return repr(cut)


def shown_entries(entries: Iterable[int]) -> list[str]:
    """Entries as people read them."""
    return [format_entry(entry) for entry in entries]
