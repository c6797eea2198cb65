"""One rule's mode is changed in its document, and nothing else of it."""

from callgate.policy.rules.rule import Mode
from callgate.web.rules import with_mode

DOCUMENT = """\
# ours
[[rule]]
name = "one"
condition = 'true'
effect = "refuse"

[[rule]]  # the second
mode = "shadow"
name = 'two'
condition = 'true'
effect = "refuse"
"""


def test_a_mode_is_written_below_the_name_where_there_is_none() -> None:
    """The comments and all other rules stay."""
    assert with_mode(DOCUMENT, "one", Mode.BINDING) == DOCUMENT.replace(
        'name = "one"\n', 'name = "one"\nmode = "binding"\n'
    )


def test_a_mode_that_is_there_is_replaced() -> None:
    """In its own rule, whichever quotes its name has."""
    assert with_mode(DOCUMENT, "two", Mode.BINDING) == DOCUMENT.replace('mode = "shadow"', 'mode = "binding"')


def test_a_name_that_is_not_there_changes_nothing() -> None:
    """The caller compares."""
    assert with_mode(DOCUMENT, "three", Mode.BINDING) == DOCUMENT
