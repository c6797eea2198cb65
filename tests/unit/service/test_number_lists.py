"""Lists are made, changed, imported and deleted: what is refused, what a dry run leaves alone, what a server then sees."""

from typing import TYPE_CHECKING

import pytest

from callgate.errors import Conflict, Invalid, ListInvalid, NotFound
from callgate.policy.number_list import ListKind
from callgate.rating.deck_merge import ImportMode
from callgate.service import number_lists
from callgate.service.catalog import Catalogs
from callgate.service.number_list import ListKey
from callgate.service.number_lists import (
    ListDiff,
    change_list,
    create_list,
    drop_list,
    find_list,
    import_list,
    page_of_list,
    read_entries,
    read_list_file,
    shown_entries,
)

if TYPE_CHECKING:
    from tests.conftest import House

KEY = ListKey("app", "fraud")


def create(house: "House", kind: ListKind = ListKind.DENY, name: str = "fraud", account: str | None = None) -> None:
    house.run(create_list(house.store, house.app, name, kind, account))


def add(house: "House", *texts: str) -> ListDiff:
    return house.run(change_list(house.store, KEY, added=read_entries(texts, "here")))


def remove(house: "House", *texts: str) -> ListDiff:
    return house.run(change_list(house.store, KEY, removed=read_entries(texts, "here")))


def bring(house: "House", *texts: str, mode: ImportMode = ImportMode.REPLACE, is_dry_run: bool = False) -> ListDiff:
    entries = read_entries(texts, "here")
    return house.run(import_list(house.store, KEY, entries, mode=mode, is_dry_run=is_dry_run))


def stored(house: "House") -> list[str]:
    """What is on the list, read in small pages, and as a server has it that loads it now: the same."""
    head, entries, after = house.run(find_list(house.store, KEY)), [], -1
    while found := house.run(page_of_list(house.store, head, after, 2)):
        entries, after = entries + found, found[-1]
    catalogs = Catalogs(house.store, lambda sealed: sealed.decode())
    house.run(catalogs.refresh())
    assert list(catalogs.now.lists[house.app][0]) == entries
    assert head.entry_count == len(entries)
    return shown_entries(entries)


def test_a_list_is_changed_entry_by_entry(house: "House") -> None:
    """What is so already is not done again, and each change says what it did."""
    create(house)
    assert add(house, "+4690*", "+46701740605") == ListDiff(added=2, removed=0, unchanged=0)
    assert add(house, "+4690*", "+881*") == ListDiff(added=1, removed=0, unchanged=2)
    assert remove(house, "+4690*", "+882*") == ListDiff(added=0, removed=1, unchanged=2)
    assert stored(house) == ["+46701740605", "+881*"]
    assert add(house, "+4690*") == ListDiff(added=1, removed=0, unchanged=2)
    assert stored(house) == ["+46701740605", "+4690*", "+881*"]


def test_a_server_reads_only_what_changed(house: "House") -> None:
    """A list that it has is not loaded again for a change of one entry."""
    create(house)
    bring(house, "+4690*", "+881*")
    catalogs = Catalogs(house.store, lambda sealed: sealed.decode())
    house.run(catalogs.refresh())
    before = catalogs.now
    add(house, "+882*")
    remove(house, "+881*")
    asked: list[int] = []
    load = house.store.list_entries
    house.store.list_entries = lambda version, *rest: asked.append(version) or load(version, *rest)  # type: ignore[assignment, func-returns-value]
    house.run(catalogs.refresh())
    assert (asked, shown_entries(catalogs.now.lists[house.app][0])) == ([], ["+4690*", "+882*"])
    assert shown_entries(before.lists[house.app][0]) == ["+4690*", "+881*"]  # calls that are being judged keep theirs


