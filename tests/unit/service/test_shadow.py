"""What rules came to on the newest calls, those in shadow too."""

from typing import TYPE_CHECKING

from callgate.service.shadow import RuleResult, rule_results

if TYPE_CHECKING:
    from tests.conftest import House

RULES = """[[rule]]
name = "no-sweden"
condition = 'country == "SE"'
effect = "refuse"

[[rule]]
name = "short"
condition = "true"
effect = "cap"
seconds = 60

[[rule]]
name = "broken"
condition = 'int(user) > 5'
effect = "refuse"
"""


def test_every_rule_is_counted_on_the_calls_that_it_matched(house: "House") -> None:
    """A rule in shadow that would refuse is told apart from one that caps, and one that cannot be judged from both."""
    house.open("alice", "5")
    house.apply_rules(RULES)
    house.hear(house.arrived("c1"))
    house.tick(1)
    house.hear(house.arrived("c2", to=house.germany))
    looked_at, found = house.run(rule_results(house.store, "app"))
    assert looked_at == 2
    assert found["no-sweden"] == RuleResult(matched=1, would_refuse=1, last="c1")
    assert found["short"] == RuleResult(matched=2, last="c2")
    assert (found["broken"].matched, found["broken"].failed, found["broken"].would_refuse) == (0, 2, 0)


def test_a_rule_that_binds_refuses_and_would_refuse_nothing_more(house: "House") -> None:
    """Those calls were refused."""
    house.open("alice", "5")
    house.apply_rules(RULES.replace('effect = "refuse"', 'effect = "refuse"\nmode = "binding"', 1))
    house.hear(house.arrived("c1"))
    _, found = house.run(rule_results(house.store, "app"))
    assert (found["no-sweden"].matched, found["no-sweden"].would_refuse) == (1, 0)
