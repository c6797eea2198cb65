"""An app's own users sign in on a real server, and call with what they got."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

PASSWORD = "correct horse battery"
ORIGIN = "https://app.example.com"


class Provider:
    """The operator's OpenID Connect provider: real keys, real documents, and it counts who asks for them."""

    def __init__(self) -> None:
        self.keys = KeySet(
            [RSAKey.generate_key(2048, {"kid": "one", "use": "sig"}), ECKey.generate_key("P-256", {"kid": "two"})]
        )
        self.asked: list[str] = []
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.asked.append(self.path)
                documents: dict[str, Any] = {
                    "/op/.well-known/openid-configuration": {
                        "issuer": provider.url,
                        "jwks_uri": f"{provider.url}/keys",
                    },
                    "/op/keys": provider.keys.as_dict(private=False),
                }
                said = json.dumps(documents[self.path]).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/op"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def token(self, kid: str = "one", algorithm: str = "RS256", key: Any = None, **claims: Any) -> str:
        now = int(time.time())
        said = {"iss": self.url, "aud": "shop-app", "sub": "zoe", "iat": now, "exp": now + 300} | claims
        signing = key or next(each for each in self.keys.keys if each.kid == kid)
        return jwt.encode({"alg": algorithm, "kid": kid}, said, signing, algorithms=[algorithm])

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class App:
    """The app of a user, which knows the server and nothing else."""

    def __init__(self, gate: Any) -> None:
        self.gate = gate

    def sign_in(self, what: str = "token", headers: dict[str, str] | None = None, **body: Any) -> Any:
        said = json.dumps({key: value for key, value in body.items() if value is not None}).encode()
        return self.gate.request(
            "POST", f"/auth/sinch/{what}", said, {"content-type": "application/json", **(headers or {})}
        )

    def call(self, call_id: str, ticket: str, **more: Any) -> str:
        """A call from a web page's phone, for which the platform names no user."""
        headers = {"callHeaders": [{"key": "callgate-ticket", "value": ticket}]}
        return str(self.gate.post(self.gate.ice(call_id, user="", originationType="PSTN", **headers, **more)).action)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    played = Provider()
    yield played
    played.stop()


@pytest.fixture(scope="module")
def app(new_gate: Callable[..., Any], provider: Provider) -> Iterator[App]:
    settings = {
        "CALLGATE_APP_ORIGINS": f"{ORIGIN}, http://localhost:3000",
        "CALLGATE_APP_OIDC_ISSUER": provider.url,
        "CALLGATE_APP_OIDC_AUDIENCE": "shop-app",
    }
    with new_gate(is_serving=False, **settings) as gate:
        for name in ("zoe", "suspended"):
            gate.account(name, "10")
        gate.account("family", "10")
        file = gate.folder / "password"
        file.write_text(f"{PASSWORD}\n", encoding="utf-8")
        for user, account in (("zoe", "zoe"), ("kid", "family"), ("suspended", "suspended")):
            gate.must("user", "add", user, "--account", account, "--password-file", str(file))
        gate.must("account", "suspend", "suspended")
        gate.start()
        yield App(gate)


def claims_of(token: str) -> dict[str, Any]:
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def test_a_user_gets_a_token_and_tickets(app: App) -> None:
    """The token is the platform's own kind, of this user, signed with the key of the day; tickets are each another one."""
    reply = app.sign_in(user="zoe", password=PASSWORD)
    assert reply.status == 200, reply
    head, body, proof = reply.json["token"].split(".")
    kid = json.loads(base64.urlsafe_b64decode(head + "=="))["kid"]
    day_key = hmac.digest(base64.b64decode(app.gate.secret), kid.removeprefix("hkdfv1-").encode(), "sha256")
    signed = hmac.new(day_key, f"{head}.{body}".encode(), hashlib.sha256).digest()
    assert proof == base64.urlsafe_b64encode(signed).rstrip(b"=").decode()
    claims = claims_of(reply.json["token"])
    assert claims["sub"] == f"//rtc.sinch.com/applications/{app.gate.key}/users/zoe"
    assert claims["exp"] - claims["iat"] == 600
    bearer = {"authorization": f"Bearer {reply.json['token']}"}
    more = [app.sign_in("ticket", bearer), app.sign_in("ticket", user="zoe", password=PASSWORD)]
    assert [each.status for each in more] == [200, 200]
    assert len({reply.json["ticket"], *(each.json["ticket"] for each in more)}) == 3
    assert "token" not in more[0].json


