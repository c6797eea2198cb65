"""`callgate sinch ...`: what only this platform knows."""

import secrets
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from callgate.cli.desk import AsJson, Config, InApp, open_books, read_settings, say, say_json, the_application
from callgate.errors import NotFound

if TYPE_CHECKING:
    from callgate.service.application import Application
    from callgate.service.ports import Store
    from callgate.vault import Vault

PROVIDER = "sinch"


async def token(
    user: str,
    *,
    ttl: Annotated[int, Parameter(validator=Number(gte=60, lte=86_400))] = 600,
    app: InApp = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Print a token with which an in-app user registers with the platform.

    Parameters
    ----------
    user
        The user's id.
    ttl
        Seconds that the app has to register with it, 60 to 86400.
    """
    from datetime import timedelta

    from callgate.app import build_vault, clock
    from callgate.protocol.sinch import registration_token
    from callgate.service.reports import rfc3339

    now, vault = clock(), build_vault(read_settings(config))
    async with open_books(config) as store:
        application = await application_of(store, vault, app)
    key, secret = application.row.key, application.secrets[0][0]
    jwt = registration_token(key, secret, user, now, secrets.token_hex(16), ttl)
    if json:
        say_json({"token": jwt, "expires_at": rfc3339(now + timedelta(seconds=ttl))})
    else:
        say(jwt)
    return 0


async def application_of(store: "Store", vault: "Vault", app: str | None) -> "Application":
    """Return the application that is meant, with its secrets. Raises `NotFound`, also when it is another provider's."""
    from callgate.service.application import opened

    key = await the_application(store, app)
    row = next(row for row in await store.applications() if row.key == key)
    if row.provider != PROVIDER:
        raise NotFound(f"application {key} is one of {row.provider}, for which there is no such thing")
    return opened(row, vault.unseal)
