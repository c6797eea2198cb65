"""Hooks: Python functions of the operator that tell facts of a call which no rule can say, such as a risk score.

A package that is installed beside ours names them as entry points of the group `callgate.hooks`. They are asked before a call is
decided, outside of the batch that decides, and no longer than a limit. What a hook does not tell in time is not known, and a
binding rule that looks at it refuses the call.
"""

import asyncio
import inspect
import re
import threading
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any, NamedTuple, cast, get_type_hints

from callgate.errors import Invalid
from callgate.logs import log
from callgate.policy.rules.facts import FACTS, MAX_TEXT, Fact, Kind, Value
from callgate.protocol.call import CallArrived

ENTRY_POINTS = "callgate.hooks"

HOOK_PREFIX = "hook_"
"""The fact of the hook `risk` is `hook_risk`."""

HOOK_LIMIT_S = 0.25
"""How long a call waits for its hooks, all of which are asked at once: a quarter of what a decision may take."""

MAX_RUNNING = 32
"""Hooks that run in threads at once. One that does not come back keeps its place, so that they cannot pile up."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,30}", re.ASCII)
_KINDS: Mapping[type, tuple[Kind, Value]] = {
    bool: (Kind.BOOL, False),
    int: (Kind.INT, 0),
    float: (Kind.DOUBLE, 0.0),
    str: (Kind.STRING, ""),
}

Seen = Mapping[str, Any]
"""What a hook is given: a call in plain values, see `seen_by_hooks`."""


class Hook(NamedTuple):
    """One that is installed. `returns` is the type that it is annotated with."""

    name: str
    function: Callable[[Seen], Any]
    returns: type

    @property
    def fact(self) -> Fact:
        kind, example = _KINDS[self.returns]
        return Fact(kind, f"What the hook `{self.name}` says", example)


@cache
def installed_hooks() -> dict[str, Hook]:
    """Hooks by the names of their facts. One that cannot be used is left out, and its fact is not known."""
    hooks: dict[str, Hook] = {}
    for each in entry_points(group=ENTRY_POINTS):
        try:
            hooks[HOOK_PREFIX + each.name] = _hook(each.name, each.load())
        except Exception as error:  # noqa: BLE001 - it is somebody else's code, and what it breaks are the rules that ask it
            log.error("hook.unusable", hook=each.name, error=f"{type(error).__name__}: {error}"[:200])
    return hooks


def known_facts() -> dict[str, Fact]:
    """Every fact that a condition may look at here: ours, and those of the hooks that are installed."""
    return FACTS | {name: hook.fact for name, hook in installed_hooks().items()}


def _hook(name: str, function: Callable[[Seen], Any]) -> Hook:
    """Raises `Invalid`."""
    if not _NAME.fullmatch(name):
        raise Invalid(f"hook {name[:40]!r}", "that name", "a lower-case word of letters, digits and _")
    returns = get_type_hints(function).get("return")
    if returns is None or returns not in _KINDS:
        expected = "one that says `-> bool`, `-> int`, `-> float` or `-> str`"
        raise Invalid(f"hook {name}", f"a function that returns {returns}", expected)
    return Hook(name, function, returns)


def hooks_in(names: Iterable[str]) -> list[str]:
    """Those of these facts that hooks tell."""
    return [name for name in names if name.startswith(HOOK_PREFIX)]


async def ask_hooks(names: Iterable[str], call: CallArrived, *, limit_s: float = HOOK_LIMIT_S) -> dict[str, Value]:
    """Ask hooks, by the names of their facts, about a call. Those that fail, or are late, are not among the answers."""
    hooks, seen = installed_hooks(), seen_by_hooks(call)
    asked = {name: asyncio.create_task(_ask(hooks[name], seen)) for name in names if name in hooks}
    if not asked:
        return {}
    await asyncio.wait(asked.values(), timeout=limit_s)
    return {name: answer for name, task in asked.items() if (answer := _answer(hooks[name], task)) is not None}


def seen_by_hooks(call: CallArrived) -> dict[str, Any]:
    """What the call says of itself. Who pays is not known yet."""
    return {
        "application": call.key.application,
        "call_id": call.key.call_id,
        "user": call.user or "",
        "cli": call.cli or "",
        "origin": str(call.origin),
        "destination": call.destination.address,
        "destination_kind": str(call.destination.kind),
        "custom": call.custom,
        "headers": dict(call.headers),
    }


def _answer(hook: Hook, task: "asyncio.Task[Any]") -> Value | None:
    """What a hook said, None for nothing that can be used; the log says why."""
    if not task.done():
        task.cancel()
        log.error("hook.too_slow", hook=hook.name)
        return None
    if (error := task.exception()) is not None:
        log.error("hook.failed", hook=hook.name, error=f"{type(error).__name__}: {error}"[:200])
        return None
    said: Any = task.result()
    if hook.returns is float and type(said) is int:
        said = float(said)
    if type(said) is not hook.returns:
        log.error("hook.failed", hook=hook.name, error=f"it said {type(said).__name__}, not {hook.returns.__name__}")
        return None
    told: Any = said[:MAX_TEXT] if isinstance(said, str) else said
    return cast("Value", told)


async def _ask(hook: Hook, seen: Seen) -> Any:
    if inspect.iscoroutinefunction(hook.function):
        return await hook.function(seen)
    return await _in_thread(hook, seen)


_running = threading.Semaphore(MAX_RUNNING)


def _in_thread(hook: Hook, seen: Seen) -> "asyncio.Future[Any]":
    """Run a plain function beside us. Its thread does not keep the process alive: one that hangs must not stop a stop."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    if not _running.acquire(blocking=False):
        raise RuntimeError(f"{MAX_RUNNING} hooks are running already")

    def tell(result: Any, error: Exception | None) -> None:
        if future.done():
            return  # nobody waits any more
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def work() -> None:
        result, error = None, None
        try:
            result = hook.function(seen)
        except Exception as raised:  # noqa: BLE001 - whatever it is, it is the hook's
            error = raised if not isinstance(raised, StopIteration) else RuntimeError("it ran out of values")
        finally:
            _running.release()
        try:
            loop.call_soon_threadsafe(tell, result, error)
        except RuntimeError:
            log.warning("hook.unheard", hook=hook.name)  # the server has stopped meanwhile

    threading.Thread(target=work, name=f"callgate-hook-{hook.name}", daemon=True).start()
    return future
