"""Deny and allow lists: what is on one, what is next to it, and what millions of entries cost."""

import time
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.number_list import (
    ListKind,
    NumberList,
    format_entry,
    judge_lists,
    lists_of,
    parse_entry,
)


def listed(*texts: str, kind: ListKind = ListKind.DENY, name: str = "list", account: str | None = None) -> NumberList:
    entries = [parse_entry(text) for text in texts]
    return NumberList(name=name, kind=kind, account=account, entries=array("q", sorted(set(entries))))  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("+46701740605", "+46701740605"),
        ("+46 70-174 06 05", "+46701740605"),
        ("+4690*", "+4690*"),
        (" +46 (90) * ", "+4690*"),
        ("+4*", "+4*"),
        ("+123456789012345*", "+123456789012345*"),
    ],
)
def test_an_entry_is_read_and_written(text: str, read: str) -> None:
    """Punctuation goes, the number or prefix stays."""
    entry = parse_entry(text)
    assert entry is not None and format_entry(entry) == read


@pytest.mark.parametrize(
    "text", ["", "4690*", "+", "+*", "+0*", "+46*7", "sweden", "+46", "+1234567890123456", "+46**"]
)
def test_what_is_neither_a_number_nor_a_prefix(text: str) -> None:
    """A number without its plus could be a national one: it is not guessed at."""
    assert parse_entry(text) is None


@pytest.mark.parametrize(
    ("number", "is_on"),
    [
        ("+46701740605", True),
        ("+46701740606", False),
        ("+4670174060", False),
        ("+467017406050", False),
        ("+46900000000", True),
        ("+4690000", True),
        ("+46909999999", True),
        ("+46910000000", False),
        ("+46899999999", False),
        ("+881612345678", True),
        ("+882612345678", False),
        ("+999999999999999", False),
        ("+1000000", False),
    ],
)
def test_what_is_on_a_list(number: str, is_on: bool) -> None:  # noqa: FBT001 - a column
    """A number stands for itself alone, a prefix for all that begin with it, also where one lies in another."""
    assert (number in listed("+46701740605", "+4690*", "+46905*", "+881*")) is is_on


entries = st.one_of(
    st.from_regex(r"\+[1-3][0-4]{0,3}\*", fullmatch=True), st.from_regex(r"\+[1-3][0-4]{6,8}", fullmatch=True)
)


@given(st.lists(entries, max_size=30), st.from_regex(r"\+[1-3][0-4]{6,9}", fullmatch=True))
def test_a_list_says_what_a_plain_search_says(texts: list[str], number: str) -> None:
    """Sorted integers find what comparing each entry as text finds."""
    plain = any(number.startswith(text[:-1]) if text.endswith("*") else number == text for text in texts)
    assert (number in listed(*texts)) is plain


@given(st.lists(entries, max_size=20), st.lists(entries, max_size=20), st.lists(entries, max_size=5))
def test_changing_a_list_is_making_it_anew(before: list[str], coming: list[str], going: list[str]) -> None:
    """Entries that are put in one by one leave the list that the same entries make at once."""
    added = {parse_entry(text) for text in coming}
    removed = {parse_entry(text) for text in going} - added
    changed = listed(*before).changed(added, removed)  # type: ignore[arg-type]
    whole = listed(*(text for text in [*before, *coming] if parse_entry(text) not in removed))
    assert list(changed) == list(whole)
    for number in ("+1111111", "+2222222", "+3333333", *(text for text in coming if not text.endswith("*"))):
        assert (number in changed) is (number in whole)


def test_many_changes_are_made_at_once() -> None:
    """What is more than a few makes the list anew, with the same result."""
    many = [parse_entry(f"+46{number:07}") for number in range(2_000)]
    changed = listed("+4690*", "+451234567").changed(many, [parse_entry("+4690*")])  # type: ignore[arg-type, list-item]
    assert ("+460001999" in changed, "+46900000" in changed, len(changed)) == (True, False, 2_001)


def test_denied_and_allowed() -> None:
    """One deny list is enough to refuse; one allow list is enough to pass; without any, everything passes."""
    deny, allow = listed("+4690*", name="premium"), listed("+46*", kind=ListKind.ALLOW, name="home")
    other = listed("+47*", kind=ListKind.ALLOW, name="north")
    assert judge_lists("+4690123456", [allow, deny]) == ("destination_blocked", "premium")
    assert judge_lists("+4670123456", [allow, deny]) == (None, "home")
    assert judge_lists("+4670123456", [deny, other, allow]) == (None, "home")
    assert judge_lists("+4930123456", [deny, other, allow]) == ("destination_not_allowed", None)
    assert judge_lists("+4930123456", [deny]) == (None, None)
    assert judge_lists("+4930123456", []) == (None, None)


def test_an_account_has_lists_of_its_own() -> None:
    """Its deny lists come on top; its allow lists stand in the place of the common ones; others do not meet them."""
    common = [listed("+4690*", name="premium"), listed("+46*", kind=ListKind.ALLOW, name="home")]
    own = [
        listed("+4670*", name="no mobiles", account="alice"),
        listed("+49*", kind=ListKind.ALLOW, name="away", account="alice"),
    ]
    assert [each.name for each in lists_of(common + own, "alice")] == ["premium", "no mobiles", "away"]
    assert [each.name for each in lists_of(common + own, "bob")] == ["premium", "home"]


def test_a_million_entries() -> None:
    """They take less than 20 MB, and a look takes microseconds."""
    many = array("q", sorted(parse_entry(f"+467{number:08}") for number in range(0, 30_000_000, 30)))  # type: ignore[type-var]
    numbers = NumberList(name="many", kind=ListKind.DENY, account=None, entries=many)
    assert len(numbers) == 1_000_000 and many.itemsize * len(many) < 20_000_000
    begin = time.perf_counter()
    assert sum(f"+467{number:08}" in numbers for number in range(10_000)) == 334
    assert (time.perf_counter() - begin) / 10_000 < 0.000_1
