"""Where in a JSON text a path such as `$.instructions[0].text` stands, for people who look for it in an editor."""

import json
import re

_SEGMENT = re.compile(r"\.([^.\[\]]+)|\[(\d+)\]")
_BLANK = re.compile(r"[ \t\r\n]*")
_decode = json.JSONDecoder().raw_decode


def line_of(content: bytes, path: str) -> int:
    """Return the line of what a path names, from 1; of the nearest thing around it where there is no such thing, and of
    the place where the text breaks off being JSON where it does.
    """
    text = content.decode(errors="replace")
    try:
        _decode(text, _skip(text, 0))
    except json.JSONDecodeError as error:
        return error.lineno
    except RecursionError:
        return 1
    at = _skip(text, 0)
    for key, index in _SEGMENT.findall(path):
        found = _item(text, at, int(index)) if index else _property(text, at, key)
        if found is None:
            break
        at = found
    return text.count("\n", 0, at) + 1


def _property(text: str, at: int, key: str) -> int | None:
    """Where the value of a key begins; of several the last, as decoders have it."""
    found = None
    if not text.startswith("{", at):
        return None
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, at = _decode(text, at)
        at = _skip(text, _skip(text, at) + 1)
        if name == key:
            found = at
        at = _next(text, at)
    return found


def _item(text: str, at: int, index: int) -> int | None:
    """Where the item of a list begins."""
    if not text.startswith("[", at):
        return None
    at = _skip(text, at + 1)
    for _ in range(index):
        if text[at] == "]":
            return None
        at = _next(text, at)
    return None if text[at] == "]" else at


def _next(text: str, at: int) -> int:
    """Go over a value, and the comma behind it."""
    _, at = _decode(text, at)
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    assert blank is not None, "nothing is a match too"
    return blank.end()
