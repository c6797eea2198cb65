"""A job that does nothing: it shows that the queue moves and the engine commits."""

from dataclasses import dataclass

from callgate.service.books import Books, Keys


@dataclass(frozen=True)
class Probe:
    """Reads and writes nothing."""

    def keys(self) -> Keys:
        return Keys()

    def run(self, books: Books) -> None:
        """Nothing."""