@pytest.mark.parametrize("user", ["zoe", "nobody", "zoe' OR 1=1", "x" * 500])
def test_who_is_nobody_is_told_nothing(app: App, user: str) -> None:
    """The same answer for a wrong password and for a user that there is not."""
    reply = app.sign_in(user=user, password="wrong")
    assert (reply.status, reply.json["type"].rpartition("/")[2]) == (401, "sign-in-failed")
    assert set(reply.json) == {"type", "title", "status"}


def test_a_suspended_account_gets_nothing(app: App) -> None:
    """Only who knows the password learns of it."""
    reply = app.sign_in(user="suspended", password=PASSWORD)
    assert (reply.status, reply.json["refusal"]) == (403, "account_suspended")
    assert app.sign_in(user="suspended", password="wrong").status == 401


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "nothing that proves anybody"),
        ({"user": "zoe"}, "nothing that proves anybody"),
        ({"password": "x"}, "user and password"),
        ({"user": "zoe", "password": "x", "id_token": "y"}, "password, id_token"),
        ({"user": 5}, "int"),
        ({"usr": "zoe"}, "usr"),
        ({"user": "zoe", "password": PASSWORD, "to": "x" * 65}, "to"),
    ],
)
def test_what_cannot_be_read(app: App, body: dict[str, Any], told: str) -> None:
    """A problem that says what was found."""
    reply = app.sign_in(**body)
    assert reply.status == 400
    assert told in reply.json["detail"]
    assert PASSWORD not in reply.body.decode()


def test_the_operators_own_tokens(app: App, provider: Provider) -> None:
    """By either key of the provider; whose account there is not may not call."""
    assert app.sign_in(id_token=provider.token()).status == 200
    assert app.sign_in("ticket", id_token=provider.token("two", "ES256", sub="kid")).status == 200
    stranger = app.sign_in(id_token=provider.token(sub="stranger"))
    assert (stranger.status, stranger.json["refusal"]) == (403, "caller_unknown")
    assert provider.asked.count("/op/keys") == 1


def test_tokens_that_prove_nobody(app: App, provider: Provider) -> None:
    """Of others, for others, too old, too new, without a signature, or signed with what everybody knows."""
    now = int(time.time())
    head, body, proof = provider.token().split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').rstrip(b"=").decode()
    shared = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=").decode()
    public = provider.keys.keys[0].as_pem(private=False)
    mac = base64.urlsafe_b64encode(hmac.digest(public, f"{shared}.{body}".encode(), "sha256")).rstrip(b"=").decode()
    for token in (
        provider.token(iss="https://evil.example.com"), provider.token(aud="another-app"), provider.token(exp=now - 61),
        provider.token(nbf=now + 120), provider.token(sub=""), provider.token(exp="soon"), provider.token(sub=5),
        provider.token(key=RSAKey.generate_key(2048)), provider.token(kid="three", key=provider.keys.keys[0]),
        f"{none}.{body}.", f"{shared}.{body}.{mac}", f"{head}.{body}.{proof[:-4]}AAAA", "x", "x" * 9000,
    ):  # fmt: skip
        assert app.sign_in(id_token=token).status == 401, token
    assert provider.asked.count("/op/keys") <= 2


def test_a_ticket_is_good_for_one_call(app: App) -> None:
    """For the call that presents it first, as often as that is asked; nobody sees it afterwards."""
    ticket = app.sign_in(user="kid", password=PASSWORD).json["ticket"]
    assert app.call("t1", ticket) == "connectPstn"
    assert app.call("t1", ticket) == "connectPstn"
    assert app.call("t2", ticket) == "hangup"
    assert app.call("t3", ticket[:-4] + "AAAA") == "hangup"
    gate = app.gate
    shown = gate.must("calls", "show", "t1", "--json").json
    assert (shown["account"], shown["state"]) == ("family", "arrived")
    assert gate.must("calls", "show", "t2", "--json").json["decision"]["refusal"] == "caller_unknown"
    gate.post(gate.dice("t1", 61, callHeaders=[{"key": "callgate-ticket", "value": ticket}], custom=ticket))
    gate.post(gate.dice("orphan", 61, custom=ticket))
    assert gate.wallet("family")["held"] == 0
    kept = b"".join(each.read_bytes() for each in gate.folder.iterdir() if each.name.startswith("gate.db"))
    assert ticket.encode() not in kept and ticket not in gate.log
    assert PASSWORD not in gate.log


