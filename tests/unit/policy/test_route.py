"""Where a rented number leads: routes and menus as they are read, and what is said of those that cannot be."""

import pytest

from callgate.errors import Invalid
from callgate.policy.menu import read_menu
from callgate.policy.route import parse_route, shown_route
from callgate.protocol.call import Endpoint, EndpointKind

MENU = """
locale = "sv-SE"
[[menu]]
id = "main"
say = "Press 1 for sales, 2 for more, 9 to end."
keys = {1 = "number:+46701740605", 2 = "menu:more", 9 = "hangup"}
[[menu]]
id = "more"
say = "Dial an extension."
digits = 2
digits_to = "number:+46850012{digits}"
"""


@pytest.mark.parametrize(
    "text", ["user:zoe", "number:+46701740605", "sip:desk@pbx.example.com", "conference:daily.stand-up"]
)
def test_a_route_is_shown_as_it_is_read(text: str) -> None:
    """By its kind and address."""
    assert shown_route(parse_route(text)) == text
    assert shown_route(None) == "menu"


@pytest.mark.parametrize(
    "text", ["", "zoe", "user:", "user:a b", "number:soon", "sip:nobody", "conference:a/b", "fax:1"]
)
def test_routes_that_cannot_be_read(text: str) -> None:
    """All kinds are named."""
    with pytest.raises(Invalid, match="conference:ID or menu:FILE"):
        parse_route(text)


def test_menus() -> None:
    """Keys lead to places, to other menus, or end the call; digits to a place with them in it."""
    tree = read_menu(MENU, "menu.toml")
    assert [menu.id for menu in tree.menus.menus] == ["main", "more"]
    assert tree.keys["main"] == {"1": Endpoint(EndpointKind.NUMBER, "+46701740605"), "9": None}
    assert tree.menus.menus[0].menus == (("2", "more"),)
    assert tree.digits == {"more": Endpoint(EndpointKind.NUMBER, "+46850012{digits}")}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('id = "more"', 'id = "main"', "an id of its own"),
        ('id = "main"', 'id = "a b"', "an id of its own"),
        ("Dial an extension.", "Dial; now", "printable characters without"),
        ("Dial an extension.", "", "printable characters without"),
        ("9 = ", "A = ", "one of 0 to 9"),
        ("menu:more", "menu:none", "one of main, more"),
        ('"hangup"', '"user:zoe"', "users cannot be reached from a menu"),
        ("digits = 2\n", "", "both: how many"),
        ("{digits}", "", "a place with {digits} in it"),
        ("number:+46850012{digits}", "user:{digits}", "users cannot be reached"),
        ('digits = 2\ndigits_to = "number:+46850012{digits}"', "", "at least one of them"),
        ('id = "main"', 'id = "main"\ncolour = "red"', "tables with id, say"),
        ('locale = "sv-SE"', "locale = ", "tables with id, say"),
        ("Dial an extension.", "x" * 40_000, "at most 32768"),
    ],
)
def test_menus_that_cannot_be_read(old: str, new: str, says: str) -> None:
    """Each says which menu it is, and what would do."""
    assert old in MENU
    with pytest.raises(Invalid, match=says):
        read_menu(MENU.replace(old, new), "menu.toml")
