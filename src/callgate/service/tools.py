"""What those who set up endpoints need beyond the books, from rooms that they do not see."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple


class Tools(NamedTuple):
    """`seal` and `unseal` encrypt secrets; `resolve` gives the addresses of a host; `check_connector` reads what is said of a
    connector (kind, URL, options, token) and returns its URL and secret; `try_endpoint` says what does not work, or nothing.
    `connectors` are the kinds of CRMs that there are.
    """

    seal: Callable[[str], bytes]
    unseal: Callable[[bytes], str]
    resolve: Callable[[str], Awaitable[Sequence[str]]]
    check_connector: Callable[[str, str, Mapping[str, str], str], tuple[str, str]]
    try_endpoint: Callable[[str], Awaitable[str]]
    connectors: Callable[[], Sequence[str]] = list
