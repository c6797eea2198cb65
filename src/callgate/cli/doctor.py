"""`callgate doctor`: is everything well here, one line for each thing looked at, and what to do where it is not."""

import os
import shutil
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from callgate.cli.desk import AsJson, Config, read_settings, say, say_json
from callgate.errors import Error

if TYPE_CHECKING:
    from callgate.service.ports import Store
    from callgate.settings import Settings

LEAST_FREE_BYTES = 256 * 1024 * 1024
"""With less, a busy day may fill the disk; a full one hangs up every call."""

LATELY = timedelta(hours=1)

MANY = 1_000
"""More failures than are kept."""

REACHED_WITHIN_S = 3.0


class Finding(NamedTuple):
    """One thing that was looked at: how it is, and what to do, empty when all is well."""

    about: str
    is_well: bool
    found: str
    advice: str = ""


async def doctor(*, config: Config = None, json: AsJson = False) -> int:
    """Look whether everything is well here, and say what to do where it is not."""
    findings = await _look(config)
    if json:
        say_json([finding._asdict() for finding in findings])
    else:
        width = max(len(finding.about) for finding in findings)
        for finding in findings:
            advice = f"; {finding.advice}" if finding.advice else ""
            say(f"{'ok ' if finding.is_well else 'BAD'}  {finding.about:{width}}  {finding.found}{advice}")
    return 0 if all(finding.is_well for finding in findings) else 1


async def _look(config: Path | None) -> list[Finding]:
    """Everything, from the ground up: what stands on something broken is not looked at."""
    from callgate.app import build_store, opened

    try:
        settings = read_settings(config)
    except Error as error:
        return [Finding("settings", False, str(error), "correct it there")]
    findings = [_settings(config, settings)]
    if settings.sqlite_file is not None:
        findings.append(_disk(settings.sqlite_file))
    try:
        async with opened(build_store(settings)) as store:
            looks: tuple[Callable[[Settings, Store], Awaitable[Finding]], ...] = (
                _database,
                _clock,
                _secrets,
                _ledger,
                _rules,
                _callbacks,
                _endpoints,
                _exports,
                _openid,
            )
            findings += [await look(settings, store) for look in looks]
    except Error as error:
        findings.append(Finding("database", False, str(error), "until then no call is decided"))
    return [*findings, await _callback_url(settings)]


def _settings(config: Path | None, settings: "Settings") -> Finding:
    from callgate.settings import FILE, without_password

    file = config or Path(FILE)
    source = f"{file}" if file.exists() else f"no {FILE} here: defaults and the environment"
    found = f"{source}; database {without_password(settings.database_url)}"
    if file.exists() and file.stat().st_mode & 0o077 and "secret_key" in file.read_text(encoding="utf-8"):
        return Finding(
            "settings", False, f"{found}; others on this machine can read its secret key", f"chmod 600 {file}"
        )
    return Finding("settings", True, found)


def _disk(file: str) -> Finding:
    folder = next(parent for parent in Path(file).absolute().parents if parent.exists())
    free_bytes = shutil.disk_usage(folder).free
    found = f"{free_bytes // 2**20} MiB free in {folder}"
    if free_bytes < LEAST_FREE_BYTES:
        return Finding("disk", False, found, "make room: when it is full, every call is hung up")
    return Finding("disk", True, found)


async def _database(settings: "Settings", store: "Store") -> Finding:
    """Its schema was asked when it was opened; that it can be written is shown by a job that commits."""
    from callgate.service.probe import SLOW_COMMIT_S, commit_s
    from callgate.storage.schema import SCHEMA

    file = settings.sqlite_file
    try:
        took_s = await commit_s(store)
    except Error as error:
        does = "look for another process that holds it, at its permissions, and at the room on its disk"
        return Finding("database", False, str(error), does if file else "look at its log, and at the room on its disk")
    if file is not None and not os.access(file, os.W_OK):
        return Finding("database", False, f"{file} cannot be written by this user", "run as the user who owns it")
    found = f"{await store.describe()}, schema {SCHEMA}, writable; a commit takes {took_s * 1000:.0f} ms"
    if took_s > SLOW_COMMIT_S:
        return Finding(
            "database", False, found, "every caller waits as long: give it a faster disk, or a nearer server"
        )
    return Finding("database", True, found)


async def _clock(_settings: "Settings", store: "Store") -> Finding:
    """There is nobody to ask the time; but what the books tell of cannot lie ahead."""
    from callgate.app import clock
    from callgate.service.probe import behind_by
    from callgate.service.reports import rfc3339

    now: datetime = clock()
    if behind := await behind_by(store, now):
        ahead = rfc3339(now + behind)
        return Finding("clock", False, f"{rfc3339(now)}, but a call was decided at {ahead}", "set it; use NTP")
    return Finding("clock", True, rfc3339(now))


async def _secrets(settings: "Settings", store: "Store") -> Finding:
    from callgate.app import build_vault

    rows = await store.applications()
    try:
        vault = build_vault(settings)
        for row in rows:
            for secret in row.sealed_secrets:
                vault.unseal(secret.sealed)
    except Error as error:
        return Finding("secrets", False, str(error), "without it the server does not start")
    if not rows:
        return Finding("secrets", True, "no application yet", "add one with: callgate app add KEY SECRET")
    return Finding("secrets", True, f"those of {len(rows)} application{'s' if len(rows) > 1 else ''} can be read")


async def _ledger(_settings: "Settings", store: "Store") -> Finding:
    from callgate.service.reports import ledger_verdict

    verdict = await ledger_verdict(store)
    looked_at = f"{verdict.transfer_count} transfers, {verdict.wallet_count} wallets, {verdict.call_count} ended calls"
    if verdict.faults:
        return Finding("ledger", False, f"{len(verdict.faults)} faults: {verdict.faults[0]}", "callgate ledger verify")
    return Finding("ledger", True, f"{looked_at}: all four invariants hold")


