"""Files that somebody has uploaded and is still looking at: kept in a private folder of this machine, for an hour.

In files, not in memory, since the next request may come to another process.
"""

import hashlib
import re
import secrets
import tempfile
import time
from pathlib import Path

KEPT_S = 3_600
MOST = 16
"""Uploads that are kept at once; the oldest makes room."""

_NAME = re.compile(r"[0-9a-f]{32}")


class Uploads:
    """One for a dashboard. `key` keeps the folders of several servers apart."""

    def __init__(self, key: str) -> None:
        mark = hashlib.sha256(f"uploads {key}".encode()).hexdigest()[:16]
        self._folder = Path(tempfile.gettempdir()) / f"callgate-{mark}"

    def keep(self, content: bytes) -> str:
        """Keep it and return its name, which cannot be guessed. Raises `OSError` where the disk does not take it."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        self._make_room()
        name = secrets.token_hex(16)
        path = self._folder / name
        path.touch(mode=0o600)
        path.write_bytes(content)
        return name

    def path(self, name: str) -> Path | None:
        """Return where it is kept, or None when it is gone."""
        path = self._folder / name
        return path if _NAME.fullmatch(name) and path.is_file() else None

    def drop(self, name: str) -> None:
        if _NAME.fullmatch(name):
            (self._folder / name).unlink(missing_ok=True)

    def _make_room(self) -> None:
        kept = sorted(self._folder.iterdir(), key=lambda path: path.stat().st_mtime)
        too_old = time.time() - KEPT_S
        for place, path in enumerate(kept):
            if path.stat().st_mtime < too_old or place <= len(kept) - MOST:
                path.unlink(missing_ok=True)
