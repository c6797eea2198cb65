"""What a job that answers a callback gives back."""

from typing import NamedTuple


class Outcome(NamedTuple):
    """The body to answer, byte for byte, and what was odd: empty when nothing was. An odd one is logged."""

    answer: bytes
    note: str = ""


class Decided(Outcome):
    """The outcome of a call that was decided for the first time: what was decided is counted."""

    decision: str = ""
    """`connect`, or the name of the refusal."""
