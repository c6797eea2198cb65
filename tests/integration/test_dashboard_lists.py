"""Every list of the dashboard: filters in the URL, the same as JSON and CSV at the same path, numbers found by a part of them."""

import csv
import io
import json
import re
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
from desk_visit import APP, RATE, SWEDEN, VAULT, Desk, Visit

from callgate.policy.number_list import ListKind
from callgate.rating.deck_merge import ImportMode
from callgate.service.add_endpoint import add_endpoint
from callgate.service.apply_rules import ApplyRules
from callgate.service.import_deck import import_deck
from callgate.service.number_list import ListKey
from callgate.service.number_lists import change_list, create_list, read_entries
from callgate.service.open_account import OpenAccount
from callgate.service.rented import AddDid, read_did
from callgate.service.signature_fault import SignatureFault

LONDON = "+442079460123"
RULES = """
[[rule]]
name = "no-night"
condition = 'hour < 6'
effect = "refuse"
mode = "binding"

[[rule]]
name = "short"
condition = 'available < 20'
effect = "cap"
seconds = 600
mode = "shadow"
"""


class Listing(NamedTuple):
    """A list: its path, what names an item, those that there are, and what is found by each query. `number` says which queries
    look for a part of a number; None where the list shows none.
    """

    path: str
    named: str
    every: list[str]
    found: dict[str, list[str]]
    number: str | None = None


LISTS = (
    Listing("/live", "call_id", ["up"], {"number=174": ["up"], "account=bob": [], "app=nobody": []}, "number=174"),
    Listing(
        "/calls",
        "call_id",
        ["refused", "over", "up"],
        {"number=174+06": ["over", "up"], "outcome=live": ["up"], "account=bob": ["refused"], "until=1h": []},
        "number=%2B44+20",
    ),
    Listing(
        "/accounts",
        "id",
        ["alice", "bob"],
        {"find=al": ["alice"], "number=70+000": ["bob"], "status=closed": [], "find=a&number=70": []},
        "number=70-000",
    ),
    Listing(
        "/accounts/alice/statement",
        "kind",
        ["charge", "topup"],
        {"kind=charge": ["charge"], "kind=topup": ["topup"], "kind=refund": []},
    ),
    Listing("/rates", "name", ["standard", "wholesale"], {"find=whole": ["wholesale"]}),
    Listing(
        "/rates/decks/standard",
        "prefix",
        ["44", "46", "4670"],
        {"number=46": ["46", "4670"], "number=%2B46+70+174": ["4670"], "number=4920": [], "destination=king": ["44"]},
        "number=46-70",
    ),
    Listing("/lists", "name", ["dear", "friends"], {"kind=allow": ["friends"], "find=ea": ["dear"]}),
    Listing("/lists/dear", "entry", ["+4690*", "+46701740605"], {"number=174": ["+46701740605"]}, "number=74+06"),
    Listing("/rules", "name", ["no-night", "short"], {"mode=shadow": ["short"], "find=hour": ["no-night"]}),
    Listing(
        "/numbers",
        "number",
        ["+46846500400", "+46846500401"],
        {"number=500+401": ["+46846500401"], "account=bob": ["+46846500401"]},
        "number=465-00",
    ),
    Listing(
        "/deliveries",
        "type",
        ["call.ended", "call.ended"],
        {"number=174": ["call.ended", "call.ended"], "number=999": [], "state=parked": [], "endpoint=none": []},
        "number=74+06",
    ),
    Listing(
        "/endpoints", "url", ["https://a.example/h", "https://b.example/h"], {"find=b.ex": ["https://b.example/h"]}
    ),
    Listing("/applications", "key", ["app"], {"find=nobody": [], "status=suspended": []}),
    Listing(
        "/applications/faults",
        "ingredient",
        ["key", "body"],
        {"ingredient=body": ["body"], "key=ours": ["body"], "find=some": ["key"]},
    ),
    Listing(
        "/audit",
        "action",
        ["add_did", "remove_did", "set_account_limits"],
        {
            "kind=did": ["add_did", "remove_did"],
            "number=500+402": ["add_did", "remove_did"],
            "who=nobody": [],
            "number=9999999": [],
        },
        "number=465-00",
    ),
)

NO_FILTERS = {"/figures", "/health"}
"""Lists whose items are sums or findings: they have the other forms, and their own choice of what is shown."""

NO_LISTS = {
    "/", "/accounts/new", "/accounts/{account}", "/applications/doctor", "/applications/{key}", "/calls/{call_id:path}",
    "/deliveries/{delivery}", "/endpoints/new", "/endpoints/{endpoint}", "/lists/{name}", "/live", "/rates/decks/{name}",
    "/rules/backtest", "/sign-in/openid", "/sign-in/openid/callback", "/start", "/static/{name}",
}  # fmt: skip
"""Pages of one thing, forms and streams; and lists whose names stand in their paths, which are in the table."""


