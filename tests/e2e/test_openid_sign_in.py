"""People sign in to the dashboard at their OpenID Connect provider: one on real HTTP, whose answers may be wrong in every way."""

import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from html import unescape
from http.cookiejar import CookieJar
from typing import Any
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, OpenerDirector, Request, build_opener

import pytest
from openid_provider import CLIENT, SECRET, OpenIdProvider, openid_provider, other_key

EVA = {"email": "eva@example.com", "groups": ["everybody", "gate-operators"]}
ROLES = "CN=Gate,OU=Groups=admin; gate-operators=operator; support=viewer"

NewGate = Callable[..., AbstractContextManager[Any]]


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


class Answer:
    """What a server answered, read."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers, self.text = status, headers, unescape(body.decode())

    @property
    def location(self) -> str:
        return str(self.headers["location"])


class Browser:
    """Keeps cookies, and goes where it is told, one step at a time."""

    def __init__(self, gate: Any) -> None:
        self.url = f"http://127.0.0.1:{gate.port}/"
        self.cookies = CookieJar()
        self._opener: OpenerDirector = build_opener(HTTPCookieProcessor(self.cookies), _Stay)

    def open(self, url: str, body: bytes | None = None) -> Answer:
        request = Request(url if url.startswith("http") else self.url + url, data=body)  # noqa: S310 - our own servers
        try:
            with self._opener.open(request, timeout=10) as reply:
                return Answer(reply.status, reply.headers, reply.read())
        except HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())

    def begin(self) -> str:
        """To the provider and through it; returns the address that leads back."""
        page = self.open(self.open("sign-in/openid").location)
        assert page.status == 200, page.text
        return unescape(re.search(r'href="([^"]+)"', page.text)[1])  # type: ignore[index]

    def sign_in(self) -> Answer:
        return self.open(self.begin())

    def who(self) -> str:
        """What the dashboard says who is signed in: name and role, empty for nobody."""
        found = re.search(r"<bdi>([^<]+)</bdi> <span class=\"quiet\">(\w+)", self.open("").text)
        return f"{found[1]} {found[2]}" if found else ""

    def post(self, path: str, form: str = "") -> Answer:
        token = re.search(r'name="form_token" value="([^"]+)"', self.open("").text)
        assert token is not None
        return self.open(path, f"form_token={token[1]}&{form}".encode())


class House:
    """A server whose people sign in at a provider."""

    def __init__(self, gate: Any, provider: OpenIdProvider) -> None:
        self.gate, self.provider = gate, provider

    def browser(self) -> Browser:
        return Browser(self.gate)


@pytest.fixture(scope="module")
def house(new_gate: NewGate) -> Iterator[House]:
    with new_gate(is_serving=False) as gate:
        back = f"http://127.0.0.1:{gate.port}/sign-in/openid/callback"
        with openid_provider(back) as provider:
            gate.settings |= settings_for(gate, provider)
            start(gate)
            yield House(gate, provider)


@pytest.fixture(autouse=True)
def well(house: House) -> None:
    """Each test begins with a provider in which nothing is wrong."""
    provider = house.provider
    provider.person, provider.told_later, provider.wrong = dict(EVA), {}, {}
    provider.signing, provider.is_broken, provider.says_no, provider.says_issuer = None, False, "", None


def settings_for(gate: Any, provider: OpenIdProvider) -> dict[str, str]:
    return {
        "CALLGATE_DASHBOARD_URL": f"http://127.0.0.1:{gate.port}",
        "CALLGATE_DASHBOARD_OIDC_ISSUER": provider.url,
        "CALLGATE_DASHBOARD_OIDC_CLIENT_ID": CLIENT,
        "CALLGATE_DASHBOARD_OIDC_CLIENT_SECRET": provider.secret,
        "CALLGATE_DASHBOARD_OIDC_ROLES": ROLES,
    }


def start(gate: Any) -> None:
    """And wait until its pages have loaded."""
    gate.start()
    deadline = time.monotonic() + 30
    while gate.request("GET", "/").status == 503 and time.monotonic() < deadline:
        time.sleep(0.05)


def test_people_sign_in_and_out(house: House) -> None:
    """As what their groups say, under the name that the provider vouches for; the audit log knows them by it; signing out, or an
    admin's command, ends the session.
    """
    browser = house.browser()
    assert f'href="./sign-in/openid">Sign in at {urlsplit(house.provider.url).hostname}<' in browser.open("").text
    page = browser.sign_in()
    assert page.status == 200 and 'content="0; url=../../"' in page.text
    assert browser.who() == "eva@example.com operator"
    (kept,) = (each for each in browser.cookies if each.name == "callgate_session")
    assert (kept.get_nonstandard_attr("SameSite"), kept.has_nonstandard_attr("HttpOnly")) == ("strict", True)
    assert browser.post("accounts/alice/top-up", "amount=1&reference=r").status == 303
    assert browser.post("accounts/alice/limits", "max_seconds=5").status == 403
    house.provider.person["groups"] = ["support", "CN=Gate,OU=Groups"]
    other = house.browser()
    other.sign_in()
    assert other.who() == "eva@example.com admin"
    log = other.open("audit.json").text
    assert '"who":"openid:eva@example.com"' in log.replace(" ", "") and "5f1c" in log
    assert browser.post("sign-out").status == 303
    assert (browser.who(), other.who()) == ("", "eva@example.com admin")
    assert house.gate.must("operator", "sign-out", "eva@example.com", "--json").json["ended"] == 1
    assert other.who() == ""


def test_an_operator_of_the_same_name_is_somebody_else(house: House) -> None:
    """What a provider calls its people opens nobody's password, second factor or role."""
    file = house.gate.folder / "password"
    file.write_text("correct horse battery", encoding="utf-8")
    house.gate.must("operator", "add", "root", "--role", "admin", "--password-file", str(file))
    house.provider.person |= {"email": "root", "groups": ["support"]}
    browser = house.browser()
    assert browser.sign_in().status == 200
    assert browser.who() == "root viewer"


