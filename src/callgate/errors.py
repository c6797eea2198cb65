"""Every exception that Callgate raises on purpose. A refusal is not here: it is a value, see `policy.refusal`."""

from collections.abc import Sequence
from typing import NamedTuple


class Error(Exception):
    """Base of all of them: catch this family at an edge, once."""

    def __reduce__(self) -> tuple[object, ...]:
        """So that one raised in another process comes back as what it was, whatever it is made from."""
        return _restore, (type(self), self.args, self.__dict__)


def _restore(kind: type[Error], words: tuple[object, ...], fields: dict[str, object]) -> Error:
    error = kind.__new__(kind, *words)
    error.args = words
    error.__dict__.update(fields)
    return error


class ProtocolError(Error):
    """The peer broke the provider's protocol. `status_hint` is the HTTP status to answer."""

    status_hint = 400


class SignatureInvalid(ProtocolError):
    """The request is not proven genuine. `ingredient` names what differs, for the operator and never for the sender."""

    status_hint = 401

    def __init__(self, ingredient: str, explanation: str) -> None:
        super().__init__(f"{ingredient}: {explanation}")
        self.ingredient = ingredient
        self.explanation = explanation


class CallbackMalformed(ProtocolError):
    """The body is not what the protocol says. `path` is the JSON path, `$` for the whole body."""

    def __init__(self, path: str, explanation: str) -> None:
        super().__init__(f"{path}: {explanation}")
        self.path = path
        self.explanation = explanation


class DecisionUnsupported(Error):
    """The provider has no words for that decision."""


class Invalid(Error):
    """Something that a person wrote cannot be used: where it stands, what was found, what would do."""

    def __init__(self, where: str, found: str, expected: str) -> None:
        super().__init__(f"{where}: found {found}; expected {expected}")
        self.where = where
        self.found = found
        self.expected = expected


class AmountInvalid(Invalid):
    """Not an amount of money, or not one that the currency and our integers can hold."""


class SettingsInvalid(Invalid):
    """A setting cannot be used; `where` says file, line and key, or the environment variable."""


class DeckFault(NamedTuple):
    """One cell of a deck that cannot be read; `column` is empty where the whole row is meant."""

    line: int
    column: str
    found: str
    expected: str

    def __str__(self) -> str:
        where = f"line {self.line}, {self.column}" if self.column else f"line {self.line}"
        return f"{where}: found {self.found}; expected {self.expected}"


FAULTS_SHOWN = 20
"""How many faults of a rate deck its message lists; the error itself carries all."""


class RateDeckInvalid(Error):
    """A rate deck cannot be imported. `faults` has every one found, each with line and column; nothing was changed."""

    def __init__(self, source: str, faults: Sequence[DeckFault]) -> None:
        shown = "\n".join(f"  {fault}" for fault in faults[:FAULTS_SHOWN])
        more = f"\n  and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        super().__init__(f"{source} cannot be imported, nothing was changed:\n{shown}{more}")
        self.source = source
        self.faults = tuple(faults)


class ListFault(NamedTuple):
    """One entry of a list that cannot be read; `place` says which line or entry it is."""

    place: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.place}: found {self.found}; expected {self.expected}"


class ListInvalid(Error):
    """Entries of a list cannot be used. `faults` has every one found; nothing was changed."""

    def __init__(self, source: str, faults: Sequence[ListFault]) -> None:
        shown = "\n".join(f"  {fault}" for fault in faults[:FAULTS_SHOWN])
        more = f"\n  and {len(faults) - FAULTS_SHOWN} more" if len(faults) > FAULTS_SHOWN else ""
        super().__init__(f"{source} cannot be used, nothing was changed:\n{shown}{more}")
        self.source = source
        self.faults = tuple(faults)


class RuleFault(NamedTuple):
    """One fault of a document of rules; line and column are counted from 1."""

    line: int
    column: int
    found: str
    expected: str

    def __str__(self) -> str:
        return f"line {self.line}, column {self.column}: found {self.found}; expected {self.expected}"


