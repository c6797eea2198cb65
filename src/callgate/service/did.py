"""A rented number: whose it is, and where calls that reach it go."""

from typing import NamedTuple

import msgspec

from callgate.policy.menu import MenuTree
from callgate.protocol.call import Endpoint
from callgate.rating.tariff import Tariff


class DidKey(NamedTuple):
    """A number is rented once in an application."""

    application: str
    number: str


class Did(msgspec.Struct, frozen=True, kw_only=True):
    """`route` is an endpoint, or None where `menu` says it. `receive` is a price for calls that reach the number."""

    application: str
    number: str
    account: str
    route: Endpoint | None
    menu: MenuTree | None = None
    receive: Tariff | None = None

    @property
    def key(self) -> DidKey:
        return DidKey(self.application, self.number)