def test_a_list_is_imported_whole(house: "House") -> None:
    """The file becomes the list, or is put on top of it; a dry run says the same and changes nothing."""
    create(house)
    add(house, "+4690*", "+881*")
    would = bring(house, "+4690*", "+882*", "+883*", is_dry_run=True)
    assert would == ListDiff(added=2, removed=1, unchanged=1)
    assert stored(house) == ["+4690*", "+881*"]
    assert bring(house, "+4690*", "+882*", "+883*") == would
    assert stored(house) == ["+4690*", "+882*", "+883*"]
    assert bring(house, "+881*", mode=ImportMode.MERGE) == ListDiff(added=1, removed=0, unchanged=3)
    assert stored(house) == ["+4690*", "+881*", "+882*", "+883*"]


def test_many_changes_write_the_list_anew(house: "House", monkeypatch: pytest.MonkeyPatch) -> None:
    """So that what must be read of it stays bounded."""
    monkeypatch.setattr(number_lists, "MOST_CHANGES", 3)
    create(house)
    add(house, "+1*", "+2*", "+3*")
    assert house.run(find_list(house.store, KEY)).revision == 1
    add(house, "+4*")
    head = house.run(find_list(house.store, KEY))
    assert (head.revision, head.change_count, stored(house)) == (0, 0, ["+1*", "+2*", "+3*", "+4*"])


def test_an_import_beside_a_change_is_refused(house: "House", monkeypatch: pytest.MonkeyPatch) -> None:
    """It was compared with a list that is not there any more; nothing of it remains."""
    create(house)
    add(house, "+1*")
    stage = house.store.stage_list

    async def meanwhile(version: int, entries: list[int]) -> None:
        await stage(version, entries)
        await change_list(house.store, KEY, added=read_entries(["+2*"], "here"))

    monkeypatch.setattr(house.store, "stage_list", meanwhile)
    with pytest.raises(Conflict, match="changed by somebody else"):
        bring(house, "+3*")
    assert stored(house) == ["+1*", "+2*"]
    assert house.run(house.store.fetch("SELECT count(*) FROM list_entries")) == [(0,)]


def test_bad_entries_are_all_named_and_nothing_is_changed() -> None:
    """A list with words in it: each with its line, in one report."""
    with pytest.raises(ListInvalid, match=r"fraud.csv cannot be used, nothing was changed") as refused:
        read_list_file(b"number,why\n+4690*,premium\nsweden,\n\n# the north\n47*,\n+46701740605 # bob\n", "fraud.csv")
    assert [str(fault) for fault in refused.value.faults] == [
        "line 3: found 'sweden'; expected a number such as +46701740605, or a prefix such as +4690*",
        "line 6: found '47*'; expected a number such as +46701740605, or a prefix such as +4690*",
    ]
    good = read_list_file(b"\xef\xbb\xbfNumber\r\n+4690*\r\n", "fraud.csv")
    assert shown_entries(good) == ["+4690*"]


def test_what_is_no_list(house: "House") -> None:
    """Names that are taken, strange or unknown, and accounts that are not there."""
    create(house)
    with pytest.raises(Conflict, match="exists already: it is a list to deny"):
        create(house, ListKind.ALLOW)
    with pytest.raises(Invalid, match="list: found 'a b'"):
        create(house, name="a b")
    with pytest.raises(NotFound, match="no account bob"):
        create(house, name="bobs", account="bob")
    with pytest.raises(NotFound, match=r"there is no list other .* there are: fraud"):
        house.run(change_list(house.store, ListKey(house.app, "other"), added=[1]))
    with pytest.raises(NotFound, match="callgate list create other"):
        house.run(import_list(house.store, ListKey(house.app, "other"), [], mode=ImportMode.REPLACE, is_dry_run=False))


def test_a_list_is_deleted_with_its_entries(house: "House") -> None:
    """Nothing of it stays behind, and a server no longer has it."""
    create(house)
    bring(house, "+1*")
    add(house, "+2*")
    house.run(drop_list(house.store, KEY))
    for name in ("lists", "list_entries", "list_changes"):
        assert house.run(house.store.fetch(f"SELECT count(*) FROM {name}")) == [(0,)]  # noqa: S608 - ours
    catalogs = Catalogs(house.store, lambda sealed: sealed.decode())
    house.run(catalogs.refresh())
    assert catalogs.now.lists == {}
    with pytest.raises(NotFound):
        house.run(drop_list(house.store, KEY))
