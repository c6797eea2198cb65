"""A call judged again, as its page shows it: what was decided, what today's rules say, and where they part."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from callgate.errors import NotFound
from callgate.protocol.call import CallKey
from callgate.service.elastic import DEFAULT_TERMS
from callgate.service.replay import Judged, Replay, replay_call
from callgate.web.desk import Desk
from callgate.web.formats import facts, words
from callgate.web.forms import sentence_of


class Cell(NamedTuple):
    """A verdict of one step. `saw` is what it looked at, in words."""

    words: str
    tone: str
    saw: list[tuple[str, str]]


class Row(NamedTuple):
    """A step: recorded, as of then, and now. None where it was not judged."""

    step: str
    cells: tuple[Cell | None, Cell | None, Cell | None]
    differs: bool


class Column(NamedTuple):
    """One of the judgements: what it came to. `first` is the step where it parts from what was recorded, empty where it
    does not.
    """

    name: str
    hint: str
    judged: Judged | None
    first: str


class Replayed(NamedTuple):
    """`fault` says why a call cannot be judged again, empty where it could."""

    columns: tuple[Column, ...] = ()
    rows: tuple[Row, ...] = ()
    currency: str | None = None
    fault: str = ""


async def replayed(desk: Desk, key: CallKey) -> Replayed:
    """Judge it again. Nothing is written."""
    try:
        replay = await replay_call(desk.store, desk.catalogs.now, key, now=desk.clock(), elastic=DEFAULT_TERMS)
    except NotFound as error:
        return Replayed(fault=sentence_of(error))
    return Replayed(_columns(replay), tuple(_rows(replay)), replay.currency)


def _columns(replay: Replay) -> tuple[Column, ...]:
    return (
        Column("Recorded", "what was decided", replay.recorded, ""),
        Column("Then, by today's rules", "with its money and price of then", replay.then, replay.first_then or ""),
        Column("Now", "if the same call came at this moment", replay.now, replay.first_now or ""),
    )


def _rows(replay: Replay) -> list[Row]:
    return [
        Row(step.step, (_cell(step.recorded), _cell(step.then), _cell(step.now)), step.differs) for step in replay.steps
    ]


def _cell(step: Mapping[str, Any] | None) -> Cell | None:
    if step is None:
        return None
    refusal = step["refusal"]
    said = "passed" if refusal is None else f"refused: {words(refusal)}"
    return Cell(said, "good" if refusal is None else "bad", facts(step["saw"]))
