"""Read a condition and check it against the facts, before it is ever used: names, types, functions, each by its place.

Conditions are CEL, the Common Expression Language, without macros and without regular expressions: what is left costs no
more than its length times the length of the texts that it looks at. The library that evaluates it knows no types and no
list of names, which is why they are checked here, on a syntax of our own that is a part of CEL's.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import NamedTuple

from callgate.policy.rules.facts import Kind

MAX_CONDITION = 1_000
"""Longest condition, in characters."""

MAX_DEPTH = 40
"""How deep parentheses and the like may be nested."""


class ConditionInvalid(Exception):
    """What is wrong with a condition: where it begins, as an offset in characters, what was found, what would do."""

    def __init__(self, at: int, found: str, expected: str) -> None:
        super().__init__(f"at {at}: found {found}; expected {expected}")
        self.at = at
        self.found = found
        self.expected = expected


def check_condition(text: str, facts: Mapping[str, Kind]) -> frozenset[str]:
    """Return the names of the facts that a condition looks at. Raises `ConditionInvalid` at the first fault."""
    if len(text) > MAX_CONDITION:
        raise ConditionInvalid(MAX_CONDITION, f"{len(text)} characters", f"at most {MAX_CONDITION}")
    return _Reader(text, facts).read()


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


_TOKEN = re.compile(
    r"""(?P<blank>(?:\s|//[^\n]*)+)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<double>\d+\.\d+(?:[eE][-+]?\d+)?|\d+[eE][-+]?\d+)
    |(?P<int>\d+)(?![\w.])
    |(?P<name>[A-Za-z_]\w*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|[-+*/%<>!?:.,()\[\]])""",
    re.VERBOSE | re.ASCII,
)

_RESERVED = frozenset({"as", "break", "const", "continue", "else", "for", "function", "if", "import", "let", "loop",
    "package", "namespace", "null", "return", "var", "void", "while"})  # fmt: skip

_NUMBERS = frozenset({Kind.INT, Kind.DOUBLE})
_TEXT_METHODS = ("startsWith", "endsWith", "contains")
_MACROS = frozenset({"all", "exists", "exists_one", "map", "filter", "has"})
_CASTS = {
    "int": (Kind.INT, _NUMBERS | {Kind.STRING}),
    "double": (Kind.DOUBLE, _NUMBERS | {Kind.STRING}),
    "string": (Kind.STRING, _NUMBERS | {Kind.STRING}),
}
_SIZED = frozenset({Kind.STRING, Kind.LIST, Kind.MAP})

MAX_INT = 2**63 - 1


class _Value(NamedTuple):
    """What a part of a condition comes to. `of` is the type of a list's elements."""

    kind: Kind
    at: int
    of: Kind | None = None


class _Reader:
    """One reading of one condition: a parser by precedence that keeps types instead of a tree."""

    def __init__(self, text: str, facts: Mapping[str, Kind]) -> None:
        self._facts = facts
        self._end = len(text.rstrip())
        self._tokens = list(_tokens(text))
        self._place = 0
        self._depth = 0
        self._names: set[str] = set()

    def read(self) -> frozenset[str]:
        value = self._expression()
        if (token := self._peek()) is not None:
            raise ConditionInvalid(token.at, repr(token.text), "an operator, or the end of the condition")
        if value.kind is not Kind.BOOL:
            raise ConditionInvalid(value.at, f"a condition that comes to {_a(value.kind)}", "one that is true or false")
        return frozenset(self._names)

    # -- operators, the weakest first ----------------------------------------------------------------------------------

    def _expression(self) -> _Value:
        value = self._deeper(self._either)
        if not self._take("?"):
            return value
        self._must(value, {Kind.BOOL}, "a condition before `?`")
        first = self._expression()
        self._expect(":")
        second = self._expression()
        if first.kind is not second.kind:
            raise ConditionInvalid(second.at, _a(second.kind), f"{_a(first.kind)}, as before `:`")
        return first

    def _either(self) -> _Value:
        return self._of_conditions("||", self._both)

    def _both(self) -> _Value:
        return self._of_conditions("&&", self._compared)

    def _of_conditions(self, sign: str, part: Callable[[], _Value]) -> _Value:
        value = part()
        while self._take(sign):
            self._must(value, {Kind.BOOL}, f"something true or false before `{sign}`")
            other = part()
            self._must(other, {Kind.BOOL}, f"something true or false after `{sign}`")
        return value

    def _compared(self) -> _Value:
        left = self._sum()
        token = self._peek()
        if token is None or token.text not in _COMPARING or token.kind == "string":
            return left
        self._place += 1
        right = self._sum()
        _check_comparison(left, token, right)
        if (again := self._peek()) is not None and again.text in _COMPARING and again.kind != "string":
            raise ConditionInvalid(again.at, f"a second {again.text!r}", "`&&` between two comparisons")
        return _Value(Kind.BOOL, left.at)

    def _sum(self) -> _Value:
        return self._arithmetic(("+", "-"), self._product)

    def _product(self) -> _Value:
        return self._arithmetic(("*", "/", "%"), self._unary)

    def _arithmetic(self, signs: tuple[str, ...], part: Callable[[], _Value]) -> _Value:
        value = part()
        while (sign := self._take(*signs)) is not None:
            allowed = {Kind.INT} if sign == "%" else _NUMBERS
            self._must(value, allowed, f"a number before `{sign}`")
            other = part()
            self._must(other, allowed, f"a number after `{sign}`")
            if other.kind is not value.kind:
                wanted = f"{_a(value.kind)}, as before `{sign}`: write {_CAST_OF[value.kind]}"
                raise ConditionInvalid(other.at, _a(other.kind), wanted)
        return value

    def _unary(self) -> _Value:
        token = self._peek()
        if token is not None and token.kind == "sign" and token.text in ("!", "-"):
            self._place += 1
            value = self._deeper(self._unary)
            allowed = {Kind.BOOL} if token.text == "!" else _NUMBERS
            self._must(value, allowed, f"{'a condition' if token.text == '!' else 'a number'} after `{token.text}`")
            return value._replace(at=token.at)
        return self._member()

    # -- what stands between operators ---------------------------------------------------------------------------------

    def _member(self) -> _Value:
        value = self._primary()
        while (sign := self._take(".", "[")) is not None:
            value = self._method(value) if sign == "." else self._index(value)
        return value

    def _method(self, value: _Value) -> _Value:
        token = self._name("the name of a function after `.`")
        if self._take("(") is None:
            found = f"{token.text!r} after `.`"
            raise ConditionInvalid(token.at, found, 'a function of a text, or headers["name"] for an entry of a map')
        if token.text == "matches":
            wanted = "startsWith, endsWith, contains or `in`: regular expressions would take too long for a call"
            raise ConditionInvalid(token.at, "matches", wanted)
        if token.text in _MACROS:
            raise ConditionInvalid(token.at, token.text, "no macros: a condition must not loop")
        if token.text == "size" and value.kind in _SIZED:
            self._expect(")")
            return _Value(Kind.INT, value.at)
        if token.text not in _TEXT_METHODS:
            raise ConditionInvalid(token.at, repr(token.text), f"one of {', '.join([*_TEXT_METHODS, 'size'])}")
        self._must(value, {Kind.STRING}, f"a text before `.{token.text}`")
        self._must(self._expression(), {Kind.STRING}, f"a text in {token.text}()")
        self._expect(")")
        return _Value(Kind.BOOL, value.at)

    def _index(self, value: _Value) -> _Value:
        self._must(value, {Kind.MAP}, "headers, or another map, before `[`")
        self._must(self._expression(), {Kind.STRING}, "a text in brackets")
        self._expect("]")
        return _Value(Kind.STRING, value.at)

    def _primary(self) -> _Value:
        token = self._peek()
        if token is None:
            raise ConditionInvalid(self._end, "the end", "a fact, a value or `(`")
        self._place += 1
        if token.kind in ("string", "int", "double"):
            return _literal(token)
        if token.kind == "name":
            return self._named(token)
        if token.text == "(":
            value = self._expression()
            self._expect(")")
            return value._replace(at=token.at)
        if token.text == "[":
            return self._list(token)
        raise ConditionInvalid(token.at, repr(token.text), "a fact, a value or `(`")

    def _named(self, token: _Token) -> _Value:
        if token.text in ("true", "false"):
            return _Value(Kind.BOOL, token.at)
        if self._take("(") is not None:
            return self._call(token)
        if token.text not in self._facts:
            raise ConditionInvalid(token.at, f"the fact {token.text!r}", _known(token.text, self._facts))
        self._names.add(token.text)
        return _Value(self._facts[token.text], token.at)

    def _call(self, token: _Token) -> _Value:
        if token.text not in (*_CASTS, "size"):
            what = "no macros: a condition must not loop" if token.text in _MACROS else ""
            raise ConditionInvalid(token.at, f"the function {token.text!r}", what or f"{', '.join(_CASTS)} or size")
        value = self._expression()
        self._expect(")")
        if token.text == "size":
            self._must(value, _SIZED, "a text, a list or a map in size()")
            return _Value(Kind.INT, token.at)
        kind, allowed = _CASTS[token.text]
        self._must(value, allowed, f"a number or a text in {token.text}()")
        return _Value(kind, token.at)

    def _list(self, bracket: _Token) -> _Value:
        """Elements are of one type: a list of several is a slip of the pen."""
        kind: Kind | None = None
        while self._take("]") is None:
            if kind is not None:
                self._expect(",")
            value = self._expression()
            if value.kind in (Kind.LIST, Kind.MAP) or (kind is not None and value.kind is not kind):
                wanted = "a text or a number" if kind is None else f"{_a(kind)}, as before it"
                raise ConditionInvalid(value.at, f"{_a(value.kind)} in a list", wanted)
            kind = value.kind
        return _Value(Kind.LIST, bracket.at, kind)

    # -- tokens --------------------------------------------------------------------------------------------------------

    def _peek(self) -> _Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _take(self, *signs: str) -> str | None:
        token = self._peek()
        if token is None or token.kind != "sign" or token.text not in signs:
            return None
        self._place += 1
        return token.text

    def _expect(self, sign: str) -> None:
        if self._take(sign) is None:
            token = self._peek()
            found = ("the end", self._end) if token is None else (repr(token.text), token.at)
            raise ConditionInvalid(found[1], found[0], f"`{sign}`")

    def _name(self, wanted: str) -> _Token:
        token = self._peek()
        if token is None or token.kind != "name":
            found = ("the end", self._end) if token is None else (repr(token.text), token.at)
            raise ConditionInvalid(found[1], found[0], wanted)
        self._place += 1
        return token

    def _deeper(self, part: Callable[[], _Value]) -> _Value:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            token = self._peek()
            raise ConditionInvalid(
                self._end if token is None else token.at, "more nesting", f"at most {MAX_DEPTH} levels"
            )
        value = part()
        self._depth -= 1
        return value

    @staticmethod
    def _must(value: _Value, allowed: frozenset[Kind] | set[Kind], wanted: str) -> None:
        if value.kind not in allowed:
            raise ConditionInvalid(value.at, _a(value.kind), wanted)


_COMPARING = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_CAST_OF = {Kind.INT: "int(...)", Kind.DOUBLE: "double(...), or a number with a point such as 5.0"}


def _check_comparison(left: _Value, sign: _Token, right: _Value) -> None:
    """What the language would answer with a quiet false is most often a mistake."""
    if sign.text == "in":
        of = {Kind.LIST: right.of, Kind.MAP: Kind.STRING}.get(right.kind)
        if right.kind not in (Kind.LIST, Kind.MAP):
            raise ConditionInvalid(right.at, _a(right.kind), "a list such as ['SE', 'NO'], or headers, after `in`")
        if of is not None and of is not left.kind and not {of, left.kind} <= _NUMBERS:
            raise ConditionInvalid(left.at, f"{_a(left.kind)} before `in`", f"{_a(of)}, as in the list")
        return
    if left.kind is not right.kind and not {left.kind, right.kind} <= _NUMBERS:
        raise ConditionInvalid(right.at, _a(right.kind), f"{_a(left.kind)}, as before `{sign.text}`")
    if sign.text not in ("==", "!=") and left.kind not in (*_NUMBERS, Kind.STRING):
        raise ConditionInvalid(left.at, _a(left.kind), f"numbers or texts around `{sign.text}`")
    if left.kind in (Kind.LIST, Kind.MAP):
        raise ConditionInvalid(left.at, _a(left.kind), "a single value; `in` looks into a list")


def _literal(token: _Token) -> _Value:
    if token.kind == "int" and int(token.text) > MAX_INT:
        raise ConditionInvalid(token.at, token.text[:40], f"a whole number up to {MAX_INT}")
    return _Value(Kind(token.kind), token.at)


def _tokens(text: str) -> Iterator[_Token]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if found is None:
            raise ConditionInvalid(place, *_stray(text[place:]))
        kind = str(found.lastgroup)
        if kind == "name" and found[0] in _RESERVED:
            wanted = "a fact; where a thing is not known it is empty text or 0, never null"
            raise ConditionInvalid(place, repr(found[0]), wanted)
        if kind == "name" and text[found.end() : found.end() + 1] in ('"', "'"):
            raise ConditionInvalid(place, f"a text marked {found[0]!r}", "a plain text in quotes")
        if kind != "blank":
            yield _Token(kind, found[0], place)
        place = found.end()


def _stray(rest: str) -> tuple[str, str]:
    if rest[0] in "\"'":
        return "a text without its closing quote", f"{rest[0]} at its end, on the same line"
    meant = {"=": "`==`", "&": "`&&`", "|": "`||`", "`": "quotes"}.get(rest[0])
    return repr(rest[0]), meant or "a fact, a value or an operator"


def _known(name: str, facts: Mapping[str, Kind]) -> str:
    """The one that was meant, where that is plain, and all that there are."""
    close = get_close_matches(name, facts, n=1)
    meant = f"{close[0]}? " if close else ""
    return f"{meant}one of the facts {', '.join(facts)}"


def _a(kind: Kind) -> str:
    return {
        Kind.BOOL: "something true or false",
        Kind.INT: "a whole number",
        Kind.DOUBLE: "a number",
        Kind.STRING: "a text",
        Kind.LIST: "a list",
        Kind.MAP: "a map",
    }[kind]
