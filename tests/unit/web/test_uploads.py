"""Uploads: kept for those who were told their name, for an hour, and not too many of them."""

import os
import time
from pathlib import Path

import pytest

from callgate.web.uploads import KEPT_S, MOST, Uploads


@pytest.fixture
def uploads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Uploads:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    return Uploads("key")


def test_what_was_kept_is_read_by_its_name_until_it_is_dropped(uploads: Uploads) -> None:
    """Nobody but its owner may read the file."""
    name = uploads.keep(b"rows")
    kept = uploads.path(name)
    assert kept is not None and kept.read_bytes() == b"rows"
    [folder] = Path(uploads._folder.parent).iterdir()  # noqa: SLF001 - the promise is about the file itself
    assert [oct(path.stat().st_mode & 0o777) for path in (folder, folder / name)] == ["0o700", "0o600"]
    uploads.drop(name)
    assert uploads.path(name) is None


@pytest.mark.parametrize("name", ["", "../secret_key", "/etc/passwd", "a" * 31, "A" * 32])
def test_only_names_of_ours_are_read(uploads: Uploads, name: str) -> None:
    """A path is none."""
    assert uploads.path(name) is None


def test_the_oldest_make_room(uploads: Uploads) -> None:
    """And what is older than an hour goes in any case."""
    names = [uploads.keep(b"rows") for _ in range(MOST)]
    for age, name in enumerate(reversed(names)):
        path = uploads._folder / name  # noqa: SLF001 - its age
        os.utime(path, (time.time() - age - 1,) * 2)
    names.append(uploads.keep(b"rows"))
    assert [uploads.path(name) is not None for name in names] == [False] + [True] * MOST
    old = uploads._folder / names[-1]  # noqa: SLF001 - its age
    os.utime(old, (time.time() - KEPT_S - 1,) * 2)
    uploads.keep(b"rows")
    assert uploads.path(names[-1]) is None
