"""What the caps on spending leave: posted in the window plus held now. Plain integers: the wallet's figures are handed in."""

from typing import NamedTuple

from callgate.policy.limits import Bounds


class Spent(NamedTuple):
    """Micros that calls were charged in each window, and what they hold now. `funds` is what the account had at midnight,
    its credit limit included, with what was paid in since.
    """

    in_hour: int
    today: int
    this_month: int
    held: int
    funds: int


class Room(NamedTuple):
    """What the tightest cap leaves for one more hold, never below 0, and its name."""

    left_micros: int
    cap: str


def room_left(bounds: Bounds, spent: Spent, held_by_call: int = 0) -> Room | None:
    """Return what is left, None where nothing caps spending. `held_by_call` is what this call itself holds already, for one
    that goes on: it counts towards the cap of a call, and is among what is held in each window.
    """
    rooms = []
    if (cap := bounds.spend_per_call_micros) is not None:
        rooms.append(Room(max(0, cap - held_by_call), "spend_per_call"))
    if (cap := bounds.spend_per_hour_micros) is not None:
        rooms.append(Room(max(0, cap - spent.in_hour - spent.held), "spend_per_hour"))
    if (cap := day_cap_micros(bounds, spent.funds)) is not None:
        rooms.append(Room(max(0, cap - spent.today - spent.held), "spend_per_day"))
    if (cap := bounds.spend_per_month_micros) is not None:
        rooms.append(Room(max(0, cap - spent.this_month - spent.held), "spend_per_month"))
    return min(rooms) if rooms else None


def day_cap_micros(bounds: Bounds, funds_micros: int) -> int | None:
    """What a day may cost: the figure, and unless the operator set one, at most half of the funds."""
    if not bounds.is_half_of_funds:
        return bounds.spend_per_day_micros
    half_micros = max(0, funds_micros) // 2
    return half_micros if bounds.spend_per_day_micros is None else min(half_micros, bounds.spend_per_day_micros)
