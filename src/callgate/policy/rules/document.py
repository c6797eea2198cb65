"""The document in which operators write their rules: TOML, read with every fault by its line and column."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from callgate.errors import Invalid, RuleFault, RulesInvalid
from callgate.numbers import parse_e164
from callgate.policy.limits import MAX_GRANT_S
from callgate.policy.menu import MenuTree, read_menus
from callgate.policy.route import parse_route, shown_route
from callgate.policy.rules.condition import ConditionInvalid, check_condition
from callgate.policy.rules.evaluate import try_condition
from callgate.policy.rules.facts import FACTS, Fact
from callgate.policy.rules.places import Places
from callgate.policy.rules.rule import Effect, Mode, Rule

MAX_DOCUMENT = 65_536
"""Longest document, in bytes of UTF-8."""

MAX_RULES = 200

MAX_RULE_TEXT = 600
"""Longest sentence to a caller. Source: Sinch Voice API reference, text-to-speech."""

MAX_PRIORITY = 1_000_000

UTC_ZONE = "UTC"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_TOML_PLACE = re.compile(
    r"^(?P<what>.*?) \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)$", re.DOTALL
)

_OF_EFFECT = {"text": Effect.REFUSE, "to": Effect.CONNECT, "menu": Effect.MENU, "seconds": Effect.CAP}
_KEYS = ("name", "condition", "effect", *_OF_EFFECT, "priority", "mode")
_MENUS = ("menu", "locale")
_TOP = ("time_zone", "rule", *_MENUS)


class RuleDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What a document says. `rules` are in the order of the document; `names` are the facts that all of them look at;
    `menus` what rules lead callers to, None where there are none.
    """

    rules: tuple[Rule, ...] = ()
    time_zone: str = UTC_ZONE
    names: frozenset[str] = frozenset()
    menus: MenuTree | None = None


def read_rules(text: str, source: str, facts: Mapping[str, Fact] = FACTS) -> RuleDocument:
    """Read a document. Raises `RulesInvalid` with every fault that was found."""
    if len(text.encode()) > MAX_DOCUMENT:
        fault = RuleFault(1, 1, f"{len(text.encode())} bytes", f"at most {MAX_DOCUMENT}")
        raise RulesInvalid(source, [fault])
    try:
        told = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise RulesInvalid(source, [_not_toml(text, str(error))]) from None
    reader = _Reader(Places(text), facts)
    document = reader.read(told)
    if reader.faults:
        raise RulesInvalid(source, sorted(reader.faults))
    return document