def test_who_has_no_role_stays_outside(house: House) -> None:
    """Told who they are and what to ask for; so is whoever has no name, or one that is nobody's to vouch for."""
    for person, told in (
        ({"groups": ["everybody"]}, "You are known as eva@example.com, but nothing gives you a role here."),
        ({"groups": None}, "nothing gives you a role"),
        ({"groups": {"gate-operators": True}}, "nothing gives you a role"),
        ({"groups": "gate-operators support"}, "nothing gives you a role"),
        ({"groups": ["GATE-OPERATORS", 5, None, ["gate-operators"]]}, "nothing gives you a role"),
        ({"email": None}, "does not say your email"),
        ({"email": 5}, "does not say your email"),
        ({"email": "eva<script>@x y"}, "cannot be a name here"),
        ({"email_verified": False}, "has not verified"),
    ):
        house.provider.person = EVA | person
        browser = house.browser()
        page = browser.sign_in()
        assert (page.status, told in page.text) == (403, True), (person, page.text)
        assert browser.who() == "" and "<script>@" not in page.text


def test_an_answer_that_nobody_here_asked_for(house: House) -> None:
    """Another state, none, another browser's, a second time, or without anything: nobody is signed in, and it says what to do."""
    browser = house.browser()
    back = browser.begin()
    state = parse_qs(urlsplit(back).query)["state"][0]
    asked = len(house.provider.asked)
    for wrong in (back.replace(state, "x"), back.replace(f"state={state}", "x=y"), back.replace(state, "%ff%00")):
        elsewhere = Browser(house.gate)
        for each in browser.cookies:
            elsewhere.cookies.set_cookie(each)
        page = elsewhere.open(wrong)
        assert (page.status, "Begin it once more" in page.text) == (400, True)
    assert house.browser().open(back).status == 400
    assert house.browser().open("sign-in/openid/callback").status == 400
    assert len(house.provider.asked) == asked  # nothing was asked of the provider for any of them
    assert browser.open(back).status == 200
    assert browser.open(back).status == 400  # the cookie is gone
    first, second = house.browser(), house.browser()
    mine = first.begin()
    theirs = second.begin()
    code = parse_qs(urlsplit(theirs).query)["code"][0]
    mixed = mine.replace(parse_qs(urlsplit(mine).query)["code"][0], code)
    assert first.open(mixed).status == 401  # somebody else's code: the verifier is another
    assert first.who() == second.who() == ""


@pytest.mark.parametrize(
    "wrong",
    [
        {"nonce": "another"}, {"nonce": None}, {"nonce": 5}, {"aud": "another-client"}, {"aud": ["other"]}, {"aud": None},
        {"iss": "https://evil.example.com"}, {"exp": 1}, {"exp": None}, {"iat": 9_999_999_999}, {"sub": ""}, {"sub": None},
        {"azp": "another-client", "aud": [CLIENT, "another-client"]},
    ],
    ids=str,
)  # fmt: skip
def test_tokens_that_prove_nobody(house: House, wrong: dict[str, Any]) -> None:
    """For another sign-in, another client or another issuer, too old, too new, or of nobody."""
    house.provider.wrong = wrong
    browser = house.browser()
    page = browser.sign_in()
    assert (page.status, "cannot be trusted" in page.text) == (401, True)
    assert browser.who() == ""


def test_a_key_that_the_provider_never_had(house: House) -> None:
    """Under a kid that is known or not; and an answer that says that it is another issuer's."""
    for kid in ("one", "unknown"):
        house.provider.signing = other_key(kid)
        assert house.browser().sign_in().status == 401
    house.provider.signing, house.provider.says_issuer = None, "https://evil.example.com"
    assert house.browser().sign_in().status == 401


def test_a_provider_that_says_no(house: House) -> None:
    """Its words are shown as words."""
    house.provider.says_no = "access_denied"
    page = house.browser().sign_in()
    assert page.status == 401 and "Its words: access_denied: " in page.text
    assert "&lt;b&gt;not today" in page.text or "<b>not today" in page.text


