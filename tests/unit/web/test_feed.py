"""Server-sent events as a browser reads them."""

from callgate.web.feed import encode_change, encode_event


def test_lines_of_a_part_travel_as_lines_of_data() -> None:
    """And an empty part still is an event."""
    assert encode_event("live", "<tr>\n</tr>") == b"event: live\ndata: <tr>\ndata: </tr>\n\n"
    assert encode_event("live", "") == b"event: live\ndata: \n\n"


def test_no_line_break_in_a_name_ends_an_event_early() -> None:
    """Carriage returns count as well: a caller may be called anything."""
    assert encode_event("live", "a\r\revent: clock\r\n\r\ndata: b").count(b"\n\n") == 1
    assert b"\r" not in encode_event("live", "a\rb\r\nc")


def test_rows_travel_as_what_changed() -> None:
    """All of them to one who has none yet."""
    assert encode_change("live", None, {"a": "<tr>"}) == b'event: live\ndata: {"all":[["a","<tr>"]]}\n\n'
    change = encode_change("live", {"a": "<tr>"}, {"b": "<tr>"})
    assert change == b'event: live\ndata: {"gone":["a"],"put":[["b","<tr>",null]]}\n\n'
