"""Test your own voice app: an emulated platform that calls it, in process or over HTTP. pytest finds its fixtures by itself.

Nothing is loaded before it is used: pytest imports this package in every run, also in those that test something else.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from callgate.emulator.conformance.report import Conformance
    from callgate.emulator.faults import Fault, FaultKind
    from callgate.emulator.journal import Entry
    from callgate.testing.emulator import Emulator, PlacedCall

__all__ = ["Conformance", "Emulator", "Entry", "Fault", "FaultKind", "PlacedCall"]

_HOMES = {
    "Conformance": "callgate.emulator.conformance.report",
    "Emulator": "callgate.testing.emulator",
    "Entry": "callgate.emulator.journal",
    "Fault": "callgate.emulator.faults",
    "FaultKind": "callgate.emulator.faults",
    "PlacedCall": "callgate.testing.emulator",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib  # noqa: PLC0415 - see above

    return getattr(importlib.import_module(_HOMES[name]), name)
