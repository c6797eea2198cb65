"""What the package promises to those who embed it: importing it costs nothing, the protocol asks for msgspec alone."""

import ast
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import callgate

SOURCE = Path(callgate.__file__).parent


def run_python(code: str, **environment: str) -> str:
    """Run `code` in a fresh interpreter, which may write byte code, and return what it prints."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | environment
    done = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30, env=variables
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_callgate_loads_nothing() -> None:
    """`import callgate` brings in the package's own few lines and no other module, of ours or anybody's."""
    loaded = run_python(
        "import sys; before = set(sys.modules); import callgate; print(*sorted(set(sys.modules) - before))",
    )
    assert loaded.split() == ["callgate"]


ONLY_MSGSPEC = """
import sys, time

class OnlyMsgspec:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {"callgate", "msgspec", *sys.stdlib_module_names}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, OnlyMsgspec())
"""


def test_protocol_works_with_msgspec_alone() -> None:
    """Who only reads and signs callbacks installs msgspec and nothing else."""
    run_python(ONLY_MSGSPEC + "import callgate.protocol.call, callgate.protocol.life, callgate.protocol.sinch")


def test_library_works_with_msgspec_alone() -> None:
    """The tutorial's controller answers a signed call where nothing else is installed."""
    example = SOURCE.parents[1] / "examples" / "tutorial.py"
    answer = run_python(
        ONLY_MSGSPEC
        + f"""
import runpy
from datetime import UTC, datetime
from callgate.protocol import WireRequest, sinch

gate = runpy.run_path({str(example)!r})["gate"]
body = b'{{"event":"ice","callid":"1","to":{{"type":"number","endpoint":"+15612600684"}}}}'
signed = sinch.sign("POST", "/", body, "KEY", "SECRET", datetime.now(UTC))
print(gate.answer(WireRequest(method="POST", path="/", headers=signed, body=body)).body.decode())
"""
    )
    assert answer == '{"action":{"name":"connectPstn","maxDuration":600}}\n'


def test_library_loads_in_60_milliseconds(tmp_path: Path) -> None:
    """Of processor time, from byte code as an installed package has it. A slow machine is told by what msgspec takes."""
    clock = """
def load(name):
    before = time.process_time()
    __import__(name)
    return time.process_time() - before

print(load("msgspec"), load("callgate.library"))
"""
    starts = [run_python(ONLY_MSGSPEC + clock, PYTHONPYCACHEPREFIX=str(tmp_path)).split() for _ in range(6)]
    costs_s = [(float(msgspec_s), float(library_s)) for msgspec_s, library_s in starts]
    assert any(msgspec_s + library_s < max(0.060, 2.5 * msgspec_s) for msgspec_s, library_s in costs_s), costs_s


SLOW = frozenset({"asyncio", "concurrent", "email", "http", "json", "logging", "random", "ssl", "threading", "urllib"})


def test_library_loads_nothing_that_callbacks_do_without() -> None:
    """Each of these takes milliseconds, and none is needed to prove, read and answer."""
    loaded = set(run_python("import sys, callgate.library; print(*sys.modules)").split())
    assert not loaded & (SLOW | {f"callgate.protocol.sinch.{name}" for name in ("allowed", "doctor", "rest", "rules")})


@pytest.mark.skipif(sys.gettrace() is not None, reason="each line is counted, which costs more than the line")
def test_a_callback_costs_little_more_than_its_hashes() -> None:
    """To prove, read and answer it: measured in its hashes, which a slow or busy machine computes as slowly."""
    bench = runpy.run_path(str(SOURCE.parents[1] / "bench" / "library.py"))
    costs = [(bench["callback_us"](rounds=5), bench["hashes_us"](rounds=5)) for _ in range(3)]
    assert min(callback_us / hashes_us for callback_us, hashes_us in costs) < 5, costs


def test_package_has_no_other_names() -> None:
    """A slip is told as Python tells it."""
    with pytest.raises(AttributeError, match="no attribute 'Callgat'"):
        callgate.Callgat  # type: ignore[attr-defined]  # noqa: B018


def test_protocol_and_library_name_no_third_party_package_but_msgspec() -> None:
    """Nor does an import inside a function bring in another one later, when a call arrives."""
    imported = {
        name.partition(".")[0]
        for path in [
            *SOURCE.glob("protocol/**/*.py"),
            *(SOURCE / f"{name}.py" for name in ("errors", "library", "money", "numbers")),
        ]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in imported_names(node)
    }
    assert imported - sys.stdlib_module_names == {"callgate", "msgspec"}


def imported_names(node: ast.AST) -> list[str]:
    """Names of the modules that a statement imports; none unless it is an import."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        return [node.module or "callgate"]
    return []


def test_distribution_is_typed() -> None:
    """Users' type checkers read our annotations only where this marker is shipped."""
    assert (SOURCE / "py.typed").is_file()
