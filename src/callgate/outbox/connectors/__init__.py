"""The connectors that there are: ours by name, others by the entry points of installed packages."""

from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points

import msgspec

from callgate.errors import Invalid
from callgate.outbox.connector import ENTRY_POINTS, Connector, Setup

OURS = {
    "hubspot": "callgate.outbox.connectors.hubspot:HubSpot",
    "pipedrive": "callgate.outbox.connectors.pipedrive:Pipedrive",
    "salesforce": "callgate.outbox.connectors.salesforce:Salesforce",
    "zendesk": "callgate.outbox.connectors.zendesk:Zendesk",
}

COMMON_OPTIONS: Mapping[str, str] = {
    "contact": "destination",
    "on_missing": "log",
    "on_several": "newest",
}
"""Options that every connector has, beside `per_s`, whose default is the connector's."""

CHOICES = {
    "contact": ("destination", "caller"),
    "on_missing": ("log", "create"),
    "on_several": ("first", "newest", "none"),
}

MAX_PER_S = 1_000.0


def kinds() -> list[str]:
    """Every kind of connector that is installed."""
    return sorted({*OURS, *(each.name for each in entry_points(group=ENTRY_POINTS))})


@cache
def connector_class(kind: str) -> type[Connector]:
    """Raises `Invalid` for a kind that is not installed."""
    if kind in OURS:
        module, _, name = OURS[kind].partition(":")
        found: type[Connector] = getattr(import_module(module), name)
        return found
    for each in entry_points(group=ENTRY_POINTS, name=kind):
        loaded: type[Connector] = each.load()
        return loaded
    raise Invalid("kind", repr(kind[:40]), f"webhook, or a connector that is installed: {', '.join(kinds())}")


def complete(kind: type[Connector], given: Mapping[str, str]) -> dict[str, str]:
    """The options of an endpoint with all defaults. Raises `Invalid`."""
    options = {**COMMON_OPTIONS, "per_s": f"{kind.PER_S:g}", **kind.OPTIONS}
    for name, value in given.items():
        if name not in options:
            raise Invalid("option", repr(name[:40]), f"one of {', '.join(options)}")
        if name in CHOICES and value not in CHOICES[name]:
            raise Invalid(f"option {name}", repr(value[:40]), f"one of {', '.join(CHOICES[name])}")
        options[name] = value
    try:
        is_pace = 1 <= float(options["per_s"]) <= MAX_PER_S
    except ValueError:
        is_pace = False
    if not is_pace:
        raise Invalid("option per_s", repr(options["per_s"][:40]), f"requests a second, from 1 to {MAX_PER_S:g}")
    return options


def build(
    kind: type[Connector], url: str, given: Mapping[str, str], credentials: Mapping[str, str]
) -> tuple[Connector, Setup]:
    """A connector and what it was set up with. `url` empty means the CRM's usual one. Raises `Invalid`."""
    setup = Setup(url=url or kind.URL, options=complete(kind, given), credentials=credentials)
    if not setup.url:
        raise Invalid("endpoint URL", "none", "your own address at this CRM, such as https://example.my.salesforce.com")
    make: Callable[[Setup], Connector] = kind
    return make(setup), setup


def check(kind: str, url: str, given: Mapping[str, str], words: str) -> tuple[str, str]:
    """Return where a connector's CRM is and its credentials as they are kept. `words` are a token, or JSON of several parts.

    Raises `Invalid`, which repeats none of them.
    """
    if not words:
        raise Invalid("credentials", "nothing", "a token, or JSON with the parts of the credentials")
    try:
        credentials = _read(words) if words.startswith("{") else {"token": words}
    except msgspec.DecodeError as error:
        raise Invalid("credentials", "JSON that cannot be read", "an object of names and texts") from error
    _, setup = build(connector_class(kind), url, given, credentials)
    return setup.url, msgspec.json.encode(credentials).decode()


_read = msgspec.json.Decoder(dict[str, str]).decode