async def _rules(_settings: "Settings", store: "Store") -> Finding:
    """Documents in force are understood, and no call was refused lately because a rule could not be judged."""
    from callgate.app import clock
    from callgate.service.records import Flag
    from callgate.service.rules import faults_in_force

    in_force = await store.rules_in_force()
    if faults := faults_in_force(in_force):
        advice = "it refuses every call; apply one that is understood: callgate rules apply"
        return Finding("rules", False, faults[0].replace("\n", " "), advice)
    since = clock() - LATELY
    calls = [call for call in await store.calls(None, limit=MANY) if call.decided_at >= since]
    failed = [call for call in calls if Flag.RULE_FAILED in call.flags]
    if failed:
        found = f"{len(failed)} of the last {len(calls)} calls were refused because a rule could not be judged"
        return Finding("rules", False, found, f"see: callgate rules explain {failed[0].key.call_id}")
    plural = "s" if len(in_force) > 1 else ""
    return Finding("rules", True, f"in force for {len(in_force)} application{plural}" if in_force else "none")


async def _callbacks(_settings: "Settings", store: "Store") -> Finding:
    """Genuine ones that are refused are what an operator must know; strangers who know no key are none of his trouble."""
    from callgate.app import clock

    since = clock() - LATELY
    lately = [fault for fault in await store.faults(MANY) if fault.is_known and fault.at >= since]
    if lately:
        newest = lately[0]
        found = f"{newest.application}: {newest.ingredient}: {newest.explanation}"
        return Finding("callbacks", False, found, "not genuine, so refused; see: callgate signature failures")
    return Finding("callbacks", True, "none that names one of our keys was refused in the last hour")


async def _endpoints(_settings: "Settings", store: "Store") -> Finding:
    """Those that an operator has disabled are as he wants them."""
    from callgate.service.add_endpoint import BY_OPERATOR
    from callgate.service.delivery import DeliveryState
    from callgate.service.endpoint import EndpointState

    endpoints = await store.endpoints()
    for each in endpoints:
        if each.state is EndpointState.DISABLED and each.why != BY_OPERATOR:
            todo = f"when it is mended: callgate endpoint enable {each.id}, then callgate deliveries resend --since 7d"
            return Finding("endpoints", False, f"{each.id} was disabled: {each.why}", todo)
        if each.failing_since is not None:
            found = f"{each.id} fails since {each.failing_since:%Y-%m-%d %H:%M}Z: {each.why}"
            return Finding("endpoints", False, found, f"callgate endpoint test {each.id}")
    if await store.deliveries(DeliveryState.PARKED, 1):
        return Finding(
            "endpoints", False, "records are parked: nobody took them", "callgate deliveries list --state parked"
        )
    return Finding("endpoints", True, f"{len(endpoints)}, all of which take their records" if endpoints else "none")


async def _exports(settings: "Settings", store: "Store") -> Finding:
    """Files that are planned are there within a minute, unless something is wrong."""
    for file in await store.due_exports():
        if file.why:
            return Finding("exports", False, f"{file.name}: {file.why}", "it is tried again every minute")
    last = await store.last_export() if settings.export_to else None
    if last is None or last.size == 0:
        return Finding("exports", True, "none yet" if settings.export_to else "export_to is not set")
    return Finding("exports", True, f"{last.name}, {last.count} records")


async def _openid(settings: "Settings", _store: "Store") -> Finding:
    """Both providers, where there are any: what they say of themselves, and their keys."""
    from callgate.app import clock

    found = []
    for setting in ("dashboard_oidc_issuer", "app_oidc_issuer"):
        if not (issuer := getattr(settings, setting)):
            continue
        from callgate.http.openid import Issuer

        try:
            await Issuer(issuer, clock).look()
        except Error as error:
            advice = (
                f"look whether {issuer.rstrip('/')}/.well-known/openid-configuration is there and names this issuer"
            )
            return Finding("openid", False, f"{setting}: {error}", advice)
        found.append(issuer)
    return Finding("openid", True, f"{', '.join(found)} can be reached" if found else "no provider is set")


async def _callback_url(settings: "Settings") -> Finding:
    """Ask the public URL as a stranger would: whoever answers 401 is a server of ours."""
    import asyncio

    about = "callback URL"
    if not settings.public_url:
        url = f"http://{settings.host}:{settings.port}/callbacks/sinch"
        return Finding(about, True, f"public_url is not set; {url} unless a proxy is in front")
    url = f"{settings.public_url.rstrip('/')}/callbacks/sinch"
    if urlsplit(url).scheme == "http" and urlsplit(url).hostname not in ("localhost", "127.0.0.1", "::1"):
        return Finding(about, False, f"{url} is not encrypted", "set public_url to an https URL")
    try:
        status = await asyncio.to_thread(_post_nothing, url)
    except OSError as error:
        return Finding(
            about, False, f"{url} does not answer: {error}", "is the server started, the name known, the way open?"
        )
    if status != _UNSIGNED:
        return Finding(
            about, False, f"{url} answers {status}, not {_UNSIGNED}", "the proxy sends it elsewhere, or strips the path"
        )
    return Finding(about, True, f"{url} answers, and refuses strangers")


_UNSIGNED = 401
"""What a callback that nobody signed is answered with."""


def _post_nothing(url: str) -> int:
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    try:
        with urlopen(Request(url, data=b"{}", method="POST"), timeout=REACHED_WITHIN_S) as reply:  # noqa: S310 - the operator's own URL
            return int(reply.status)
    except HTTPError as error:
        return error.code
