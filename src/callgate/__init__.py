"""Callgate: the gate that every call asks before it connects.

`import callgate` loads nothing; `callgate.protocol` and `Callgate` need msgspec alone, the server the extra `server`.
"""

__version__ = "0.1.0"

__all__ = ["Callgate"]

TYPE_CHECKING = False  # type checkers take it for true; the one in `typing` would have to be loaded
if TYPE_CHECKING:
    from callgate.library import Callgate
else:

    def __getattr__(name: str) -> object:
        """Load the library when it is first asked for."""
        if name != "Callgate":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from callgate.library import Callgate  # noqa: PLC0415 - see above

        return Callgate
