"""Laws of decks: a look-up says what a plain search would, whatever rows are for; imports do not depend on order."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from callgate.rating.deck import Deck
from callgate.rating.deck_change import compare_decks
from callgate.rating.deck_csv import read_deck
from callgate.rating.deck_mapped import read_deck_file
from callgate.rating.deck_merge import ImportMode, merge_decks
from callgate.rating.deck_options import ReadOptions
from callgate.rating.hours import is_in_hours
from callgate.rating.rate import Rate
from callgate.rating.rates import Rates, sorted_rates

NOW = datetime(2026, 11, 23, tzinfo=UTC)
NUMBERS = ["+1", "+10", "+11", "+110", "+101", "+1101", "+11012"]
CALLERS = [None, "+1", "+10", "+101", "+2"]
HOURS = ["", "12345 08:00-18:00 UTC", "67 22:00-06:00 Europe/Stockholm"]

few = settings(max_examples=30, deadline=None)  # each example is many look-ups, or a file

FREE = ReadOptions(allow_free=True, nanp=False)

moments = st.integers(-3, 3).map(lambda days: NOW + timedelta(days=days))
modes = st.sampled_from(ImportMode)
seeds = st.integers(0, 10**6).map(Random)


@st.composite
def rates(draw: st.DrawFn) -> Rate:
    start = draw(moments)
    return Rate(
        prefix="1" + draw(st.text("01", max_size=3)),
        destination=draw(st.sampled_from(["", "a"])),
        rate_nanos_per_min=draw(st.integers(0, 3)) * 10**7,
        connect_fee_micros=draw(st.integers(0, 1)),
        first_increment_s=60,
        increment_s=draw(st.sampled_from([1, 60])),
        effective_from=start,
        effective_to=draw(st.one_of(st.none(), st.integers(1, 4).map(lambda days: start + timedelta(days=days)))),
        is_blocked=draw(st.booleans()),
        number_length=draw(st.sampled_from([0, 0, 2, 3])),
        origin=draw(st.sampled_from(["", "", "1", "10"])),
        hours=draw(st.sampled_from(HOURS)),
        line=draw(st.integers(0, 9)),
    )


decks = st.lists(rates(), max_size=10, unique_by=lambda rate: (rate.slot, rate.effective_from))


def found_by_search(rows: list[Rate], number: str, caller: str | None, at: datetime) -> Rate | None:
    """The rule of look-up, said plainly."""
    fitting = [
        rate
        for rate in rows
        if number[1:].startswith(rate.prefix)
        and rate.is_in_force(at)
        and rate.number_length in (0, len(number) - 1)
        and (not rate.origin or (caller is not None and caller[1:].startswith(rate.origin)))
        and (not rate.hours or is_in_hours(rate.hours, at))
    ]
    return max(
        fitting,
        key=lambda r: (len(r.prefix), r.number_length, len(r.origin), bool(r.hours), r.hours, r.effective_from),
        default=None,
    )


@few
@given(decks, st.integers(0, 200).map(lambda hours: NOW + timedelta(hours=hours)))
def test_look_up_finds_what_a_search_finds(rows: list[Rate], at: datetime) -> None:
    """For every number and caller."""
    deck = Deck(name="d", currency="USD", rows=rows)
    for number in NUMBERS:
        for caller in CALLERS:
            assert deck.rate_for(number, at, caller) == found_by_search(rows, number, caller, at)


@few
@given(decks, decks, modes, seeds)
def test_an_import_does_not_depend_on_order(old: list[Rate], new: list[Rate], mode: ImportMode, random: Random) -> None:
    """Neither of the rows of the file, nor of those of the deck that it goes over."""
    if not new:
        return
    after = merge_decks(old, new, mode, NOW)
    shuffled = merge_decks(random.sample(old, len(old)), random.sample(new, len(new)), mode, NOW)
    assert after == shuffled
    assert compare_decks(old, after, NOW) == compare_decks(random.sample(old, len(old)), shuffled, NOW)


@few
@given(decks, decks, modes)
def test_an_import_leaves_what_it_was_made_from(old: list[Rate], new: list[Rate], mode: ImportMode) -> None:
    """Decks are never changed, so that a dry run changes nothing: what it is shown from is what calls are priced by."""
    if not new:
        return
    before, file = sorted_rates(old), sorted_rates(new)
    copies = [list(before), list(file)]
    merge_decks(before, file.named("d", "f"), mode, NOW)
    compare_decks(before, file, NOW)
    assert [list(before), list(file)] == copies


@few
@given(decks, decks)
def test_a_change_is_counted_both_ways(old: list[Rate], new: list[Rate]) -> None:
    """What is added one way is removed the other, and what is dearer is cheaper."""
    there, back = compare_decks(old, new, NOW), compare_decks(new, old, NOW)
    assert (there.added, there.removed, there.dearer, there.cheaper, there.unchanged) == (
        back.removed, back.added, back.cheaper, back.dearer, back.unchanged,
    )  # fmt: skip


@few
@given(decks)
def test_stored_columns_are_the_same_rows(rows: list[Rate]) -> None:
    """What is written as columns and read again is what it was."""
    rates_ = sorted_rates(rows)
    again = Rates()
    again.extend_columns(rates_.slice_columns(0, len(rates_)), rates_.terms, rates_.labels)
    assert again == rates_
    assert sorted_rates(again) is again


prices = st.integers(0, 10**4).map(lambda units: f"0.{units:04}")
lines = st.dictionaries(st.integers(1, 999).map(str), prices, min_size=1, max_size=12)


@few
@given(lines, seeds, st.sampled_from([",", ";", "\t", "|"]))
def test_a_file_does_not_depend_on_the_order_of_its_lines(
    lines: dict[str, str], random: Random, delimiter: str
) -> None:
    """Nor on its delimiter: the same rows come of the same lines, as ours or as a carrier's."""

    def read(entries: list[tuple[str, str]]) -> tuple[Any, Any]:
        ours = "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n"
        theirs = f"Code{delimiter}Rate{delimiter}Increments\n"
        ours += "".join(f"{code},,{price},0,60,60,\n" for code, price in entries)
        theirs += "".join(f"{code}{delimiter}{price}{delimiter}60/60\n" for code, price in entries)
        found = read_deck(ours.encode(), "f", NOW).rows, read_deck_file(theirs.encode(), "f", NOW, FREE).rows
        return tuple([msgspec.structs.replace(rate, line=0) for rate in sorted_rates(each)] for each in found)

    entries = list(lines.items())
    first, second = read(entries)
    assert first == second
    assert read(random.sample(entries, len(entries))) == (first, second)
