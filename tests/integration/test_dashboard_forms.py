"""Every form of the dashboard with bad input: the field is marked, what was typed stays, and a sentence says what would do."""

import re
from typing import NamedTuple
from urllib.parse import quote

from aiohttp import ClientResponse, FormData
from desk_visit import APP, VAULT, Desk, Visit
from html_page import HtmlPage

from callgate.policy.number_list import ListKind
from callgate.service.add_endpoint import Wanted, add_endpoint
from callgate.service.endpoint import EMAIL
from callgate.service.number_lists import create_list


class Bad(NamedTuple):
    """A form as somebody fills it in, which field will not do, and what the sentence beside it says. `where` is the part of the
    page's address at which the form is sent.
    """

    where: str
    form: dict[str, str]
    field: str
    said: str = "What would"
    status: int = 422


def whole(form: dict[str, str], **wrong: str) -> dict[str, str]:
    """A form that would do, but for these fields."""
    return form | wrong


ACCOUNT = {
    "app": APP,
    "id": "carol",
    "currency": "USD",
    "credit_limit": "0",
    "deck": "standard",
    "identities": "user:carol",
}
TOP_UP = {"amount": "5.00", "why": "invoice 7", "reference": "inv-7"}
ADJUST = {"amount": "-1.50", "why": "sorry", "reference": "adj-7"}
APPLICATION = {"provider": "sinch", "key": "another", "secret": "c2VjcmV0", "name": "the other"}
NUMBER = {"app": APP, "number": "+46846500400", "account": "alice", "to": "user:bob", "menu": "", "receive": "0.01"}
ENDPOINT = {"kind": "webhook", "url": "https://hook.example/x", "per_s": "5", "applications": APP, "accounts": "alice"}
TRIED = {"app": APP, "since": "7d", "most": "2000", "rules": "on", "document": "", "list_kind": "deny"}
DECK = {
    "deck": "standard",
    "mode": "replace",
    "currency": "USD",
    "rows": "prefix,destination,rate_per_min\n46,Sweden,0.02\n",
}

