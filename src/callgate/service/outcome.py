"""What a job that answers a callback gives back."""

from typing import NamedTuple


class Outcome(NamedTuple):
    """The body to answer, byte for byte, and what was odd: empty when nothing was. An odd one is logged.

    `has_peer`: it is news for the other side of a bridge, which is looked at at once.
    """

    answer: bytes
    note: str = ""
    has_peer: bool = False
