"""Hooks: facts that Python tells, in time or not at all."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import callgate_risk
import msgspec
import pytest

from callgate.errors import RulesInvalid
from callgate.policy.rules.facts import MAX_TEXT, Kind
from callgate.protocol import sinch
from callgate.service import hooks
from callgate.service.books import AccountKey
from callgate.service.hooks import HOOK_LIMIT_S, ask_hooks, installed_hooks, known_facts, seen_by_hooks
from callgate.service.records import Flag
from callgate.service.respond import Responder, hooks_of
from callgate.service.rules import faults_in_force, read_document
from callgate.service.sign_in import ticket_for
from callgate.service.signing import Signing

if TYPE_CHECKING:
    from tests.conftest import House

Seen = Mapping[str, Any]
Install = Callable[..., None]

RULE = "[[rule]]\nname = 'risky'\ncondition = 'hook_{} {}'\neffect = 'refuse'\nmode = 'binding'\n"


def quick(call: Seen) -> int:
    return len(call["destination"])


async def beside(call: Seen) -> bool:
    await asyncio.sleep(0)
    return bool(call["user"])


def wrong(_: Seen) -> int:
    return "five"  # type: ignore[return-value]


def broken(_: Seen) -> int:
    raise KeyError("nothing")


def empty(_: Seen) -> int:
    raise StopIteration


def whole(_: Seen) -> float:
    return 1


def long(_: Seen) -> str:
    return "x" * 5_000


def untyped(_: Seen):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return 1


has_to_wait = threading.Event()


def slow(_: Seen) -> int:
    has_to_wait.wait(20)
    return 1


async def slow_beside(_: Seen) -> int:
    await asyncio.sleep(20)
    return 1


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Name functions as entry points, as a package that is installed does."""

    def install(**functions: Any) -> None:
        found = []
        for name, function in functions.items():
            entry = EntryPoint(name=name, value="callgate_risk:risk", group=hooks.ENTRY_POINTS)
            load = function if isinstance(function, EntryPoint) else None
            found.append(load or _Named(entry, function))
        monkeypatch.setattr(hooks, "entry_points", lambda group: found if group == hooks.ENTRY_POINTS else [])
        installed_hooks.cache_clear()

    yield install
    installed_hooks.cache_clear()


class _Named:
    """An entry point of a function that is here."""

    def __init__(self, entry: EntryPoint, function: Any) -> None:
        self.name, self._function = entry.name, function

    def load(self) -> Any:
        return self._function


def ask(house: "House", *names: str, limit_s: float = 5.0) -> dict[str, Any]:
    return house.run(ask_hooks([f"hook_{name}" for name in names], house.arrived(), limit_s=limit_s))


def test_hooks_are_asked_and_their_types_are_facts(house: "House", install: Install) -> None:
    """Plain ones and those on the event loop; a whole number is a number too; long texts are cut."""
    install(quick=quick, beside=beside, whole=whole, long=long)
    assert {name: fact.kind for name, fact in known_facts().items() if name.startswith("hook_")} == {
        "hook_quick": Kind.INT, "hook_beside": Kind.BOOL, "hook_whole": Kind.DOUBLE, "hook_long": Kind.STRING
    }  # fmt: skip
    told = ask(house, "quick", "beside", "whole", "long")
    assert told == {"hook_quick": 12, "hook_beside": True, "hook_whole": 1.0, "hook_long": "x" * MAX_TEXT}
    assert type(told["hook_whole"]) is float
    assert ask(house, "nowhere") == {}


def test_a_hook_that_fails_tells_nothing(house: "House", install: Install) -> None:
    """Whatever it raises, and what it says of another type; those beside it are heard."""
    install(wrong=wrong, broken=broken, empty=empty, quick=quick)
    assert ask(house, "wrong", "broken", "empty", "quick") == {"hook_quick": 12}


def test_a_hook_that_is_late_tells_nothing(house: "House", install: Install) -> None:
    """Neither does it keep those that were in time, nor the process."""
    has_to_wait.clear()
    install(slow=slow, slow_beside=slow_beside, quick=quick)
    assert ask(house, "slow", "slow_beside", "quick", limit_s=1.0) == {"hook_quick": 12}
    waiting = [thread for thread in threading.enumerate() if thread.name == "callgate-hook-slow"]
    assert [thread.daemon for thread in waiting] == [True]
    has_to_wait.set()


