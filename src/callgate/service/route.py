"""Read where a call shall go: `user:ID`, `number:+46...`, `sip:USER@DOMAIN`, `conference:ID`; and menus as TOML."""

import re
import tomllib
from typing import Annotated

import msgspec

from callgate.errors import Invalid
from callgate.numbers import parse_e164
from callgate.protocol.call import Endpoint, EndpointKind
from callgate.protocol.menu import Menu, RunMenus
from callgate.service.application import DEFAULT_LOCALE
from callgate.service.did import MenuTree

MAX_CONFERENCE = 64
"""Longest name of a conference. Source: Sinch Voice API reference, connectConf."""

MAX_MENU_BYTES = 32_768

MAX_SAID = 600
"""Longest text that is spoken to a caller. Source: Sinch Voice API reference, text-to-speech."""

HANG_UP = "hangup"

_USER = re.compile(r"[^\s]{1,255}")
_CONFERENCE = re.compile(rf"[A-Za-z0-9._-]{{1,{MAX_CONFERENCE}}}", re.ASCII)
_SIP = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}@([A-Za-z0-9.-]{1,253})", re.ASCII)
_MENU_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_KEYS = frozenset("0123456789*#")


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


def shown_route(route: Endpoint | None) -> str:
    """As it is read."""
    return "menu" if route is None else f"{route.kind}:{route.address}"


class _MenuPart(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    say: str
    repeat: str = ""
    repeats: Annotated[int, msgspec.Meta(ge=0, le=10)] = 1
    digits: Annotated[int, msgspec.Meta(ge=0, le=32)] = 0
    digits_to: str = ""
    timeout_s: Annotated[int, msgspec.Meta(ge=1, le=30)] = 5
    keys: dict[str, str] = {}


class _MenuFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    menu: Annotated[tuple[_MenuPart, ...], msgspec.Meta(min_length=1, max_length=50)]
    locale: str = DEFAULT_LOCALE


def read_menu(text: str, source: str) -> MenuTree:
    """Read a document of menus, of which the first is played first. Raises `Invalid` at the first mistake."""
    if len(text.encode()) > MAX_MENU_BYTES:
        raise Invalid(source, f"{len(text.encode())} bytes", f"at most {MAX_MENU_BYTES}")
    try:
        file = msgspec.convert(tomllib.loads(text), _MenuFile)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise Invalid(source, str(error), "[[menu]] tables with id, say, and keys or digits") from None
    ids = [part.id for part in file.menu]
    menus, keys, digits = [], {}, {}
    for part in file.menu:
        where = f"{source}, menu {part.id[:64]!r}"
        _check(part, ids, where)
        leads = {key: to for key, to in part.keys.items() if to.startswith("menu:")}
        keys[part.id] = {key: _place(to, f"{where}, key {key}") for key, to in part.keys.items() if key not in leads}
        if part.digits_to:
            digits[part.id] = _digits_place(part.digits_to, where)
        menus.append(
            Menu(
                id=part.id,
                say=part.say,
                repeat=part.repeat,
                repeats=part.repeats,
                digits=part.digits,
                timeout_s=part.timeout_s,
                keys=tuple(keys[part.id]),
                menus=tuple((key, to.removeprefix("menu:")) for key, to in leads.items()),
            )
        )
    return MenuTree(menus=RunMenus(menus=tuple(menus), locale=file.locale), keys=keys, digits=digits)


def _check(part: _MenuPart, ids: list[str], where: str) -> None:
    if not _MENU_ID.fullmatch(part.id) or ids.count(part.id) > 1:
        raise Invalid(where, repr(part.id[:80]), "an id of its own: letters, digits, _ and -")
    for name in ("say", "repeat"):
        said = getattr(part, name)
        if len(said) > MAX_SAID or not said.isprintable() or ";" in said or "]" in said or (name == "say" and not said):
            raise Invalid(f"{where}, {name}", repr(said[:50]), f"1 to {MAX_SAID} printable characters without ; and ]")
    for key, to in part.keys.items():
        if key not in _KEYS:
            raise Invalid(f"{where}, keys", repr(key[:10]), "one of 0 to 9, * and #")
        if to.startswith("menu:") and to.removeprefix("menu:") not in ids:
            raise Invalid(f"{where}, key {key}", repr(to[:80]), f"menu: and one of {', '.join(ids)}")
    if bool(part.digits) is not bool(part.digits_to):
        raise Invalid(where, "one of digits and digits_to", "both: how many, and where they lead")
    if not part.keys and not part.digits:
        raise Invalid(where, "neither keys nor digits", "at least one of them: nothing else ends a menu")


def _place(to: str, where: str) -> Endpoint | None:
    if to == HANG_UP:
        return None
    return _reachable(parse_route(to, where), to, where)


def _digits_place(to: str, where: str) -> Endpoint:
    """Where digits lead: an address with `{digits}` in it."""
    kind, _, address = to.partition(":")
    if "{digits}" not in address:
        raise Invalid(
            f"{where}, digits_to", repr(to[:80]), "a place with {digits} in it, such as number:+46850012{digits}"
        )
    if kind == "number" and re.fullmatch(r"\+[0-9]*\{digits\}", address):
        return Endpoint(EndpointKind.NUMBER, address)
    place = parse_route(to.replace("{digits}", "1"), f"{where}, digits_to")
    return _reachable(Endpoint(place.kind, address), to, where)


def _reachable(place: Endpoint, to: str, where: str) -> Endpoint:
    """The platform connects nobody out of a menu to an app's user."""
    if place.kind is EndpointKind.USER:
        raise Invalid(
            where, repr(to[:80]), "number:, sip:, conference:, menu: or hangup; users cannot be reached from a menu"
        )
    return place
