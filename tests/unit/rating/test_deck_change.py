"""Importing a file over an older deck."""

from datetime import UTC, datetime

import msgspec
import pytest

from callgate.rating.deck_change import DeckChange, DeckComparison, PriceChange, compare_decks, examine_change
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


def test_seconds_that_the_fee_pays_make_a_price_cheaper() -> None:
    before = make_rate("46")
    after = msgspec.structs.replace(before, included_s=60)
    assert compare_decks([before], [after], NOW).cheaper == 1
    assert compare_decks([after], [before], NOW).dearer == 1


def test_a_row_is_in_force_from_its_first_moment_to_before_its_last() -> None:
    old = [make_rate("46", 5), make_rate("47", 5), make_rate("48", end=NOW)]
    new = [make_rate("46", 6, NOW), make_rate("47", 6, end=NOW)]
    assert compare_decks(old, new, NOW) == DeckChange(added=0, removed=1, dearer=1, cheaper=0, unchanged=0)


def test_slots_of_a_prefix_are_compared_each_by_itself() -> None:
    """Origins, number lengths and hours: what is said of one is nothing to the others, in whichever order they come."""
    plain = make_rate("46", 10)
    slots = [
        msgspec.structs.replace(plain, **words)
        for words in (
            {"origin": "46"}, {"origin": "47"}, {"number_length": 11}, {"hours": "12345 08:00-18:00 UTC"},
            {"hours": "67 00:00-24:00 UTC"},
        )
    ]  # fmt: skip
    dearer = [msgspec.structs.replace(slot, rate_nanos_per_min=20_000_000) for slot in slots]
    assert compare_decks([plain, *slots], [*reversed(dearer), plain], NOW) == DeckChange(
        added=0, removed=0, dearer=5, cheaper=0, unchanged=1
    )
    assert compare_decks(slots[:2], slots[1:], NOW) == DeckChange(added=3, removed=1, dearer=0, cheaper=0, unchanged=1)
    assert compare_decks(slots[3:4], slots[4:], NOW) == DeckChange(added=1, removed=1, dearer=0, cheaper=0, unchanged=0)


def test_merging_keeps_what_a_new_row_of_an_older_date_cannot_price() -> None:
    """The newer row is in force for as long: the older one, though of the file, prices no call any more."""
    assert merged([make_rate("46", 3, MARCH)], [make_rate("46", 2, JANUARY)]) == [make_rate("46", 3, MARCH)]


def test_rows_of_the_file_around_one_that_is_over() -> None:
    """They are taken together on either side of it, and where prefixes lie in each other is worked out anew."""
    new = [make_rate("4"), make_rate("46"), make_rate("467", end=MARCH), make_rate("4670"), make_rate("47")]
    found = merge_decks([], new, ImportMode.REPLACE, NOW)
    assert found == [new[0], new[1], new[3], new[4]]
    assert list(found.inside) == [-1, 0, 1, 0]


def minutes(prefix: str, micros: int) -> Rate:
    """A row by which a minute costs so much."""
    return make_rate(prefix, micros * 1_000)


def test_what_an_import_changes_is_told_with_its_money() -> None:
    free, blocked = minutes("20", 0), msgspec.structs.replace(minutes("30", 5), is_blocked=True)
    fee = msgspec.structs.replace(minutes("22", 0), connect_fee_micros=1)
    least = msgspec.structs.replace(minutes("23", 0), minimum_charge_micros=1)
    opened = msgspec.structs.replace(blocked, prefix="31")
    old = [
        minutes("10", 5),
        minutes("11", 5),
        minutes("12", 9),
        minutes("13", 9),
        minutes("14", 9),
        minutes("30", 5),
        opened,
        minutes("40", 1),
    ]
    new = [
        minutes("10", 7),
        minutes("11", 8),
        minutes("12", 4),
        minutes("13", 9),
        minutes("14", 9),
        blocked,
        minutes("31", 1),
    ]
    shut = [msgspec.structs.replace(blocked, prefix=prefix) for prefix in ("50", "51")]
    found = examine_change(old, [*new, free, msgspec.structs.replace(free, prefix="21"), fee, least, *shut], NOW)
    assert found == DeckComparison(
        change=DeckChange(added=6, removed=1, dearer=3, cheaper=2, unchanged=2),
        dearer=[PriceChange(old[1], new[1]), PriceChange(old[0], new[0])],
        cheaper=[PriceChange(old[2], new[2])],
        free=2,
        blocked=3,
        newly_blocked=1,
        dearer_by_micros=5,
        cheaper_by_micros=5,
    )
    assert [change.by_micros for change in (*found.dearer, *found.cheaper)] == [3, 2, -5]


def test_the_largest_changes_are_kept_and_of_equal_ones_the_first() -> None:
    old = [minutes(f"1{number:02}", 50) for number in range(60)]
    new = [minutes(f"1{number:02}", 51 + number % 3) for number in range(60)]
    found = examine_change(old, new, NOW)
    by_three = [number for number in range(60) if number % 3 == 2]
    assert [change.after for change in found.dearer] == [new[number] for number in by_three]
    assert found.dearer_by_micros == 20 * (1 + 2 + 3)
    mixed = examine_change(old, [*new[:58], minutes("158", 60), minutes("159", 55)], NOW)
    assert [change.by_micros for change in mixed.dearer] == [10, 5, *[3] * 18]
    assert [change.after for change in mixed.dearer[2:]] == [new[number] for number in by_three[:18]]
    cheaper = examine_change(new, old, NOW)
    assert (cheaper.cheaper_by_micros, len(cheaper.cheaper), cheaper.dearer) == (120, 20, [])
