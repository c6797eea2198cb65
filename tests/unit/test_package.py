"""What the package promises to those who embed it: importing it costs nothing, the protocol asks for msgspec alone."""

import ast
import subprocess
import sys
from pathlib import Path

import callgate

SOURCE = Path(callgate.__file__).parent


def run_python(code: str) -> str:
    """Run `code` in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=30)  # noqa: S603 - our own code
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_callgate_loads_nothing() -> None:
    """`import callgate` brings in the package's own few lines and no other module, of ours or anybody's."""
    loaded = run_python(
        "import sys; before = set(sys.modules); import callgate; print(*sorted(set(sys.modules) - before))",
    )
    assert loaded.split() == ["callgate"]


def test_protocol_works_with_msgspec_alone() -> None:
    """Who only reads and signs callbacks installs msgspec and nothing else."""
    run_python(
        """
import sys

class OnlyMsgspec:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in {"callgate", "msgspec", *sys.stdlib_module_names}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, OnlyMsgspec())
import callgate.protocol.call, callgate.protocol.life, callgate.protocol.sinch
""",
    )


def test_protocol_names_no_third_party_package_but_msgspec() -> None:
    """Nor does an import inside a function bring in another one later, when a call arrives."""
    imported = {
        name.partition(".")[0]
        for path in [
            *SOURCE.glob("protocol/**/*.py"),
            *(SOURCE / f"{name}.py" for name in ("errors", "money", "numbers")),
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
