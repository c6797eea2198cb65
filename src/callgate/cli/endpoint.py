"""`callgate endpoint ...`: receivers of call records."""

import getpass
import os
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from callgate.cli.desk import AsJson, Config, open_books, read_settings, say, say_json, table
from callgate.cli.times import parse_duration
from callgate.errors import Invalid

if TYPE_CHECKING:
    from callgate.service.endpoint import EndpointState
    from callgate.service.reports import EndpointReport

OLD_SECRET_FOR = "24h"  # noqa: S105 - how long, not which


async def add(
    url: str | None = None,
    *,
    kind: str = "webhook",
    events: str | None = None,
    apps: str | None = None,
    accounts: str | None = None,
    option: Annotated[Sequence[str], Parameter(name="--set")] = (),
    token_file: Path | None = None,
    token_env: str | None = None,
    allow_private: bool = False,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Add a receiver of records: a webhook, and print its signing secret once, e-mail, or a connector to a CRM.

    Parameters
    ----------
    url
        Where records are posted, http or https; for e-mail mailto: and addresses; of a connector
        where the CRM is, if that is not the same for everybody.
    kind
        `webhook`, `email`, or a connector: hubspot, pipedrive, salesforce, zendesk, or one that is installed.
    events
        Types of records that it wants, with commas between; all of them unless given.
    apps
        Keys of applications whose records it wants, with commas between; all unless given.
    accounts
        Ids of accounts whose records it wants, with commas between; all unless given.
    option
        An option, NAME=VALUE; may be given several times.
    token_file
        Of a connector: a file with its token or credentials; `-` is standard input. Without it they are asked for.
    token_env
        Of a connector: the environment variable with its token or credentials.
    allow_private
        It may have an address of your own network or this machine.
    """
    from callgate.app import build_vault, clock
    from callgate.outbox.webhook import resolve
    from callgate.service.add_endpoint import Wanted, add_endpoint
    from callgate.service.endpoint import EMAIL, MAILTO, WEBHOOK

    options, secret = _pairs(option), ""
    if kind == WEBHOOK and (url or "").startswith(MAILTO):
        kind = EMAIL
    if kind not in {WEBHOOK, EMAIL}:
        from callgate.outbox.connectors import check

        url, secret = check(kind, url or "", options, _read_token(token_file, token_env))
    wanted = Wanted(kind=kind, options=options, secret=secret, applications=_words(apps), accounts=_words(accounts))
    seal = build_vault(read_settings(config)).seal
    async with open_books(config) as store:
        endpoint, shown = await add_endpoint(
            store,
            url or "",
            _words(events),
            wanted=wanted,
            allow_private=allow_private,
            seal=seal,
            resolve=resolve,
            now=clock(),
        )
    if json:
        say_json({"id": endpoint.id, "secret": None if secret else shown or None})
        return 0
    say(f"Added endpoint {endpoint.id}. It will be sent {', '.join(endpoint.types) or 'every type of record'}.")
    is_tried = secret or not shown  # the others have nothing that could be wrong but their receiver
    say(f"Look whether it works: callgate endpoint test {endpoint.id}" if is_tried else f"{_name_of(shown)}: {shown}")
    return 0


def _name_of(secret: str) -> str:
    from callgate.service.endpoint import PUBLIC_PREFIX

    return "Public key" if secret.startswith(PUBLIC_PREFIX) else "Signing secret, shown once"


def _words(text: str | None) -> tuple[str, ...]:
    return () if text is None else tuple(word.strip() for word in text.split(","))


def _pairs(words: Sequence[str]) -> dict[str, str]:
    """Raises `Invalid`."""
    for word in words:
        if not word.partition("=")[1]:
            raise Invalid("--set", repr(word[:40]), "NAME=VALUE")
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _read_token(file: Path | None, variable: str | None) -> str:
    """From where it is said to be, else from who sits at the terminal. Raises `Invalid`."""
    if file is not None:
        return (sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")).strip()
    if variable is not None:
        return os.environ.get(variable, "").strip()
    if not sys.stdin.isatty():
        raise Invalid("endpoint", "no token", "--token-file FILE, --token-env VARIABLE, or a terminal to type it at")
    return getpass.getpass("Token or credentials: ").strip()


async def list(*, config: Config = None, json: AsJson = False) -> int:  # noqa: A001 - the command's own name
    """List the receivers; secrets are never shown."""
    from callgate.service.reports import endpoint_reports

    async with open_books(config) as store:
        reports = await endpoint_reports(store)
    if json:
        say_json(reports)
        return 0
    lines = [
        (
            each.id,
            each.kind,
            each.url,
            ", ".join(each.events) or "all",
            "yes" if each.allow_private else "no",
            _state_of(each),
        )
        for each in reports
    ]
    table(("id", "kind", "url", "events", "may be private", "state"), lines)
    return 0


def _state_of(report: "EndpointReport") -> str:
    state = report.state if report.failing_since is None else f"failing since {report.failing_since}"
    return f"{state}: {report.why}" if report.why else state


async def test(endpoint: str, *, config: Config = None, json: AsJson = False) -> int:  # noqa: PT028 - a command, no test
    """Send a test event to a webhook, a test mail, or look something up in a CRM, now; exit 1 when that fails.

    Parameters
    ----------
    endpoint
        The endpoint's id.
    """
    from callgate.app import build_vault, clock, mail_server
    from callgate.outbox.senders import try_endpoint

    settings = read_settings(config)
    async with open_books(config) as store:
        fault = await try_endpoint(store, endpoint, build_vault(settings).unseal, clock, mail_server(settings))
    if json:
        say_json({"id": endpoint, "works": not fault, "why": fault})
    else:
        say(f"Endpoint {endpoint} {f'does not work: {fault}' if fault else 'works.'}")
    return 1 if fault else 0


async def token(
    endpoint: str,
    *,
    token_file: Path | None = None,
    token_env: str | None = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Give a connector another token or other credentials, and let it try again at once.

    Parameters
    ----------
    endpoint
        The endpoint's id.
    token_file
        A file with the token or credentials; `-` is standard input. Without it they are asked for.
    token_env
        The environment variable with the token or credentials.
    """
    from callgate.app import build_vault, clock
    from callgate.outbox.connectors import check
    from callgate.service.add_endpoint import known_endpoint, rotate_endpoint

    seal = build_vault(read_settings(config)).seal
    async with open_books(config) as store:
        found = await known_endpoint(store, endpoint)
        _, secret = check(found.kind, found.url, found.options, _read_token(token_file, token_env))
        await rotate_endpoint(store, endpoint, seal=seal, old_until=clock(), credentials=secret)
    if json:
        say_json({"id": endpoint})
    else:
        say(f"Endpoint {endpoint} has other credentials.")
    return 0


async def rotate(endpoint: str, *, overlap: str = OLD_SECRET_FOR, config: Config = None, json: AsJson = False) -> int:
    """Give a receiver a new signing secret, and print it once. Until the overlap is over, records carry both signatures.

    Parameters
    ----------
    endpoint
        The endpoint's id.
    overlap
        How long the old secret is signed with too, such as 24h; 0s drops it at once.
    """
    from callgate.app import build_vault, clock
    from callgate.service.add_endpoint import rotate_endpoint
    from callgate.service.reports import rfc3339

    until = clock() + parse_duration(overlap, "--overlap", most=timedelta(days=30))
    seal = build_vault(read_settings(config)).seal
    async with open_books(config) as store:
        secret = await rotate_endpoint(store, endpoint, seal=seal, old_until=until)
    if json:
        say_json({"id": endpoint, "secret": secret, "old_secret_until": rfc3339(until)})
    else:
        say(f"{_name_of(secret)} of {endpoint}: {secret}")
        say(f"The old one is signed with too until {rfc3339(until)}.")
    return 0


async def enable(endpoint: str, *, config: Config = None, json: AsJson = False) -> int:
    """Send to a receiver again: what waits for it, and what comes.

    Parameters
    ----------
    endpoint
        The endpoint's id.
    """
    from callgate.service.endpoint import EndpointState

    return await _set_state(endpoint, EndpointState.ACTIVE, config=config, as_json=json)


async def disable(endpoint: str, *, config: Config = None, json: AsJson = False) -> int:
    """Send nothing more to a receiver, and queue nothing more for it; what waits stays.

    Parameters
    ----------
    endpoint
        The endpoint's id.
    """
    from callgate.service.endpoint import EndpointState

    return await _set_state(endpoint, EndpointState.DISABLED, config=config, as_json=json)


async def _set_state(endpoint: str, state: "EndpointState", *, config: Config, as_json: bool) -> int:
    from callgate.service.add_endpoint import SetEndpointState
    from callgate.service.reports import report_endpoint

    async with open_books(config) as store:
        report = report_endpoint(await store.perform(SetEndpointState(id=endpoint, state=state)))
    if as_json:
        say_json(report)
    else:
        say(f"Endpoint {report.id} is {report.state}.")
    return 0
