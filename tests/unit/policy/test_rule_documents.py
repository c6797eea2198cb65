"""Documents of rules: what they say, and every fault by its line and column."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import RuleFault, RulesInvalid
from callgate.policy.rules.document import MAX_DOCUMENT, MAX_RULES, read_rules
from callgate.policy.rules.rule import Effect, Mode, Rule

GOOD = """
time_zone = "Europe/Stockholm"

[[rule]]
name = "night"
condition = 'hour < 6 && number_type == "premium_rate"'
effect = "refuse"
text = "Not at night."
priority = 10
mode = "binding"

[[rule]]
name = "dear"
condition = '''
rate_per_minute > 0.5
  && available < 20
'''
effect = "cap"
seconds = 600

[[rule]]
name = "helpdesk"
condition = "destination == \\"+46701740606\\""
effect = "connect"
to = "0046 70-174 06 05"
"""


def faults_of(text: str) -> list[RuleFault]:
    with pytest.raises(RulesInvalid) as error:
        read_rules(text, "rules.toml")
    return list(error.value.faults)


def test_a_document_is_read() -> None:
    """What is not said has its default: a rule that does not say otherwise is in shadow."""
    document = read_rules(GOOD, "rules.toml")
    assert document.time_zone == "Europe/Stockholm"
    assert document.names == {"hour", "number_type", "rate_per_minute", "available", "destination"}
    assert document.rules == (
        Rule(
            name="night",
            condition='hour < 6 && number_type == "premium_rate"',
            effect=Effect.REFUSE,
            text="Not at night.",
            priority=10,
            mode=Mode.BINDING,
        ),
        Rule(name="dear", condition="rate_per_minute > 0.5\n  && available < 20\n", effect=Effect.CAP, seconds=600),
        Rule(name="helpdesk", condition='destination == "+46701740606"', effect=Effect.CONNECT, to="+46701740605"),
    )
    assert {rule.mode for rule in document.rules[1:]} == {Mode.SHADOW}


def test_an_empty_document_has_no_rules() -> None:
    """It lifts all of them."""
    assert read_rules("# none\n", "rules.toml").rules == ()


@pytest.mark.parametrize(
    ("line", "replaced", "place", "found"),
    [
        ("time_zone =", 'time_zone = "Europe/Stokholm"', (2, 1), "'Europe/Stokholm'"),
        ("time_zone =", "tme_zone = 5", (2, 1), "the key 'tme_zone'"),
        ('name = "night"', 'name = "at night"', (5, 1), "'at night'"),
        ('name = "night"', "", (4, 1), "no name"),
        ('name = "dear"', 'name = "night"', (13, 1), "'night'"),
        ("condition = 'hour", "condition = 'hor < 6'", (6, 14), "the fact 'hor'"),
        ("condition = 'hour", "condition = 5", (6, 1), "5"),
        ("condition = 'hour", "", (4, 1), "no condition"),
        ("  && available < 20", "  && availble < 20", (16, 6), "the fact 'availble'"),
        ("rate_per_minute >", "rate_per_minute > '0.5'", (15, 19), "a text"),
        ('condition = "dest', 'condition = "country == \\"S\\" && x"', (23, 1), "the fact 'x'"),
        ('effect = "refuse"', 'effect = "refuze"', (7, 1), "'refuze'"),
        ('effect = "refuse"', "", (4, 1), "no effect"),
        ('text = "Not', "text = 5", (8, 1), "5"),
        ('text = "Not', f'text = "{"x" * 601}"', (8, 1), "601 characters"),
        ('text = "Not', 'to = "+46701740605"', (8, 1), "'to' with the effect refuse"),
        ("priority = 10", "priority = 1.5", (9, 1), "1.5"),
        ("priority = 10", "priority = true", (9, 1), "True"),
        ("priority = 10", "priorty = 10", (9, 1), "the key 'priorty'"),
        ('mode = "binding"', 'mode = "on"', (10, 1), "'on'"),
        ("seconds = 600", "seconds = 0", (19, 1), "0"),
        ("seconds = 600", "seconds = 14401", (19, 1), "14401"),
        ("seconds = 600", "", (12, 1), "no seconds"),
        ('to = "0046', 'to = "0701740605"', (25, 1), "'0701740605'"),
        ('to = "0046', "", (21, 1), "no to"),
    ],
)
def test_a_fault_is_named_with_line_and_column(line: str, replaced: str, place: tuple[int, int], found: str) -> None:
    """Of the key, or of the word of the condition that is wrong."""
    lines = GOOD.splitlines()
    lines[next(number for number, each in enumerate(lines) if each.startswith(line))] = replaced
    [fault] = faults_of("\n".join(lines))
    assert (fault[:2], fault.found) == (place, found)


def test_all_faults_are_told_at_once() -> None:
    """In the order of the document."""
    text = "x = 1\n[[rule]]\nname = 5\neffect = 'cap'\nmode = 'on'\n[[rule]]\ncondition = 'hor > 5'\n"
    assert [fault[:2] for fault in faults_of(text)] == [
        (1, 1), (2, 1), (2, 1), (3, 1), (5, 1), (6, 1), (6, 1), (7, 14)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[[rule]\n", (1, 7)),
        ("a = 1\nb = ]", (2, 5)),
        ('name = "abc', (1, 12)),
        ("rule = 5", (1, 1)),
        ("[rule]\nname = 'x'", (1, 1)),
    ],
)
def test_what_is_no_toml_is_told_where(text: str, place: tuple[int, int]) -> None:
    """As the parser says it."""
    assert [fault[:2] for fault in faults_of(text)] == [place]


def test_a_document_has_bounds() -> None:
    """In bytes and in rules: what a call costs rests on them."""
    rule = "[[rule]]\nname='r{}'\ncondition='true'\neffect='refuse'\n"
    many = "".join(rule.format(number) for number in range(MAX_RULES + 1))
    [fault] = faults_of(many)
    assert fault == RuleFault(801, 1, "201 rules", "at most 200")
    assert faults_of("#" * (MAX_DOCUMENT + 1)) == [RuleFault(1, 1, "65537 bytes", "at most 65536")]


def test_places_are_not_misled() -> None:
    """By comments, by strings that look like tables, by lists over several lines, by the order of keys."""
    text = '''# [[rule]]
[[rule]] # name = "x"
text = """
[[rule]]
name = 'not this'"""
effect = "refuse"
name = "a"
condition = """ country in [ # no comment
  "SE" ]"""
[[ rule ]]
name = "b"
effect = "refuse"
condition = "hour in [1,\\n2] && nope"
'''
    faults = faults_of(text)
    assert [(fault[:2], fault.found) for fault in faults] == [
        ((3, 1), "\"[[rule]]\\nname = 'not this'\""),
        ((8, 30), "'#'"),
        ((13, 1), "the fact 'nope'"),
    ]


@given(st.text(alphabet="[]rule=\"'#\n \\{},5.:-", max_size=80) | st.text(max_size=80))
def test_no_text_makes_the_reading_fail_otherwise(text: str) -> None:
    """Whatever is written: it is read, or it is told what is wrong with it, on a line that it has."""
    try:
        read_rules(text, "rules.toml")
    except RulesInvalid as error:
        assert all(1 <= fault.line <= text.count("\n") + 2 for fault in error.faults)  # noqa: PT017


MENU = '[[menu]]\nid = "main"\nsay = "One"\nkeys = { 1 = "hangup" }\n'
TO_MENU = '[[rule]]\nname = "m"\ncondition = "true"\neffect = "menu"\n'


def test_rules_lead_to_menus_of_their_document() -> None:
    """Which are written as those of rented numbers are."""
    document = read_rules(f'locale = "sv-SE"\n{TO_MENU}menu = "main"\n{MENU}', "rules.toml")
    assert (document.rules[0].menu, document.menus and document.menus.menus.locale) == ("main", "sv-SE")


@pytest.mark.parametrize(
    ("text", "line", "found", "expected"),
    [
        (TO_MENU + MENU, 1, "no menu", "one of main"),
        (TO_MENU + 'menu = "other"\n' + MENU, 5, "'other'", "one of main"),
        (TO_MENU + 'menu = "main"\n', 5, "'main'", "the id of a [[menu]]"),
        (TO_MENU + 'menu = "main"\nto = "+46701740605"\n' + MENU, 6, "'to' with", "only with the effect connect"),
        (TO_MENU + 'menu = "main"\n' + MENU + MENU, 6, "menus, menu 'main'", "an id of its own"),
        (TO_MENU + 'menu = "main"\n' + MENU.replace("hangup", "mars"), 6, "key 1", "number:+E164"),
        ('locale = "sv-SE"\n', 1, "a locale and no menus", "[[menu]]"),
        (
            TO_MENU.replace("menu", "connect") + 'to = "mars"\n',
            5,
            "'mars'",
            "user:ID, sip:USER@DOMAIN or conference:ID",
        ),
    ],
)
def test_faults_of_menus_have_their_place(text: str, line: int, found: str, expected: str) -> None:
    """And what would do."""
    [fault] = faults_of(text)
    assert (fault.line, found in fault.found, expected in fault.expected) == (line, True, True), fault
