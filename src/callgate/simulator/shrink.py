"""From a schedule that breaks a promise to a short one that breaks the same: entries are left out, then made plainer."""

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from callgate.simulator import schedule as s
from callgate.simulator.run import run_schedule

SHRINK_S = 60.0
"""Longest search; what is shortest by then is shown."""

T = TypeVar("T")
Entries = tuple[s.AnyEntry, ...]
Prices = tuple[s.Price, ...]


def shrink(schedule: s.Schedule, rule: str, *, within_s: float = SHRINK_S) -> s.Schedule:
    """Return a schedule that still breaks `rule`, as short as was found in the time."""
    give_up_at = time.monotonic() + within_s

    def breaks(entries: Entries, plan: s.Plan | None = None) -> bool:
        if time.monotonic() > give_up_at:
            return False
        changed = msgspec.structs.replace(schedule, entries=entries, plan=plan or schedule.plan)
        return run_schedule(changed).rule == rule

    entries = _fewer(_plainer(_fewer(schedule.entries, breaks), breaks), breaks)
    schedule = msgspec.structs.replace(schedule, entries=entries)
    for place in range(len(schedule.plan.decks)):

        def still_breaks(prices: Prices, plan: s.Plan = schedule.plan, place: int = place) -> bool:
            return breaks(entries, _with_prices(plan, place, prices))

        prices = schedule.plan.decks[place].prices
        fewer: Prices = () if still_breaks(()) else _fewer(prices, still_breaks)
        schedule = msgspec.structs.replace(schedule, plan=_with_prices(schedule.plan, place, fewer))
    return schedule


def _with_prices(plan: s.Plan, place: int, prices: Prices) -> s.Plan:
    decks = list(plan.decks)
    decks[place] = msgspec.structs.replace(decks[place], prices=prices)
    return msgspec.structs.replace(plan, decks=tuple(decks))


def _fewer(entries: tuple[T, ...], breaks: Callable[[tuple[T, ...]], bool]) -> tuple[T, ...]:
    """Leave out runs of entries, long ones first, early ones first: what broke it is mostly near the end."""
    size = max(len(entries) // 2, 1)
    while True:
        start = 0
        while start < len(entries):
            rest = entries[:start] + entries[start + size :]
            if breaks(rest):
                entries = rest
            else:
                start += size
        if size == 1:
            return entries
        size //= 2


def _plainer(entries: Entries, breaks: Callable[[Entries], bool]) -> Entries:
    """Take one chance after the other out of each entry."""
    for place, entry in enumerate(entries):
        for plainer in _plainer_than(entry):
            changed = (*entries[:place], plainer(entries[place]), *entries[place + 1 :])
            if changed != entries and breaks(changed):
                entries = changed
    return entries


def _plainer_than(entry: s.AnyEntry) -> Iterator[Callable[[s.AnyEntry], s.AnyEntry]]:
    """What may be taken out: repeats of a callback, and whatever else has a default."""
    for name in ("ice", "ace", "dice"):
        if hasattr(entry, name):
            yield lambda e, name=name: msgspec.structs.replace(e, **{name: getattr(e, name)[:1]})  # type: ignore[misc]
            yield lambda e, name=name: msgspec.structs.replace(e, **{name: ()})  # type: ignore[misc]
    for field in msgspec.structs.fields(entry):
        if not field.required and field.default is not msgspec.NODEFAULT:
            yield lambda e, field=field: msgspec.structs.replace(e, **{field.name: field.default})  # type: ignore[misc]
