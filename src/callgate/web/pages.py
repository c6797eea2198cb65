"""Templates and static files: read once at start, from the package. Everything that a template shows is escaped."""

import asyncio
import hashlib
import re
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from callgate.money import format_micros
from callgate.web import formats
from callgate.web.turns import Turns
from callgate.web.view import seconds_left

HERE = Path(__file__).parent

MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class Asset(NamedTuple):
    """A static file, under a name that changes with its content, so that browsers may keep it for ever."""

    name: str
    media_type: str
    content: bytes


class Pages:
    """Renders pages. `root` is the relative way from a page to the first one, so that any prefix of a proxy will do."""

    def __init__(self) -> None:
        found = _read_assets(HERE / "static")
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
        self._templates.filters |= {
            "clock": formats.clock,
            "moment": formats.moment,
            "facts": formats.facts,
            "number": formats.number,
            "country": formats.country,
            "money": formats.money,
            "micros": format_micros,
            "words": formats.words,
            "seconds_left": seconds_left,
            "segment": lambda text: quote(text, safe=""),
        }

        self._loaded: dict[str, Template] = {}

    async def draw(self, name: str, **values: Any) -> str:
        """Render a page or a piece of one, in turns with whatever else the event loop has to do."""
        if name not in self._loaded:
            self._loaded[name] = await asyncio.to_thread(self._templates.get_template, name)  # compiles it: 0.1 s
        turns, parts = Turns(), list[str]()
        for part in self._loaded[name].generate(values):
            parts.append(part)
            await turns.another()
        return "".join(parts)

    def render(self, name: str, **values: Any) -> str:
        """Render a short page at once."""
        return self._templates.get_template(name).render(values)


def root_of(raw_path: bytes) -> str:
    """Return the relative way from a page to the first one: `./` from `/`, `../` from `/calls/ID`."""
    return "../" * (raw_path.count(b"/") - 1) or "./"


def _read_assets(folder: Path) -> dict[str, Asset]:
    """All files by their own names. A script that imports another names it as browsers know it, so that is read first."""
    found: dict[str, Asset] = {}

    def read(path: Path) -> Asset:
        if path.name not in found:
            content = path.read_bytes()
            for name in re.findall(rb'from "\./([a-z]+\.js)"', content):
                content = content.replace(b"./" + name, b"./" + read(folder / name.decode()).name.encode())
            found[path.name] = _asset(path, content)
        return found[path.name]

    for path in sorted(folder.iterdir()):
        read(path)
    return found


def _asset(path: Path, content: bytes) -> Asset:
    mark = hashlib.sha256(content).hexdigest()[:12]
    return Asset(f"{path.stem}-{mark}{path.suffix}", MEDIA_TYPES[path.suffix], content)
