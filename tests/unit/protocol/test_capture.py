"""Captured requests as people have them, and the lines where JSON paths stand."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callgate.errors import Invalid
from callgate.protocol.capture import read_capture
from callgate.protocol.places import line_of


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_request_is_read_whole(end: bytes) -> None:
    """Method, path with its query, headers in lower case, and the body to the last byte."""
    raw = end.join([b"POST /a?b=c HTTP/1.1", b"Content-Type: text/plain ", b"X-Odd:a:b", b"", b"one", b"", b"two"])
    request = read_capture(raw)
    assert (request.method, request.path) == ("POST", "/a?b=c")
    assert request.headers == {"content-type": "text/plain", "x-odd": "a:b"}
    assert request.body == end.join([b"one", b"", b"two"])


@pytest.mark.parametrize(
    ("length", "body"), [(2, b"{}"), (3, b"{}\n"), (9, b"{}\n")], ids=["longer by a line end", "as said", "shorter"]
)
def test_a_line_end_that_an_editor_added_is_cut(length: int, body: bytes) -> None:
    """Only where the length says so."""
    assert read_capture(f"POST / HTTP/1.1\ncontent-length: {length}\n\n{{}}\n".encode()).body == body


@pytest.mark.parametrize(
    ("raw", "where"),
    [
        (b"", "line 1"),
        (b"POST /x", "line 1"),
        (b"POST /x y HTTP/1.1\n\n", "line 1"),
        (b"HTTP/1.1 200 OK\n\n", "line 1"),
        (b"POST /x HTTP/1.1\nnothing\n\n", "line 2"),
        (b"POST /x HTTP/1.1\na: b\n: c\n\n", "line 3"),
        (b"POST /x HTTP/1.1\ncontent-length: 2\n{}", "line 3"),
        (b"POST /x HTTP/1.1\ncontent-length: 2", "the end"),
    ],
)
def test_what_is_no_request_is_told_by_line(raw: bytes, where: str) -> None:
    """With what would do."""
    with pytest.raises(Invalid) as caught:
        read_capture(raw)
    assert caught.value.where == where


@given(st.binary())
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """Nothing else happens, whatever was piped in."""
    for capture in (raw, b"POST / HTTP/1.1\r\n" + raw):
        try:
            read_capture(capture)
        except Invalid:
            continue


SVAML = b"""{
  "instructions": [
    {"name": "say", "text": "a \\" ] } b"},
    {"name":
       "answer"}
  ],
  "action": {
    "name": "x",
    "name": "hangup"
  }
}"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("$", 1),
        ("$.instructions", 2),
        ("$.instructions[0]", 3),
        ("$.instructions[0].text", 3),
        ("$.instructions[1].name", 5),
        ("$.action", 7),
        ("$.action.name", 9),  # the last of several counts, as for whoever reads it
        ("$.action.missing", 7),
        ("$.instructions[7].name", 2),
        ("$.missing[0].name", 1),
        ("$.action[0]", 7),
    ],
)
def test_a_path_has_a_line(path: str, line: int) -> None:
    """Of what it names, or of the nearest thing around it."""
    assert line_of(SVAML, path) == line


@pytest.mark.parametrize(("text", "line"), [(b"", 1), (b'{\n\n"a" 1}', 3), (b"[" * 100_000, 1), (b"\n\n{\xff", 3)])
def test_what_breaks_off_has_the_line_where_it_does(text: bytes, line: int) -> None:
    """Half-written files are the usual case."""
    assert line_of(text, "$") == line


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.text("abc", min_size=1), values, min_size=1, max_size=4), st.sampled_from([None, 1]))
def test_every_value_is_found(document: dict[str, object], indent: int | None) -> None:
    """In whatever way the JSON is written, a top-level property is on the line of its name."""
    text = json.dumps(document, indent=indent)
    for name in document:
        line = text.splitlines()[line_of(text.encode(), f"$.{name}") - 1]
        assert json.dumps(name) in line
