"""Log events, not prose: a name and pairs. One JSON object a line, or readable columns where a person looks on."""

import logging
import re
import sys
from typing import TYPE_CHECKING, Any

from callgate.numbers import mask

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

_NUMBER = re.compile(r"\+[0-9]{7,15}")


def configure_logs(level: str) -> None:
    """Set up structlog for this process, on standard error. Events below `level` cost almost nothing."""
    import structlog  # noqa: PLC0415 - see `Log`

    is_terminal = sys.stderr.isatty()
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_numbers,
            structlog.dev.ConsoleRenderer() if is_terminal else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def mask_numbers(_: "WrappedLogger", __: str, event: "EventDict") -> "EventDict":
    """Hide numbers wherever a peer may have put them: a call id, the name of an event, the key of a signature."""
    for name, value in event.items():
        if isinstance(value, str) and "+" in value:
            event[name] = _NUMBER.sub(lambda found: mask(found[0]), value)
    return event


class Log:
    """structlog's logger, loaded when first written to: that takes a third of a second, and most commands log nothing."""

    def __getattr__(self, level: str) -> Any:
        import structlog  # noqa: PLC0415 - see above

        return getattr(structlog.get_logger(), level)


log = Log()
"""What every room writes to."""
