"""What checks find, and the report of them all."""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

import msgspec

if TYPE_CHECKING:
    from callgate.emulator.conformance.sender import Sender


class Mark(StrEnum):
    """How a check went. `advice` is no fault: it works, and could be safer. `skipped` was not tried."""

    PASS = "pass"  # noqa: S105 - a verdict
    FAIL = "fail"
    ADVICE = "advice"
    SKIPPED = "skipped"


class Finding(NamedTuple):
    """What one check saw."""

    mark: Mark
    found: str


class Check(NamedTuple):
    """One question to a server. `says` is what holds when it passes, `todo` what to do when it does not."""

    name: str
    says: str
    todo: str
    look: "Callable[[Sender], Finding]"


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the report. `todo` is empty where there is nothing to do."""

    name: str
    mark: Mark
    says: str
    found: str
    todo: str


class Conformance(msgspec.Struct, frozen=True, kw_only=True):
    """The report of one server."""

    target: str
    checks: list[Checked]

    def named(self, mark: Mark) -> list[str]:
        """Return the names of the checks that went so."""
        return [check.name for check in self.checks if check.mark is mark]

    @property
    def failed(self) -> list[str]:
        return self.named(Mark.FAIL)

    @property
    def advised(self) -> list[str]:
        return self.named(Mark.ADVICE)

    @property
    def is_well(self) -> bool:
        """Whether nothing failed and everything was tried; there may be advice."""
        return not self.failed and not self.named(Mark.SKIPPED)
