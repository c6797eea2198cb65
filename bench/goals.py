"""The goals: what each asks for, and whether what was measured meets it. What was not measured says so."""

from collections.abc import Mapping, Sequence

import msgspec

NOT_YET = "not measured yet"


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """`gate` must be reached, `stretch` would be fine. `is_ratio` goals want more, the others less."""

    key: str
    text: str
    gate: float
    stretch: float
    unit: str
    wants_more: bool = False

    def verdict(self, measured: float) -> str:
        """Return how far a figure comes."""
        for mark, word in ((self.stretch, "stretch"), (self.gate, "gate")):
            if measured >= mark if self.wants_more else measured <= mark:
                return word
        return "missed"

    def show(self, value: float) -> str:
        """Write a figure with its unit, with two digits that mean something."""
        return f"{value:.{0 if value >= 100 else 1 if value >= 10 else 2}f} {self.unit}"  # noqa: PLR2004 - see above


GOALS = (
    Goal(
        key="express",
        text="ICE decision with durable hold, requests/s against Express",
        gate=10,
        stretch=20,
        unit="x",
        wants_more=True,
    ),
    Goal(
        key="fastapi",
        text="the same against FastAPI + SQLAlchemy + SQLite",
        gate=20,
        stretch=40,
        unit="x",
        wants_more=True,
    ),
    Goal(key="node_expert", text='CPU per decision against "Node expert"', gate=1.0, stretch=0.7, unit="x"),
    Goal(
        key="policy",
        text="CPU of a decision with 50 rules, five lists, all limits against none",
        gate=1.5,
        stretch=1.2,
        unit="x",
    ),
    Goal(key="half_load_p99", text="p99 at half load, 64 connections, 60 s", gate=10, stretch=4, unit="ms"),
    Goal(
        key="hot_wallet",
        text="one hot wallet against 10 000, requests/s",
        gate=0.9,
        stretch=1.0,
        unit="x",
        wants_more=True,
    ),
    Goal(
        key="full_tables",
        text="10 million CDRs, 1 million prefixes against empty, p50",
        gate=1.1,
        stretch=1.0,
        unit="x",
    ),
    Goal(key="memory", text="memory with 1 million prefixes, 100 000 accounts", gate=400, stretch=200, unit="MB"),
    Goal(key="start", text="start to first answer, 1 million prefixes", gate=5, stretch=1, unit="s"),
)


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `measured` is None where nothing was; `note` says what was lesser than the goal asks."""

    goal: Goal
    measured: float | None
    verdict: str
    note: str


def judge(measured: Mapping[str, float], notes: Mapping[str, str]) -> list[Result]:
    """Put figures beside the goals; both are named by the goal's key."""
    return [
        Result(
            goal=goal,
            measured=measured.get(goal.key),
            verdict=goal.verdict(measured[goal.key]) if goal.key in measured else "",
            note=notes.get(goal.key, ""),
        )
        for goal in GOALS
    ]


def draw(results: Sequence[Result]) -> str:
    """Draw the table as text."""
    lines = [("goal", "gate", "stretch", "measured", "")]
    for result in results:
        goal = result.goal
        measured = NOT_YET if result.measured is None else goal.show(result.measured)
        remark = ", ".join(word for word in (result.verdict, result.note) if word)
        lines.append((goal.text, goal.show(goal.gate), goal.show(goal.stretch), measured, remark))
    return draw_lines(lines)


def draw_lines(lines: Sequence[Sequence[str]]) -> str:
    """Draw lines of cells under each other: the first and the last column to the left, figures to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if 0 < place < len(widths) - 1 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
