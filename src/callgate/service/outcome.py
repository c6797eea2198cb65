"""What a job that answers a callback gives back."""

from typing import NamedTuple


class Outcome(NamedTuple):
    """The body to answer, byte for byte, and what was odd: empty when nothing was. An odd one is logged.

    `decision` is `connect` or the name of the refusal, where a call was decided for the first time.
    """

    answer: bytes
    note: str = ""
    decision: str = ""
