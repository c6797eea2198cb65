"""Conditions as the library of the expression language runs them, and what its errors mean.

The library is loaded by whoever compiles the first condition: most servers have no rules. Of its package only the compiled
module is loaded. The package itself brings a command line with it, which takes two seconds and 30 MB, and nobody asks for it.
"""

import importlib
import re
import sys
from collections.abc import Mapping
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, FileFinder
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any, Protocol

from callgate.policy.rules.condition import ConditionInvalid
from callgate.policy.rules.facts import Value

_UNKNOWN = re.compile(r"Undefined variable or function: '(\w+)'")


class Program(Protocol):
    """What we use of a compiled condition. It may be run by several threads at a time, a context may not."""

    def execute(self, context: Any) -> object: ...


def compile_condition(condition: str) -> Program:
    """Raises `ValueError` for what the language does not take; what `check_condition` lets through, it takes."""
    program: Program = _library().compile(condition)
    return program


def context_of(facts: Mapping[str, Value]) -> Any:
    """The facts of one call, for all conditions that are asked about it."""
    return _library().Context(variables=dict(facts))


@cache
def _library() -> ModuleType:
    """The compiled module `cel.cel`, without its package where it can be found there."""
    package = find_spec("cel")
    if "cel" in sys.modules or package is None or not package.submodule_search_locations:
        return importlib.import_module("cel")
    finder = FileFinder(package.submodule_search_locations[0], (ExtensionFileLoader, EXTENSION_SUFFIXES))
    found = finder.find_spec("cel")
    if found is None or found.loader is None:
        return importlib.import_module("cel")
    module = module_from_spec(found)
    found.loader.exec_module(module)
    return module


def holds(program: Program, context: Any) -> tuple[bool, str]:
    """Whether a condition holds, and why it cannot be said, empty where it can."""
    try:
        result = program.execute(context)
    except KeyError as error:
        return False, f"there is no entry {str(error).strip(chr(39) + chr(34))!r}"
    except RuntimeError as error:
        if (unknown := _UNKNOWN.match(str(error))) is not None:
            return False, f"{unknown[1]} is not known: its hook failed, or took too long"
        return False, str(error)[:200]
    except Exception as error:  # noqa: BLE001 - whatever it is, the condition cannot be judged
        return False, str(error).split(". CEL does not", maxsplit=1)[0][:200] or type(error).__name__
    except BaseException as error:
        # A panic in the library's Rust is no `Exception`. It must not end the thread that writes for all calls.
        if type(error).__name__ != "PanicException":
            raise
        return False, "the library of the expression language failed"
    if result is True or result is False:
        return result, ""
    return False, f"it came to {type(result).__name__}, neither true nor false"


def try_condition(condition: str, examples: Mapping[str, Value]) -> None:
    """Raise `ConditionInvalid` for what the language does not take, and for an entry of a map that is not asked for first."""
    try:
        program = compile_condition(condition)
    except ValueError as error:
        raise ConditionInvalid(0, "what the language does not take", str(error)[:200]) from None
    try:
        program.execute(context_of(examples))
    except KeyError as error:
        name = str(error).strip("'\"")
        raise ConditionInvalid(
            max(condition.find(name), 0),
            f"the entry {name!r}, which most calls do not have",
            f'"{name}" in headers && before it',
        ) from None
    except Exception:  # noqa: BLE001, S110 - an example is only an example: it may be no number where one is needed
        pass
