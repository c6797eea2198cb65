"""Which requests are refused for where they come from."""

import pytest

from callgate.web.origin import is_from_our_page, is_loopback_host


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]", "LOCALHOST:1"]
)
def test_names_of_this_machine_are_loopback(host: str) -> None:
    """With and without a port."""
    assert is_loopback_host(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "localhost.evil.example",
        "127.0.0.1.evil.example:8080",
        "10.0.0.1",
        "evil@localhost.example",
        "[",
    ],
)
def test_any_other_name_is_not(host: str) -> None:
    """Though it may lead here."""
    assert not is_loopback_host(host)


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://gate.example", "host": "gate.example"}, False),
        ({"origin": "http://gate.example:8080", "host": "gate.example:8080"}, True),
        ({"origin": "http://evil.example", "host": "gate.example"}, False),
        ({"origin": "null", "host": "gate.example"}, True),
        ({"host": "gate.example"}, True),
    ],
)
def test_another_sites_page_is_told_from_ours(headers: dict[str, str], *, is_ours: bool) -> None:
    """By what the browser says of it; where nothing says anything, the cookie's own rule stands."""
    assert is_from_our_page(headers) is is_ours
