"""Laws of rating: longer is never cheaper, a grant is covered, a deck says what a plain search would."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from itertools import product
from math import ceil

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import RateDeckInvalid
from callgate.rating.charge import affordable_duration_s, billed_duration_s, charge_micros
from callgate.rating.deck import Deck
from callgate.rating.deck_csv import read_deck
from callgate.rating.deck_merge import ImportMode, merge_decks
from callgate.rating.rate import Rate

NOW = datetime(2026, 11, 23, tzinfo=UTC)
NUMBERS = ["+1" + "".join(digits) for count in range(6) for digits in product("012", repeat=count)]
"""Every number that the prefixes of `decks` can tell apart."""

one_prefix = st.just("46")
moments = st.integers(-3, 3).map(lambda days: NOW + timedelta(days=days))
amounts = st.one_of(st.integers(0, 50), st.integers(0, 10**7), st.integers(0, 10**20))
increments = st.one_of(st.integers(1, 70), st.integers(1, 14_400))
durations = st.one_of(st.integers(0, 200), st.integers(0, 10**6))


@st.composite
def rates(draw: st.DrawFn, prefixes: st.SearchStrategy[str] = one_prefix) -> Rate:
    start = draw(moments)
    return Rate(
        prefix=draw(prefixes),
        destination=draw(st.sampled_from(["", "Sweden", "Côte d'Ivoire"])),
        rate_nanos_per_min=draw(st.one_of(st.just(0), st.integers(0, 10**9), st.integers(0, 10**17))),
        connect_fee_micros=draw(st.one_of(st.just(0), amounts)),
        first_increment_s=draw(increments),
        increment_s=draw(increments),
        minimum_charge_micros=draw(st.one_of(st.just(0), amounts)),
        grace_s=draw(st.one_of(st.just(0), st.integers(0, 100))),
        included_s=draw(st.one_of(st.just(0), increments)),
        effective_from=start,
        effective_to=draw(st.one_of(st.none(), st.integers(1, 4).map(lambda days: start + timedelta(days=days)))),
    )


def decks(count: int = 12) -> st.SearchStrategy[list[Rate]]:
    prefixes = st.text("012", min_size=0, max_size=4).map(lambda digits: f"1{digits}")
    return st.lists(rates(prefixes), max_size=count, unique_by=lambda rate: (rate.prefix, rate.effective_from))


def found_by_search(rows: list[Rate], number: str, at: datetime) -> Rate | None:
    """The rule of look-up, said plainly."""
    fitting = [rate for rate in rows if number[1:].startswith(rate.prefix) and rate.is_in_force(at)]
    return max(fitting, key=lambda rate: (len(rate.prefix), rate.effective_from), default=None)


@given(rates(), durations)
def test_charge_is_rounded_once(rate: Rate, duration_s: int) -> None:
    """A charge is what exact fractions say, rounded up at the end and nowhere before."""
    steps = max(0, ceil(Fraction(duration_s - rate.first_increment_s, rate.increment_s)))
    billed_s = rate.first_increment_s + steps * rate.increment_s if duration_s > rate.grace_s else 0
    metered_s = max(0, billed_s - rate.included_s)
    exact = Fraction(rate.connect_fee_micros) + Fraction(rate.rate_nanos_per_min, 1_000) * Fraction(metered_s, 60)
    assert billed_duration_s(rate, duration_s) == billed_s
    assert charge_micros(rate, duration_s) == (max(rate.minimum_charge_micros, ceil(exact)) if billed_s else 0)


@given(rates(), durations, durations)
def test_longer_is_never_cheaper(rate: Rate, duration_s: int, more_s: int) -> None:
    """More seconds never bill less and never cost less."""
    assert duration_s <= billed_duration_s(rate, duration_s) or duration_s <= rate.grace_s
    assert charge_micros(rate, duration_s) <= charge_micros(rate, duration_s + more_s)


@given(rates(), amounts, durations)
def test_granted_call_is_covered(rate: Rate, credit_micros: int, ceiling_s: int) -> None:
    """Whatever is granted can be paid for, and a second more could not."""
    granted_s = affordable_duration_s(rate, credit_micros, ceiling_s)
    assert 0 <= granted_s <= ceiling_s
    assert charge_micros(rate, granted_s) <= credit_micros
    assert granted_s == ceiling_s or charge_micros(rate, granted_s + 1) > credit_micros


@given(rates(), durations, st.integers(-1, 1), st.integers(0, 300))
def test_affordable_is_what_trying_every_duration_finds(rate: Rate, paid_s: int, off: int, ceiling_s: int) -> None:
    """A credit at, just below and just above a charge grants the longest call that it covers, 0 when there is none."""
    credit_micros = charge_micros(rate, paid_s % 300) + off
    covered = [s for s in range(ceiling_s + 1) if charge_micros(rate, s) <= credit_micros]
    assert affordable_duration_s(rate, credit_micros, ceiling_s) == max(covered, default=0)


@given(decks(count=40), moments)
def test_look_up_finds_what_a_search_finds(rows: list[Rate], at: datetime) -> None:
    """In any order of its rows, a deck answers as a search through all of them; and it gives them all back."""
    deck = Deck(name="d", currency="USD", rows=rows)
    for number in NUMBERS:
        assert deck.rate_for(number, at) == found_by_search(rows, number, at)
    assert list(deck) == sorted(rows, key=lambda rate: (rate.prefix, rate.effective_from))


@given(decks(), decks(), st.sampled_from(ImportMode), moments, st.text("012", max_size=5))
def test_import_opens_no_gap(old: list[Rate], new: list[Rate], mode: ImportMode, at: datetime, digits: str) -> None:
    """Until the file starts every call costs what it did; from then on a merge takes the newest of both, a replacement
    the file's, and a prefix of the old deck only until the file reprices it.
    """
    if not new or at < NOW:
        return
    after = merge_decks(old, new, mode, NOW)
    number = f"+1{digits}"
    found = found_by_search(after, number, at)
    unreplaced = [
        rate for rate in old if all((rate.prefix, rate.effective_from) != (n.prefix, n.effective_from) for n in new)
    ]
    if mode is ImportMode.MERGE:
        assert found == found_by_search([*unreplaced, *new], number, at)
        return
    alive = [rate for rate in new if rate.effective_to is None or rate.effective_to > NOW]
    earliest = min((rate.effective_from for rate in alive), default=NOW)
    takes_over = {p: min(r.effective_from for r in alive if r.prefix == p) for p in {r.prefix for r in alive}}
    still = [rate for rate in unreplaced if at < takes_over.get(rate.prefix, earliest)]
    expected = found_by_search([*still, *new], number, at)
    assert _terms(found) == _terms(expected)


@given(decks(), decks(), st.sampled_from(ImportMode))
def test_import_twice_is_import_once(old: list[Rate], new: list[Rate], mode: ImportMode) -> None:
    """The same file again changes nothing, and each prefix has one row a date."""
    if not new:
        return
    once = merge_decks(old, new, mode, NOW)
    assert merge_decks(once, new, mode, NOW) == once
    assert len({(rate.prefix, rate.effective_from) for rate in once}) == len(once)


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_a_deck_or_its_faults(data: bytes, has_header: bool) -> None:  # noqa: FBT001 - drawn
    """No file makes the reader fail in another way than it says."""
    header = b"prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n" if has_header else b""
    try:
        assert read_deck(header + data, "deck.csv", NOW).rows
    except RateDeckInvalid as refused:
        assert refused.faults  # noqa: PT017 - either outcome is right


def _terms(rate: Rate | None) -> Rate | None:
    """The row without its end, which an import may move."""
    return rate and msgspec.structs.replace(rate, effective_to=None)
