"""Changes that say who made them: a job that writes, beside what it changed, what that was before and is now.

It is written in the transaction of the change, so that there is neither without the other. What a job changed is read off
the books, so that no use case has to say it, and none can forget to. A server's own work, calls above all, is not audited.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, TypeVar, cast

import msgspec

from callgate.money import format_micros
from callgate.service.audit_entry import Actor, AuditEntry
from callgate.service.books import Books, Job, Keys, Shelf
from callgate.service.ports import Store
from callgate.service.together import Together

T = TypeVar("T")

BESIDE = frozenset({"calls", "replies", "leases", "refunded", "open_holds", "deliveries", "usages", "inputs"})
"""Shelves that are not audited: what calls do is in the calls, and the others are our own bookkeeping."""

LISTED = ("rules_versions",)
"""Journals that are audited; transfers are on a shelf too."""

NAMES = {
    "moved": "transfer",
    "identities": "identity",
    "rules_versions": "rules_version",
    "mappings": "supplier_mapping",
}
"""What a row is called, where that is not the name of its shelf without an s."""

MOST = 100
"""Rows of one kind that one change lists; a longer list of numbers, for example, is one line that says how many."""

_SECRET = re.compile(r"secret|seal|digest|password|totp|body")


@dataclass(frozen=True, kw_only=True)
class Audited:
    """Another job, with who asked for it. What it did not change is not written; where it fails, nothing is."""

    job: Job[Any]
    actor: Actor
    now: datetime

    def keys(self) -> Keys:
        return self.job.keys()

    def run(self, books: Books) -> Any:
        result = self.job.run(books)
        for change in _changes(books):
            books.audit.add(self._entry(change))
        return result

    def _entry(self, change: "_Change") -> AuditEntry:
        return AuditEntry(
            at=self.now,
            who=self.actor.who,
            via=self.actor.via,
            action=action_of(self.job),
            kind=change.kind,
            subject=change.subject,
            application=change.application,
            before=None if change.before is None else msgspec.json.encode(change.before),
            after=None if change.after is None else msgspec.json.encode(change.after),
        )


@dataclass(frozen=True, kw_only=True)
class NoteAction:
    """Something that was done outside of the books: a call that was ended at its platform, say."""

    entry: AuditEntry

    def keys(self) -> Keys:
        return Keys()

    def run(self, books: Books) -> None:
        books.audit.add(self.entry)


class _AuditedStore:
    """A store whose jobs are all somebody's. Reads, and decks that are staged, go through as they are."""

    def __init__(self, store: Store, actor: Actor, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._actor = actor
        self._clock = clock

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def perform(self, job: Job[T], *, is_urgent: bool = False, is_patient: bool = False) -> T:
        audited = Audited(job=job, actor=self._actor, now=self._clock())
        return cast("T", await self._store.perform(audited, is_urgent=is_urgent, is_patient=is_patient))


def audited(store: Store, actor: Actor, clock: Callable[[], datetime]) -> Store:
    """The same store for one person or program: whatever they change is in the audit log."""
    return cast("Store", _AuditedStore(store, actor, clock))


def action_of(job: Job[Any]) -> str:
    """The name of a use case as the log has it: `TopUp` is `top_up`."""
    if (inner := getattr(job, "job", None)) is not None:
        return action_of(inner)
    if isinstance(job, Together):
        return job.name
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(job).__name__).lower()


class _Change(NamedTuple):
    kind: str
    subject: str
    application: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None


def _changes(books: Books) -> Iterator[_Change]:
    for name, shelf in vars(books).items():
        if not isinstance(shelf, Shelf) or name in BESIDE:
            continue
        steps = [step for step in shelf.steps() if step[1] != step[2]]
        kind = NAMES.get(name, name.removesuffix("s"))
        if len(steps) > MOST:
            yield _Change(kind, "", _application_of(*steps[0]), None, {"changed": len(steps)})
        else:
            yield from (_change(kind, *step) for step in steps)
    for name in LISTED:
        for row in getattr(books, name).fresh():
            key = tuple(str(value) for value in msgspec.structs.astuple(row)[:2])
            yield _change(NAMES[name], key, None, row)


def _change(kind: str, key: Any, before: Any, after: Any) -> _Change:
    row = before if after is None else after
    return _Change(kind, _subject_of(key, row), _application_of(key, before, after), _shown(before), _shown(after))


def _subject_of(key: Any, row: Any) -> str:
    """The key without the application. A token is named by its first characters: its key is a hash of it."""
    if (hint := getattr(row, "hint", None)) is not None:
        return str(hint)
    return key if isinstance(key, str) else "/".join(map(str, key[1:] or key))


def _application_of(key: Any, before: Any, after: Any) -> str:
    row = before if after is None else after
    found = getattr(row, "application", None) if not isinstance(row, str) else None
    if found is None and isinstance(key, tuple) and len(key) > 1:
        found = key[0]
    if found is None and hasattr(row, "provider"):  # an application itself
        found = key
    return str(found or "")


def _shown(row: Any) -> dict[str, Any] | None:
    """A row to be read: amounts as decimals, and of what is secret only a mark that tells whether it changed."""
    if row is None:
        return None
    if not isinstance(row, msgspec.Struct):
        return {"value": msgspec.to_builtins(row)}
    shown: dict[str, Any] = {}
    for name in row.__struct_fields__:
        value = getattr(row, name)
        if _SECRET.search(name):
            shown[name] = _mark(value)
        elif name.endswith("_micros") and isinstance(value, int):
            shown[name.removesuffix("_micros")] = format_micros(value)
        else:
            shown[name] = msgspec.to_builtins(value)
    return shown


def _mark(value: Any) -> str | None:
    if value is None:
        return None
    return f"hidden {hashlib.sha256(msgspec.json.encode(value)).hexdigest()[:8]}"
