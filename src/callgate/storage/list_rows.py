"""Deny and allow lists as rows of tables and back."""

import msgspec

from callgate.policy.number_list import ListKind
from callgate.service.number_list import ListChange, ListHead
from callgate.storage.rows import Row

LIST_KEY = ("application", "name")
LIST = (*LIST_KEY, "kind", "account", "version", "revision", "change_count", "entry_count")


def from_list(head: ListHead) -> Row:
    return msgspec.structs.astuple(head)


def to_list(row: Row) -> ListHead:
    named = dict(zip(LIST, row, strict=True))
    return ListHead(**named | {"kind": ListKind(named["kind"])})


ENTRY = ("version", "entry")

LIST_CHANGE = ("version", "revision", "entry", "is_added")


def from_list_change(change: ListChange) -> Row:
    return (change.version, change.revision, change.entry, int(change.is_added))


def to_list_change(row: Row) -> ListChange:
    version, revision, entry, is_added = row
    return ListChange(version=version, revision=revision, entry=entry, is_added=bool(is_added))
