"""The house rules that neither ruff nor import-linter can see, asked of every file that is or will be committed."""

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

MACHINE_PATH = r"(^|[^A-Za-z0-9_./-])/(home|root|tmp|work|Users)/[A-Za-z0-9_]"
INDEX_ADDRESS = r"https?://[^ \"']+/(simple|packages)/|index-ur[l]"


def git(*arguments: str) -> list[str]:
    """Ask git about this clone, untracked files included unless they are ignored; returns the lines of its answer."""
    done = subprocess.run(  # noqa: S603 - arguments are ours
        ["git", *arguments],  # noqa: S607 - whichever git is installed
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def files() -> list[Path]:
    """Every file of the project, relative to its root."""
    listed = git("ls-files", "--cached", "--others", "--exclude-standard")
    return [Path(name) for name in listed if (ROOT / name).is_file()]


def test_every_file_is_named_for_what_is_in_it(files: list[Path]) -> None:
    """A drawer for odds and ends fills up: what helps one file lives beside it."""
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [str(path) for path in files if drawers & {*path.parent.parts, path.stem}] == []


def test_every_module_says_what_it_is(files: list[Path]) -> None:
    """A module opens with a paragraph: what lives here and what does not."""
    modules = [path for path in files if path.suffix == ".py"]
    assert [str(path) for path in modules if ast.get_docstring(ast.parse((ROOT / path).read_bytes())) is None] == []


def test_nothing_names_the_machine_it_was_written_on() -> None:
    """No folder of one computer: a clone works anywhere."""
    assert git("grep", "--untracked", "-nIE", "-e", MACHINE_PATH) == []


def test_nothing_names_a_package_index() -> None:
    """Packages come from where the machine's own configuration says, so that a mirror or a closed network will do."""
    assert git("grep", "--untracked", "-nIE", "-e", INDEX_ADDRESS) == []
