"""`callgate init`: settings, a database, the first admin token. What is there already is left alone."""

import os
from pathlib import Path

from callgate.cli.desk import AsJson, Config, read_settings, say, say_json, who
from callgate.errors import SettingsInvalid
from callgate.settings import FILE, without_password

SETTINGS = """\
# Settings of Callgate. Environment variables override them: CALLGATE_ and the key in capitals.

# Encrypts provider secrets in the database. Keep it: without it they cannot be read.
secret_key = "{secret_key}"

# Where the books are.
# database_url = "sqlite:///callgate.db"

# Where the server listens, and what the platform calls (its path is the prefix that signatures are checked with).
# host = "127.0.0.1"
# port = 8080
# public_url = "https://gate.example.com"

# Currency of decks that do not say theirs.
# default_currency = "USD"

# A decision that is not made in this time is answered with the fallback, in milliseconds.
# decision_deadline_ms = 1000

# How long an end waits for its start, in seconds.
# orphan_after_s = 600

# An account that is elastic holds so many seconds at a time, and the platform is told the longer limit.
# elastic_slice_s = 300
# elastic_max_s = 1800

# Days after which records that were delivered are forgotten in the outbox.
# delivered_kept_days = 30

# The mail server that alarms are sent through, see: callgate endpoint add mailto:ADDRESS. Security: starttls, tls or none.
# smtp_host = "smtp.example.com"
# smtp_port = 587
# smtp_security = "starttls"
# smtp_user = "callgate"
# smtp_password = ""
# smtp_from = "callgate@example.com"
# smtp_authority = ""
# mail_templates = ""

# Call records as files, for each day or hour: a folder, or s3://BUCKET/PREFIX. csv, ndjson or parquet.
# export_to = "/var/lib/callgate/records"
# export_every = "day"
# export_format = "csv"
# export_s3_url = "https://s3.example.com"
# export_s3_region = "us-east-1"
# export_s3_key = ""
# export_s3_secret = ""

# Jobs that may wait for the store; beyond it calls are hung up at once.
# queue_limit = 10000

# Requests to the API that one token may make in a second; 0 for as many as it likes.
# api_requests_per_s = 100

# Pages of these origins may sign an app's users in, with commas between; nobody else's.
# app_origins = "https://app.example.com"

# Seconds that a user's registration token is valid.
# app_token_s = 600

# Your OpenID Connect provider, whose tokens say who an app's user is; whom they are meant for; the claim that names the user.
# app_oidc_issuer = "https://login.example.com"
# app_oidc_audience = "my-app"
# app_oidc_claim = "sub"

# Where browsers reach the dashboard, where that is not public_url.
# dashboard_url = "https://gate.example.com"

# Your OpenID Connect provider, at which people sign in to the dashboard; what it calls this server; whom it lets in as what.
# dashboard_oidc_issuer = "https://login.example.com"
# dashboard_oidc_client_id = "callgate"
# dashboard_oidc_client_secret = ""
# dashboard_oidc_scopes = "openid profile email"
# dashboard_oidc_name_claim = "email"
# dashboard_oidc_roles_claim = "groups"
# dashboard_oidc_roles = "gate-admins=admin; gate-support=operator; finance=viewer"

# Which of its values open which application, and which all of them; without it everybody sees all.
# dashboard_oidc_tenants_claim = "tenant"
# dashboard_oidc_tenants = "acme=APPLICATION-KEY; house=*"

# debug, info, warning or error.
# log_level = "info"
"""


async def init(*, config: Config = None, json: AsJson = False) -> int:
    """Write a commented callgate.toml, create the database, print the first admin token once."""
    from callgate.app import build_store, clock, opened
    from callgate.service.audit_entry import Actor, Via
    from callgate.service.audited import audited
    from callgate.service.issue_token import issue_token
    from callgate.service.token import Role
    from callgate.vault import new_key

    path = config or Path(FILE)
    has_written = _write_once(path, SETTINGS.format(secret_key=new_key()))
    settings = read_settings(path)
    store = build_store(settings)
    await store.migrate()
    async with opened(store):
        books = audited(store, Actor(who=who(), via=Via.CLI), clock)
        token = await issue_token(books, "first", Role.ADMIN, clock()) if not await store.has_tokens() else None
    database_url = without_password(settings.database_url)
    if json:
        say_json({"settings": str(path), "database_url": database_url, "token": token})
        return 0
    say(f"{'Wrote' if has_written else 'Kept'} {path}.")
    say(f"Database: {database_url}")
    say(f"Admin token, shown once: {token}" if token else "The first admin token was shown when the database was made.")
    say("Next: callgate app add KEY SECRET, then callgate serve")
    return 0


def _write_once(path: Path, text: str) -> bool:
    """Write a file that only its owner may read; False when there is one already."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        raise SettingsInvalid(str(path), error.strerror or str(error), "a file in a folder that is there") from error
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    return True