class _Reader:
    """Collects faults rather than stopping at the first."""

    def __init__(self, places: Places, facts: Mapping[str, Fact]) -> None:
        self._places = places
        self._facts = {name: fact.kind for name, fact in facts.items()}
        self._examples = {name: fact.example for name, fact in facts.items()}
        self._table, self._number = "", 0  # where we are reading
        self._names: set[str] = set()
        self._menus: MenuTree | None = None
        self.faults: list[RuleFault] = []

    def read(self, told: Mapping[str, Any]) -> RuleDocument:
        for key in told.keys() - set(_TOP):
            self._fault(key, f"the key {key!r}", f"one of {', '.join(_TOP)}")
        zone = told.get("time_zone", UTC_ZONE)
        if not _is_zone(zone):
            self._fault("time_zone", repr(zone), "the name of a time zone, such as 'Europe/Stockholm'")
        self._menus = self._read_menus(told)
        tables = told.get("rule", [])
        if not (isinstance(tables, list) and all(isinstance(each, dict) for each in tables)):
            self._fault("rule", "no list of tables", "[[rule]] above each rule")
            tables = []
        if len(tables) > MAX_RULES:
            self._table, self._number = "rule", MAX_RULES
            self._fault("", f"{len(tables)} rules", f"at most {MAX_RULES}")
        rules = tuple(self._read_rules(tables[:MAX_RULES]))
        return RuleDocument(rules=rules, time_zone=str(zone), names=frozenset(self._names), menus=self._menus)

    def _read_menus(self, told: Mapping[str, Any]) -> MenuTree | None:
        """The menus of the document, as those of rented numbers are written; their first mistake."""
        if "menu" not in told:
            if "locale" in told:
                self._fault("locale", "a locale and no menus", "[[menu]] tables that are spoken in it")
            return None
        try:
            return read_menus({key: told[key] for key in _MENUS if key in told}, "menus")
        except Invalid as error:
            self._table = "menu"
            named = [each.get("id") for each in told["menu"]] if isinstance(told["menu"], list) else []
            self._number = next((place for place, each in enumerate(named) if f"menu {each!r}" in error.where), 0)
            self._fault("", f"{error.where}: {error.found}", error.expected)
            self._table, self._number = "", 0
            return None

    def _read_rules(self, tables: list[dict[str, Any]]) -> Iterator[Rule]:
        seen: dict[str, int] = {}
        self._table = "rule"
        for number, told in enumerate(tables):
            self._number = number
            before = len(self.faults)
            rule = self._read_rule(told)
            if rule.name in seen and rule.name:
                line = self._places.of("rule", seen[rule.name]).line
                self._fault("name", repr(rule.name), f"a name of its own: the rule at line {line} has it")
            seen.setdefault(rule.name, number)
            if len(self.faults) == before:
                yield rule

    def _read_rule(self, told: Mapping[str, Any]) -> Rule:
        for key in told.keys() - set(_KEYS):
            self._fault(key, f"the key {key!r}", f"one of {', '.join(_KEYS)}")
        effect = self._word(told, "effect", Effect)
        return Rule(
            name=self._name(told),
            condition=self._condition(told),
            effect=effect or Effect.REFUSE,
            **self._of_effect(told, effect) if effect is not None else {},
            priority=self._whole(told, "priority", 0, -MAX_PRIORITY, MAX_PRIORITY),
            mode=self._word(told, "mode", Mode, Mode.SHADOW) or Mode.SHADOW,
        )

    def _name(self, told: Mapping[str, Any]) -> str:
        name = told.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            found = "no name" if name is None else repr(name)[:80]
            self._fault("name", found, "1 to 64 of letters, digits and . _ -, beginning with a letter or digit")
            return ""
        return name

    def _condition(self, told: Mapping[str, Any]) -> str:
        condition = told.get("condition")
        if not isinstance(condition, str):
            found = "no condition" if condition is None else repr(condition)[:80]
            self._fault("condition", found, "an expression in quotes, such as 'country == \"SE\"'")
            return ""
        try:
            self._names |= check_condition(condition, self._facts)
            try_condition(condition, self._examples)
        except ConditionInvalid as error:
            line, column = self._places.inside("rule", self._number, "condition", error.at)
            self.faults.append(RuleFault(line, column, error.found, error.expected))
        return condition

    def _of_effect(self, told: Mapping[str, Any], effect: Effect) -> dict[str, Any]:
        """The one key that belongs to the effect; the others have nothing to do with it."""
        for key, owner in _OF_EFFECT.items():
            if key in told and owner is not effect:
                self._fault(key, f"{key!r} with the effect {effect}", f"it only with the effect {owner}")
        if effect is Effect.REFUSE:
            return {"text": self._text(told)}
        if effect is Effect.CONNECT:
            return {"to": self._to(told)}
        if effect is Effect.MENU:
            return {"menu": self._menu(told)}
        return {"seconds": self._whole(told, "seconds", None, 1, MAX_GRANT_S)}

    def _text(self, told: Mapping[str, Any]) -> str:
        text = told.get("text", "")
        if not isinstance(text, str) or len(text) > MAX_RULE_TEXT or not text.isprintable():
            found = (
                f"{len(text)} characters" if isinstance(text, str) and len(text) > MAX_RULE_TEXT else repr(text)[:80]
            )
            self._fault("text", found, f"a sentence of at most {MAX_RULE_TEXT} characters, on one line")
            return ""
        return text

    def _to(self, told: Mapping[str, Any]) -> str:
        """A number in E.164, or another place with its kind before it."""
        to = told.get("to")
        if isinstance(to, str) and (number := parse_e164(to)) is not None:
            return number
        try:
            return shown_route(parse_route(to if isinstance(to, str) else "")).removeprefix("number:")
        except Invalid:
            expected = "a number in E.164 such as '+46700000001', user:ID, sip:USER@DOMAIN or conference:ID"
            self._fault("to", "no to" if to is None else repr(to)[:80], expected)
            return ""

    def _menu(self, told: Mapping[str, Any]) -> str:
        menu, known = told.get("menu"), [] if self._menus is None else [each.id for each in self._menus.menus.menus]
        if menu not in known and not any(fault.found.startswith("menus") for fault in self.faults):
            found = "no menu" if menu is None else repr(menu)[:80]
            expected = f"one of {', '.join(known)}" if known else "the id of a [[menu]] in the document"
            self._fault("menu", found, expected)
        return str(menu)

    def _whole(self, told: Mapping[str, Any], key: str, default: int | None, least: int, most: int) -> int:
        value = told.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            self._fault(
                key, f"no {key}" if value is None else repr(value)[:80], f"a whole number from {least} to {most}"
            )
            return least
        return value

    def _word(self, told: Mapping[str, Any], key: str, words: Any, default: Any = None) -> Any:
        value = told.get(key, default)
        if value in list(words):
            return words(value)
        found = f"no {key}" if value is None else repr(value)[:80]
        self._fault(key, found, f"one of {', '.join(words)}")
        return None

    def _fault(self, key: str, found: str, expected: str) -> None:
        line, column = self._places.of(self._table, self._number, key)
        self.faults.append(RuleFault(line, column, found, expected))


def _not_toml(text: str, said: str) -> RuleFault:
    """What the parser says, at the place that it names in its message."""
    found = _TOML_PLACE.match(said)
    if found is None:
        return RuleFault(1, 1, "no TOML", said[:200])
    if found["line"] is None:
        lines = text.splitlines() or [""]
        return RuleFault(len(lines), len(lines[-1]) + 1, "the end of the document", found["what"][:200])
    return RuleFault(int(found["line"]), int(found["column"]), found["what"][:200], "TOML")


def _is_zone(name: object) -> bool:
    try:
        return isinstance(name, str) and bool(ZoneInfo(name))
    except (KeyError, ValueError, OSError):  # no such zone, or a name that is none
        return False
