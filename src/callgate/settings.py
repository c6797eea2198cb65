"""Settings: one frozen struct, read once, from `callgate.toml` and from environment variables that override it.

An unknown key or a bad value stops the start and says file, line, key, what was found and what would do.
"""

import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from callgate.errors import AmountInvalid, SettingsInvalid
from callgate.money import parse_currency

FILE = "callgate.toml"
PREFIX = "CALLGATE_"
SQLITE = "sqlite:///"
S3 = "s3://"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that an operator can set for a server. `secret_key` is empty when none was given."""

    database_url: str = "sqlite:///callgate.db"
    host: str = "127.0.0.1"
    port: int = 8080
    public_url: str = ""
    secret_key: str = ""
    default_currency: str = "USD"
    decision_deadline_ms: int = 1_000
    orphan_after_s: int = 600
    elastic_slice_s: int = 300
    elastic_max_s: int = 1_800
    delivered_kept_days: int = 30
    smtp_host: str = ""
    smtp_port: int = 587
    smtp_security: str = "starttls"
    smtp_user: str = ""
    smtp_password: str = ""
    smtp_from: str = ""
    smtp_authority: str = ""
    mail_templates: str = ""
    export_to: str = ""
    export_every: str = "day"
    export_format: str = "csv"
    export_s3_url: str = ""
    export_s3_region: str = "us-east-1"
    export_s3_key: str = ""
    export_s3_secret: str = ""
    queue_limit: int = 10_000
    api_requests_per_s: int = 100
    app_origins: str = ""
    app_token_s: int = 600
    app_oidc_issuer: str = ""
    app_oidc_audience: str = ""
    app_oidc_claim: str = "sub"
    dashboard_url: str = ""
    dashboard_oidc_issuer: str = ""
    dashboard_oidc_client_id: str = ""
    dashboard_oidc_client_secret: str = ""
    dashboard_oidc_scopes: str = "openid profile email"
    dashboard_oidc_name_claim: str = "email"
    dashboard_oidc_roles_claim: str = "groups"
    dashboard_oidc_roles: str = ""
    dashboard_oidc_tenants_claim: str = ""
    dashboard_oidc_tenants: str = ""
    log_level: str = "info"

    def __repr__(self) -> str:
        return f"Settings(database_url={without_password(self.database_url)!r}, host={self.host!r}, port={self.port})"

    @property
    def sqlite_file(self) -> str | None:
        """The file of the database, None where it is no file."""
        return self.database_url.removeprefix(SQLITE) if self.database_url.startswith(SQLITE) else None

    @property
    def public_prefix(self) -> str:
        """The path of the public URL without a slash at its end: what a proxy in front strips."""
        return urlsplit(self.public_url).path.rstrip("/")


def load_settings(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Read the file, `callgate.toml` in the working directory when None is named, then the environment.

    A file that is named must exist; the default one may be missing. Raises `SettingsInvalid`.
    """
    path = Path(FILE) if file is None else file
    values: dict[str, Any] = {}
    if path.exists():
        values = _from_file(path)
    elif file is not None:
        raise SettingsInvalid(str(file), "no such file", f"a settings file; `callgate init` writes {FILE}")
    settings = Settings(**values | _from_environment(environment))
    if settings.app_oidc_issuer and not settings.app_oidc_audience:
        raise SettingsInvalid(
            "app_oidc_audience", "none", "whom tokens of app_oidc_issuer are meant for: the app's client id"
        )
    if settings.dashboard_oidc_issuer:
        _check_dashboard_oidc(settings)
    if settings.elastic_max_s <= settings.elastic_slice_s:
        raise SettingsInvalid(
            "elastic_max_s", str(settings.elastic_max_s), f"more than elastic_slice_s, {settings.elastic_slice_s}"
        )
    if bool(settings.smtp_host) != bool(settings.smtp_from):
        raise SettingsInvalid("smtp_host and smtp_from", "one of them", "both, or none where no mail is sent")
    if settings.smtp_password and settings.smtp_security == "none" and settings.smtp_host not in _LOOPBACK:
        raise SettingsInvalid(
            "smtp_security", "none, with a password", "starttls or tls: others could read it on its way"
        )
    if settings.export_to.startswith(S3) and not (settings.export_s3_key and settings.export_s3_secret):
        raise SettingsInvalid(
            "export_to", "an object store without a key", "export_s3_key and export_s3_secret beside it"
        )
    return settings


