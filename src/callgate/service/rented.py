"""Say what happens to calls that reach a rented number, and stop saying it."""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from callgate.errors import Conflict, Invalid, NotFound
from callgate.numbers import parse_e164
from callgate.policy.menu import MenuTree, read_menu
from callgate.policy.route import parse_route, shown_route
from callgate.protocol.call import Endpoint
from callgate.rating.tariff import Tariff, read_price
from callgate.service.books import AccountKey, Books, Keys
from callgate.service.did import Did, DidKey
from callgate.service.ports import Store


class DidReport(msgspec.Struct, frozen=True, kw_only=True):
    """A rented number. `to` is its route, `menu` where it has menus; `receive` a price per minute for what it receives."""

    number: str
    application: str
    account: str
    to: str
    receive: str | None


@dataclass(frozen=True, kw_only=True)
class AddDid:
    """A number that is there gets the new route. Raises `Invalid` where the parts are read, see `read_did`."""

    did: Did

    def keys(self) -> Keys:
        return Keys(
            applications=(self.did.application,),
            dids=(self.did.key,),
            accounts=(AccountKey(self.did.application, self.did.account),),
        )

    def run(self, books: Books) -> Did:
        """Raises `NotFound` for the account, `Conflict` where a price is in another currency than the account's."""
        account = books.accounts.get(AccountKey(self.did.application, self.did.account))
        if account is None:
            raise NotFound(f"there is no account {self.did.account} in application {self.did.application}")
        receive = self.did.receive
        if receive is not None and receive.currency not in ("", account.currency):
            raise Conflict(
                f"account {account.id} is in {account.currency}, the price for receiving in {receive.currency}"
            )
        books.dids.put(self.did.key, self.did)
        return self.did


@dataclass(frozen=True, kw_only=True)
class RemoveDid:
    """Calls to it are refused from now on; those that are up go on, and a caller in its menu is hung up at a choice."""

    key: DidKey

    def keys(self) -> Keys:
        return Keys(dids=(self.key,))

    def run(self, books: Books) -> Did:
        """Raises `NotFound`."""
        did = books.dids.get(self.key)
        if did is None:
            raise NotFound(f"there is no rented number {self.key.number} in application {self.key.application}")
        books.dids.remove(self.key)
        return did


def read_did(  # noqa: PLR0913 - what is said of a rented number
    application: str,
    number: str,
    account: str,
    *,
    to: str = "",
    menu: str = "",
    source: str = "menu",
    receive: str = "",
) -> Did:
    """Read a rented number with its route: one of `to` and the text of `menu`. Raises `Invalid`."""
    route: Endpoint | None = parse_route(to) if to else None
    tree: MenuTree | None = read_menu(menu, source) if menu else None
    if (route is None) is (tree is None):
        raise Invalid("to", "a route and a menu" if route is not None else "nothing", "one of them: a route, or a menu")
    price: Tariff | None = read_price(receive, "receive") if receive else None
    return Did(
        application=application, number=read_number(number), account=account, route=route, menu=tree, receive=price
    )


def read_number(text: str) -> str:
    """Raises `Invalid`."""
    number = parse_e164(text)
    if number is None:
        raise Invalid("number", repr(text[:40]), "a number in E.164, such as +46846500400")
    return number


async def dids_of(store: Store, application: str) -> Sequence[Did]:
    return [did for did in await store.dids() if did.application == application]


def report_did(did: Did) -> DidReport:
    return DidReport(
        number=did.number,
        application=did.application,
        account=did.account,
        to=shown_route(did.route),
        receive=None if did.receive is None else did.receive.shown(),
    )
