"""What will happen in a simulation, as plain data: made from a seed, shrunk, written to a file, run again.

An entry says all of its own chances, so that the others mean the same when one is taken out. Times `at` are seconds since
the beginning, other times are seconds from there.
"""

from typing import TypedDict

import msgspec

IN_APP, FROM_PHONE = "MXP", "PSTN"


class Price(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row of a deck. `from_s` is when it takes effect, long ago where it is below 0."""

    prefix: str
    nanos: int
    fee: int = 0
    first_s: int = 60
    next_s: int = 60
    minimum: int = 0
    grace_s: int = 0
    from_s: int = -1_000_000
    is_blocked: bool = False


class DeckPlan(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    currency: str
    prices: tuple[Price, ...]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is there before anything happens. `trusting` are the applications that trust a caller's number."""

    applications: tuple[str, ...]
    trusting: tuple[str, ...]
    lost_dice: tuple[str, ...] = ()  # each application's rule for calls whose end nobody can tell
    decks: tuple[DeckPlan, ...]


class Entry(msgspec.Struct, frozen=True, kw_only=True, tag=str.lower, tag_field="do", omit_defaults=True):
    at: float


class Place(Entry, frozen=True, kw_only=True):
    """A call. `ice`, `ace` and `dice` hold the delay of each delivery of that callback: none is loss, two a repeat."""

    application: str
    call: str
    user: str
    cli: str = ""
    to: str
    to_kind: str = "number"
    is_valid: bool = True  # the number, by its country's plan: a fact that the oracle is told
    origin: str = IN_APP
    ice: tuple[float, ...]
    ace: tuple[float, ...]
    dice: tuple[float, ...]
    rings_s: float
    talks_s: int  # 0: nobody answers
    result: str = "BUSY"  # where nobody answers
    late_s: int = 0  # seconds beyond `maxDuration` until the platform cuts
    is_deaf: bool = False  # our answer to the start is lost on its way
    connects_anyway: bool = False  # where the platform has no answer from us
    muddle: str = ""  # an end whose facts contradict each other comes first: its result
    muddle_s: int | None = None  # and its duration
    other_to: str = ""  # the same call id starts once more, to this number
    other_after_s: float = 0.0
    stale_after_s: float = 0.0  # the start is replayed with its old signature
    is_forged: bool = False  # signed with another secret
    asks_fail: int = 0  # so many times the platform does not answer when it is asked about the call
    is_forgotten: bool = False  # the platform knows no such call when it is asked


class Ring(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A phone that is to be rung. `says` is what the platform answers: `id` that it rings, by its id; `no` that it does not;
    `silent` nothing, and it rings; `lost` nothing, and it does not. The rest as for `Place`.
    """

    to: str
    is_valid: bool = True
    says: str = "id"
    takes_s: float
    rings_s: float
    talks_s: int
    result: str = "BUSY"
    late_s: int = 0
    ace: tuple[float, ...]
    dice: tuple[float, ...]
    asks_fail: int = 0
    is_forgotten: bool = False


class Callout(Entry, frozen=True, kw_only=True):
    """A call that the server is asked to place; two `rings` make a bridge. `longest_s` 0: as long as may be. The same request
    comes once more after `again_after_s`, where that is not 0.
    """

    application: str
    account: str
    callout: str
    rings: tuple[Ring, ...]
    is_spoken: bool = False
    longest_s: int = 0
    again_after_s: float = 0.0


class Oddities(TypedDict, total=False):
    """Those fields of `Place` that most calls do without."""

    is_deaf: bool
    connects_anyway: bool
    muddle: str
    muddle_s: int | None
    other_to: str
    other_after_s: float
    stale_after_s: float
    is_forged: bool
    asks_fail: int
    is_forgotten: bool


class Work(Entry, frozen=True, kw_only=True):
    """What an operator does. `is_beside`: by a command in another process, beside the server or while it is down."""

    is_beside: bool = False


class OpenAccount(Work, frozen=True, kw_only=True, tag="open"):
    application: str
    account: str
    currency: str
    deck: str
    identities: tuple[str, ...]


class Pay(Work, frozen=True, kw_only=True):
    """A top-up; `again_after_s` repeats it, with `again_micros` where that is not 0."""

    application: str
    account: str
    micros: int
    reference: str
    again_after_s: float = 0.0
    again_micros: int = 0


class AdjustBy(Work, frozen=True, kw_only=True, tag="adjust"):
    application: str
    account: str
    micros: int
    reference: str
    again_after_s: float = 0.0


class GiveBack(Work, frozen=True, kw_only=True, tag="refund"):
    application: str
    call: str
    micros: int
    reference: str
    again_after_s: float = 0.0


class Status(Work, frozen=True, kw_only=True):
    """`account` empty: of the application."""

    application: str
    account: str = ""
    status: str


class LimitTo(Work, frozen=True, kw_only=True, tag="limit"):
    """`seconds` 0 lifts it. `account` empty: of the application."""

    application: str
    account: str = ""
    seconds: int


class Credit(Work, frozen=True, kw_only=True):
    application: str
    account: str
    micros: int


class MoveDeck(Work, frozen=True, kw_only=True, tag="deck"):
    """`credit`, where it is at least 0, sets the credit limit too: both or none."""

    application: str
    account: str
    deck: str
    credit: int = -1


class Elastic(Work, frozen=True, kw_only=True):
    """Whether the account's calls hold their money in slices."""

    application: str
    account: str
    is_on: bool


class Import(Entry, frozen=True, kw_only=True):
    deck: str
    currency: str
    prices: tuple[Price, ...]
    mode: str


class Crash(Entry, frozen=True, kw_only=True):
    """The process dies at the first such seam from then on, `now` at once; `step` after so many steps of its loop."""

    seam: str
    steps: int = 0
    down_s: float


class Restart(Entry, frozen=True, kw_only=True):
    """An orderly stop, and a start."""

    down_s: float


class Jump(Entry, frozen=True, kw_only=True):
    """The server's clock is wrong by so much for a while."""

    by_s: float
    for_s: float


class Slow(Entry, frozen=True, kw_only=True):
    """The store takes so long at the first such seam from then on."""

    seam: str
    by_s: float


class Outage(Entry, frozen=True, kw_only=True):
    """The store fails at such a seam for a while."""

    seam: str
    for_s: float


AnyEntry = (
    Place | Callout | OpenAccount | Pay | AdjustBy | GiveBack | Status | LimitTo | Credit | MoveDeck | Elastic | Import | Crash
    | Restart | Jump | Slow | Outage
)  # fmt: skip


class Schedule(msgspec.Struct, frozen=True, kw_only=True):
    """`seed` is where it came from, for people."""

    seed: int
    plan: Plan
    entries: tuple[AnyEntry, ...]


def to_lines(schedule: Schedule) -> bytes:
    """One JSON document, an entry a line."""
    encode = msgspec.json.encode
    head = encode({"seed": schedule.seed, "plan": schedule.plan})[:-1]
    body = b",\n  ".join(map(encode, schedule.entries))
    return head + b',\n "entries": [\n  ' + body + b"\n]}\n"


def from_lines(text: bytes) -> Schedule:
    return msgspec.json.decode(text, type=Schedule)
