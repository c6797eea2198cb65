"""Importing a file over an older deck."""

from datetime import UTC, datetime

import msgspec
import pytest

from callgate.rating.deck_change import DeckChange, compare_decks
from callgate.rating.deck_merge import ImportMode, merge_decks
from callgate.rating.rate import Rate

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)
MARCH = datetime(2026, 3, 1, tzinfo=UTC)
NOW = datetime(2026, 4, 1, tzinfo=UTC)
MAY = datetime(2026, 5, 1, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)


def make_rate(prefix: str, nanos: int = 1_000_000, start: datetime = JANUARY, end: datetime | None = None) -> Rate:
    return Rate(
        prefix=prefix,
        destination="",
        rate_nanos_per_min=nanos,
        connect_fee_micros=0,
        first_increment_s=60,
        increment_s=60,
        effective_from=start,
        effective_to=end,
    )


def replaced(old: list[Rate], new: list[Rate]) -> list[Rate]:
    return merge_decks(old, new, ImportMode.REPLACE, NOW)


def merged(old: list[Rate], new: list[Rate]) -> list[Rate]:
    return merge_decks(old, new, ImportMode.MERGE, NOW)


def test_replacing_makes_the_file_the_deck() -> None:
    """When the file's rows are in force already, nothing else is left."""
    new = [make_rate("46", 2, NOW), make_rate("47", 2, NOW)]
    assert replaced([make_rate("46"), make_rate("48"), make_rate("49", start=MAY)], new) == new


def test_replacing_opens_no_gap_before_the_file_starts() -> None:
    """Old prices run on to the first date of their prefix in the file, or of the file where it does not list them."""
    new = [make_rate("46", 2, JULY), make_rate("47", 2, MAY)]
    assert replaced([make_rate("46"), make_rate("48")], new) == [
        make_rate("46", end=JULY),
        make_rate("46", 2, JULY),
        make_rate("47", 2, MAY),
        make_rate("48", end=MAY),
    ]


def test_replacing_ends_what_was_to_come() -> None:
    """A price that was to start before the file's still does, until then; one that was to start later never does."""
    old = [make_rate("46"), make_rate("46", 3, MAY), make_rate("46", 4, datetime(2026, 8, 1, tzinfo=UTC))]
    assert replaced(old, [make_rate("46", 2, JULY)]) == [
        make_rate("46", end=JULY),
        make_rate("46", 3, MAY, end=JULY),
        make_rate("46", 2, JULY),
    ]


def test_replacing_does_not_count_rows_of_the_file_that_are_over() -> None:
    """A price that the file itself says is over does not end the one in force."""
    new = [make_rate("46", 2, JANUARY, MARCH), make_rate("46", 3, MAY)]
    old = make_rate("46", 1, datetime(2025, 1, 1, tzinfo=UTC))
    assert replaced([old], new) == [msgspec.structs.replace(old, effective_to=MAY), make_rate("46", 3, MAY)]
    until_now = [make_rate("46", 2, JANUARY, NOW), make_rate("46", 3, MAY)]
    assert replaced([old], until_now) == [msgspec.structs.replace(old, effective_to=MAY), make_rate("46", 3, MAY)]


def test_replacing_keeps_an_earlier_end() -> None:
    """A row that ends before the file starts keeps its own end."""
    new = [make_rate("46", 2, JULY)]
    assert replaced([make_rate("46", end=MAY)], new) == [make_rate("46", end=MAY), *new]


def test_replacing_goes_by_the_first_date_of_a_prefix() -> None:
    """In whichever order the file has them."""
    new = [make_rate("46", 2, MAY), make_rate("46", 3, JULY)]
    assert replaced([make_rate("46")], new) == [make_rate("46", end=MAY), *new]
    assert replaced([make_rate("46")], [*reversed(new)]) == [make_rate("46", end=MAY), *new]


def test_replacing_by_a_file_that_is_all_over_ends_every_price_now() -> None:
    """A row is over at its end, not a moment later."""
    over = [make_rate("46", 2, JANUARY, MARCH), make_rate("47", 2, JANUARY, NOW)]
    assert replaced([make_rate("46"), make_rate("48")], over) == []


def test_replacing_leaves_no_row_of_no_time() -> None:
    """A price that would end when it begins never was."""
    new = [make_rate("46", 2, MAY), make_rate("47", 2, JULY)]
    assert replaced([make_rate("48", 1, MAY)], new) == new


def test_merging_changes_listed_prefixes_only() -> None:
    """Unlisted prefixes stay; the listed one has its new price from its date on, and the old until then."""
    assert merged([make_rate("46"), make_rate("47")], [make_rate("46", 2, MAY)]) == [
        make_rate("46"),
        make_rate("46", 2, MAY),
        make_rate("47"),
    ]