async def furnish(desk: Desk) -> None:
    """Something for every list."""
    store, now = desk.store, desk.now
    identities = ("user:bob", "number:+46700000001")
    await store.perform(OpenAccount(application=APP, account="bob", currency="USD", identities=identities))
    for url in ("https://a.example/h", "https://b.example/h"):
        await add_endpoint(store, url, (), allow_private=False, seal=VAULT.seal, resolve=public, now=now)
    await desk.place("over")
    await desk.end("over", 65)
    await desk.place("up")
    await desk.place("refused", user="bob", to=LONDON)
    named = (("46", "Sweden"), ("4670", "Sweden mobile"), ("44", "United Kingdom"))
    rows = [msgspec.structs.replace(RATE, prefix=prefix, destination=name) for prefix, name in named]
    for deck in ("standard", "wholesale"):
        await import_deck(store, deck, "USD", rows, mode=ImportMode.REPLACE, is_dry_run=False, now=now)
    for name, kind, entries in (("dear", ListKind.DENY, ["+4690*", SWEDEN]), ("friends", ListKind.ALLOW, [])):
        await create_list(store, APP, name, kind, None)
        await change_list(store, ListKey(APP, name), added=read_entries(entries, "entries"))
    await store.perform(ApplyRules(application=APP, document=RULES, who="test", now=now))
    for number, account in (("+46846500400", "alice"), ("+46846500401", "bob")):
        await store.perform(AddDid(did=read_did(APP, number, account, to="user:bob")))
    faults = [
        SignatureFault(
            at=now, provider="sinch", application=key, is_known=known, path="/callbacks/sinch", ingredient=ingredient,
            explanation="It differs.",
        )
        for key, known, ingredient in ((APP, True, "body"), ("somebody", False, "key"))
    ]  # fmt: skip
    await store.keep_faults(faults, 10)
    await desk.catalogs.refresh()
    assert (await desk.post("accounts/bob/limits?app=app", {"max_seconds": "900"})).status == 303
    number = {"app": APP, "number": "+46846500402", "account": "bob", "to": "user:bob"}
    assert (await desk.post("numbers", number)).status == 303
    assert (await desk.post("numbers/remove", {"app": APP, "number": "+46846500402"})).status == 303


async def public(_host: str) -> list[str]:
    """An address that anybody may be sent to."""
    return ["93.184.216.34"]


def test_every_list_is_in_the_table(visit: Visit) -> None:
    """Whoever adds a page says here what kind of page it is."""

    async def steps(desk: Desk) -> None:
        assert desk.app is not None
        pages = {route.path for route in desk.app.routes if "GET" in route.methods}
        pages = {re.sub(r":(str|uuid)}", "}", path) for path in pages}
        filed = {path.removesuffix(".json") for path in pages if path.endswith(".json")}
        assert {f"{path}.csv" for path in filed} <= pages
        assert filed - NO_FILTERS - {re.sub("alice", "{account}", each.path) for each in LISTS} == set()
        assert pages - {path for path in pages if path.endswith((".json", ".csv"))} - filed == NO_LISTS - filed

    visit(steps)


def test_lists_are_limited_by_their_urls_and_are_files_too(visit: Visit) -> None:
    """What a page shows, JSON and CSV say at the same path; filters stay in its form, and in the links to its other forms. Where
    numbers are shown, they are found by a part of them, however it is grouped.
    """

    async def steps(desk: Desk) -> None:
        await furnish(desk)
        for listing in LISTS:
            assert sorted(await names_in_json(desk, listing, "")) == sorted(listing.every), listing.path
            for query, expected in listing.found.items():
                found = await names_in_json(desk, listing, query)
                assert sorted(found) == sorted(expected), (listing.path, query)
                assert await names_in_csv(desk, listing, query) == found, (listing.path, query)
                await look_at_page(desk, listing, query)
        searched = [listing for listing in LISTS if listing.number is not None]
        assert len(searched) >= 8
        for listing in searched:
            assert await names_in_json(desk, listing, listing.number or ""), listing.path
            assert not await names_in_json(desk, listing, "number=99999999"), listing.path

    visit(steps, is_open=True)


def test_sums_and_findings_have_other_forms(visit: Visit) -> None:
    """With the same items each."""

    async def steps(desk: Desk) -> None:
        for path in NO_FILTERS:
            assert (await desk.get(path[1:])).status == 200
            items = json.loads(await desk.text(f"{path[1:]}.json"))["items"]
            assert len(items) == len(list(csv.DictReader(io.StringIO(await desk.text(f"{path[1:]}.csv"))))) > 0

    visit(steps, is_open=True)


async def names_in_json(desk: Desk, listing: Listing, query: str) -> list[str]:
    listed: dict[str, Any] = json.loads(await desk.text(f"{listing.path[1:]}.json?{query}"))
    assert set(listed) == {"items", "next"}
    return [item[listing.named] for item in listed["items"]]


async def names_in_csv(desk: Desk, listing: Listing, query: str) -> list[str]:
    reply = await desk.get(f"{listing.path[1:]}.csv?{query}")
    assert reply.headers["content-type"].startswith("text/csv")
    return [row[listing.named] for row in csv.DictReader(io.StringIO(await reply.text()))]


async def look_at_page(desk: Desk, listing: Listing, query: str) -> None:
    """The page has a form with these fields, filled in so, and links to its other forms with this query."""
    path = "" if listing.path == "/live" else listing.path[1:]
    reply = await desk.get(f"{path}?{query}")
    page = await reply.text()
    assert reply.status == 200, (listing.path, query)
    if listing.path == "/live" and not query.startswith("number"):
        return  # the page of calls that are up is limited by a part of anything alone
    links = [found.replace("&amp;", "&") for found in re.findall(r'href="([^"]+)"', page)]
    names = {part.partition("=")[0] for part in query.split("&")}
    for form in ("json", "csv"):
        (link,) = {link for link in links if urlsplit(link).path.endswith(f"/{listing.path.rpartition('/')[2]}.{form}")}
        assert names <= {part.partition("=")[0] for part in urlsplit(link).query.split("&")}, (listing.path, link)
    for name in names - {"app"}:
        assert re.search(rf'<(input|select) [^>]*name="{name}"', page), (listing.path, name)
