"""Menus in neutral words: what a caller hears, and what is waited for. What a key leads to is not the platform's business,
except where it leads to another menu.
"""

import msgspec


class Menu(msgspec.Struct, frozen=True, kw_only=True):
    """One menu. `keys` end it and are told to us; `menus` are keys that lead to another menu, which we are not told of.

    `digits` above 0: so many are collected and told. `repeat` is said after no or wrong input, `repeats` times.
    """

    id: str
    say: str
    repeat: str = ""
    repeats: int = 0
    digits: int = 0
    timeout_s: int = 5
    keys: tuple[str, ...] = ()
    menus: tuple[tuple[str, str], ...] = ()


class RunMenus(msgspec.Struct, frozen=True, kw_only=True):
    """Take the caller through menus, beginning with the first."""

    menus: tuple[Menu, ...]
    locale: str
