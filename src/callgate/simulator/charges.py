"""What a call costs, naively, from section 2 of `charging.md`: nothing of `rating` is used here."""

from collections.abc import Iterable

from callgate.simulator.promises import MICROSECONDS
from callgate.simulator.schedule import Price


def billed(price: Price, duration_s: int) -> int:
    """Seconds, rounded up to increments."""
    if duration_s == 0 or duration_s <= price.grace_s:
        return 0
    if duration_s <= price.first_s:
        return price.first_s
    over_s = duration_s - price.first_s
    steps = over_s // price.next_s
    if steps * price.next_s < over_s:
        steps += 1
    return price.first_s + steps * price.next_s


def cost(price: Price, duration_s: int) -> int:
    """Micros, rounded up once."""
    seconds = billed(price, duration_s)
    if seconds == 0:
        return 0
    usage, rest = divmod(price.nanos * seconds, 60_000)
    if rest:
        usage += 1
    return max(price.minimum, price.fee + usage)


def affordable(price: Price, credit: int, ceiling_s: int) -> int:
    """The longest call within the ceiling that costs no more than the credit: halving, since longer is never cheaper."""
    if credit < 0:
        return 0
    low, high = 0, ceiling_s
    while low < high:
        middle = (low + high + 1) // 2
        if cost(price, middle) <= credit:
            low = middle
        else:
            high = middle - 1
    return low


def price_for(prices: Iterable[Price], number: str, now_us: int) -> Price | None:
    """Longest prefix, then newest; None where nothing covers the number or it is blocked."""
    digits = number.removeprefix("+")
    best: Price | None = None
    for price in prices:
        if price.from_s * MICROSECONDS > now_us or not digits.startswith(price.prefix):
            continue
        if best is None or (len(price.prefix), price.from_s) > (len(best.prefix), best.from_s):
            best = price
    return None if best is None or best.is_blocked else best
