"""What was typed into a form, kept while it is being put right, with a sentence beside each field that will not do."""

from collections.abc import Mapping, Sequence

from callgate.errors import Error, Invalid, NotFound


class Filled:
    """A form as it was sent, or as it is shown the first time. Unknown names read as empty."""

    def __init__(self, typed: Mapping[str, str] | None = None, **first: str) -> None:
        self._typed = dict(first) | {name: str(value) for name, value in (typed or {}).items()}
        self.faults: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        return self._typed.get(name, "")

    def words(self, name: str) -> list[str]:
        """What was typed, apart at blanks, commas and ends of lines."""
        return self[name].replace(",", " ").split()

    def drop(self, *names: str) -> None:
        """What was typed there cannot be meant."""
        for name in names:
            self._typed.pop(name, None)

    @property
    def is_faulty(self) -> bool:
        return bool(self.faults)

    def blame(self, error: Error, fields: Mapping[str, str], otherwise: str) -> "Filled":
        """Put what an error says beside the field that it is about: `fields` are names of fields by the error's own word for
        the place, `otherwise` the field where all else is said.
        """
        where = error.where if isinstance(error, Invalid) else ""
        self.faults[fields.get(where, otherwise)] = sentence_of(error)
        return self


def told_first(what: str, faults: Sequence[object]) -> str:
    """Say what cannot be done, and its first fault, which says what would do: a list of all of them stands below."""
    return f"{what}: {faults[0]}." if faults else f"{what}."


def sentence_of(error: Error) -> str:
    """Say what is wrong, and what would do."""
    if not isinstance(error, Invalid):
        text = str(error)
        if isinstance(error, NotFound) and "account" in text:
            text += "; open it first, or name another"
        elif text.endswith("exists already"):
            text += "; choose another"
        return f"{text[:1].upper()}{text[1:]}."
    if error.found in ("''", '""', "nothing"):
        return f"Nothing was entered. What would do: {error.expected}."
    return f"{error.found} will not do. What would: {error.expected}."