def _check_dashboard_oidc(settings: Settings) -> None:
    """What a sign-in by a provider cannot do without. Raises `SettingsInvalid`."""
    needed = {
        "dashboard_oidc_client_id": "what the provider calls this server",
        "dashboard_oidc_roles": "who may come in, such as gate-admins=admin; support=viewer",
    }
    for name, expected in needed.items():
        if not getattr(settings, name):
            raise SettingsInvalid(name, "none, beside dashboard_oidc_issuer", expected)
    if not settings.dashboard_url and not settings.public_url:
        expected = (
            "where browsers reach the dashboard, such as https://gate.example.com: the provider sends them back there"
        )
        raise SettingsInvalid("dashboard_url", "none, and no public_url, beside dashboard_oidc_issuer", expected)


_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def without_password(url: str) -> str:
    """Hide the password of a database URL, between the user's name and the host or among its parameters."""
    return re.sub(r"(://[^:/@]*):.*@|(\bpassword=)[^&]*", _hidden, url)


def _hidden(password: re.Match[str]) -> str:
    return f"{password[1]}:***@" if password[1] else f"{password[2]}***"


def _from_file(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        found = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(str(path), str(error), "a readable file in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(str(path), str(error), "TOML: NAME = VALUE on each line") from error
    return {key: _checked(key, value, f"{path}, line {_line_of(key, text)}, {key}") for key, value in found.items()}


def _line_of(key: str, text: str) -> int:
    """The line where a top-level key or section begins."""
    begins = re.compile(rf"""\s*\[*\s*["']?{re.escape(key)}["']?\s*[\].=]""")
    return next((number for number, line in enumerate(text.splitlines(), 1) if begins.match(line)), 1)


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for variable, text in sorted(environment.items()):
        if not variable.startswith(PREFIX):
            continue
        key = variable.removeprefix(PREFIX).lower()
        if key.endswith("_file") and key not in _CHECKS:
            key, text = key.removesuffix("_file"), _file_content(variable, text)  # noqa: PLW2901 - what it stands for
        values[key] = _checked(key, text, variable)
    return values


def _file_content(variable: str, path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(variable, str(error), "the path of a readable file that holds the value") from error


def _checked(key: str, value: object, where: str) -> object:
    if key not in _CHECKS:
        raise SettingsInvalid(where, "a key that is not known", f"one of {', '.join(_CHECKS)}")
    return _CHECKS[key](value, where)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise SettingsInvalid(where, repr(value), "text in quotes")
    return value


def _database_url(value: object, where: str) -> str:
    text = _text(value, where)
    if re.fullmatch(r"sqlite:///.+", text):
        return text
    try:
        parts = urlsplit(text)
        names_host = bool(parts.netloc.rpartition("@")[2]) or "host=" in parts.query
        is_usable = parts.scheme in _POSTGRES and len(parts.path) > 1 and names_host and not parts.fragment
    except ValueError:
        is_usable = False
    if not is_usable:
        expected = "sqlite:///FILE, such as sqlite:///callgate.db, or postgresql://USER:PASSWORD@HOST[,HOST]/DATABASE"
        raise SettingsInvalid(where, repr(without_password(text)), expected)
    return text


_POSTGRES = ("postgresql", "postgres")


def _host(value: object, where: str) -> str:
    text = _text(value, where)
    if not text:
        raise SettingsInvalid(where, "nothing", "an address or a name; 0.0.0.0 is every address of this machine")
    return text


def _secret_key(value: object, where: str) -> str:
    from callgate.vault import read_key  # noqa: PLC0415 - only who has a key needs cryptography

    try:
        return read_key(value if isinstance(value, str) else "").decode()  # whatever it is, it is not shown
    except SettingsInvalid as error:
        raise SettingsInvalid(where, error.found, error.expected) from None


def _public_url(value: object, where: str) -> str:
    text = _text(value, where)
    try:
        url = urlsplit(text)
        is_usable = url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        is_usable = False
    if text and (not is_usable or url.query or url.fragment):
        raise SettingsInvalid(
            where, repr(text), "an http or https URL without a query, such as https://gate.example.com"
        )
    if re.search(r"/callbacks/[^/]+/?$", text):
        raise SettingsInvalid(where, repr(text), "only what comes before /callbacks/")
    return text


def _origins(value: object, where: str) -> str:
    text = _text(value, where)
    for origin in text.split(","):
        if text and not re.fullmatch(r"https?://[a-zA-Z0-9.\[\]:-]+", origin.strip()):
            expected = "origins with commas between, such as https://app.example.com; no path, and no *"
            raise SettingsInvalid(where, repr(origin.strip()), expected)
    return ",".join(origin.strip().lower() for origin in text.split(","))


def _issuer(value: object, where: str) -> str:
    text = _text(value, where)
    is_local = re.fullmatch(r"http://(127\.0\.0\.1|localhost|\[::1\])(:\d+)?(/[^?#\s]*)?", text)
    if text and not is_local and not re.fullmatch(r"https://[^/?#\s]+(/[^?#\s]*)?", text):
        raise SettingsInvalid(where, repr(text), "the issuer's https URL, as its tokens spell it")
    return text


def _scopes(value: object, where: str) -> str:
    text = _text(value, where)
    if "openid" not in text.split():
        raise SettingsInvalid(where, repr(text), "scopes with blanks between, openid among them")
    return " ".join(text.split())


def _claim(value: object, where: str) -> str:
    text = _text(value, where).strip()
    if not text:
        raise SettingsInvalid(where, "nothing", "the name of a claim")
    return text


def _pairs(expected: str, words: Collection[str] | None = None) -> Callable[[object, str], str]:
    def check(value: object, where: str) -> str:
        text = _text(value, where)
        for word in parse_pairs(text, where, expected).values():
            if words is not None and word not in words:
                raise SettingsInvalid(where, repr(word), f"one of {', '.join(words)} behind each =: {expected}")
        return text

    return check


def parse_pairs(text: str, where: str = "", expected: str = "VALUE=WORD; VALUE=WORD") -> dict[str, str]:
    """Read `VALUE=WORD; VALUE=WORD`: values may hold = and commas, as names of directories do.

    Raises `SettingsInvalid` for a part that is no pair, and for a value that stands there twice.
    """
    pairs: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in re.split(r"[;\n]", text))):
        value, _, word = (each.strip() for each in part.rpartition("="))
        if not value or not word:
            raise SettingsInvalid(where, repr(part[:80]), expected)
        if value in pairs:
            raise SettingsInvalid(where, f"{value[:80]!r} twice", "each value once")
        pairs[value] = word
    return pairs


def _currency(value: object, where: str) -> str:
    try:
        return parse_currency(_text(value, where), where)
    except AmountInvalid as error:
        raise SettingsInvalid(where, error.found, error.expected) from None


def _one_of(*words: str) -> Callable[[object, str], str]:
    def check(value: object, where: str) -> str:
        if value not in words:
            raise SettingsInvalid(where, repr(value), f"one of {', '.join(words)}")
        return str(value)

    return check


def _secret(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise SettingsInvalid(
            where, f"{type(value).__name__}, not text", "text in quotes"
        )  # whatever it is, it is not shown
    return value


def _address(value: object, where: str) -> str:
    text = _text(value, where)
    if text and not re.fullmatch(r"[^\s@<>,]{1,64}@[A-Za-z0-9.-]{1,255}", text):
        raise SettingsInvalid(where, repr(text), "an address alone, such as callgate@example.com")
    return text


def _export_to(value: object, where: str) -> str:
    text = _text(value, where)
    is_bucket = re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[^\s/]+)*/?", text)
    if text and not is_bucket and not Path(text).is_dir():
        raise SettingsInvalid(where, repr(text), "a folder that is there, or s3://BUCKET or s3://BUCKET/PREFIX")
    return text


def _s3_url(value: object, where: str) -> str:
    text = _text(value, where).rstrip("/")
    url = urlsplit(text)
    is_own = url.hostname in _LOOPBACK or url.scheme == "https"
    if text and (url.scheme not in ("http", "https") or not url.hostname or not is_own or url.path or url.query):
        expected = "an https URL without a path, such as https://s3.example.com; http for this machine alone"
        raise SettingsInvalid(where, repr(text), expected)
    return text


def _path(value: object, where: str) -> str:
    text = _text(value, where)
    if text and not Path(text).exists():
        raise SettingsInvalid(where, repr(text), "the path of something that is there")
    return text


def _whole(least: int, most: int) -> Callable[[object, str], int]:
    def check(value: object, where: str) -> int:
        is_digits = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(most))
        number = int(value) if is_digits else value  # type: ignore[call-overload]
        if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= most:
            raise SettingsInvalid(where, repr(value), f"a whole number from {least} to {most}")
        return number

    return check


