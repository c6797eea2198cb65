"""What pytest finds in an installation of Callgate: the fixture `callgate_emulator`, and its journal in failed tests.

Loaded by every run of pytest, so it loads nothing itself before a test asks for the fixture.
"""

from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from callgate.testing.emulator import Emulator

_MADE = pytest.StashKey[list["Emulator"]]()


@pytest.fixture
def callgate_emulator(request: pytest.FixtureRequest) -> Iterator[Callable[..., "Emulator"]]:
    """An emulated voice platform for your app: `callgate_emulator(app)`.

    `app` is an ASGI or WSGI application, or the URL of a server. Options are those of `callgate.testing.Emulator`. What was
    sent and received is printed with a test that fails. Everything is closed when the test is over.
    """
    from callgate.testing.emulator import Emulator  # noqa: PLC0415 - see above

    made = request.node.stash.setdefault(_MADE, [])

    def make(app: object, **options: Any) -> Emulator:
        emulator = Emulator(app, **options)
        made.append(emulator)
        return emulator

    yield make
    for emulator in made:
        emulator.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failed test what its emulators sent and received."""
    report = yield
    made = item.stash.get(_MADE, None)
    if made and call.when == "call" and report.failed:
        report.sections += [(f"callgate {emulator.url}", emulator.told()) for emulator in made if emulator.journal]
    return report