def test_a_provider_that_is_broken_on_the_way_back(house: House) -> None:
    """It says to try again; afterwards the same browser can."""
    browser = house.browser()
    back = browser.begin()
    house.provider.is_broken = True
    page = browser.open(back)
    assert (page.status, "does not answer" in page.text) == (503, True)
    house.provider.is_broken = False
    assert browser.sign_in().status == 200


def test_what_only_userinfo_says(house: House) -> None:
    """Groups that the token leaves out are asked for; of another person nothing is taken."""
    house.provider.person = {"email": "eva@example.com"}
    house.provider.told_later = {"groups": ["support"], "email": "other@example.com"}
    browser = house.browser()
    assert browser.sign_in().status == 200
    assert browser.who() == "eva@example.com viewer"
    house.provider.told_later |= {"sub": "somebody else"}
    assert house.browser().sign_in().status == 401


def test_too_many_answers_from_one_address(house: House) -> None:
    """Those that prove nobody are counted, and then none is looked at for a while. Last in this file: it lasts a minute."""
    house.provider.wrong = {"nonce": "another"}

    def once(_: int) -> int:
        return house.browser().sign_in().status

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(once, range(34)))
    assert set(found) == {401, 429}


def test_no_secret_is_in_the_log(house: House) -> None:
    """Neither the client's, nor a code, a token or a name; but why somebody was not let in."""
    log = house.gate.log
    assert "the token was made for another sign-in" in log and "no_role" in log
    for hidden in (SECRET, "eva@example.com", "code=", "eyJ"):
        assert hidden not in log


def test_rotation_tenants_and_settings(new_gate: NewGate) -> None:
    """A key that was never seen is fetched. Where applications are tenants, a group opens one of them. A client without a secret
    signs in too. Who signs out here does so at the provider, where it offers that. Without the settings there is neither button
    nor way in, and whoever was in is out.
    """
    with new_gate(is_serving=False) as gate:
        back = f"http://127.0.0.1:{gate.port}/sign-in/openid/callback"
        home = f"http://127.0.0.1:{gate.port}/"
        with openid_provider(back, secret="", methods=("none",), signed_out_uri=home) as provider:
            gate.settings |= settings_for(gate, provider) | {
                "CALLGATE_DASHBOARD_OIDC_NAME_CLAIM": "preferred_username",
                "CALLGATE_DASHBOARD_OIDC_ROLES_CLAIM": "realm_access.roles",
                "CALLGATE_DASHBOARD_OIDC_TENANTS_CLAIM": "tenant",
                "CALLGATE_DASHBOARD_OIDC_TENANTS": f"first={gate.key}; house=*; second=other",
            }
            start(gate)
            provider.rotate()
            person = {"preferred_username": "eva", "realm_access": {"roles": ["CN=Gate,OU=Groups"]}}
            for tenant, status, shared in (
                ("first", 200, 403),
                (["house", "first"], 200, 200),
                (["first", "second"], 403, 0),
                ("x", 403, 0),
            ):
                provider.person = person | {"tenant": tenant}
                browser = Browser(gate)
                assert (tenant, browser.sign_in().status) == (tenant, status)
                if shared:
                    assert (browser.who(), browser.open("health").status) == ("eva admin", shared)
            provider.person = person | {"tenant": "house"}
            sign_out_there(gate, provider)
            browser = Browser(gate)
            browser.sign_in()
            gate.stop()
            del gate.settings["CALLGATE_DASHBOARD_OIDC_ISSUER"]
            start(gate)
            assert (browser.who(), browser.open("sign-in/openid").status) == ("", 404)
            assert "Sign in at" not in browser.open("").text
            gate.stop()
            gate.settings["CALLGATE_DASHBOARD_OIDC_ISSUER"] = provider.url
        start(gate)  # the provider is gone
        page = Browser(gate).open("sign-in/openid")
        assert (page.status, "does not answer" in page.text, "API token" in page.text) == (503, True, True)


def sign_out_there(gate: Any, provider: OpenIdProvider) -> None:
    """The session here ends, then the one there in which its token was given. Whose token is too long to travel is asked."""
    browser = Browser(gate)
    before = len(provider.sessions)
    browser.sign_in()
    log = browser.open("audit.json").text
    assert "sealed_id_token" in log and "eyJ" not in log
    page = browser.post("sign-out")
    url = leads_to(page)
    assert page.status == 200 and browser.who() == "" and len(provider.sessions) == before + 1
    assert set(parse_qs(urlsplit(url).query)) == {"client_id", "post_logout_redirect_uri", "id_token_hint"}
    back = browser.open(url)
    assert (back.status, back.location) == (302, provider.signed_out_uri)
    assert len(provider.sessions) == before
    provider.person |= {"padding": "x" * 4_000}
    browser.sign_in()
    assert browser.open(leads_to(browser.post("sign-out"))).text == "Do you want to sign out?"
    assert browser.who() == ""
    del provider.person["padding"]


def leads_to(page: Answer) -> str:
    """Where a page leads on to by itself."""
    return unescape(re.search(r'content="0; url=([^"]+)"', page.text)[1])  # type: ignore[index]
