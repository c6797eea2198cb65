"""`callgate app ...`: provider applications."""

from pathlib import Path
from typing import TYPE_CHECKING

from callgate.cli.desk import AsJson, Config, open_books, read_settings, say, say_json, table, the_application

if TYPE_CHECKING:
    from callgate.policy.account import Status
    from callgate.service.application import ApplicationRow

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
            for secret_kept in row.sealed_secrets:
                vault.unseal(
                    secret_kept.sealed
                )  # another key than theirs would leave a server with secrets that it cannot read
        job = AddApplication(provider=PROVIDER, key=key, secret=secret, name=name, seal=vault.seal, now=clock())
        row = await store.perform(job)
    if json:
        say_json(_shown(row))
    else:
        say(f"Added application {row.key}.")
    return 0


async def list(*, config: Config = None, json: AsJson = False) -> int:  # noqa: A001 - the command's own name
    """List the applications, without their secrets."""
    async with open_books(config) as store:
        rows = await store.applications()
    shown = [_shown(row) for row in rows]
    if json:
        say_json(shown)
    else:
        table(("key", "name", "provider", "status"), [tuple(each.values()) for each in shown])
    return 0


async def set(key: str, *words: str, config: Config = None, json: AsJson = False) -> int:  # noqa: A001
    """Change settings of an application, or show them all.

    Parameters
    ----------
    key
        Application key.
    words
        NAME=VALUE: trust=number|none (what proves a caller beside the platform), freshness=SECONDS (how old a callback
        may be), lost_dice=auto|post_full|void (how a call is settled whose end nobody can tell), locale=en-US (of what
        callers hear), warning=TEXT|none (what they hear before their credit ends). in_app=free|FEE|refuse (calls
        to app users), conference=refuse|free|PRICE (a minute in one), sip=refuse|DOMAIN:PRICE,... (a minute to each
        domain). text.REFUSAL=TEXT and text.REFUSAL.LOCALE=TEXT (what refused callers hear; {available} for what they have left).
        home_country=SE. hours, timezone, holidays, caller_id and caller_ids as for an account.
        fallback=hangup|connect_limited (while the store is down).
    """
    from callgate.service.add_application import SetApplication

    async with open_books(config) as store:
        settings = await store.perform(SetApplication(key=key, words=words))
    if json:
        say_json(settings.shown())
    else:
        say("\n".join(f"{name}={value}" for name, value in settings.shown().items()))
    return 0


async def rotate(
    key: str, new_secret: str, *, until: str | None = None, config: Config = None, json: AsJson = False
) -> int:
    """Give an application a new secret; the old one stays valid for a while.

    Parameters
    ----------
    key
        Application key.
    new_secret
        The new secret, base64 as the platform shows it.
    until
        When the old secret stops: a time such as 2026-03-01T12:00:00Z, or now; in 24 hours unless given.
    """
    from callgate.app import build_vault, clock
    from callgate.service.reports import rfc3339
    from callgate.service.rotate import RotateSecret, parse_until

    now, vault = clock(), build_vault(read_settings(config))
    stops_at = parse_until(until, now)
    async with open_books(config) as store:
        await store.perform(
            RotateSecret(key=key, secret=new_secret, until=stops_at, seal=vault.seal, unseal=vault.unseal, now=now)
        )
    if json:
        say_json({"key": key, "old_secret_until": rfc3339(stops_at)})
    else:
        say(f"Application {key} has a new secret. The old one is valid until {rfc3339(stops_at)}.")
    return 0


async def suspend(key: str, *, hangup: bool = False, config: Config = None, json: AsJson = False) -> int:
    """Refuse new calls of an application; live ones go on.

    Parameters
    ----------
    key
        Application key.
    hangup
        End its live calls too, at the platform.
    """
    from callgate.policy.account import Status

    if hangup:
        return await _suspend_and_hang_up(key, config, as_json=json)
    return await _set_status(key, Status.SUSPENDED, config, as_json=json)


async def resume(key: str, *, config: Config = None, json: AsJson = False) -> int:
    """Take new calls of a suspended application again.

    Parameters
    ----------
    key
        Application key.
    """
    from callgate.policy.account import Status

    return await _set_status(key, Status.ACTIVE, config, as_json=json)


async def limits(key: str, *words: str, config: Config = None, json: AsJson = False) -> int:
    """Set or show an application's limits. Limits of application and account must both hold.

    Parameters
    ----------
    key
        Application key.
    words
        NAME=VALUE with the names that it shows; none lifts one, default puts it back, an empty value is the empty list; the
        single word open lifts all, defaults puts all back.
    """
    from callgate.cli.limits import say_limits
    from callgate.policy.limits import APPLICATION_DEFAULTS
    from callgate.service.set_limits import SetApplicationLimits

    async with open_books(config) as store:
        application = await the_application(store, key)
        limits = await store.perform(SetApplicationLimits(application=application, words=words))
    say_limits(limits, APPLICATION_DEFAULTS, as_json=json)
    return 0


async def _suspend_and_hang_up(key: str, config: Path | None, *, as_json: bool) -> int:
    """Exit code 1 when a call could not be ended: the application is suspended nevertheless."""
    from callgate.app import asked
    from callgate.policy.account import Status
    from callgate.service.hang_up import hang_up_application
    from callgate.service.set_status import SetApplicationStatus

    async with open_books(config) as store, asked(store, read_settings(config)) as platform:
        await store.perform(SetApplicationStatus(key=key, status=Status.SUSPENDED))
        done = await hang_up_application(store, platform, key)
    if as_json:
        say_json({"key": key, "status": Status.SUSPENDED.value, "hung_up": done.ended, "failed": done.failed})
    else:
        say(f"Application {key} is suspended. Calls that the platform ends: {len(done.ended)}.")
        for call_id, why in done.failed.items():
            say(f"  {call_id} goes on: {why}")
    return 1 if done.failed else 0


async def _set_status(key: str, status: "Status", config: Path | None, *, as_json: bool) -> int:
    from callgate.service.set_status import SetApplicationStatus

    async with open_books(config) as store:
        row = await store.perform(SetApplicationStatus(key=key, status=status))
    if as_json:
        say_json(_shown(row))
    else:
        say(f"Application {row.key} is {row.status}.")
    return 0


def _shown(row: "ApplicationRow") -> dict[str, str]:
    """Everything of an application but its secrets."""
    return {"key": row.key, "name": row.name, "provider": row.provider, "status": row.status}
