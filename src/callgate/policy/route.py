"""Read where a call shall go: `user:ID`, `number:+46...`, `sip:USER@DOMAIN`, `conference:ID`."""

import re

from callgate.errors import Invalid
from callgate.numbers import parse_e164
from callgate.protocol.call import Endpoint, EndpointKind

MAX_CONFERENCE = 64
"""Longest name of a conference. Source: Sinch Voice API reference, connectConf."""

_USER = re.compile(r"[^\s]{1,255}")
_CONFERENCE = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_CONFERENCE}}}", re.ASCII)
_SIP = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}@([A-Za-z0-9.-]{1,253})", re.ASCII)


def sip_domain(address: str) -> str | None:
    """The domain of a SIP address in lower case, however it is written; None for what is no plain one."""
    found = _SIP.fullmatch(address.removeprefix("sip:").partition(";")[0])
    return found[1].lower() if found is not None else None


def is_conference(name: str) -> bool:
    return _CONFERENCE.fullmatch(name) is not None


def parse_route(text: str, where: str = "to") -> Endpoint:
    """Read a route of a number. Raises `Invalid`."""
    kind, _, address = text.partition(":")
    if kind == "user" and _USER.fullmatch(address):
        return Endpoint(EndpointKind.USER, address)
    if kind == "number" and (number := parse_e164(address)) is not None:
        return Endpoint(EndpointKind.NUMBER, number)
    if kind == "sip" and sip_domain(address) is not None:
        return Endpoint(EndpointKind.SIP, address)
    if kind == "conference" and is_conference(address):
        return Endpoint(EndpointKind.CONFERENCE, address)
    raise Invalid(where, repr(text[:80]), "user:ID, number:+E164, sip:USER@DOMAIN, conference:ID or menu:FILE")


def read_place(text: str) -> Endpoint:
    """Read where a rule connects to, a number or another place, which was read before."""
    return Endpoint(EndpointKind.NUMBER, text) if text.startswith("+") else parse_route(text)


def shown_route(route: Endpoint | None) -> str:
    """As it is read."""
    return "menu" if route is None else f"{route.kind}:{route.address}"
