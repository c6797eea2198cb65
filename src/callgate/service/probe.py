"""A job that changes nothing and yet is written: it shows that the queue moves and the engine commits."""

from dataclasses import dataclass

from callgate.service.books import Books, Keys


@dataclass(frozen=True)
class Probe:
    """What a decision needs, without a decision. A disk that is full does not pass."""

    def keys(self) -> Keys:
        return Keys()

    def run(self, books: Books) -> None:
        books.is_probed = True
