"""The AsyncAPI document says of each field what it is, and of no other."""

from callgate.service.asyncapi import DATA
from callgate.service.event_fields import FIELDS


def test_every_field_is_said_once() -> None:
    """None is missing, and none is left of a field that went."""
    assert set(FIELDS) == {name for data in DATA.values() for name in data.__struct_fields__}
