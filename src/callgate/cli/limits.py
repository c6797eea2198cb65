"""How limits are shown, of applications and of accounts."""

from typing import TYPE_CHECKING

from callgate.cli.desk import say, say_json

if TYPE_CHECKING:
    from callgate.policy.limits import Limits


def say_limits(limits: "Limits", *, as_json: bool) -> None:
    """Print each limit as the words that would set it."""
    import msgspec

    named = msgspec.structs.asdict(limits)
    if as_json:
        say_json(named)
    else:
        say("\n".join(f"{name}={'none' if value is None else value}" for name, value in named.items()))
