"""Templates and static files: read once at start, from the package. Everything that a template shows is escaped."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent

MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}

PARTS = ("counters", "recent", "live")
"""The parts of the first page that change while it is watched: each has its template, and an element of that id. A call that
ends is told of among the recent ones before it leaves those that are up, so that it is never on neither list.
"""


class Asset(NamedTuple):
    """A static file, under a name that changes with its content, so that browsers may keep it for ever."""

    name: str
    media_type: str
    content: bytes


class Pages:
    """Renders pages. `root` is the relative way from a page to the first one, so that any prefix of a proxy will do."""

    def __init__(self) -> None:
        found = {path.name: _read_asset(path) for path in sorted((HERE / "static").iterdir())}
        self.assets = {asset.name: asset for asset in found.values()}
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._templates.globals["assets"] = {name: asset.name for name, asset in found.items()}
        self._templates.filters["clock"] = _clock_of
        self._templates.filters["moment"] = _moment_of
        self._templates.filters["segment"] = lambda text: quote(text, safe="")

    def render(self, name: str, **values: Any) -> str:
        return self._templates.get_template(name).render(values)


def root_of(path: str) -> str:
    """Return the relative way from a page to the first one: `./` from `/`, `../` from `/calls/ID`."""
    return "../" * (path.count("/") - 1) or "./"


def indented(body: bytes) -> str:
    """Lay JSON out to be read, its numbers digit by digit as they came; what is not JSON is shown as it is."""
    try:
        return msgspec.json.format(body, indent=2).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body.decode(errors="replace")


def _read_asset(path: Path) -> Asset:
    content = path.read_bytes()
    mark = hashlib.sha256(content).hexdigest()[:12]
    return Asset(f"{path.stem}-{mark}{path.suffix}", MEDIA_TYPES[path.suffix], content)


def _clock_of(rfc3339: str) -> str:
    """The time of day, in UTC as it is stored."""
    return f"{datetime.fromisoformat(rfc3339):%H:%M:%S}"


def _moment_of(rfc3339: str) -> str:
    """Date and time."""
    return f"{datetime.fromisoformat(rfc3339):%Y-%m-%d %H:%M:%S} UTC"
