"""For what the server does something to its books: each cause knows what the oracle makes of it once it is committed."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from callgate.simulator.oracle import End, Oracle, Setup, Side, Start
from callgate.simulator.promises import Broken

CallId = tuple[str, str]
"""Application and call id."""

Said = tuple[object, ...]
"""What an answer says, in the oracle's words."""


class Step(Protocol):
    """A job that ran: its name, the time on the server's clock when it was queued, what it raised or the name of what it
    returned, the calls that it is about, and the first of them.
    """

    @property
    def name(self) -> str: ...

    @property
    def now_us(self) -> int: ...

    @property
    def error(self) -> Exception | None: ...

    @property
    def outcome(self) -> str: ...

    @property
    def result(self) -> Any: ...

    @property
    def taken(self) -> Sequence[CallId]: ...

    @property
    def call(self) -> CallId: ...

    @property
    def calls(self) -> Sequence[CallId]: ...


class Delivery:
    """One callback on its way, and back. `expected` is what must be answered, once it was committed. `reference` is by what
    name the server knows a call that it places.

    `told` is called with the answer, None when there is none. `signed_at` is None for one that is signed when it is sent.
    """

    __slots__ = (
        "at", "expected", "is_committed", "is_forged", "is_overruled", "key", "kind", "reference", "says", "setup",
        "signed_at", "told",
    )  # fmt: skip

    def __init__(self, kind: str, key: CallId, says: Start | End | None, reference: CallId | None = None) -> None:
        self.kind, self.key, self.says, self.reference = kind, key, says, reference
        self.at = 0.0
        self.setup: Setup | None = None
        self.signed_at: float | None = None
        self.is_forged = False
        self.is_committed = False
        self.is_overruled = False
        self.expected: Said = ()
        self.told: Callable[[Said | None], None] | None = None

    def __repr__(self) -> str:
        return f"{self.kind} {'/'.join(self.key)}"

    def committed(self, step: Step, oracle: Oracle) -> None:
        if step.error is not None:
            raise Broken("exception", f"{step.name} for {self}: {step.error!r}")
        if step.name == "Overrule":
            assert isinstance(self.says, Start)
            oracle.overruled(self.key, self.says, self)
            self.is_overruled = True
            return
        if self.is_committed:
            raise Broken("repeat", f"{step.name} for {self} was committed twice")
        self.is_committed = True
        self.expected = self._heard(step, oracle)

    def _heard(self, step: Step, oracle: Oracle) -> Said:
        says = self.says
        match step.name, says:
            case "Authorize", Start():
                assert self.setup is not None
                return oracle.starts(self.key, says, self.setup, self, step.now_us)
            case "GoAhead", None:
                return oracle.answered(oracle.goes_by(self.key, self.reference), step.now_us)
            case "Settle", End():
                return oracle.ends(oracle.goes_by(self.key, self.reference), says, step.now_us)
        raise Broken("unknown", f"{step.name}, for {self}")


class Order:
    """Something that an operator does. `apply` has the oracle do it, and says which error it must raise."""

    __slots__ = ("apply", "expected", "is_committed", "name")

    def __init__(self, name: str, apply: Callable[[], str | None]) -> None:
        self.name, self.apply = name, apply
        self.is_committed = False
        self.expected: str | None = None

    def __repr__(self) -> str:
        return self.name

    def committed(self, step: Step, _: Oracle) -> None:
        if step.name == "Probe":
            return
        found = None if step.error is None else type(step.error).__name__
        self.expected = self.apply()
        if found != self.expected:
            raise Broken("order", f"{self} gave {step.error!r}, must give {self.expected}")
        self.is_committed = True


class Wish:
    """A call that a program wants placed. `said` is what it was answered: a status, and the reference of what was held for."""

    __slots__ = (
        "_account", "_application", "_longest_s", "_name", "_setup", "_sides", "expected", "is_unknown", "said",
    )  # fmt: skip

    def __init__(  # noqa: PLR0913, PLR0917 - what is wanted, of whom
        self, name: str, application: str, account: str, sides: tuple[Side, ...], longest_s: int, setup: Setup
    ) -> None:
        self._name, self._application, self._account = name, application, account
        self._sides, self._longest_s, self._setup = sides, longest_s, setup
        self.is_unknown = False  # there is no such account
        self.expected: tuple[int, str] = (0, "")
        self.said: tuple[int, str] = (0, "")

    def __repr__(self) -> str:
        return f"callout {self._name}"

    def committed(self, step: Step, oracle: Oracle) -> None:
        if step.error is not None:
            raise Broken("exception", f"{step.name} for {self}: {step.error!r}")
        match step.name:
            case "Idempotent":
                request = (self._application, self._name)
                self.expected = oracle.places(
                    request, self._account, self._sides, self._longest_s, self._setup, step.now_us
                )
                if (step.result.status, step.result.body.decode()) != self.expected:
                    raise Broken("callout", f"{self} gave {step.result}, must give {self.expected}")
            case "KeepPlaced":
                keep_placed(step, oracle)
            case "KeepNotPlaced":
                oracle.not_placed(step.calls, (self._application, self._name))
            case _:
                raise Broken("unknown", f"{step.name}, for {self}")


