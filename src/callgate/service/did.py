"""A rented number: whose it is, and where calls that reach it go."""

from typing import NamedTuple

import msgspec

from callgate.protocol.call import Endpoint
from callgate.protocol.menu import RunMenus
from callgate.rating.tariff import Tariff


class DidKey(NamedTuple):
    """A number is rented once in an application."""

    application: str
    number: str


class MenuTree(msgspec.Struct, frozen=True, kw_only=True):
    """What callers are led through, and where that leads: by menu and key, and for collected digits by menu.

    A place is an endpoint, or None for a hang-up. In an address for digits `{digits}` stands for what was entered.
    """

    menus: RunMenus
    keys: dict[str, dict[str, Endpoint | None]] = {}
    digits: dict[str, Endpoint] = {}

    def place(self, menu: str, kind: str, value: str) -> Endpoint | None:
        """Where an input leads; None for a hang-up, as where nothing or nothing right was entered."""
        if kind == "return":
            return self.keys.get(menu, {}).get(value)
        if kind == "sequence" and (found := self.keys.get(menu, {}).get(value)) is not None:
            return found
        if kind == "sequence" and menu in self.digits and value.isascii() and value.isdigit():
            to = self.digits[menu]
            return Endpoint(to.kind, to.address.replace("{digits}", value))
        return None


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
