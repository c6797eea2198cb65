"""Where one can go from any page, in the order of the menu."""

from typing import NamedTuple


class Place(NamedTuple):
    """A line of the menu. `path` is from the first page; `icon` is a path in a box of 24 by 24."""

    path: str
    name: str
    icon: str


class Group(NamedTuple):
    """Places that belong together. `here` is the path of the one that the page belongs to, None when it is elsewhere."""

    name: str
    places: tuple[Place, ...]
    here: str | None


_GROUPS: tuple[tuple[str, tuple[Place, ...]], ...] = (
    (
        "Calls",
        (
            Place("", "Live", "M4 12h3l2.5-7 5 14 2.5-7h3"),
            Place(
                "calls",
                "Calls",
                "M6 4h3l1.5 4.5-2 1.5a11 11 0 0 0 5.5 5.5l1.5-2L20 15v3a2 2 0 0 1-2 2A14 14 0 0 1 4 6a2 2 0 0 1 2-2z",
            ),
        ),
    ),
    (
        "Money",
        (
            Place("figures", "Figures", "M4 20V4M4 20h16M8 16v-4M12 16V8M16 16v-6"),
            Place("accounts", "Accounts", "M3 8h18v11H3zM3 8l2-3h14l2 3M16 13.5h2"),
            Place("rates", "Rates", "M4 5h16M4 10h16M4 15h9M4 20h9M17 14v7M14.5 16.5 17 14l2.5 2.5"),
        ),
    ),
    (
        "Policy",
        (
            Place("lists", "Lists", "M9 6h11M9 12h11M9 18h11M4 6l1 1 1.5-2M4 12l1 1 1.5-2M4 18l1 1 1.5-2"),
            Place("rules", "Rules", "M4 6h10M18 6h2M4 12h2M10 12h10M4 18h10M18 18h2M16 4v4M8 10v4M16 16v4"),
        ),
    ),
    (
        "Connections",
        (
            Place("applications", "Applications", "M4 4h7v7H4zM13 4h7v7h-7zM4 13h7v7H4zM16.5 13.5v6M13.5 16.5h6"),
            Place("numbers", "Numbers", "M9 4 7 20M17 4l-2 16M4 9h17M3 15h17"),
            Place("deliveries", "Deliveries", "M3 11.5 21 4l-5 16-4.5-6.5zM11.5 13.5 21 4"),
            Place("endpoints", "Endpoints", "M12 12h.01M8.5 8.5a5 5 0 0 0 0 7M15.5 8.5a5 5 0 0 1 0 7M5.5 5.5a9 9 0 0 0 0 13"),
        ),
    ),
    (
        "House",
        (
            Place("start", "First start", "M6 21V4h11l-2 4 2 4H6"),
            Place("audit", "Audit", "M6 3h9l4 4v14H6zM15 3v4h4M9 12h7M9 16h7"),
            Place("health", "Health", "M12 20s-8-4.9-8-10.5A4.5 4.5 0 0 1 12 7a4.5 4.5 0 0 1 8 2.5C20 15.1 12 20 12 20z"),
        ),
    ),
)  # fmt: skip


SHARED = frozenset({"rates", "deliveries", "endpoints", "health"})
"""Paths of what all applications share, which a token that is bound to one may not see."""


def navigation(path: str, *, is_bound: bool = False) -> tuple[Group, ...]:
    """The menu, seen from a page: `/accounts/alice` belongs to the accounts."""
    first = path.strip("/").split("/", 1)[0].partition(".")[0]
    groups = (
        (name, tuple(place for place in places if not (is_bound and place.path in SHARED))) for name, places in _GROUPS
    )
    return tuple(
        Group(name, places, next((place.path for place in places if place.path == first), None))
        for name, places in groups
        if places
    )
