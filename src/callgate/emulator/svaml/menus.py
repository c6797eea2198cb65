"""The menus of `runMenu`, read and checked."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from callgate.emulator.svaml.faults import IllegalSvaml
from callgate.emulator.svaml.properties import is_whole

MAIN = "main"
"""The menu that plays first unless `mainMenu` names another."""

MAX_MENUS = 100
"""Menus in one action; a limit of ours."""

_CHOICE = re.compile(r"(return|menu)\(([^()]*)\)", re.IGNORECASE)
_ONE_KEY = re.compile(r"[0-9*#]", re.ASCII)


class Option(msgspec.Struct, frozen=True):
    """One choice: what the key does (`return` or `menu`), and with what."""

    does: str
    value: str


class Menu(msgspec.Struct, frozen=True, kw_only=True):
    """One menu. Times in seconds; None where the answer says nothing. `options` by key."""

    id: str
    main_prompt: str = ""
    repeat_prompt: str = ""
    repeats: int | None = None
    max_digits: int | None = None
    timeout_s: float | None = None
    max_timeout_s: float | None = None
    options: Mapping[str, Option] = {}


def read_menus(action: Mapping[str, Any], path: str) -> Sequence[Menu]:
    """Read the menus of a `runMenu`, the one that plays first in front. Raises `IllegalSvaml`."""
    nodes, where = action.get("menus"), f"{path}.menus"
    if not isinstance(nodes, list) or not 0 < len(nodes) <= MAX_MENUS:
        raise IllegalSvaml(where, "runMenu needs a list of menus")
    menus = [_read_menu(node, f"{where}[{index}]") for index, node in enumerate(nodes)]
    ids = [menu.id for menu in menus]
    if len(set(ids)) < len(ids):
        raise IllegalSvaml(where, "two menus have the same id")
    first = action.get("mainMenu") or MAIN
    if first not in ids:
        raise IllegalSvaml(f"{path}.mainMenu" if action.get("mainMenu") else where, f"there is no menu {first!r}")
    for index, menu in enumerate(menus):
        for option in menu.options.values():
            if option.does == "menu" and option.value not in ids:
                raise IllegalSvaml(f"{where}[{index}].options", f"there is no menu {option.value!r}")
    return sorted(menus, key=lambda menu: menu.id != first)


def _read_menu(node: Any, path: str) -> Menu:
    if not isinstance(node, dict):
        raise IllegalSvaml(path, "not an object")
    named = node.get("id")
    if not isinstance(named, str) or not named:
        raise IllegalSvaml(f"{path}.id", "a menu needs an id")
    for key in ("mainPrompt", "repeatPrompt"):
        if not isinstance(node.get(key) or "", str):
            raise IllegalSvaml(f"{path}.{key}", "not a text")
    timeout_ms, longest_ms = (_whole(node, key, path, 1) for key in ("timeoutMills", "maxTimeoutMills"))
    return Menu(
        id=named,
        main_prompt=node.get("mainPrompt") or "",
        repeat_prompt=node.get("repeatPrompt") or "",
        repeats=_whole(node, "repeats", path, 0),
        max_digits=_whole(node, "maxDigits", path, 1),
        timeout_s=None if timeout_ms is None else timeout_ms / 1000,
        max_timeout_s=None if longest_ms is None else longest_ms / 1000,
        options=_read_options(node.get("options"), f"{path}.options"),
    )


def _read_options(nodes: Any, path: str) -> Mapping[str, Option]:
    if nodes is None:
        return {}
    if not isinstance(nodes, list):
        raise IllegalSvaml(path, "not a list")
    options: dict[str, Option] = {}
    for index, node in enumerate(nodes):
        where = f"{path}[{index}]"
        if not isinstance(node, dict):
            raise IllegalSvaml(where, "not an object")
        key = str(node.get("dtmf"))  # examples have it as a number
        if not _ONE_KEY.fullmatch(key):
            raise IllegalSvaml(f"{where}.dtmf", f"{node.get('dtmf')!r} is not one of 0-9, * and #")
        choice = _CHOICE.fullmatch(node["action"]) if isinstance(node.get("action"), str) else None
        if choice is None:
            raise IllegalSvaml(f"{where}.action", f"{node.get('action')!r} is not return(...) or menu(...)")
        options[key] = Option(choice[1].lower(), choice[2])
    return options


def _whole(node: Mapping[str, Any], key: str, path: str, least: int) -> int | None:
    value = node.get(key)
    if value is None:
        return None
    if not is_whole(value) or value < least:
        raise IllegalSvaml(f"{path}.{key}", f"{value!r} is not a whole number of at least {least}")
    return int(value)
