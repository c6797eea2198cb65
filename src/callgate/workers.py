"""Several server processes that share one port: for PostgreSQL, whose books they share too."""

import mmap
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from callgate.errors import Error, SettingsInvalid
from callgate.logs import log
from callgate.server import listen, run, serve
from callgate.service.meter import STRIPE_BYTES, Meter
from callgate.settings import Settings

MAX_WORKERS = 64

START_S = 2.0
"""A process that ends sooner did not start: then none is to run."""

STOP_S = 8.0
"""How long processes may take to stop."""

LOOK_S = 0.1


def serve_all(settings: Settings, count: int) -> int:
    """Serve with so many processes until told to stop; one that ends by itself is replaced. Return the exit status.

    Raises `SettingsInvalid` where several processes cannot share the work.
    """
    if settings.sqlite_file is not None:
        raise SettingsInvalid("--workers", str(count), "1 on SQLite, which one process writes; several need PostgreSQL")
    if not hasattr(os, "fork"):
        raise SettingsInvalid("--workers", str(count), "1 on this system; start several servers behind a proxy instead")
    sockets = listen(settings.host, settings.port)
    counts = memoryview(mmap.mmap(-1, count * STRIPE_BYTES))  # anonymous and shared: forked processes have it in common
    crew = _Crew(lambda place: run(serve(settings, sockets=sockets, meter=Meter(counts, place))))
    with _told_to_stop(crew):
        return crew.work(count)


class _Crew:
    """The processes, by their ids."""

    def __init__(self, work: Callable[[int], None]) -> None:
        """`work` is told the place of its process: one that takes the place of another has the same."""
        self._work = work
        self._began_at: dict[int, float] = {}
        self._places: dict[int, int] = {}
        self._is_stopping = False

    def stop(self) -> None:
        self._is_stopping = True

    def work(self, count: int) -> int:
        for place in range(count):
            self._begin(place)
        failed = False
        while not self._is_stopping and not failed:
            time.sleep(LOOK_S)
            for process in self._ended():
                failed = time.monotonic() - self._began_at.pop(process) < START_S
                place = self._places.pop(process)
                if not failed and not self._is_stopping:
                    log.error("worker.ended", process=process)
                    self._begin(place)
        self._end_all()
        return 1 if failed else 0

    def _begin(self, place: int) -> None:
        process = os.fork()
        if process == 0:
            self._serve(place)
        self._places[process] = place
        self._began_at[process] = time.monotonic()

    def _serve(self, place: int) -> None:
        """In the new process, which ends here."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)  # until the server sets its own
        status = 0
        try:
            self._work(place)
        except Error as error:
            sys.stderr.write(f"{error}\n")
            status = 1
        except KeyboardInterrupt:
            pass
        except BaseException:  # noqa: BLE001 - whatever it is, this process goes no further
            log.exception("worker.failed")
            status = 1
        sys.stderr.flush()
        os._exit(status)

    def _ended(self) -> list[int]:
        return [process for process in list(self._began_at) if os.waitpid(process, os.WNOHANG)[0]]

    def _end_all(self) -> None:
        for process in self._began_at:
            os.kill(process, signal.SIGTERM)
        give_up_at = time.monotonic() + STOP_S
        while self._began_at and time.monotonic() < give_up_at:
            for process in self._ended():
                del self._began_at[process]
            time.sleep(LOOK_S)
        for process in self._began_at:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)


@contextmanager
def _told_to_stop(crew: _Crew) -> Iterator[None]:
    """Ctrl-C and the word of a service manager stop the crew."""

    def stop(_: int, __: FrameType | None) -> None:
        crew.stop()

    before = {each: signal.signal(each, stop) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