def keep_placed(step: Step, oracle: Oracle) -> None:
    """The platform said by which id a call goes: the job names it by its reference and by that id."""
    reference, key = step.calls
    oracle.goes_by(key, reference)


class Sweep:
    """The server looks for ends that have waited long enough."""

    __slots__ = ("_before_us", "_setup")

    def __init__(self, setup: Setup, before_us: int) -> None:
        self._setup, self._before_us = setup, before_us

    def __repr__(self) -> str:
        return "sweep"

    def committed(self, step: Step, oracle: Oracle) -> None:
        if step.name != "ExpireParked" or step.error is not None:
            raise Broken("unknown", f"{step.name}, for a sweep: {step.error!r}")
        if not oracle.may_give_up(step.call, self._before_us):
            raise Broken("orphan", f"{step.call} was given up before its time")
        oracle.given_up(step.call, self._setup)


class Healing:
    """The server looks for calls whose end has not come, and asks the platform; `says` is what that has to say of a call:
    its end, True for one that is up or not told, False for none. What is due is due by the clock of when it began to look.
    `was_ended` says whether the platform was asked to end a call.
    """

    __slots__ = ("_began_us", "_says", "_was_ended")

    def __init__(
        self, says: Callable[[CallId], End | bool], began_us: int, was_ended: Callable[[CallId], bool]
    ) -> None:
        self._says, self._began_us, self._was_ended = says, began_us, was_ended

    def __repr__(self) -> str:
        return "healer"

    def committed(self, step: Step, oracle: Oracle) -> None:
        if step.error is not None:
            raise Broken("exception", f"{step.name} for {self}: {step.error!r}")
        match step.name:
            case "TakeTurn":
                self._take_turn(step, oracle)
            case "SettleAsked":
                end = self._says(step.call)
                if not isinstance(end, End):
                    raise Broken("asked", f"{step.call} is settled by an end that the platform did not tell")
                oracle.is_told(step.call, end)
            case "ExtendHold" | "TendBridge":
                self._tend(step, oracle)
            case "KeepPlaced":
                keep_placed(step, oracle)
            case "KeepNotPlaced":
                oracle.not_placed(step.calls)
            case "ConfirmHangUp":
                self._confirm(step, oracle)
            case "SettleByEstimate":
                oracle.is_given_up(step.call, step.now_us, is_unknown=self._says(step.call) is False)
            case _:
                raise Broken("unknown", f"{step.name}, for {self}")

    def _confirm(self, step: Step, oracle: Oracle) -> None:
        if not self._was_ended(step.call):
            raise Broken("callout", f"{step.call} is said to be ended, and the platform was never asked to")
        oracle.is_hung_up(step.call, step.now_us)

    def _tend(self, step: Step, oracle: Oracle) -> None:
        if step.name == "ExtendHold":
            rule, fault = "elastic", oracle.extends(step.call, self._began_us, step.outcome)
        else:
            call, peer = step.calls
            rule, fault = "callout", oracle.tends(call, peer, step.now_us, step.outcome)
        if fault:
            raise Broken(rule, fault)

    def _take_turn(self, step: Step, oracle: Oracle) -> None:
        early = [call for call in step.calls if not oracle.may_ask(call, self._began_us)]
        if early:
            raise Broken("asked", f"the platform is asked about {early[0]} before its time")
        for call in step.taken:
            oracle.is_asked(call)


class Own:
    """What the server does for itself, which moves nothing."""

    def __repr__(self) -> str:
        return "the server itself"

    def committed(self, step: Step, _: Oracle) -> None:
        raise Broken("unknown", f"{step.name}, for {self}")


AnyCause = Delivery | Order | Wish | Sweep | Healing | Own
"""Each is told, by `committed`, of every step that was committed for it. Raises `Broken`."""
