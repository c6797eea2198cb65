"""Tariff plans of CGRateS: three files joined, each call priced as they say, and what no row can say is a fault."""

import zipfile
from datetime import UTC, datetime
from io import BytesIO

import pytest

from callgate.errors import DeckFault, RateDeckInvalid
from callgate.rating.charge import charge_micros
from callgate.rating.deck import Deck
from callgate.rating.deck_csv import DeckFile
from callgate.rating.deck_mapped import read_deck_file
from callgate.rating.deck_options import ReadOptions

NOW = datetime(2026, 11, 23, tzinfo=UTC)
RATES = """#Id,ConnectFee,Rate,RateUnit,RateIncrement,GroupIntervalStart
RT_FLAT,0,0.02,60s,60s,0s
RT_6030,0,0.03,60s,30s,0s
RT_6030,0,0.03,1m,6s,30s
RT_TWO,0.05,0.4,60s,60s,0s
RT_TWO,0,0.2,60s,1s,60s
RT_SECOND,0,0.001,1s,1s,0s
"""
DESTINATIONS = """#Id,Prefix
DST_SE,46
DST_SE_MOB,+4670
DST_SE_MOB,4673
DST_DE,49
DST_US,1
"""
JOINED = """#Id,DestinationId,RatesTag,RoundingMethod,RoundingDecimals,MaxCost,MaxCostStrategy
DR,DST_SE,RT_FLAT,*up,4,0,
DR,DST_SE_MOB,RT_6030,*up,4,0,
DR,DST_DE,RT_TWO,*up,4,0,
DR,DST_US,RT_SECOND,*up,4,,
"""


def pack(rates: str = RATES, destinations: str = DESTINATIONS, joined: str = JOINED, folder: str = "plan/") -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as parts:
        for name, text in (("Rates", rates), ("Destinations", destinations), ("DestinationRates", joined)):
            parts.writestr(f"{folder}{name}.csv", text)
        parts.writestr("README", "not ours")
    return packed.getvalue()


def read(data: bytes, options: ReadOptions = ReadOptions()) -> DeckFile:  # noqa: B008 - frozen
    return read_deck_file(data, "plan.zip", NOW, options)


def faults_of(data: bytes) -> tuple[DeckFault, ...]:
    with pytest.raises(RateDeckInvalid) as error:
        read(data)
    return tuple(error.value.faults)


@pytest.mark.parametrize(
    ("number", "seconds", "micros"),
    [
        ("+46812345678", 61, 40_000),
        ("+46701740605", 31, 18_000),  # 36 s at 0.03
        ("+46731234567", 30, 15_000),
        ("+4930123456", 1, 450_000),  # the fee and the whole first minute
        ("+4930123456", 61, 453_334),  # and a second of the other price, up
        ("+4930123456", 120, 650_000),
        ("+12025550123", 90, 90_000),
    ],
)
def test_calls_cost_what_the_three_files_say(number: str, seconds: int, micros: int) -> None:
    """Steps, units, fees, and two prices in one call."""
    found = read(pack())
    deck = Deck(name="d", currency="USD", rows=found.rows)
    rate = deck.rate_for(number, NOW)
    assert rate is not None
    assert charge_micros(rate, seconds) == micros


def test_a_row_says_where_it_is_from() -> None:
    """The line among the destinations, and how the files were read."""
    found = read(pack(folder=""))
    rate = next(rate for rate in found.rows if rate.prefix == "4673")
    assert (rate.line, rate.destination) == (4, "DST_SE_MOB")
    assert found.mapping is not None and found.mapping.delimiter == "zip of CGRateS"


def test_every_other_number_is_asked_about() -> None:
    """As with a row for the rest of the world."""
    plan = pack(joined=JOINED + "DR,*any,RT_FLAT,*up,4,0,\n")
    [fault] = faults_of(plan)
    assert (fault.line, fault.column, "default-row" in fault.expected) == (
        6,
        "DestinationRates.csv: DestinationId",
        True,
    )
    deck = Deck(name="d", currency="USD", rows=read(plan, ReadOptions(default_row="skip")).rows)
    assert deck.rate_for("+33123456789", NOW) is None


@pytest.mark.parametrize(
    ("plan", "line", "column", "expected"),
    [
        (pack(joined=JOINED.replace("RT_TWO", "RT_NONE")), 4, "DestinationRates.csv: RatesTag", "one that Rates.csv has"),
        (pack(joined=JOINED.replace("DST_DE", "DST_X")), 4, "DestinationRates.csv: DestinationId", "Destinations.csv"),
        (pack(joined=JOINED.replace("4,0,\n", "4,5,*free\n", 1)), 2, "DestinationRates.csv: MaxCost", "no limit"),
        (pack(joined=JOINED + "OTHER,DST_SE,RT_FLAT,*up,4,0,\n"), 6, "DestinationRates.csv: Id", "which plan"),
        (pack(RATES.replace("0.02", "cheap")), 2, "Rates.csv: Rate", "a decimal"),
        (pack(RATES.replace("1s,1s,0s", "100ms,1s,0s")), 7, "Rates.csv: RateUnit", "whole seconds"),
        (pack(RATES.replace("1s,60s", "1s,90s")), 5, "Rates.csv: Rate", "from the end of the first increment"),
        (pack(RATES + "RT_TWO,0,0.1,60s,1s,120s\n"), 5, "Rates.csv: Rate", "one price, or two"),
        (pack(RATES.replace("0.02", "0")), 2, "Rates.csv: Rate", "allow-free"),
        (pack(destinations=DESTINATIONS.replace("49", "4x9")), 5, "Destinations.csv: Prefix", "digits"),
        (pack(destinations=DESTINATIONS + "DST_DE,49\n"), 7, "Destinations.csv: Prefix", "once"),
        (pack(destinations=DESTINATIONS.replace("DST_DE,49", "DST_DE,49,x")), 5, "Destinations.csv", "2: Id,Prefix"),
    ],
)  # fmt: skip
def test_what_no_row_can_say_is_a_fault(plan: bytes, line: int, column: str, expected: str) -> None:
    """With its file, its line and its column."""
    found = {(fault.line, fault.column): fault.expected for fault in faults_of(plan)}
    assert expected in found[line, column], found
