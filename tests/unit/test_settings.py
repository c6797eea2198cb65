"""Settings say file, line, key, what was found and what would do; secrets are in no message."""

from pathlib import Path

import pytest

from callgate.errors import SettingsInvalid
from callgate.settings import Settings, load_settings, parse_pairs, without_password

KEY = "c2VjcmV0LWtleS1vZi1jYWxsZ2F0ZS1pbi10ZXN0cy4="

BAD: list[tuple[str, object, str]] = [
    ("database_url", "", "sqlite:///FILE"),
    ("database_url", "sqlite://", "sqlite:///FILE"),
    ("database_url", "mysql://localhost/gate", "sqlite:///FILE"),
    ("host", "", "an address"),
    ("port", "65536", "from 0 to 65535"),
    ("port", "-1", "from 0 to 65535"),
    ("port", "80.0", "from 0 to 65535"),
    ("port", " 80", "from 0 to 65535"),
    ("port", "٨٠", "from 0 to 65535"),
    ("port", "9" * 5000, "from 0 to 65535"),
    ("port", "", "from 0 to 65535"),
    ("public_url", "gate.example.com", "https://gate.example.com"),
    ("public_url", "ftp://gate.example.com", "https://gate.example.com"),
    ("public_url", "https://", "https://gate.example.com"),
    ("public_url", "https://[::1", "https://gate.example.com"),
    ("public_url", "https://gate.example.com:http", "https://gate.example.com"),
    ("public_url", "https://gate.example.com/?tenant=1", "without a query"),
    ("public_url", "https://gate.example.com/callbacks/sinch", "before /callbacks/"),
    ("secret_key", "", "32 random bytes"),
    ("secret_key", KEY[:-5], "32 random bytes"),
    ("secret_key", KEY + "AAAA", "32 random bytes"),
    ("secret_key", "é" * 44, "32 random bytes"),
    ("default_currency", "US", "ISO 4217"),
    ("default_currency", "dollars", "ISO 4217"),
    ("decision_deadline_ms", "9", "from 10 to 60000"),
    ("decision_deadline_ms", "60001", "from 10 to 60000"),
    ("orphan_after_s", "0", "from 1 to 86400"),
    ("queue_limit", "0", "from 1 to 1000000"),
    ("dashboard_oidc_issuer", "http://login.example.com", "https URL"),
    ("dashboard_oidc_scopes", "profile email", "openid among them"),
    ("dashboard_oidc_name_claim", " ", "the name of a claim"),
    ("dashboard_oidc_roles", "gate-admins", "VALUE=ROLE"),
    ("dashboard_oidc_roles", "=admin", "VALUE=ROLE"),
    ("dashboard_oidc_roles", "gate-admins=", "VALUE=ROLE"),
    ("dashboard_oidc_roles", "gate-admins=root", "one of viewer, operator, admin"),
    ("dashboard_oidc_roles", "a=admin; a=viewer", "each value once"),
    ("dashboard_oidc_tenants", "acme", "VALUE=APPLICATION"),
    ("log_level", "INFO", "one of debug, info, warning, error"),
    ("log_level", "trace", "one of debug, info, warning, error"),
]


def written(folder: Path, text: str | bytes) -> Path:
    file = folder / "callgate.toml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return file


def refused(file: Path | None, environment: dict[str, str]) -> SettingsInvalid:
    with pytest.raises(SettingsInvalid) as raised:
        load_settings(file, environment)
    return raised.value


@pytest.mark.parametrize(("key", "value", "expected"), BAD)
def test_a_bad_value_in_the_file_is_told_with_its_line(tmp_path: Path, key: str, value: str, expected: str) -> None:
    """File, line, key, what was found, what would do."""
    file = written(tmp_path, f'# a comment\n\n{key} = "{value}"\n')
    error = refused(file, {})
    assert error.where == f"{file}, line 3, {key}"
    assert expected in error.expected
    assert len(str(error)) < 500 or len(value) > 300


@pytest.mark.parametrize(("key", "value", "expected"), BAD)
def test_a_bad_value_in_the_environment_is_told_with_its_variable(key: str, value: str, expected: str) -> None:
    """A variable has no line; its name says where."""
    error = refused(None, {f"CALLGATE_{key.upper()}": value})
    assert error.where == f"CALLGATE_{key.upper()}"
    assert expected in error.expected


@pytest.mark.parametrize("value", ["true", "1.5", "[1]", "{ a = 1 }", "2020-01-01"])
@pytest.mark.parametrize("key", Settings.__struct_fields__)
def test_a_value_of_another_type_is_refused(tmp_path: Path, key: str, value: str) -> None:
    """TOML has types that no setting of ours takes."""
    file = written(tmp_path, f"{key} = {value}\n")
    assert refused(file, {}).where == f"{file}, line 1, {key}"


@pytest.mark.parametrize(
    "text", ["databse_url = 'x'\n", "[server]\nport = 1\n", "[[ports]]\nport = 1\n", "'a b' = 1\n"]
)
def test_an_unknown_key_stops_the_start(tmp_path: Path, text: str) -> None:
    """A slip of the pen would otherwise leave a default in force; the message lists what there is."""
    error = refused(written(tmp_path, f"port = 80\n{text}"), {})
    assert "line 2" in error.where
    assert all(key in error.expected for key in Settings.__struct_fields__)


def test_an_unknown_variable_stops_the_start() -> None:
    """As in the file."""
    assert refused(None, {"CALLGATE_PROT": "80"}).where == "CALLGATE_PROT"