@pytest.mark.parametrize("mode", ["replace", "merge"])
@pytest.mark.parametrize("start", [JANUARY, NOW, MAY])
def test_same_prefix_and_date_replaces(mode: str, start: datetime) -> None:
    """A file that is imported twice, or corrected, leaves one row a date."""
    new = [make_rate("46", 2, start)]
    assert merge_decks([make_rate("46", 1, start)], new, mode, NOW) == new


def test_rows_of_the_past_are_dropped() -> None:
    """What is over, or behind a newer price for as long as it lasts, no call can meet any more."""
    old = [make_rate("46", 1), make_rate("46", 2, MARCH), make_rate("47", 3, JANUARY, MARCH)]
    assert merged(old, [make_rate("48")]) == [make_rate("46", 2, MARCH), make_rate("48")]
    assert merged([make_rate("45"), *old], [make_rate("48")])[0] == make_rate("45")


def test_the_past_ends_now() -> None:
    """A row that ends now is over, one that begins now is in force, and one behind it that ends with it is never met."""
    assert merged([make_rate("46", end=NOW)], [make_rate("48")]) == [make_rate("48")]
    assert merged([make_rate("46"), make_rate("46", 2, NOW)], [make_rate("48")]) == [
        make_rate("46", 2, NOW), make_rate("48")
    ]  # fmt: skip
    assert merged([make_rate("46", end=MAY), make_rate("46", 2, MARCH, MAY)], [make_rate("48")]) == [
        make_rate("46", 2, MARCH, MAY), make_rate("48")
    ]  # fmt: skip


def test_price_behind_a_shorter_one_is_kept() -> None:
    """A price for a while hides the one before it, which then comes back."""
    old = [make_rate("46", 1), make_rate("46", 2, MARCH, MAY)]
    assert merged(old, [make_rate("48")]) == [*old, make_rate("48")]


def test_unknown_mode_is_our_bug() -> None:
    """There are two modes."""
    with pytest.raises(ValueError, match="append"):
        merge_decks([], [make_rate("46")], "append", NOW)


def test_comparison_counts_prices_in_force() -> None:
    """Each prefix counts once, by the row in force; what is over or to come does not count."""
    old = [make_rate("1"), make_rate("2"), make_rate("3", 5), make_rate("4", 5), make_rate("5", end=MARCH)]
    new = [
        make_rate("2"),
        make_rate("3", 6),
        make_rate("4", 9),
        make_rate("4", 4, MARCH),
        make_rate("6"),
        make_rate("7", 1, MAY),
    ]
    assert compare_decks(old, new, NOW) == DeckChange(added=1, removed=1, dearer=1, cheaper=1, unchanged=1)


def test_comparison_counts_every_prefix() -> None:
    """Whatever stands before it in the file, and whichever of its rows comes first."""
    old = [make_rate("1", 5), make_rate("2", 5), make_rate("3", 5), make_rate("4", 5)]
    new = [
        make_rate("0"), make_rate("1", 4), make_rate("2", 4), make_rate("3", 6, MARCH), make_rate("3", 4), make_rate("4", 6),
    ]  # fmt: skip
    assert compare_decks(old, new, NOW) == DeckChange(added=1, removed=0, dearer=2, cheaper=2, unchanged=0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("rate_nanos_per_min", 1_000_001),
        ("connect_fee_micros", 1),
        ("first_increment_s", 61),
        ("increment_s", 61),
        ("minimum_charge_micros", 2_000),
        ("is_blocked", True),
    ],
)
def test_every_term_of_a_price_counts(field: str, value: int) -> None:
    """A change of any term that a charge depends on is dearer one way and cheaper the other."""
    before = make_rate("46")
    after = msgspec.structs.replace(before, **{field: value})
    assert compare_decks([before], [after], NOW) == DeckChange(added=0, removed=0, dearer=1, cheaper=0, unchanged=0)
    assert compare_decks([after], [before], NOW) == DeckChange(added=0, removed=0, dearer=0, cheaper=1, unchanged=0)


def test_more_grace_is_cheaper() -> None:
    """Seconds that are free make a price cheaper."""
    before = make_rate("46")
    after = msgspec.structs.replace(before, grace_s=1)
    assert compare_decks([before], [after], NOW).cheaper == 1
    assert compare_decks([after], [msgspec.structs.replace(before, grace_s=2)], NOW).cheaper == 1


def test_label_is_no_price() -> None:
    """Another name or date for the same terms changes nothing for a caller."""
    before = make_rate("46")
    after = msgspec.structs.replace(before, destination="Sweden", effective_from=MARCH)
    assert compare_decks([before], [after], NOW).unchanged == 1
