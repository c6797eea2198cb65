"""How limits are shown, of applications and of accounts."""

from typing import TYPE_CHECKING

from callgate.cli.desk import say, say_json

if TYPE_CHECKING:
    from callgate.policy.limits import Limits


def say_limits(limits: "Limits", defaults: "Limits", *, as_json: bool) -> None:
    """Print each limit as the words that would set it; those that nobody set are marked as defaults."""
    from callgate.policy.limits import filled, set_by_hand, shown

    named, own = shown(filled(limits, defaults)), set_by_hand(limits)
    if as_json:
        say_json(named)
        return
    for name, value in named.items():
        word = "none" if value is None else ",".join(value) if isinstance(value, list) else value
        say(f"{name}={word}{'' if name in own else '  (default)'}")
