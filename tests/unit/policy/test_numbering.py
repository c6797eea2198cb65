"""Our compiled patterns against libphonenumber itself: the same answer for every number, only sooner."""

import random
from collections.abc import Iterator

import phonenumbers
import pytest
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, PhoneMetadata, PhoneNumberType

from callgate.policy.destination import is_valid_number
from callgate.policy.number_patterns import Match, match_number
from callgate.policy.numbering import WORLD, NumberType, Plan, plan_of

KINDS = (
    "premium_rate", "toll_free", "shared_cost", "voip", "personal_number", "pager", "uan", "voicemail", "fixed_line", "mobile",
)  # fmt: skip


def by_library(number: str) -> Match:
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return Match(None, PhoneNumberType.UNKNOWN)
    return Match(phonenumbers.region_code_for_number(parsed), phonenumbers.number_type(parsed))


def examples() -> Iterator[str]:
    """Of every kind that any country has."""
    for code, regions in COUNTRY_CODE_TO_REGION_CODE.items():
        for region in regions:
            metadata = PhoneMetadata.metadata_for_region_or_calling_code(code, region)
            for kind in KINDS:
                found = getattr(metadata, kind)
                if found is not None and found.example_number:
                    yield f"+{code}{found.example_number}"


def near(number: str, chance: random.Random) -> str:
    """A number a digit or three away, or a digit longer or shorter: many are of another kind, or not valid."""
    digits = list(number)
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        digits[chance.randrange(2, len(digits))] = str(chance.randrange(10))
    longer = chance.choice(("", "", "", "", "5", None))
    return "".join(digits[:-1]) if longer is None else "".join(digits) + longer


def test_examples_of_every_country_and_numbers_near_them_are_judged_as_the_library_judges_them() -> None:
    chance = random.Random(4711)  # noqa: S311 - draws numbers, no keys
    numbers = {*examples()}
    assert len(numbers) > 1_000
    numbers |= {near(number, chance) for number in sorted(numbers) for _ in range(4)}
    seen = {number: (match_number(number), by_library(number)) for number in numbers}
    assert {number: both for number, both in seen.items() if both[0] != both[1]} == {}
    kinds = {ours.kind for ours, _ in seen.values()}
    assert kinds == set(PhoneNumberType.values()), "every kind was met, and numbers of none"


def test_any_digits_are_judged_as_the_library_judges_them() -> None:
    chance = random.Random(17)  # noqa: S311 - draws numbers, no keys
    numbers = [f"+{chance.randrange(10**6, 10 ** chance.randrange(7, 16))}" for _ in range(5_000)]
    assert [(each, match_number(each)) for each in numbers] == [(each, by_library(each)) for each in numbers]


@pytest.mark.parametrize(
    ("number", "plan"),
    [
        ("+46701740605", Plan("SE", NumberType.MOBILE)),
        ("+16135550123", Plan("CA", NumberType.FIXED_LINE_OR_MOBILE)),
        ("+12423591234", Plan("BS", NumberType.MOBILE)),
        ("+78001234567", Plan("RU", NumberType.TOLL_FREE)),
        ("+390612345678", Plan("IT", NumberType.FIXED_LINE)),
        ("+3906123456789", Plan("IT", NumberType.FIXED_LINE)),
        ("+447624123456", Plan("IM", NumberType.MOBILE)),
        ("+870773111632", Plan(WORLD, NumberType.SATELLITE)),
        ("+80012345678", Plan(WORLD, NumberType.TOLL_FREE)),
    ],
)
def test_where_a_number_is_and_what_kind_it_is(number: str, plan: Plan) -> None:
    assert plan_of(number) == plan


@pytest.mark.parametrize("number", ["+0123456789", "+999123456789", "+210123456789", "+4670174060", "+1212555012"])
def test_numbers_of_no_plan_are_not_valid(number: str) -> None:
    assert not is_valid_number(number)
