"""Event loops on virtual time: asyncio as our server uses it, without waiting, and dead when they are killed."""

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import pytest

from callgate.simulator.loop import Agenda, Killed, VirtualLoop


class Process:
    """A loop and what became of it."""

    def __init__(self) -> None:
        self.agenda = Agenda()
        self.uncaught: list[BaseException | None] = []
        self.loop = VirtualLoop(
            self.agenda,
            fail=lambda _, error: self.uncaught.append(error),
            threads=lambda work, *args: self.agenda.at(self.agenda.now + 1, work, *args),
        )
        self.agenda.loop = self.loop

    def run(self, steps: Coroutine[Any, Any, Any]) -> Any:
        task = self.loop.create_task(steps)
        self.agenda.run()
        return task.result()


def test_an_hour_takes_no_time() -> None:
    """Timers go off in their order, at their times, at once."""
    process, heard = Process(), []

    async def wait(seconds: float) -> None:
        await asyncio.sleep(seconds)
        heard.append((seconds, process.loop.time()))

    async def all_of_them() -> None:
        await asyncio.gather(wait(3_600), wait(5), wait(5.5))

    started = time.monotonic()
    process.run(all_of_them())
    assert heard == [(5, 5), (5.5, 5.5), (3_600, 3_600)]
    assert time.monotonic() - started < 5


def test_deadlines_and_threads() -> None:
    """A timeout cancels what is late; a function in a thread comes back with its result or its error."""
    process = Process()

    def fail() -> None:
        raise ValueError("on purpose")

    async def steps() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await asyncio.to_thread(int, "7")
        assert await asyncio.to_thread(int, "7") == 7
        with pytest.raises(ValueError, match="on purpose"):
            await asyncio.to_thread(fail)
        done, _ = await asyncio.wait({asyncio.create_task(asyncio.sleep(9))}, timeout=4.0)
        assert not done
        return process.loop.time()

    assert process.run(steps()) == 6.5


def test_what_is_dead_does_nothing_any_more() -> None:
    """A killed loop runs no callback, timer or thread, and whatever a coroutine tries while it is ended is in vain."""
    process, heard = Process(), []

    async def work() -> None:
        try:
            await asyncio.sleep(10)
            heard.append("slept")
        finally:
            heard.append("cleaning up")
            await asyncio.to_thread(heard.append, "in a thread")
            heard.append("cleaned up")

    process.loop.create_task(work())
    process.agenda.at(5, process.loop.kill)
    process.agenda.run()
    process.loop.call_soon(heard.append, "called")
    process.agenda.run()
    assert heard == ["cleaning up"]
    with pytest.raises(Killed):
        process.loop.create_task(asyncio.sleep(0))


def test_a_process_dies_between_two_steps() -> None:
    """So many callbacks run, and no more."""
    process, heard = Process(), []
    for number in range(5):
        process.loop.call_soon(heard.append, number)
    process.loop.after(3, process.loop.kill)
    process.agenda.run()
    assert heard == [0, 1, 2]