BAD = (
    Bad("accounts/new", whole(ACCOUNT, id="no such id!"), "id"),
    Bad("accounts/new", whole(ACCOUNT, id=""), "id"),
    Bad("accounts/new", whole(ACCOUNT, id="alice"), "id", "choose another"),
    Bad("accounts/new", whole(ACCOUNT, credit_limit="much"), "credit_limit"),
    Bad("accounts/new", whole(ACCOUNT, identities="carol"), "identities"),
    Bad("accounts/alice/top-up?app=app", whole(TOP_UP, amount="much"), "amount"),
    Bad("accounts/alice/top-up?app=app", whole(TOP_UP, amount=""), "amount"),
    Bad("accounts/alice/top-up?app=app", whole(TOP_UP, amount="-5"), "amount"),
    Bad("accounts/alice/top-up?app=app", whole(TOP_UP, reference="x" * 999), "reference"),
    Bad("accounts/alice/top-up?app=app", whole(TOP_UP, why="x" * 9_999), "why"),
    Bad("accounts/alice/adjust?app=app", whole(ADJUST, amount="much"), "amount"),
    Bad("accounts/alice/adjust?app=app", whole(ADJUST, why=""), "why"),
    Bad("accounts/alice/adjust?app=app", whole(ADJUST, amount="-999"), "amount", "at most 1.00 USD is possible"),
    Bad("accounts/alice/settings?app=app", {"credit_limit": "much"}, "credit_limit"),
    Bad("accounts/alice/settings?app=app", {"credit_limit": "1", "hours": "always"}, "hours"),
    Bad("accounts/alice/settings?app=app", {"timezone": "Stockholm"}, "timezone"),
    Bad("accounts/alice/settings?app=app", {"holidays": "Christmas"}, "holidays"),
    Bad("accounts/alice/settings?app=app", {"caller_id": "show"}, "caller_id"),
    Bad("accounts/alice/settings?app=app", {"caller_ids": "mine"}, "caller_ids"),
    Bad("accounts/alice/limits?app=app", {"max_seconds": "0"}, "max_seconds"),
    Bad("accounts/alice/limits?app=app", {"countries": "Sweden", "concurrent_calls": "3"}, "countries"),
    Bad("accounts/alice/limits?app=app", {"spend_per_day": "much"}, "spend_per_day"),
    Bad("applications", whole(APPLICATION, key=""), "key"),
    Bad("applications", whole(APPLICATION, key=APP), "key", "choose another"),
    Bad("applications", whole(APPLICATION, secret="not base64!"), "secret"),
    Bad("applications/app/secret", {"secret": "not base64!", "hours": "168"}, "secret"),
    Bad("applications/app/secret", {"secret": "c2VjcmV0", "hours": "24"}, "secret", "give the new one"),
    Bad("applications/app/callbacks", {"primary": "gate", "fallback": ""}, "primary"),
    Bad("applications/app/callbacks", {"primary": "https://gate.example/x", "fallback": "gate"}, "fallback"),
    Bad("applications/app/settings", {"locale": "Swedish"}, "locale"),
    Bad("applications/app/settings", {"low_balance": "little"}, "low_balance"),
    Bad("applications/app/texts", {"refusal": "no_rate", "locale": "Swedish", "text": "Nej."}, "locale"),
    Bad("applications/app/texts", {"refusal": "no_rate", "locale": "", "text": "x" * 2_000}, "text"),
    Bad("applications/app/limits", {"max_seconds": "0"}, "max_seconds"),
    Bad("applications/doctor", {"request": "hello", "path": "/callbacks/sinch"}, "request"),
    Bad("rules/backtest", whole(TRIED, since="yesterday", document='time_zone = "UTC"'), "since"),
    Bad("rules/backtest", whole(TRIED, document="[[rule]]\nname = 5\n"), "document", "expected"),
    Bad("rules/backtest", whole(TRIED, rules=""), "document"),
    Bad("rules/backtest", whole(TRIED, rules="", entries="abc", list="tried"), "entries", "expected a number such as"),
    Bad("rules/backtest", whole(TRIED, rules="", rows="46"), "deck"),
    Bad("rules", {"app": APP, "base": "0", "document": "[[rule]]\nname = 5\n"}, "document", "expected"),
    Bad(
        "rates/check", whole(DECK, rows="prefix,destination,rate_per_min\nx,Sweden,y\n"), "rows", "nothing was changed"
    ),
    Bad("rates/check", whole(DECK, rows=""), "rows", "expected"),
    Bad("rates/check", whole(DECK, deck="no such deck!"), "deck"),
    Bad("rates/check", whole(DECK, currency="crowns"), "currency"),
    Bad("rates/check", whole(DECK, supplier="no such name!"), "supplier"),
    Bad("rates/read", {"supplier": "no such name!"}, "supplier"),
    Bad("rates/read", {"currency": "crowns", "increments": "60/60"}, "currency"),
    Bad("rates/read", {"increments": "sometimes"}, "increments"),
    Bad("rates/read", {"tz": "Stockholm"}, "tz"),
    Bad("rates/read", {"effective": "soon"}, "effective"),
    Bad("rates/read", {"deck": "no such deck!"}, "deck"),
    Bad("deliveries/recover", {"since": "long ago"}, "since"),
    Bad("endpoints/new", whole(ENDPOINT, url="hook"), "url"),
    Bad("endpoints/new", whole(ENDPOINT, url=""), "url"),
    Bad("endpoints/new", whole(ENDPOINT, per_s="fast"), "per_s"),
    Bad("endpoints/new", {"kind": "email", "url": "nobody"}, "url"),
    Bad("endpoints/new", {"kind": "pipedrive", "url": "", "token": "", "options": "contact=caller"}, "token"),
    Bad("endpoints/new", {"kind": "pipedrive", "url": "", "token": "t", "options": "caller"}, "options"),
    Bad("endpoints/WEBHOOK", {"url": "hook", "per_s": "5", "accounts": "alice"}, "url"),
    Bad("endpoints/WEBHOOK", {"url": "https://hook.example/x", "per_s": "fast"}, "per_s"),
    Bad("endpoints/EMAIL", {"url": "nobody"}, "url"),
    Bad("endpoints/CRM/rotate", {"token": ""}, "token"),
    Bad("endpoints/WEBHOOK/remove", {"confirm": "yes"}, "confirm"),
    Bad("lists", {"app": APP, "name": "no such name!", "kind": "allow", "account": "alice"}, "name"),
    Bad("lists", {"app": APP, "name": "dear", "kind": "deny", "account": ""}, "name", "already"),
    Bad(
        "lists",
        {"app": APP, "name": "calm", "kind": "deny", "account": "nobody"},
        "account",
        "open it first, or name another",
    ),
    Bad("lists/dear/add?app=app", {"entries": "+46701740605\nabc"}, "entries", "expected a number such as"),
    Bad("numbers", whole(NUMBER, number="12"), "number"),
    Bad("numbers", whole(NUMBER, number=""), "number"),
    Bad("numbers", whole(NUMBER, account="nobody"), "account", "open it first, or name another"),
    Bad("numbers", whole(NUMBER, account=""), "account"),
    Bad("numbers", whole(NUMBER, to="bob"), "to"),
    Bad("numbers", whole(NUMBER, to=""), "to"),
    Bad("numbers", whole(NUMBER, to="", menu="[[menu]]\nid = 5\n"), "menu"),
    Bad("numbers", whole(NUMBER, receive="much"), "receive"),
    Bad("numbers", whole(NUMBER, receive="0.01EUR"), "receive", "in USD"),
    Bad("sign-in", {"token": "cg_wrong"}, "token", "callgate init", 401),
    Bad("sign-in", {"name": "nobody", "password": "wrong", "code": ""}, "password", "not right", 401),
    Bad("GET calls", {"since": "yesterday", "number": "46"}, "since"),
    Bad("GET calls", {"until": "tomorrow", "account": "alice"}, "until"),
    Bad("GET rates", {"destination": "Sweden", "seconds": "60"}, "destination"),
    Bad("GET rates", {"destination": "+46701740605", "seconds": "long"}, "seconds"),
    Bad("GET rates", {"destination": "+46701740605", "account": "nobody"}, "account", "open it first, or name another"),
)

