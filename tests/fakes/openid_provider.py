"""An OpenID Connect provider on real HTTP, as strict as a good one: it knows one client, where that may be sent back to, and
takes each code once, from whoever can show the verifier of the challenge. What it then says of somebody, tests change. People
stay signed in there until they sign out.
"""

import base64
import hashlib
import http.server
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote_plus, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

CLIENT, SECRET = "callgate/gate 1", "a secret: with & and %"


class Code(NamedTuple):
    """What a code stands for."""

    redirect_uri: str
    challenge: str
    nonce: str


class OpenIdProvider:
    """`person` are claims of whoever signs in, `told_later` those that only `/userinfo` has; `wrong` overrides a token's. With
    `signed_out_uri` it offers to sign people out, and sends them back there and nowhere else; `sessions` are those that last.
    """

    def __init__(
        self,
        redirect_uri: str,
        secret: str = SECRET,
        methods: tuple[str, ...] = ("client_secret_basic",),
        signed_out_uri: str = "",
    ) -> None:
        self.signed_out_uri = signed_out_uri
        self.sessions: set[str] = set()
        self.client, self.secret, self.redirect_uri, self.methods = CLIENT, secret, redirect_uri, methods
        self.keys = KeySet([_key("one")])
        self.person: dict[str, Any] = {}
        self.told_later: dict[str, Any] = {}
        self.wrong: dict[str, Any] = {}
        self.signing: Any = None
        self.is_broken = False
        self.says_no = ""
        self.says_issuer: str | None = None
        self.asked: list[str] = []
        self._codes: dict[str, Code] = {}
        self._bearers: set[str] = set()
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                provider.answer(self, {})

            def do_POST(self) -> None:
                length = int(self.headers["content-length"])
                provider.answer(self, _flat(self.rfile.read(length).decode()))

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_address[1]}/op"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def rotate(self) -> None:
        """Sign with a new key, and publish that alone."""
        self.keys = KeySet([_key(secrets.token_hex(4))])

    # -- what is asked ----------------------------------------------------------------------------------------------------

    def answer(self, request: http.server.BaseHTTPRequestHandler, form: dict[str, str]) -> None:
        path, query = urlsplit(request.path).path.removeprefix("/op"), _flat(urlsplit(request.path).query)
        if path == "/favicon.ico":  # a browser asks for it whenever it likes
            return _send(request, 200, b"", "image/x-icon")
        self.asked.append(path)
        if self.is_broken:
            return _send(request, 500, b"<html>", "text/html")
        if path == "/authorize":
            return self._authorize(request, query)
        if path == "/logout" and self.signed_out_uri:
            return self._sign_out(request, query)
        documents = {
            "/.well-known/openid-configuration": self._discovery,
            "/keys": lambda: (200, self.keys.as_dict(private=False)),
            "/token": lambda: self._token(form, request.headers.get("authorization", "")),
            "/userinfo": lambda: self._userinfo(request.headers.get("authorization", "")),
        }
        status, said = documents[path]()
        return _send(request, status, json.dumps(said).encode(), "application/json")

    def _discovery(self) -> tuple[int, dict[str, Any]]:
        places = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "userinfo_endpoint": "userinfo",
            "jwks_uri": "keys",
        }
        if self.signed_out_uri:
            places["end_session_endpoint"] = "logout"
        return 200, {
            "issuer": self.url,
            **{name: f"{self.url}/{path}" for name, path in places.items()},
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "token_endpoint_auth_methods_supported": list(self.methods),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def _authorize(self, request: http.server.BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        """A page with a link back. Whom it does not know it sends nowhere."""
        if query.get("client_id") != self.client or query.get("redirect_uri") != self.redirect_uri:
            return _send(request, 400, b"unknown client or redirect_uri", "text/plain")
        is_well = query["response_type"] == "code" and "openid" in query["scope"].split() and len(query["state"]) >= 20
        is_bound = query["code_challenge_method"] == "S256" and len(query["code_challenge"]) == 43
        answer = {"state": query["state"], "iss": self.says_issuer or self.url}
        if self.says_no or not (is_well and is_bound):
            answer |= {"error": self.says_no or "invalid_request", "error_description": "<b>not today</b>"}
        else:
            code = secrets.token_urlsafe(24)
            self._codes[code] = Code(query["redirect_uri"], query["code_challenge"], query["nonce"])
            answer |= {"code": code}
        back = f"{self.redirect_uri}?{urlencode(answer)}"
        page = (
            f'<!doctype html><html lang="en"><title>Provider</title><a href="{escape(back)}">Continue as Eva</a></html>'
        )
        return _send(request, 200, page.encode(), "text/html")

    def _sign_out(self, request: http.server.BaseHTTPRequestHandler, query: dict[str, str]) -> None:
        """A session ends by the token that was given in it. Whom it does not know it asks, and sends nowhere."""
        if query.get("client_id") != self.client or query.get("post_logout_redirect_uri") != self.signed_out_uri:
            return _send(request, 400, b"unknown client or post_logout_redirect_uri", "text/plain")
        if "id_token_hint" not in query:
            return _send(request, 200, b"Do you want to sign out?", "text/plain")
        claims = jwt.decode(query["id_token_hint"], self.keys, algorithms=["ES256"]).claims
        if claims["iss"] != self.url or claims["aud"] != self.client or claims["sid"] not in self.sessions:
            return _send(request, 400, b"no session of that token", "text/plain")
        self.sessions.remove(claims["sid"])
        request.send_response(302)
        request.send_header("location", self.signed_out_uri)
        request.send_header("content-length", "0")
        request.end_headers()
        return None

    def _token(self, form: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        if not self._is_client(form, authorization):
            return 401, {"error": "invalid_client"}
        code = self._codes.pop(form.get("code", ""), None)
        verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        shown = base64.urlsafe_b64encode(verifier).rstrip(b"=").decode()
        is_known = code is not None and code.redirect_uri == form.get("redirect_uri") and code.challenge == shown
        if code is None or not is_known or form.get("grant_type") != "authorization_code":
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "aud": self.client,
            "sub": "5f1c",
            "iat": now,
            "exp": now + 300,
            "nonce": code.nonce,
        }
        claims["sid"] = secrets.token_urlsafe(8)
        self.sessions.add(claims["sid"])
        claims = {name: value for name, value in (claims | self.person | self.wrong).items() if value is not None}
        key = self.signing or self.keys.keys[0]
        bearer = secrets.token_urlsafe(24)
        self._bearers.add(bearer)
        algorithm = "ES256" if isinstance(key, ECKey) else "RS256"
        token = jwt.encode({"alg": algorithm, "kid": key.kid}, claims, key)
        return 200, {"id_token": token, "access_token": bearer, "token_type": "Bearer", "expires_in": 300}

    def _is_client(self, form: dict[str, str], authorization: str) -> bool:
        """By the one method that it offers."""
        if self.methods == ("client_secret_basic",):
            name, _, secret = base64.b64decode(authorization.removeprefix("Basic ")).decode().partition(":")
            return (unquote_plus(name), unquote_plus(secret)) == (self.client, self.secret)
        is_known = form.get("client_id") == self.client and not authorization
        return is_known and form.get("client_secret", "") == self.secret

    def _userinfo(self, authorization: str) -> tuple[int, dict[str, Any]]:
        if authorization.removeprefix("Bearer ") not in self._bearers:
            return 401, {"error": "invalid_token"}
        return 200, {"sub": "5f1c"} | self.told_later


@contextmanager
def openid_provider(redirect_uri: str, **words: Any) -> Iterator[OpenIdProvider]:
    provider = OpenIdProvider(redirect_uri, **words)
    try:
        yield provider
    finally:
        provider.stop()


def _key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig"})


def other_key(kid: str = "one") -> RSAKey:
    """A key that the provider has never published."""
    return RSAKey.generate_key(2048, {"kid": kid})


def _flat(text: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(text, keep_blank_values=True).items()}


def _send(request: http.server.BaseHTTPRequestHandler, status: int, body: bytes, media_type: str) -> None:
    request.send_response(status)
    request.send_header("content-type", media_type)
    request.send_header("content-length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)
