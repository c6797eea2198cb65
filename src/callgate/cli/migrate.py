"""`callgate migrate`: bring the database to this version's schema."""

from typing import Annotated

from cyclopts import Parameter

from callgate.cli.desk import AsJson, Config, read_settings, say, say_json


async def migrate(
    *,
    check: Annotated[bool, Parameter(help="Change nothing; exit 1 when something is to be done.")] = False,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Bring the database to this version's schema."""
    from callgate.app import build_store, opened
    from callgate.storage.schema import SCHEMA

    store = build_store(read_settings(config))
    if not check:
        await store.migrate()
    async with opened(store):  # says what is wrong where the schema is another
        pass
    if json:
        say_json({"schema": SCHEMA})
    else:
        say(f"The database has schema {SCHEMA}.")
    return 0