SECRETS = frozenset({"secret", "token", "password", "code"})
"""Fields whose values never come back."""

BUTTONS = {
    "/accounts/{account}/status", "/applications/{key}/status", "/deliveries/{delivery}/resend", "/endpoints/{endpoint}/state",
    "/endpoints/{endpoint}/test", "/hang-up", "/lists/{name}/drop", "/lists/{name}/remove", "/numbers/remove", "/rates/apply",
    "/rates/forget", "/rules/mode", "/sign-out",
}  # fmt: skip
"""Forms in which nothing is typed: what cannot be done is said at the top of the page."""


def test_every_form_is_in_the_table(visit: Visit) -> None:
    """Whoever adds a form says here what is bad input to it, or that nothing is typed in it."""

    async def steps(desk: Desk) -> None:
        assert desk.app is not None
        routes = {re.sub(r":str}", "}", route.path) for route in desk.app.routes if "POST" in route.methods}
        routes = {path.removesuffix(".json").removesuffix(".csv") for path in routes}
        sent = {bad.where.partition("?")[0] for bad in BAD if not bad.where.startswith("GET ")}
        kinds = (
            ("accounts/alice", "accounts/{account}"),
            ("applications/app", "applications/{key}"),
            ("lists/dear", "lists/{name}"),
        )
        for known, kind in (
            *kinds,
            *((f"endpoints/{each}", "endpoints/{endpoint}") for each in ("WEBHOOK", "EMAIL", "CRM")),
        ):
            sent = {path.replace(known, kind) for path in sent}
        assert {f"/{path}" for path in sent} | BUTTONS == routes

    visit(steps, is_open=True)


