"""Rules are asked in groups first. What they come to is what each would, asked alone, whatever holds, fails or ends it."""

from hypothesis import given
from hypothesis import strategies as st

from callgate.policy.rules.document import RuleDocument
from callgate.policy.rules.facts import Value
from callgate.policy.rules.judge import GROUPED, Group, RuleSet, compile_rules, judge_rules
from callgate.policy.rules.rule import Effect, Mode, Rule

CONDITIONS = (
    'user == "alice"',
    'user == "bob" // a comment, which ends with its line',
    "hour > 12 || hour < 6",
    "1 / hour == 1",  # cannot be judged at midnight
    'headers["plan"] == "gold"',  # nor without that header
    "false",
    'country in ["SE", "NO"] ? hour == 3 : user == ""',
)

rules = st.lists(
    st.builds(
        Rule,
        name=st.integers(0, 99).map(lambda number: f"r{number}"),
        condition=st.sampled_from(CONDITIONS),
        effect=st.sampled_from([Effect.REFUSE, Effect.CAP, Effect.CONNECT]),
        mode=st.sampled_from(Mode),
        priority=st.integers(0, 3),
        seconds=st.integers(1, 600),
        to=st.sampled_from(["+46701740605", "+46701740606"]),
    ),
    max_size=3 * GROUPED,
)
seen: st.SearchStrategy[dict[str, Value]] = st.fixed_dictionaries(
    {
        "user": st.sampled_from(["alice", "bob", ""]),
        "hour": st.integers(0, 23),
        "country": st.sampled_from(["SE", "DE"]),
        "headers": st.sampled_from([{}, {"plan": "gold"}, {"plan": "none"}]),
    }
)


def alone(together: RuleSet) -> RuleSet:
    """The same rules, each asked by itself."""
    groups = tuple(Group(None, (each,)) for each in together.programs)
    return RuleSet(
        version=together.version,
        document=together.document,
        programs=together.programs,
        groups=groups,
        zone=together.zone,
    )


@given(rules, seen)
def test_asked_together_they_say_what_they_say_alone(every: list[Rule], facts: dict[str, Value]) -> None:
    """The same matches in the same order with the same errors, and the same rule decides."""
    together = compile_rules(RuleDocument(rules=tuple(every)))
    assert judge_rules(together, facts, "+46701740605") == judge_rules(alone(together), facts, "+46701740605")


def test_none_of_fifty_is_asked_alone() -> None:
    """Where no condition holds: that is what groups are for."""
    fifty = tuple(
        Rule(name=f"r{n}", condition=f'user == "u{n}"', effect=Effect.REFUSE, mode=Mode.BINDING) for n in range(50)
    )
    together = compile_rules(RuleDocument(rules=fifty))
    assert [len(group.rules) for group in together.groups] == [16, 16, 16, 2]
    assert all(group.any_of is not None for group in together.groups)
    assert judge_rules(together, {"user": "alice"}, "").matches == ()
    assert [each.rule for each in judge_rules(together, {"user": "u20"}, "").matches] == ["r20"]
