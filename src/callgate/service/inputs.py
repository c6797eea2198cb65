"""What was answered to one input of a caller in a menu, so that a repeat of it gets the same bytes."""

from typing import NamedTuple

import msgspec


class InputKey(NamedTuple):
    """An input is known by its call and by a digest of its menu, value and time."""

    application: str
    call_id: str
    fingerprint: str


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """Written once, with what the answer did to the call."""

    key: InputKey
    answer: bytes