class RulesInvalid(Error):
    """A document of rules cannot be used. `faults` has every one found; nothing was changed."""

    def __init__(self, source: str, faults: Sequence[RuleFault]) -> None:
        super().__init__("\n".join([f"{source} cannot be used:", *(f"  {fault}" for fault in faults)]))
        self.source = source
        self.faults = tuple(faults)


class Conflict(Error):
    """What is asked contradicts what is already so: a name taken, a reference used for another amount."""


class Stale(Error):
    """Somebody else has changed it since it was read."""


class NotFound(Error):
    """Nothing of that name here."""


CLOSED = "closed"
"""How a store is that we have closed ourselves."""


class StorageUnavailable(Error):
    """The store did not take it. Nothing was written: safe to try again. `state` says in two words how the store is."""

    def __init__(self, explanation: str, state: str = "unavailable") -> None:
        super().__init__(explanation)
        self.state = state


class StorageOverloaded(StorageUnavailable):
    """More work is waiting than the bound of the queue allows. Nothing was written."""

    def __init__(self, explanation: str) -> None:
        super().__init__(explanation, "overloaded")


class PlatformFailed(Error):
    """The platform's own interface did not do what was asked. `is_retryable`: it may yet, as after a time-out, 429 or 5xx.

    `may_be_done`: it may have done it all the same, since only its answer is missing. Who cannot bear it twice, as with a
    phone that rings, must not ask again before knowing better.
    """

    def __init__(self, explanation: str, *, is_retryable: bool, may_be_done: bool = False) -> None:
        super().__init__(explanation)
        self.is_retryable = is_retryable
        self.may_be_done = may_be_done


class PlatformUnreachable(PlatformFailed):
    """There was no connection to the platform, so that nothing was asked of it."""


class PlatformRefused(PlatformFailed):
    """The platform answered with an error of its own.

    `code` is its number for it, 0 where it gave none, `reference` what its support asks for. `words` are its own: they may
    repeat a number or a name that was sent, so that they are for the person who asked, and no log holds them.
    """

    def __init__(self, status: int, code: int, explanation: str, *, reference: str = "", words: str = "") -> None:
        number = f"{code}" if code else f"status {status}"
        suffix = f" (reference {reference})" if reference else ""
        super().__init__(
            f"the platform refused it: {number}, {explanation}{suffix}",
            is_retryable=status in RETRYABLE or status >= SERVER_ERROR,
            may_be_done=status >= SERVER_ERROR,
        )
        self.status = status
        self.code = code
        self.reference = reference
        self.words = words


RETRYABLE = frozenset({408, 425, 429})
"""HTTP statuses below 500 after which the same request may do."""

SERVER_ERROR = 500
"""The first of the HTTP statuses that say that the server failed, perhaps half way through."""


class IdTokenInvalid(Error):
    """A token of the operator's OpenID Connect provider proves nobody."""


class OpenIdRefused(Error):
    """The operator's OpenID Connect provider knows somebody who may not come in; the sentence is for them to read."""


class OpenIdUnreachable(Error):
    """The provider's keys cannot be had now, so that nothing can be said of a token."""


class TargetUnreachable(Error):
    """No callback server listens where the emulator was told to call, so that there is no call to speak of."""

    def __init__(self, target: str, why: str = "") -> None:
        reason = f" ({why})" if why else ""
        super().__init__(
            f"nothing answers at {target}{reason}: start one with `callgate dev`, or name another with --target"
        )
        self.target = target


class TargetUnfit(Error):
    """Something answers where the emulator was told to call, but no callback server does so: what it does, what would do."""

    def __init__(self, target: str, found: str, expected: str) -> None:
        super().__init__(f"{target} {found}; expected {expected}")
        self.target = target
        self.found = found
        self.expected = expected


class DeliveryFailed(Error):
    """A record did not reach its receiver; `is_retryable` says whether it may yet take it."""

    def __init__(self, explanation: str, *, is_retryable: bool) -> None:
        super().__init__(explanation)
        self.is_retryable = is_retryable
