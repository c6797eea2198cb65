"""Hosts of the REST interface, and which of them a request goes to. Source: Sinch Voice API reference, hosts."""

from urllib.parse import urlsplit

REGIONS = {
    "global": "https://calling.api.sinch.com",
    "use1": "https://calling-use1.api.sinch.com",
    "euc1": "https://calling-euc1.api.sinch.com",
    "sae1": "https://calling-sae1.api.sinch.com",
    "apse1": "https://calling-apse1.api.sinch.com",
    "apse2": "https://calling-apse2.api.sinch.com",
}
"""Base URL of calls, callouts and conferences, by region."""

CONFIGURATION = "https://callingapi.sinch.com"
"""Base URL of what applications are set to."""

_KNOWN = frozenset(REGIONS.values())


def base_of(resource: str) -> str | None:
    """Return the base URL of a call's own address, as its callbacks name it; None unless it is one of the platform's.

    Whoever can sign a callback could write any address there, and we would send it what we have signed.
    """
    try:
        url = urlsplit(resource)
        is_plain = url.username is None and url.password is None and url.port in {None, 443}
    except ValueError:
        return None
    base = f"{url.scheme}://{url.hostname}"
    return base if is_plain and base in _KNOWN else None
