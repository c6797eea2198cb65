"""`callgate sinch ...`: what only this platform knows."""

import secrets
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from callgate.cli.desk import AsJson, Config, InApp, open_books, read_settings, say, say_json, the_application
from callgate.errors import NotFound

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
        key = await the_application(store, app)
        row = next(row for row in await store.applications() if row.key == key)
    if row.provider != PROVIDER:
        raise NotFound(f"application {key} is one of {row.provider}, which has no such tokens")
    secret = vault.unseal(row.sealed_secrets[0].sealed)
    jwt = registration_token(key, secret, user, now, secrets.token_hex(16), ttl)
    if json:
        say_json({"token": jwt, "expires_at": rfc3339(now + timedelta(seconds=ttl))})
    else:
        say(jwt)
    return 0
