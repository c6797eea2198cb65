"""`callgate app ...`: provider applications."""

from callgate.cli.desk import AsJson, Config, open_books, read_settings, say, say_json, table, the_application

PROVIDER = "sinch"


async def add(key: str, secret: str, *, name: str = "", config: Config = None, json: AsJson = False) -> int:
    """Add an application by the key and secret that the platform shows for it.

    Parameters
    ----------
    key
        Application key.
    secret
        Application secret, base64 as the platform shows it. It is stored encrypted and never shown again.
    name
        Your own name for it.
    """
    from callgate.app import build_vault, clock
    from callgate.service.add_application import AddApplication

    vault = build_vault(read_settings(config))
    async with open_books(config) as store:
        for row in await store.applications():
            for sealed in row.sealed_secrets:
                vault.unseal(sealed)  # another key than theirs would leave a server with secrets that it cannot read
        job = AddApplication(provider=PROVIDER, key=key, secret=secret, name=name, seal=vault.seal, now=clock())
        row = await store.perform(job)
    if json:
        say_json({"key": row.key, "name": row.name, "provider": row.provider, "status": row.status})
    else:
        say(f"Added application {row.key}.")
    return 0


async def list(*, config: Config = None, json: AsJson = False) -> int:  # noqa: A001 - the command's own name
    """List the applications; secrets are never shown."""
    async with open_books(config) as store:
        rows = await store.applications()
    shown = [{"key": row.key, "name": row.name, "provider": row.provider, "status": row.status} for row in rows]
    if json:
        say_json(shown)
    else:
        table(("key", "name", "provider", "status"), [tuple(each.values()) for each in shown])
    return 0


async def set(key: str, *words: str, config: Config = None, json: AsJson = False) -> int:  # noqa: A001
    """Set what is trusted, and how fresh callbacks must be; without NAME=VALUE show it.

    Parameters
    ----------
    key
        Application key.
    words
        trust=number|none, freshness=SECONDS.
    """
    from callgate.service.add_application import SetApplication

    async with open_books(config) as store:
        settings = await store.perform(SetApplication(key=key, words=words))
    if json:
        say_json(settings)
    else:
        say(f"trust={','.join(settings.trust) or 'none'} freshness={settings.freshness}")
    return 0


async def limits(key: str, *words: str, config: Config = None, json: AsJson = False) -> int:
    """Set or show an application's limits. Limits of application and account must both hold.

    Parameters
    ----------
    key
        Application key.
    words
        max_seconds=SECONDS|none, or the single word open.
    """
    from callgate.cli.limits import say_limits
    from callgate.service.set_limits import SetApplicationLimits

    async with open_books(config) as store:
        application = await the_application(store, key)
        say_limits(await store.perform(SetApplicationLimits(application=application, words=words)), as_json=json)
    return 0
