"""One rule as operators write it: a condition on the facts of a call, and the effect that it has where that holds."""

from enum import StrEnum

import msgspec


class Mode(StrEnum):
    """A rule in shadow is judged on every call, and what it would have done stands in the call's trace; nothing else."""

    SHADOW = "shadow"
    BINDING = "binding"


class Effect(StrEnum):
    """What a rule does with a call."""

    REFUSE = "refuse"  # and say `text` to the caller first, where there is one
    CONNECT = "connect"  # to another destination, which is judged and held like the first
    MENU = "menu"  # to a menu of the document; where a choice leads is judged and held like the first
    CAP = "cap"  # grant at most `seconds`


DECISIVE = frozenset({Effect.REFUSE, Effect.CONNECT, Effect.MENU})
"""Effects after which no further rule is asked; caps add up to the shortest."""

ELSEWHERE = frozenset({Effect.CONNECT, Effect.MENU})
"""Effects that lead the call to another place than was dialled."""


class Rule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`text`, `to`, `menu` and `seconds` belong to one effect each, and are empty or 0 with the others. Rules with a higher
    `priority` are asked first, those of equal priority in the order of the document.
    """

    name: str
    condition: str
    effect: Effect
    text: str = ""
    to: str = ""
    menu: str = ""
    seconds: int = 0
    priority: int = 0
    mode: Mode = Mode.SHADOW
