"""Looks at every answer of a load: is it one at all, is it legal, is it of the kind that this event takes."""

from typing import NamedTuple

import msgspec

from callgate.emulator.svaml import IllegalSvaml, read_svaml

MAX_KEPT = 10_000
"""Answers whose verdict is remembered. Most are the same few bytes again and again."""

SHOWN_BYTES = 200


class Judged(NamedTuple):
    """What an answer says. `kind` is empty for a good one, else what is wrong with it, and `words` say more.

    `action` is empty for an end, which takes none. `number` and `max_duration_s` are those of a connection.
    """

    kind: str
    words: str
    action: str = ""
    number: str | None = None
    max_duration_s: int | None = None


class Judge:
    """Judges, and remembers what it has seen."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int, bytes], Judged] = {}

    def judge(self, event: str, status: int, body: bytes) -> Judged:
        """Judge one answer to `ice`, `ace` or `dice`."""
        seen = self._seen.get((event, status, body))
        if seen is None:
            seen = _judge(event, status, body)
            if len(self._seen) >= MAX_KEPT:
                self._seen.clear()
            if len(body) <= MAX_KEPT:
                self._seen[event, status, body] = seen
        return seen


def _judge(event: str, status: int, body: bytes) -> Judged:
    if status // 100 != 2:  # noqa: PLR2004 - the class of status codes
        return Judged(f"status {status}", f"{event.upper()} was answered {status} {_shown(body)}")
    if event == "dice" and not body.strip():
        return Judged("", "")
    try:
        answer = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Judged("no JSON", f"{event.upper()} was answered {_shown(body)}, which is not JSON")
    if event == "dice":
        if isinstance(answer, dict):
            return Judged("", "")
        return Judged("no object", f"DICE was answered {_shown(body)}, which is no object")
    try:
        action = read_svaml(answer, event).action
    except IllegalSvaml as fault:
        return Judged("illegal SVAML", f"{event.upper()} was answered {_shown(body)}: {fault}")
    return Judged("", "", action.name, action.number, action.max_duration_s)


def _shown(body: bytes) -> str:
    return body[:SHOWN_BYTES].decode(errors="replace") or "nothing"
