"""A deny or allow list as it is stored: its head, its entries, and the changes since it was last written whole."""

from typing import NamedTuple

import msgspec

from callgate.policy.number_list import ListKind


class ListKey(NamedTuple):
    """A list's name is unique within its application."""

    application: str
    name: str


class ListHead(msgspec.Struct, frozen=True, kw_only=True):
    """What is in force under a list's name. `account` limits it to one account of the application.

    `version` says which stored entries it began with, `revision` how often it was changed since, `change_count` how many
    entries those changes named. `entry_count` is how many there are now.
    """

    application: str
    name: str
    kind: ListKind
    account: str | None = None
    version: int
    revision: int = 0
    change_count: int = 0
    entry_count: int = 0

    @property
    def key(self) -> ListKey:
        return ListKey(self.application, self.name)


class ListChange(msgspec.Struct, frozen=True, kw_only=True):
    """An entry came onto a list, or went off it. Append-only; those of one version apply in the order of revisions."""

    version: int
    revision: int
    entry: int
    is_added: bool