_CHECKS: dict[str, Callable[[object, str], object]] = {
    "database_url": _database_url,
    "host": _host,
    "port": _whole(0, 65_535),
    "public_url": _public_url,
    "secret_key": _secret_key,
    "default_currency": _currency,
    "decision_deadline_ms": _whole(10, 60_000),
    "orphan_after_s": _whole(1, 86_400),
    "elastic_slice_s": _whole(10, 3_600),
    "elastic_max_s": _whole(60, 14_400),
    "delivered_kept_days": _whole(1, 3_650),
    "smtp_host": _text,
    "smtp_port": _whole(1, 65_535),
    "smtp_security": _one_of("starttls", "tls", "none"),
    "smtp_user": _text,
    "smtp_password": _secret,
    "smtp_from": _address,
    "smtp_authority": _path,
    "mail_templates": _path,
    "export_to": _export_to,
    "export_every": _one_of("day", "hour"),
    "export_format": _one_of("csv", "ndjson", "parquet"),
    "export_s3_url": _s3_url,
    "export_s3_region": _text,
    "export_s3_key": _text,
    "export_s3_secret": _secret,
    "queue_limit": _whole(1, 1_000_000),
    "api_requests_per_s": _whole(0, 100_000),
    "app_origins": _origins,
    "app_token_s": _whole(60, 86_400),
    "app_oidc_issuer": _issuer,
    "app_oidc_audience": _text,
    "app_oidc_claim": _text,
    "dashboard_url": _public_url,
    "dashboard_oidc_issuer": _issuer,
    "dashboard_oidc_client_id": _text,
    "dashboard_oidc_client_secret": _secret,
    "dashboard_oidc_scopes": _scopes,
    "dashboard_oidc_name_claim": _claim,
    "dashboard_oidc_roles_claim": _claim,
    "dashboard_oidc_roles": _pairs("VALUE=ROLE; VALUE=ROLE", ("viewer", "operator", "admin")),
    "dashboard_oidc_tenants_claim": _text,
    "dashboard_oidc_tenants": _pairs("VALUE=APPLICATION; VALUE=*"),
    "log_level": _one_of("debug", "info", "warning", "error"),
}
"""Every key, with the check that reads it from the file or the environment."""
