"""Menus that callers are led through, as operators write them in TOML, and where each choice leads."""

import re
import tomllib
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec

from callgate.errors import Invalid
from callgate.policy.route import parse_route
from callgate.policy.texts import DEFAULT_LOCALE, MAX_SPOKEN
from callgate.protocol.call import Endpoint, EndpointKind
from callgate.protocol.menu import Menu, RunMenus

MAX_MENU_BYTES = 32_768

HANG_UP = "hangup"

_MENU_ID = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_KEYS = frozenset("0123456789*#")
_EXPECTED = "[[menu]] tables with id, say, and keys or digits"


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

    def starting_at(self, menu: str) -> RunMenus:
        """The menus, that one first: it is played first."""
        ordered = sorted(self.menus.menus, key=lambda each: each.id != menu)
        return msgspec.structs.replace(self.menus, menus=tuple(ordered))


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
        told = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Invalid(source, str(error), _EXPECTED) from None
    return read_menus(told, source)


def read_menus(told: Mapping[str, Any], source: str) -> MenuTree:
    """Read `menu` tables and their `locale` from TOML that is parsed. Raises `Invalid` at the first mistake."""
    try:
        file = msgspec.convert(told, _MenuFile)
    except msgspec.ValidationError as error:
        raise Invalid(source, str(error), _EXPECTED) from None
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
        if (
            len(said) > MAX_SPOKEN
            or not said.isprintable()
            or ";" in said
            or "]" in said
            or (name == "say" and not said)
        ):
            raise Invalid(
                f"{where}, {name}", repr(said[:50]), f"1 to {MAX_SPOKEN} printable characters without ; and ]"
            )
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
