"""`callgate operator ...`: the people who sign in to the dashboard with a name and a password."""

import getpass
import sys
from pathlib import Path

from callgate.cli.desk import AsJson, Config, open_books, read_settings, say, say_json, table
from callgate.errors import Invalid
from callgate.service.token import Role

PasswordFile = Path | None


async def add(
    name: str, *, role: Role, password_file: PasswordFile = None, config: Config = None, json: AsJson = False
) -> int:
    """Add somebody who signs in to the dashboard; the password is asked for.

    Parameters
    ----------
    name
        A name without blanks, or an e-mail address.
    role
        A viewer reads, an operator also moves money and ends calls, an admin also configures.
    password_file
        A file with the password; `-` is standard input. Without it the password is asked for.
    """
    from callgate.app import clock
    from callgate.passwords import check_password, hash_password
    from callgate.service.operator import AddOperator

    kept = hash_password(check_password(_read_password(password_file)))
    async with open_books(config) as store:
        await store.perform(AddOperator(name=name, role=role, password_hash=kept, now=clock()))
    if json:
        say_json({"name": name, "role": role.value})
    else:
        say(f"Added {name}, who may sign in as {role.value}. For a second factor: callgate operator totp {name}")
    return 0


async def list(*, config: Config = None, json: AsJson = False) -> int:  # noqa: A001 - the command's own name
    """List who may sign in to the dashboard."""
    from callgate.service.reports import rfc3339

    async with open_books(config) as store:
        operators = await store.operators()
        sessions = {each.name: len(await store.sessions_of(each.name)) for each in operators}
    shown = [
        {
            "name": each.name,
            "role": each.role.value,
            "totp": each.sealed_totp is not None,
            "signed_in_at": None if each.signed_in_at is None else rfc3339(each.signed_in_at),
            "sessions": sessions[each.name],
        }
        for each in operators
    ]
    if json:
        say_json(shown)
        return 0
    lines = [
        (
            str(each["name"]),
            str(each["role"]),
            "yes" if each["totp"] else "no",
            str(each["signed_in_at"] or "-"),
            str(each["sessions"]),
        )
        for each in shown
    ]
    table(("name", "role", "second factor", "signed in", "sessions"), lines)
    return 0


async def password(
    name: str, *, password_file: PasswordFile = None, config: Config = None, json: AsJson = False
) -> int:
    """Give an operator another password, and end every session under the name.

    Parameters
    ----------
    name
        The operator's name.
    password_file
        A file with the password; `-` is standard input. Without it the password is asked for.
    """
    from callgate.passwords import check_password, hash_password
    from callgate.service.operator import SetOperator

    kept = hash_password(check_password(_read_password(password_file)))
    async with open_books(config) as store:
        ends = tuple(each.digest for each in await store.sessions_of(name))
        await store.perform(SetOperator(name=name, password_hash=kept, ends=ends))
    _say_done(name, f"{name} has another password.", as_json=json)
    return 0


async def role(name: str, role: Role, *, config: Config = None, json: AsJson = False) -> int:
    """Let an operator do more, or less, from the next page on.

    Parameters
    ----------
    name
        The operator's name.
    role
        A viewer reads, an operator also moves money and ends calls, an admin also configures.
    """
    from callgate.service.operator import SetOperator

    async with open_books(config) as store:
        await store.perform(SetOperator(name=name, role=role))
    _say_done(name, f"{name} is {role.value} now.", as_json=json)
    return 0


async def totp(name: str, *, off: bool = False, config: Config = None, json: AsJson = False) -> int:
    """Ask an operator for the code of an authenticator app too, and print what the app needs, once.

    Parameters
    ----------
    name
        The operator's name.
    off
        Ask for none any more.
    """
    from callgate.app import build_vault
    from callgate.service.operator import SetOperator
    from callgate.service.totp import new_secret, uri_of

    secret = "" if off else new_secret()
    sealed = b"" if off else build_vault(read_settings(config)).seal(secret)
    async with open_books(config) as store:
        await store.perform(SetOperator(name=name, sealed_totp=sealed))
    uri = None if off else uri_of(secret, name)
    if json:
        say_json({"name": name, "uri": uri})
    elif uri is None:
        say(f"{name} is asked for no code any more.")
    else:
        say(f"{uri}\nThis is the only time that it is shown: make a QR code of it, or type in the secret.")
    return 0


async def sign_out(name: str, *, config: Config = None, json: AsJson = False) -> int:
    """End every session of an operator.

    Parameters
    ----------
    name
        The operator's name.
    """
    from callgate.service.operator import EndSessions

    async with open_books(config) as store:
        digests = tuple(each.digest for each in await store.sessions_of(name))
        count = await store.perform(EndSessions(digests=digests))
    if json:
        say_json({"name": name, "ended": count})
    else:
        say(f"Ended {count} {'session' if count == 1 else 'sessions'} of {name}.")
    return 0


async def remove(name: str, *, config: Config = None, json: AsJson = False) -> int:
    """Remove an operator, and end every session under the name.

    Parameters
    ----------
    name
        The operator's name.
    """
    from callgate.service.operator import RemoveOperator

    async with open_books(config) as store:
        ends = tuple(each.digest for each in await store.sessions_of(name))
        await store.perform(RemoveOperator(name=name, ends=ends))
    _say_done(name, f"Removed {name}.", as_json=json)
    return 0


def _read_password(file: Path | None) -> str:
    """From where it is said to be, else from who sits at the terminal. Raises `Invalid`."""
    if file is not None:
        return (sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")).rstrip("\r\n")
    if not sys.stdin.isatty():
        raise Invalid("operator", "no password", "--password-file FILE, or a terminal to type it at")
    first = getpass.getpass("Password: ")
    if first != getpass.getpass("Once more: "):
        raise Invalid("password", "two that differ", "the same twice")
    return first


def _say_done(name: str, sentence: str, *, as_json: bool) -> None:
    if as_json:
        say_json({"name": name})
    else:
        say(sentence)
