"""Rows as columns: in order, and equal to what they were made of."""

from array import array
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from callgate.rating.deck_pages import PAGE_ROWS, add_page, to_pages
from callgate.rating.rate import Rate
from callgate.rating.rates import COMPARED_AT_ONCE, Rates, is_sound, sorted_rates

JANUARY = datetime(2026, 1, 1, tzinfo=UTC)


def make_rate(prefix: str, day: int = 0) -> Rate:
    return Rate(
        prefix=prefix,
        destination=prefix,
        rate_nanos_per_min=1,
        connect_fee_micros=0,
        first_increment_s=60,
        increment_s=60,
        effective_from=JANUARY + timedelta(days=day),
    )


def test_rows_equal_a_list_of_the_same_and_no_other() -> None:
    rows = [make_rate("46"), make_rate("47")]
    assert Rates(rows) == rows
    assert Rates(rows) != rows[:1]
    assert Rates(rows[:1]) != rows
    assert Rates(rows) != [rows[0], make_rate("48")]
    assert Rates(rows)[-1:] == rows[1:]


def test_a_row_comes_back_with_all_that_it_said() -> None:
    row = msgspec.structs.replace(
        make_rate("46"), effective_to=JANUARY + timedelta(days=9), connect_fee_micros=1, first_increment_s=2, increment_s=3,
        minimum_charge_micros=4, grace_s=5, included_s=6, is_blocked=True, number_length=11, origin="46",
        hours="15 08:05-18:10 UTC", deck="standard", file="rates.csv", line=7,
    )  # fmt: skip
    assert Rates([row, make_rate("47")])[0] == row


def test_rows_of_a_prefix_stand_oldest_first() -> None:
    """Wherever in the deck they are, also where two portions that are looked at meet."""
    older, newer = make_rate("46"), make_rate("46", 1)
    assert sorted_rates([newer, older]) == [older, newer]
    assert sorted_rates([make_rate("45"), newer, older, make_rate("47")])[1:3] == [older, newer]
    before = [make_rate(str(10**8 + number)) for number in range(COMPARED_AT_ONCE - 1)]
    two = [make_rate("2"), make_rate("2", 1)]
    for rows in ([*before, *two], [*before, *reversed(two)]):
        assert sorted_rates(rows)[-2:] == two


def test_rows_that_are_in_order_are_taken_as_they_are() -> None:
    rates = Rates([make_rate("46"), make_rate("46"), make_rate("467")])
    assert sorted_rates(rates) is rates
    assert list(rates.inside) == [-1, 0, 1]


def test_pages_give_back_what_was_in_them() -> None:
    """Terms and labels that come late, and pages that are not full."""
    rows = [make_rate(str(10**8 + number), number // 5_000) for number in range(2 * PAGE_ROWS + 1)]
    rates, found = sorted_rates(rows), Rates()
    pages = list(to_pages(rates))
    for page in pages:
        add_page(found, page)
    assert len(pages) == 3
    assert found == rates
    assert found.inside == rates.inside
    found.append(msgspec.structs.replace(rows[0], prefix="2"))
    assert found.labels == rates.labels


def damaged(**columns: list[int]) -> Rates:
    """Three rows in order, with some numbers in a column of theirs that nobody wrote."""
    rates = sorted_rates([make_rate("46"), make_rate("467"), make_rate("47")])
    for name, numbers in columns.items():
        column = getattr(rates, name)
        setattr(rates, name, array(column.typecode, numbers))
    return rates


@pytest.mark.parametrize(
    ("column", "numbers"),
    [("inside", [-1, 1, -1]), ("inside", [-1, 0, 2]), ("inside", [-2, 0, -1]), ("inside", [-1, 0]), ("terms_at", [0, 0, 1]),
     ("labels_at", [0, 1, 3])],
)  # fmt: skip
def test_columns_that_lead_nowhere_are_not_sound(column: str, numbers: list[int]) -> None:
    """Every row inside another stands behind it, so that a search ends; terms and labels are those that there are."""
    assert is_sound(damaged(), 0, 3)
    assert not is_sound(damaged(**{column: numbers}), 0, 3)
    with pytest.raises(ValueError, match="damaged"):
        add_page(Rates(), next(to_pages(damaged(**{column: numbers}))))


def test_no_rows_are_sound() -> None:
    assert is_sound(Rates(), 0, 0)