def test_hooks_do_not_pile_up(house: "House", install: Install, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many that do not come back, the next is not begun."""
    monkeypatch.setattr(hooks, "_running", threading.Semaphore(1))
    has_to_wait.clear()
    install(slow=slow, quick=quick)
    assert ask(house, "slow", limit_s=0.05) == {}
    assert ask(house, "quick") == {}
    has_to_wait.set()
    while not hooks._running.acquire(timeout=5):  # noqa: SLF001
        raise AssertionError("the first has come back, and its place is free")


def test_a_hook_that_cannot_be_used_is_no_fact(install: Install) -> None:
    """One without a type, one with a name that is none, one that cannot be loaded; others stay."""
    nowhere = EntryPoint(name="nowhere", value="callgate_nowhere:risk", group=hooks.ENTRY_POINTS)
    install(untyped=untyped, Big=quick, nowhere=nowhere, quick=quick)
    assert list(installed_hooks()) == ["hook_quick"]
    with pytest.raises(RulesInvalid, match="hook_untyped"):
        read_document(RULE.format("untyped", "> 1"), "rules.toml")


def test_the_example_is_a_hook(house: "House", install: Install) -> None:
    """As it is shipped: a rule sees what it says, and the trace keeps it."""
    install(risk=EntryPoint(name="risk", value="callgate_risk:risk", group=hooks.ENTRY_POINTS))
    house.open("alice", "5")
    house.apply_rules(RULE.format("risk", "> 0.8"))
    catalog = msgspec.structs.replace(house.catalog(), rules={"app": house.rules})
    for call, plan, refusal in (("c1", "new", "rule"), ("c2", "gold", None)):
        event = msgspec.structs.replace(house.arrived(call), headers={"plan": plan})
        assert seen_by_hooks(event)["headers"] == {"plan": plan}
        told = house.run(hooks_of(event, catalog))
        job = house.job(event)
        job.__dict__["hooks"] = told  # a frozen job, as the responder would have made it
        house.perform(job)
        assert house.call(call).refusal == refusal
        [step] = [step for step in msgspec.json.decode(house.call(call).trace) if step["step"] == "rules"]
        assert step["saw"]["facts"] == {"hook_risk": callgate_risk.RISKY.get(plan, 0.1)}


def test_a_rule_whose_hook_says_nothing_refuses_the_call(house: "House", install: Install) -> None:
    """And says why; without its hook, a document in force is not understood."""
    install(quick=quick)
    house.open("alice", "5")
    house.apply_rules(RULE.format("quick", "> 100"))
    house.hear(house.arrived())
    call = house.call()
    assert (call.refusal, call.flags) == ("rule", (Flag.RULE_FAILED,))
    assert b"hook_quick is not known: its hook failed, or took too long" in call.trace
    in_force = house.run(house.store.rules_in_force())
    assert faults_in_force(in_force) == []
    install()
    assert "hook_quick" in faults_in_force(in_force)[0]


def test_hooks_leave_time_for_the_decision(house: "House", install: Install) -> None:
    """With a deadline shorter than what hooks may take, a slow one is given up in time, and the call is decided all the same."""
    allowed_s = []

    async def waits(_: Seen) -> int:
        began = time.monotonic()
        try:
            await asyncio.sleep(20)
        finally:
            allowed_s.append(time.monotonic() - began)
        return 1

    install(waits=waits)
    house.open("alice", "5")
    house.apply_rules(RULE.format("waits", "> 1"))
    catalog = msgspec.structs.replace(house.catalog(), rules={"app": house.rules})
    deadline_s = HOOK_LIMIT_S * 0.8
    responder = Responder(
        house.store, lambda: house.now, decision_deadline_s=deadline_s, orphan_after=house.orphan_after
    )
    house.run(responder.respond(house.arrived(), b"{}", sinch, catalog))
    assert house.call().refusal == "rule"
    assert allowed_s[0] < deadline_s


def test_no_hook_and_no_rule_sees_a_ticket(house: "House", install: Install) -> None:
    """It still says who pays; what hooks are given, and what rules look at and the trace keeps of that, is without it."""
    given: list[Seen] = []

    def watch(call: Seen) -> int:
        given.append(call)
        return 1

    install(watch=watch)
    house.open("alice", "5")
    condition = "hook_watch > 1 || custom == 'x' || ('plan' in headers && headers['plan'] == 'x')"
    house.apply_rules(f'[[rule]]\nname = "watch"\ncondition = "{condition}"\neffect = "refuse"\nmode = "binding"\n')
    catalog = msgspec.structs.replace(house.catalog(), rules={"app": house.rules})
    signing = Signing(tickets=b"t" * 32, holds=b"h" * 32)
    responder = Responder(
        house.store, lambda: house.now, decision_deadline_s=5.0, orphan_after=house.orphan_after, signing=signing
    )
    for call, header, custom in (("c1", "Callgate-Ticket", "{}"), ("c2", "", '{{"callgate-ticket": "{}", "a": 1}}')):
        ticket = ticket_for(AccountKey("app", "alice"), call, "", key=signing.tickets, now=house.now)
        headers = {"plan": "gold", "note": f"was {ticket}"} | ({header: ticket} if header else {})
        event = msgspec.structs.replace(
            house.arrived(call), user="", headers=headers, custom=custom.format("" if header else ticket)
        )
        house.run(responder.respond(event, b"{}", sinch, catalog))
        assert (house.call(call).account, house.call(call).refusal) == ("alice", None)
        assert given[-1]["headers"] == {"plan": "gold"}
        assert ticket not in repr(given) and ticket.encode() not in house.call(call).trace
    assert given[-1]["custom"] == '{"callgate-ticket": "cgt1_***", "a": 1}'