@pytest.mark.parametrize(
    ("text", "line"),
    [("port = 80\nport = 81\n", "line 2"), ("port = \n", "line 1"), ("port: 80\n", "line 1"), ("a\nb", "line 1")],
)
def test_what_is_no_toml_is_told_with_its_line(tmp_path: Path, text: str, line: str) -> None:
    """The line stands in what was found: there is no key yet."""
    error = refused(written(tmp_path, text), {})
    assert line in error.found


@pytest.mark.parametrize("text", [b"\xff\xfe", b"port = 80\n# \xe9\n"])
def test_a_file_in_another_encoding_is_refused(tmp_path: Path, text: bytes) -> None:
    """TOML is UTF-8."""
    assert "UTF-8" in refused(written(tmp_path, text), {}).expected


def test_a_file_that_is_named_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the default one may be missing."""
    assert "callgate init" in refused(tmp_path / "nosuch.toml", {}).expected
    assert refused(tmp_path, {}).where == str(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load_settings(None, {}) == Settings()


def test_the_environment_overrides_the_file(tmp_path: Path) -> None:
    """Key by key: what it does not name stays as the file says. Variables of other programs are not ours."""
    file = written(tmp_path, 'port = 81\nhost = "::1"\n')
    settings = load_settings(file, {"CALLGATE_PORT": "82", "PORT": "83", "XCALLGATE_PORT": "84", "CALLGATE": "x"})
    assert (settings.port, settings.host) == (82, "::1")


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    """What surrounds it in the file, such as a last newline, is no part of it."""
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n", encoding="ascii")
    assert load_settings(None, {"CALLGATE_SECRET_KEY_FILE": str(file)}).secret_key == KEY
    missing = refused(None, {"CALLGATE_SECRET_KEY_FILE": str(tmp_path / "nosuch")})
    assert missing.where == "CALLGATE_SECRET_KEY_FILE"
    assert refused(None, {"CALLGATE_SECRET_KEY_FILE": str(tmp_path)}).where == "CALLGATE_SECRET_KEY_FILE"


@pytest.mark.parametrize("text", ['"{}"', "['{}']", "{{ a = '{}' }}", "'''{}'''"])
def test_a_secret_key_is_in_no_message(tmp_path: Path, text: str) -> None:
    """Nearly a key is nearly a secret."""
    secret = KEY[:-3]
    assert secret not in str(refused(written(tmp_path, f"secret_key = {text.format(secret)}\n"), {}))
    assert secret not in str(refused(None, {"CALLGATE_SECRET_KEY": secret}))
    (tmp_path / "key").write_text(secret, encoding="ascii")
    assert secret not in str(refused(None, {"CALLGATE_SECRET_KEY_FILE": str(tmp_path / "key")}))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("mysql://gate:pa$$@db/gate", "mysql://gate:***@db/gate"),
        ("mysql://gate:p@s:s/w@db/gate", "mysql://gate:***@db/gate"),
        ("mysql://:secret@db", "mysql://:***@db"),
        ("mysql://db/gate?user=x&password=secret&a=1", "mysql://db/gate?user=x&password=***&a=1"),
        ("sqlite:///gate.db", "sqlite:///gate.db"),
    ],
)
def test_a_password_in_a_database_url_is_not_shown(url: str, shown: str) -> None:
    """Neither in a message nor where the settings are printed."""
    assert without_password(url) == shown
    if not url.startswith("sqlite"):
        assert repr(shown) in str(refused(None, {"CALLGATE_DATABASE_URL": url}))
    assert repr(shown) in repr(Settings(database_url=url))


def test_a_secret_key_may_lack_its_padding() -> None:
    """Programs that make random text leave it out; it is the same key."""
    assert load_settings(None, {"CALLGATE_SECRET_KEY": KEY.rstrip("=")}).secret_key == KEY


def test_settings_do_not_show_their_secret() -> None:
    """A traceback or a debugger prints a repr."""
    assert KEY not in repr(Settings(secret_key=KEY))


@pytest.mark.parametrize(
    ("url", "prefix"),
    [
        ("", ""),
        ("https://gate.example.com", ""),
        ("https://gate.example.com/", ""),
        ("https://gate.example.com/voice/gate/", "/voice/gate"),
    ],
)
def test_the_path_of_the_public_url_is_the_prefix(url: str, prefix: str) -> None:
    """Without the slash at its end: the paths that follow it begin with one."""
    assert load_settings(None, {"CALLGATE_PUBLIC_URL": url}).public_prefix == prefix


def test_the_limit_of_an_elastic_call_is_longer_than_its_slice() -> None:
    """Else there would be nothing to extend."""
    with pytest.raises(SettingsInvalid, match="more than elastic_slice_s, 600"):
        load_settings(None, {"CALLGATE_ELASTIC_SLICE_S": "600", "CALLGATE_ELASTIC_MAX_S": "600"})


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "dashboard_oidc_client_id"),
        ({"client_id": "gate"}, "dashboard_oidc_roles"),
        ({"client_id": "gate", "roles": "a=admin"}, "dashboard_url"),
    ],
)
def test_what_a_sign_in_by_a_provider_cannot_do_without(given: dict[str, str], missing: str) -> None:
    """Nobody could come in, or come back."""
    environment = {f"CALLGATE_DASHBOARD_OIDC_{name.upper()}": value for name, value in given.items()}
    raised = refused(None, environment | {"CALLGATE_DASHBOARD_OIDC_ISSUER": "https://login.example.com"})
    assert missing in str(raised)


def test_pairs_may_hold_what_names_of_directories_hold() -> None:
    """The last = counts."""
    assert parse_pairs(" CN=Gate, OU=Groups=admin ;; b=viewer;") == {"CN=Gate, OU=Groups": "admin", "b": "viewer"}
    assert parse_pairs("") == {}
