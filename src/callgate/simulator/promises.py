"""What a simulation holds the server to, beside its books, and how it says that a promise was broken."""

MICROSECONDS = 1_000_000
"""In a second: clocks of servers are read in whole microseconds."""

GIVES_UP_S = 5.0
"""How long the platform waits for an answer."""

DECIDED_WITHIN_S = 1.0
"""The decision's deadline."""

REPORTED_WITHIN_S = 4.0
"""How long any other callback may take."""

FRESH_S = 300
"""How old a signature may be."""

ORPHAN_AFTER_S = 600
"""How long an end waits for its start."""

OVERRULED_WITHIN_S = 20.0
"""How long after its last trouble the store may lack a fallback that was answered."""

EXACT_S = 1e-6
"""Times are compared to the microsecond."""


class Broken(BaseException):
    """A promise was broken. `rule` names which, so that a shorter schedule is known to break the same.

    No `Exception`, so that no code under test takes it for one of its own.
    """

    def __init__(self, rule: str, explanation: str) -> None:
        super().__init__(f"{rule}: {explanation}")
        self.rule = rule
        self.explanation = explanation
