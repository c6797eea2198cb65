"""What a call would be connected to, and how that is priced: what was dialled, or where the route of a rented number leads."""

from collections.abc import Collection

import msgspec

from callgate.policy.destination import is_valid_number
from callgate.policy.refusal import Refusal
from callgate.policy.route import is_conference, sip_domain
from callgate.protocol.call import (
    CallArrived,
    CallInput,
    Connect,
    ConnectSip,
    ConnectUser,
    Decision,
    Endpoint,
    EndpointKind,
    JoinConference,
)
from callgate.protocol.menu import RunMenus
from callgate.rating.tariff import FREE, Tariff
from callgate.service.application import ApplicationRow, ApplicationSettings
from callgate.service.did import Did

CALL_HEADER = "callgate-call"
"""The one header that an app's user who is called gets: the id of the call. Those of the caller may hold a ticket."""

PRIVATE_ROOMS = "callgate-"
"""Conferences whose names begin so are rooms of our own: nobody dials into one."""

MENU = "menu"

OF_RULE = f"{MENU}:rule/"
"""How a call is stored that a rule has led to a menu, with the name of the rule behind it."""


class Dialled(msgspec.Struct, frozen=True, kw_only=True):
    """A place that may be connected to. `tariff` is its price, None for the deck's; `menus` are run, and nothing is dialled;
    `rule` is the one that leads to them, empty for those of a rented number.
    """

    endpoint: Endpoint
    tariff: Tariff | None = None
    menus: RunMenus | None = None
    rule: str = ""

    @property
    def is_number(self) -> bool:
        """Whether it is a number of the telephone network, which decks price and lists are about."""
        return self.menus is None and self.endpoint.kind is EndpointKind.NUMBER

    @property
    def shows_number(self) -> bool:
        """Whether whoever is called sees the caller's number."""
        return self.menus is None and self.endpoint.kind in _SHOWN

    @property
    def has_limit(self) -> bool:
        """Whether the platform itself ends it: else our timer must."""
        return self.menus is None and self.endpoint.kind in _LIMITED

    @property
    def name(self) -> str:
        """As it is stored with the call."""
        if self.menus is None:
            return f"{self.endpoint.kind}:{self.endpoint.address}"
        return f"{OF_RULE}{self.rule}" if self.rule else f"{MENU}:{self.menus.menus[0].id}"


_SHOWN = frozenset({EndpointKind.NUMBER, EndpointKind.SIP})
_LIMITED = frozenset({EndpointKind.NUMBER, EndpointKind.SIP})


def dial(
    destination: Endpoint, did: Did | None, settings: ApplicationSettings, rented: Collection[str]
) -> Dialled | Refusal:
    """Step 7: a number must be valid; what is no number must be open; a rented number leads to its route, which is followed
    once: one that leads to a rented number, of the `rented`, is refused.
    """
    if destination.kind is not EndpointKind.DID:
        is_loop = (
            did is not None and destination.address in rented
        )  # a menu or a rule leads back to where calls come from
        return Refusal.NO_ROUTE if is_loop else dial_place(destination, settings)
    if did is None:
        return Refusal.NO_ROUTE
    if did.route is None:
        assert did.menu is not None, "the schema says so too"
        return Dialled(endpoint=destination, tariff=FREE, menus=did.menu.menus)
    if did.route.address in rented:
        return Refusal.NO_ROUTE
    return dial_place(did.route, settings)


def dial_place(place: Endpoint, settings: ApplicationSettings) -> Dialled | Refusal:
    """Any place but a rented number."""
    match place.kind:
        case EndpointKind.NUMBER:
            return Dialled(endpoint=place) if is_valid_number(place.address) else Refusal.DESTINATION_INVALID
        case EndpointKind.USER:
            tariff = settings.in_app
        case EndpointKind.CONFERENCE:
            if not is_conference(place.address) or place.address.startswith(PRIVATE_ROOMS):
                return Refusal.DESTINATION_INVALID
            tariff = settings.conference
        case EndpointKind.SIP:
            domain = sip_domain(place.address)
            tariff = settings.sip.get(domain) if domain is not None else None
        case _:
            tariff = None
    return Refusal.NO_ROUTE if tariff is None else Dialled(endpoint=place, tariff=tariff)


def only_numbers(application: ApplicationRow) -> ApplicationRow:
    """The application for a call that we place: a call to an app's user ends without telling us, so that only numbers are
    rung.
    """
    settings = msgspec.structs.replace(application.settings, in_app=None, conference=None, sip={})
    return msgspec.structs.replace(application, settings=settings)


def say_connect(dialled: Dialled, event: CallArrived | CallInput, granted_s: int, cli: str | None) -> Decision:
    """The decision in neutral words."""
    if dialled.menus is not None:
        return dialled.menus
    address = dialled.endpoint.address
    match dialled.endpoint.kind:
        case EndpointKind.USER:
            return ConnectUser(user=address, headers=((CALL_HEADER, event.key.call_id),))
        case EndpointKind.CONFERENCE:
            return JoinConference(conference=address)
        case EndpointKind.SIP:
            return ConnectSip(address=address, max_duration_s=granted_s, cli=cli)
        case _:
            return Connect(number=address, max_duration_s=granted_s, cli=cli)
