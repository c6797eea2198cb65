"""What an application's rules come to for one call: compiled once, asked in their order, each result by its name."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from callgate.policy.rules.document import UTC_ZONE, RuleDocument
from callgate.policy.rules.evaluate import Program, compile_condition, context_of, holds
from callgate.policy.rules.facts import Value
from callgate.policy.rules.rule import DECISIVE, Effect, Mode, Rule

GROUPED = 16
"""Rules that are asked about together: whether any of their conditions holds. Mostly none does, and then none is asked alone."""

Rules = tuple[tuple[Rule, Program], ...]


class Group(NamedTuple):
    """Neighbours in the order of the rules, and the condition that any of theirs holds; None where there is none."""

    any_of: Program | None
    rules: Rules


@dataclass(frozen=True, kw_only=True, slots=True)
class RuleSet:
    """An application's rules, ready to be asked: the highest priority first. `names` are the facts that they look at,
    `groups` are the same `programs`.

    Programs may be run by several threads at a time; their context is made anew for each call.
    """

    version: int
    document: RuleDocument
    programs: Rules
    groups: tuple[Group, ...]
    zone: ZoneInfo

    @property
    def names(self) -> frozenset[str]:
        return self.document.names


class Match(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A rule whose condition held, or could not be judged; `error` then says why."""

    rule: str
    mode: Mode
    effect: Effect
    error: str = ""


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What the rules come to. `decisive` is the binding rule that ends the search, None where none does; `is_failed`: it could
    not be judged, so that the call is refused. `cap_s` is the shortest of the binding caps.
    """

    matches: tuple[Match, ...] = ()
    decisive: Rule | None = None
    is_failed: bool = False
    cap_s: int | None = None

    @property
    def text(self) -> str:
        """What the caller is told, empty where nothing is: a rule that failed says nothing, since its words may not fit."""
        return "" if self.decisive is None or self.is_failed else self.decisive.text

    @property
    def failed(self) -> Match | None:
        """The binding rule that could not be judged: it ended the search."""
        return self.matches[-1] if self.is_failed else None

    @property
    def errors(self) -> tuple[Match, ...]:
        return tuple(match for match in self.matches if match.error)


def compile_rules(document: RuleDocument, version: int = 0) -> RuleSet:
    """Compile what was read. Raises `ValueError` for a condition that the language itself does not take."""
    ordered = sorted(document.rules, key=lambda rule: -rule.priority)
    programs = tuple((rule, compile_condition(rule.condition)) for rule in ordered)
    groups = tuple(_group(programs[place : place + GROUPED]) for place in range(0, len(programs), GROUPED))
    return RuleSet(
        version=version, document=document, programs=programs, groups=groups, zone=ZoneInfo(document.time_zone)
    )


def _group(rules: Rules) -> Group:
    """An or of conditions is false only where each of them is: one that cannot be judged makes it one that cannot either."""
    if len(rules) == 1:
        return Group(None, rules)
    lines = "\n) || (".join(rule.condition for rule, _ in rules)  # a condition may end in a comment
    try:
        return Group(compile_condition(f"({lines}\n)"), rules)
    except ValueError:  # each by itself is one that the language takes; together they may be too much
        return Group(None, rules)


class _Unusable:
    """Stands for a document that cannot be compiled."""

    def __init__(self, why: str) -> None:
        self._why = why

    def execute(self, context: Any) -> object:  # noqa: ARG002 - as a program does
        raise ValueError(self._why)


def unusable_rules(version: int, why: str) -> RuleSet:
    """Rules of which nothing is known but that they bind: every call is refused by a rule of the name `rules`."""
    rule = Rule(name="rules", condition="", effect=Effect.REFUSE, mode=Mode.BINDING)
    programs = ((rule, _Unusable(why)),)
    groups = (Group(None, programs),)
    return RuleSet(version=version, document=RuleDocument(), programs=programs, groups=groups, zone=ZoneInfo(UTC_ZONE))


def judge_rules(rules: RuleSet, facts: Mapping[str, Value], dialled: str, chosen_in: str = "") -> Ruling:
    """Ask rule after rule, until a binding one says what becomes of the call.

    A binding rule that cannot be judged refuses the call: what it would have said is not known. One that connects to what is
    `dialled` anyway, as a rule writes it, has nothing to do; nor has the one in whose menu that was chosen.
    """
    context = context_of(facts)
    matches: list[Match] = []
    cap_s: int | None = None
    for rule, program in _of_interest(rules, context):
        is_so, error = holds(program, context)
        if not is_so and not error:
            continue
        matches.append(Match(rule=rule.name, mode=rule.mode, effect=rule.effect, error=error))
        if rule.mode is Mode.SHADOW or (_is_done(rule, dialled, chosen_in) and not error):
            continue
        if error or rule.effect in DECISIVE:
            return Ruling(matches=tuple(matches), decisive=rule, is_failed=bool(error), cap_s=cap_s)
        cap_s = rule.seconds if cap_s is None else min(cap_s, rule.seconds)
    return Ruling(matches=tuple(matches), cap_s=cap_s)


def _of_interest(rules: RuleSet, context: Any) -> Iterator[tuple[Rule, Program]]:
    """The rules of groups in which one may hold."""
    for any_of, members in rules.groups:
        if any_of is None or holds(any_of, context) != _NONE_HOLDS:
            yield from members


_NONE_HOLDS = (False, "")


def _is_done(rule: Rule, dialled: str, chosen_in: str) -> bool:
    """Whether the call is on its way to where the rule would lead it, or comes from there."""
    if rule.effect is Effect.MENU:
        return rule.name == chosen_in
    return rule.effect is Effect.CONNECT and rule.to == dialled
