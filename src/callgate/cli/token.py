"""`callgate token ...`: who may use the API and the dashboard."""

from datetime import timedelta

from callgate.cli.desk import AsJson, Config, open_books, say, say_json, table
from callgate.service.token import Role


async def create(
    name: str,
    *,
    role: Role,
    app: str | None = None,
    expires: str | None = None,
    config: Config = None,
    json: AsJson = False,
) -> int:
    """Make an API token and print it, once.

    Parameters
    ----------
    name
        Your own name for it: who uses it, or what.
    role
        A viewer reads, an operator also moves money and ends calls, an admin also configures.
    app
        Application key: the token sees and changes that one alone.
    expires
        How long it is good for, such as 90d; for ever unless given.
    """
    from callgate.app import clock
    from callgate.cli.times import parse_duration
    from callgate.service.issue_token import issue_token

    now = clock()
    expires_at = None if expires is None else now + parse_duration(expires, "--expires", most=timedelta(days=3_650))
    async with open_books(config) as store:
        token = await issue_token(store, name, role, now, application=app, expires_at=expires_at)
    if json:
        say_json({"token": token})
    else:
        say(f"{token}\nThis is the only time that it is shown.")
    return 0


async def list(*, config: Config = None, json: AsJson = False) -> int:  # noqa: A001 - the command's own name
    """List the tokens by their first characters."""
    from callgate.service.reports import rfc3339

    async with open_books(config) as store:
        tokens = await store.tokens()
    shown = [
        {
            "name": each.name,
            "role": each.role.value,
            "hint": each.hint,
            "created_at": rfc3339(each.created_at),
            "application": each.application,
            "expires_at": None if each.expires_at is None else rfc3339(each.expires_at),
            "last_used_at": None if each.last_used_at is None else rfc3339(each.last_used_at),
        }
        for each in tokens
    ]
    if json:
        say_json(shown)
    else:
        heads = ("name", "role", "begins with", "created", "application", "expires", "last used")
        table(heads, [tuple(value or "-" for value in each.values()) for each in shown])
    return 0


async def revoke(name: str, *, config: Config = None, json: AsJson = False) -> int:
    """Make a token worthless at once.

    Parameters
    ----------
    name
        Its name, which revokes all of that name, or its first characters as `token list` shows them.
    """
    from callgate.service.revoke_token import revoke_tokens

    async with open_books(config) as store:
        revoked = await revoke_tokens(store, name)
    if json:
        say_json({"revoked": [each.hint for each in revoked]})
    else:
        say("\n".join(f"Revoked {each.name} ({each.hint}...)." for each in revoked))
    return 0
