"""What goes wrong: the process, its clock, its file."""

from datetime import timedelta
from functools import partial
from typing import Any

from callgate.simulator import schedule as s
from callgate.simulator.node import Node
from callgate.simulator.world import Does, World


def _crash(world: World, entry: s.Crash) -> None:
    world.count("crash")
    node = world.node
    if node is None:
        return
    if entry.seam == "now":
        world.kill_node("now", entry.down_s)
    elif entry.seam == "step":
        node.loop.after(entry.steps, partial(_kill, world, node, entry))
    else:
        world.armed.setdefault(entry.seam, []).append(entry)


def _kill(world: World, node: Node, entry: s.Crash) -> None:
    if world.node is node:
        world.kill_node(f"after {entry.steps} steps", entry.down_s)


def _restart(world: World, entry: s.Restart) -> None:
    """An orderly stop, which finishes what waits."""
    world.count("restart")
    node = world.node
    if node is not None and node.setup is not None:
        node.setup = None
        node.begin(None, node.stop()).add_done_callback(partial(_stopped, world, node, entry))


def _stopped(world: World, node: Node, entry: s.Restart, task: Any) -> None:
    if (error := task.exception()) is not None:
        world.uncaught("the server did not stop", error)
    if world.node is node:
        world.say("stopped")
        world.node = None
        node.leave()
        world.after(entry.down_s, world.begin_node)


def _jump(world: World, entry: s.Jump) -> None:
    world.count("jump")
    by = timedelta(seconds=entry.by_s)
    world.offset += by
    world.after(entry.for_s, _jump_back, world, by)


def _jump_back(world: World, by: timedelta) -> None:
    world.offset -= by


def _slow(world: World, entry: s.Slow) -> None:
    world.count("slow")
    world.armed.setdefault(entry.seam, []).append(entry)


def _fail(world: World, entry: s.Outage) -> None:
    world.count("outage")
    world.outages.append(entry.seam)
    _set_failing(world)
    world.after(entry.for_s, _mend, world, entry)


def _mend(world: World, entry: s.Outage) -> None:
    world.outages.remove(entry.seam)
    _set_failing(world)


def _set_failing(world: World) -> None:
    if world.node is not None:
        world.node.disk.failing = world.outages[-1] if world.outages else ""


DOES: dict[type, Does] = {
    s.Crash: _crash,
    s.Restart: _restart,
    s.Jump: _jump,
    s.Slow: _slow,
    s.Outage: _fail,
}
