"""Conditions of rules: what is one, what is none and where it goes wrong, and that the language agrees with our reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.rules.condition import MAX_CONDITION, MAX_DEPTH, ConditionInvalid, check_condition
from callgate.policy.rules.evaluate import compile_condition, context_of, holds, try_condition
from callgate.policy.rules.facts import FACTS

KINDS = {name: fact.kind for name, fact in FACTS.items()}
EXAMPLES = {name: fact.example for name, fact in FACTS.items()}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ('country == "SE"', True),
        ('country in ["NO", "SE"] && !(hour < 6 || hour > 22)', True),
        ("rate_per_minute > 0.5 ? available < 10.0 : available < 1", False),
        ('"plan" in headers && headers["plan"] == "gold"', False),
        ("size(user) == 5 && user.size() == 5", True),
        ("hour % 2 == 1 && -hour < 3 && double(hour) / 2.0 > 6.0", True),
        ("1.5 in [1.5, 2.5] && is_priced == true", True),
        ('date >= "2026-11-28" && weekday < 6', True),
        ("string(hour) == '13' // a comment", True),
        ("destination.startsWith('+46') && destination.endsWith('605') && destination.contains('017')", True),
        ("user == 'it\\'s'", False),
        ("available > 12 && available < 13", True),
        ("true", True),
    ],
)
def test_a_condition_is_read_and_holds_or_not(condition: str, expected: bool) -> None:  # noqa: FBT001
    """With the examples of the facts as the call."""
    assert check_condition(condition, KINDS) <= KINDS.keys()
    assert holds(compile_condition(condition), context_of(EXAMPLES)) == (expected, "")


def test_the_facts_that_a_condition_looks_at_are_known() -> None:
    """No others are worked out for a call."""
    assert check_condition('country == "SE" && (hour < 6 || user == "country")', KINDS) == {"country", "hour", "user"}


@pytest.mark.parametrize(
    ("condition", "at", "found", "expected"),
    [
        ('contry == "SE"', 0, "the fact 'contry'", "country? one of the facts application, account"),
        ("hour > 5 && availble < 5", 12, "the fact 'availble'", "available? one of the facts"),
        ('hour == "x"', 8, "a text", "a whole number, as before `==`"),
        ("hour", 0, "a condition that comes to a whole number", "one that is true or false"),
        ("hour + 1.0 > 2.0", 7, "a number", "a whole number, as before `+`: write int(...)"),
        ("available + 1 > 2", 12, "a whole number", "a number, as before `+`: write double(...)"),
        ("user && is_priced", 0, "a text", "something true or false before `&&`"),
        ("is_priced || hour", 13, "a whole number", "something true or false after `||`"),
        ("!hour", 1, "a whole number", "a condition after `!`"),
        ("user + user == user", 0, "a text", "a number before `+`"),
        ("available % 2.0 == 0.0", 0, "a number", "a number before `%`"),
        ("is_priced < true", 0, "something true or false", "numbers or texts around `<`"),
        ("headers == headers", 0, "a map", "a single value; `in` looks into a list"),
        ("hour in 5", 8, "a whole number", "a list such as"),
        ("hour in ['a']", 0, "a whole number before `in`", "a text, as in the list"),
        ("hour in [1, 'a']", 12, "a text in a list", "a whole number, as before it"),
        ("hour in [[1]]", 9, "a list in a list", "a text or a number"),
        ("1 < hour < 5", 9, "a second '<'", "`&&` between two comparisons"),
        ("is_priced ? 1 : 'a'", 16, "a text", "a whole number, as before `:`"),
        ("hour ? true : false", 0, "a whole number", "a condition before `?`"),
        ("is_priced ? true", 16, "the end", "`:`"),
        ('destination.matches("x")', 12, "matches", "regular expressions would take too long"),
        ("[1, 2].exists(x, x == 1)", 7, "exists", "no macros"),
        ("has(headers)", 0, "the function 'has'", "no macros"),
        ("len(user) > 1", 0, "the function 'len'", "int, double, string or size"),
        ("user.lower() == 'a'", 5, "'lower'", "one of startsWith, endsWith, contains, size"),
        ("user.startsWith(5)", 16, "a whole number", "a text in startsWith()"),
        ("hour.startsWith('5')", 0, "a whole number", "a text before `.startsWith`"),
        ("headers.plan == 'x'", 8, "'plan' after `.`", 'headers["name"]'),
        ("user['x'] == 'y'", 0, "a text", "headers, or another map"),
        ("size(hour) > 1", 5, "a whole number", "a text, a list or a map in size()"),
        ("int(is_priced) > 1", 4, "something true or false", "a number or a text in int()"),
        ('country = "SE"', 8, "'='", "`==`"),
        ("is_priced & true", 10, "'&'", "`&&`"),
        ("user == null", 8, "'null'", "never null"),
        ('user == "abc', 8, "a text without its closing quote", '" at its end'),
        ("user == r'abc'", 8, "a text marked 'r'", "a plain text in quotes"),
        ("(hour > 5", 9, "the end", "`)`"),
        ("hour > 5 5", 9, "'5'", "an operator, or the end"),
        ("hour >", 6, "the end", "a fact, a value or `(`"),
        ("hour > )", 7, "')'", "a fact, a value or `(`"),
        ("", 0, "the end", "a fact"),
        ("hour < 9223372036854775808", 7, "9223372036854775808", "a whole number up to"),
        ("user.5", 5, "'5'", "the name of a function"),
        ("(" * (MAX_DEPTH + 1) + "true" + ")" * (MAX_DEPTH + 1), MAX_DEPTH, "more nesting", "at most"),
        ("!" * 200 + "true", MAX_DEPTH, "more nesting", "at most"),
        ("true" + " " * MAX_CONDITION, MAX_CONDITION, "1004 characters", "at most 1000"),
    ],
)
def test_a_fault_is_named_with_its_place(condition: str, at: int, found: str, expected: str) -> None:
    """What a person wrote, what would do, and from which character on."""
    with pytest.raises(ConditionInvalid) as error:
        check_condition(condition, KINDS)
    assert error.value.at == at
    assert error.value.found == found
    assert expected in error.value.expected


def test_an_entry_that_most_calls_do_not_have_is_asked_for_first() -> None:
    """Else the rule would fail, and refuse, every call without it."""
    with pytest.raises(ConditionInvalid) as error:
        try_condition('headers["plan"] == "gold"', EXAMPLES)
    assert (error.value.at, error.value.found) == (9, "the entry 'plan', which most calls do not have")
    try_condition('"plan" in headers && headers["plan"] == "gold"', EXAMPLES)


@pytest.mark.parametrize(
    ("condition", "error"),
    [
        ("1 / (hour - 13) == 1", "division by zero"),
        ("int(user) == 5", "int"),
        ("9223372036854775807 + hour > 0", "overflow"),
        ('headers["plan"] == "gold"', "there is no entry 'plan'"),
    ],
)
def test_a_condition_that_cannot_be_judged_says_why(condition: str, error: str) -> None:
    """It does not raise: what becomes of the call is for the rule to say."""
    check_condition(condition, KINDS)
    is_so, why = holds(compile_condition(condition), context_of(EXAMPLES))
    assert not is_so
    assert error in why


texts = st.sampled_from(["user", "country", "destination", "'a'", '"+46"', 'headers["x"]'])
numbers = st.sampled_from(["hour", "weekday", "5", "size(user)", "-3", "hour % 7"])
decimals = st.sampled_from(["available", "rate_per_minute", "0.5", "double(hour)"])
atoms = st.one_of(
    st.builds(lambda a, sign, b: f"{a} {sign} {b}", texts, st.sampled_from(["==", "!=", "<", ">="]), texts),
    st.builds(lambda a, sign, b: f"{a} {sign} {b}", numbers, st.sampled_from(["==", "<", "<=", ">"]), decimals),
    st.builds(lambda a, b, c: f"{a} in [{b}, {c}]", texts, texts, texts),
    st.builds(lambda a, b: f"{a}.contains({b})", texts, texts),
    st.sampled_from(["is_priced", "true", "'x' in headers"]),
)
conditions = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds(lambda a, b: f"({a}) && {b}", inner, inner),
        st.builds(lambda a, b: f"{a} || ({b})", inner, inner),
        st.builds(lambda a: f"!({a})", inner),
        st.builds(lambda a, b, c: f"({a}) ? ({b}) : ({c})", inner, inner, inner),
    ),
    max_leaves=8,
)


@given(conditions)
def test_what_we_take_the_language_takes_and_comes_to_true_or_false(condition: str) -> None:
    """Our syntax is a part of the language's, and our types are right: nothing we let through fails by its type."""
    try:
        check_condition(condition, KINDS)
    except ConditionInvalid as error:
        assert "nesting" in error.found or "characters" in error.found  # noqa: PT017 - the one fault that it may have
        return
    _, why = holds(compile_condition(condition), context_of(EXAMPLES | {"headers": {"x": "y"}}))
    assert why == ""


@given(st.text(max_size=60) | st.text(alphabet="hour\"'()[]!&|=<>.,?:+-*/% \n5\\é", max_size=40))
def test_no_text_makes_the_reading_fail_otherwise(text: str) -> None:
    """Whatever is written: it is read, or it is told what is wrong with it at a place inside of it."""
    try:
        check_condition(text, KINDS)
        compile_condition(text)
    except ConditionInvalid as error:
        assert 0 <= error.at <= len(text)  # noqa: PT017