def test_bad_input_is_marked_and_stays(visit: Visit) -> None:
    """In every form, one fault at a time."""

    async def steps(desk: Desk) -> None:
        places, token = await furnish(desk), await desk.form_token()
        faults = [fault for bad in BAD if (fault := fault_of(bad, *await send(desk, bad, places, token)))]
        assert not faults, "\n".join(faults)

    visit(steps, is_open=True)


def fault_of(bad: Bad, status: int, page: HtmlPage) -> str:
    """What is not as it should be with a page that answers bad input; empty where all is well."""
    marked = [field for field in page.fields if field.is_marked and not field.is_hidden]
    if status != bad.status or [field.name for field in marked] != [bad.field]:
        return f"{bad.where}, {bad.field}: {status}, marked are {[field.name for field in marked]}"
    said = " ".join(
        page.texts[each] for each in marked[0].described_by if each.startswith("fault") or each.endswith("fault")
    )
    if bad.said not in said or not said.strip().endswith("."):
        return f"{bad.where}, {bad.field}: it says {said!r}"
    for name, typed in bad.form.items():
        stands = [field.value for field in page.named(name) if field.form == marked[0].form or field.is_hidden]
        if (name in SECRETS and typed and typed in stands) or (name not in SECRETS and stands and typed not in stands):
            return f"{bad.where}, {bad.field}: of {name}, {typed!r}, there is {stands}"
    return ""


async def furnish(desk: Desk) -> dict[str, str]:
    """Something to send forms about; the ids of endpoints by the words that stand for them in the table."""
    await create_list(desk.store, APP, "dear", ListKind.DENY, None)
    places = {}
    wanted = {
        "WEBHOOK": ("https://a.example/h", Wanted()),
        "EMAIL": ("mailto:desk@example.com", Wanted(kind=EMAIL)),
        "CRM": ("https://api.pipedrive.com", Wanted(kind="pipedrive", secret="t")),
    }
    for word, (url, what) in wanted.items():
        endpoint, _ = await add_endpoint(
            desk.store, url, (), wanted=what, allow_private=False, seal=VAULT.seal, resolve=public, now=desk.now
        )
        places[word] = endpoint.id
    await desk.catalogs.refresh()
    return places


async def public(_host: str) -> list[str]:
    """An address that anybody may be sent to."""
    return ["93.184.216.34"]


async def send(desk: Desk, bad: Bad, places: dict[str, str], token: str) -> tuple[int, HtmlPage]:
    """Send a form as its page does, and return the status and the page that answer."""
    where = bad.where
    for word, named in places.items():
        where = where.replace(word, named)
    if where.startswith("GET "):
        asked = "&".join(f"{name}={quote(value)}" for name, value in bad.form.items())
        reply = await desk.get(f"{where.removeprefix('GET ')}?{asked}")
    elif where == "rates/check":
        reply = await upload(desk, bad.form, token)
    elif where == "rates/read":
        read = HtmlPage(await (await upload(desk, DECK, token)).text())
        known = {field.name: field.value for field in read.fields if field.form.endswith("rates/read")}
        reply = await post(desk, where, known | bad.form, token)
    else:
        reply = await post(desk, where, bad.form, token)
    return reply.status, HtmlPage(await reply.text())


async def post(desk: Desk, where: str, form: dict[str, str], token: str) -> ClientResponse:
    """With a token that was taken from a page before: one is good for as long as its session."""
    return await desk.browser.post(desk.url + where, data=form | {"form_token": token}, allow_redirects=False)


async def upload(desk: Desk, form: dict[str, str], token: str) -> ClientResponse:
    """A form that may carry a file, here without one."""
    data = FormData()
    for name, value in {**form, "form_token": token}.items():
        data.add_field(name, value, content_type="text/plain")
    return await desk.browser.post(f"{desk.url}rates/check", data=data, allow_redirects=False)
