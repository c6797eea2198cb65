"""A captured HTTP request as text: what `curl --trace`, a proxy's log or a person at an editor wrote down."""

from callgate.errors import Invalid
from callgate.protocol.wire import WireRequest


def read_capture(raw: bytes) -> WireRequest:
    """Read a request line, headers, an empty line and a body; lines of the head may end in LF alone.

    The body is every byte behind the empty line. One that is just the line feed longer than `content-length` says lost
    that line feed's companion to an editor, and is cut. The path keeps its query. Raises `Invalid`.
    """
    head, gap, body = _split(raw)
    lines = head.decode("latin-1").splitlines()
    words = lines[0].split(" ") if lines else []
    if len(words) != _REQUEST_LINE_WORDS or not words[2].startswith("HTTP/"):
        found = repr(lines[0][:80]) if lines else "nothing"
        raise Invalid("line 1", found, "a raw HTTP request: POST /path HTTP/1.1, headers, an empty line, the body")
    headers = {}
    for number, line in enumerate(lines[1:], start=2):
        name, colon, value = line.partition(":")
        if not colon or not name.strip():
            raise Invalid(f"line {number}", repr(line[:80]), "a header, NAME: VALUE, or an empty line before the body")
        headers[name.strip().lower()] = value.strip()
    if not gap and headers.get("content-length", "0") != "0":
        raise Invalid("the end", "no empty line after the headers", "an empty line, then the body")
    return WireRequest(method=words[0], path=words[1], headers=headers, body=_as_long_as_said(body, headers))


def _split(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """Part head and body at the first empty line, whichever way its line ends."""
    at = [(raw.find(gap), gap) for gap in (b"\r\n\r\n", b"\n\n") if gap in raw]
    return raw.partition(min(at)[1]) if at else (raw, b"", b"")


def _as_long_as_said(body: bytes, headers: dict[str, str]) -> bytes:
    for end in (b"\r\n", b"\n"):
        if body.endswith(end) and headers.get("content-length") == str(len(body) - len(end)):
            return body.removesuffix(end)
    return body


_REQUEST_LINE_WORDS = 3