def test_nobody_who_is_called_sees_a_ticket(app: App) -> None:
    """What is sent on to an app's user, or to a phone, is of our own making."""
    gate = app.gate
    for call_id, to, action in (
        ("m1", {"type": "username", "endpoint": "zoe"}, "connectMxp"),
        ("m2", {"type": "number", "endpoint": "+46701740605"}, "connectPstn"),
    ):
        ticket = app.sign_in(user="kid", password=PASSWORD).json["ticket"]
        headers = [{"key": "callgate-ticket", "value": ticket}, {"key": "note", "value": ticket}]
        event = gate.ice(call_id, user="", originationType="PSTN", callHeaders=headers, custom=ticket)
        reply = gate.post(event | {"to": to})
        assert (reply.action, ticket in reply.body.decode(), b"cgt1_" in reply.body) == (action, False, False)
        assert gate.must("calls", "show", call_id, "--json").json["account"] == "family"
        gate.post(gate.dice(call_id, 0))


def test_a_ticket_for_one_number(app: App) -> None:
    """Another number is refused; it may also come in `custom`."""
    ticket = app.sign_in(user="kid", password=PASSWORD, to="+46 70 174 06 05").json["ticket"]
    assert app.call("n1", ticket, to="+46701740606") == "hangup"
    assert app.gate.must("calls", "show", "n1", "--json").json["decision"]["refusal"] == "caller_unknown"
    body = app.gate.ice("n2", user="", originationType="PSTN", custom=json.dumps({"callgate-ticket": ticket}))
    assert app.gate.post(body).action == "connectPstn"


def test_pages_of_other_origins(app: App) -> None:
    """Only those that the operator names may read an answer; a preflight is answered without asking anything."""
    gate = app.gate
    for origin, is_let_in in (
        (ORIGIN, True),
        ("http://localhost:3000", True),
        ("https://evil.example.com", False),
        ("null", False),
    ):
        link = gate.connect()
        with link:
            link.sendall(
                f"OPTIONS /auth/sinch/token HTTP/1.1\r\nhost: x\r\norigin: {origin}\r\nconnection: close\r\n"
                "access-control-request-method: POST\r\n\r\n".encode()
            )
            answer = b"".join(iter(partial(link.recv, 65536), b"")).decode().lower()
        assert answer.startswith("http/1.1 204")
        assert (f"access-control-allow-origin: {origin}".lower() in answer) is is_let_in
        assert "allow-credentials" not in answer


def test_too_many_tries(app: App) -> None:
    """Ten for one user: then not even the right password is looked at. Others may go on."""
    codes = [app.sign_in(user="suspended", password="wrong").status for _ in range(12)]
    assert codes[-1] == 429
    assert app.sign_in(user="suspended", password=PASSWORD).status == 429
    assert app.sign_in(user="zoe", password=PASSWORD).status == 200


def test_users_by_command(app: App) -> None:
    """Listed without what is kept of their passwords; given another one; removed. A running server knows at once."""
    gate = app.gate
    listed = gate.must("user", "list", "--json")
    assert {"user": "kid", "account": "family"}.items() <= listed.json[0].items()
    assert "argon2" not in listed.out
    assert (
        gate.call("user", "add", "kid", "--account", "zoe", "--password-file", str(gate.folder / "password")).code == 1
    )
    other = gate.folder / "other"
    other.write_text("another password", encoding="utf-8")
    gate.must("user", "passwd", "kid", "--password-file", str(other))
    assert app.sign_in(user="kid", password="another password").status == 200
    gate.must("user", "remove", "kid")
    assert app.sign_in(user="kid", password="another password").status == 401
    other.write_text("short", encoding="utf-8")
    assert "8 to 256" in gate.call("user", "add", "kid", "--account", "family", "--password-file", str(other)).err
