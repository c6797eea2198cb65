"""Rate decks through the API: what a file would change, what it did, what is wrong with it."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from litestar.testing import AsyncTestClient

from callgate.http.api.app import build_api
from callgate.http.api.desk import Desk
from callgate.platform.platforms import platforms
from callgate.service import import_alone
from callgate.service.add_application import AddApplication
from callgate.service.catalog import Catalogs
from callgate.service.issue_token import issue_token
from callgate.service.token import Role
from callgate.storage.sqlite import MEMORY, SqliteStore
from callgate.vault import Vault, new_key

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HEADER = "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from"
CARRIER = "Dst Code,Rate (USD),Billing Increment\n46,0.02,60/60\n4670,0.03,60/1\n"


@asynccontextmanager
async def api() -> AsyncIterator[Any]:
    """An API without decks, and a way to ask it."""
    store = SqliteStore(MEMORY)
    await store.migrate()
    await store.open()
    vault = Vault(new_key())
    await store.perform(
        AddApplication(provider="sinch", key="APP", secret="c2VjcmV0", name="", seal=vault.seal, now=NOW)
    )
    catalogs = Catalogs(store, vault.unseal)
    token = await issue_token(store, "test", Role.ADMIN, NOW)
    async with (
        platforms(lambda _: None, lambda: NOW) as platform,
        AsyncTestClient(build_api(Desk(store, catalogs, platform, lambda: NOW))) as client,
    ):

        async def ask(method: str, path: str, content: str | bytes = b"", **query: Any) -> Any:
            headers = {"authorization": f"Bearer {token}"}
            reply = await client.request(method, f"/api/v1{path}", headers=headers, content=content, params=query)
            await catalogs.refresh()
            return reply.status_code, reply.json() if reply.content else None

        yield ask
    await store.close()


def test_a_dry_run_says_what_a_file_would_change_and_changes_nothing() -> None:
    """How it is read, what calls cost then, and by how much prices change."""

    async def scenario() -> None:
        async with api() as ask:
            status, report = await ask("PUT", "/decks/standard", CARRIER, dry_run=True)
            assert status == 200
            assert {name: report[name] for name in ("added", "removed", "dearer", "cheaper", "unchanged", "errors")} == {
                "added": 2, "removed": 0, "dearer": 0, "cheaper": 0, "unchanged": 0, "errors": [],
            }  # fmt: skip
            assert [(each["column"], each["field"]) for each in report["mapping"]["columns"]] == [
                ("Dst Code", "prefix"), ("Rate (USD)", "rate_per_min"), ("Billing Increment", "increments"),
            ]  # fmt: skip
            assert [price["charge_61_s"] for price in report["preview"]] == ["0.04", "0.0305"]
            assert (await ask("GET", "/decks"))[1] == {"items": [], "next": None}
            assert (await ask("GET", "/decks/standard"))[0] == 404

    asyncio.run(scenario())


def test_a_file_becomes_the_deck() -> None:
    """Gzipped or not; the list says from which file and by whom, a quote which row, and rows their lines."""

    async def scenario() -> None:
        async with api() as ask:
            status, report = await ask("PUT", "/decks/standard", gzip.compress(CARRIER.encode()), file="carrier.csv")
            assert (status, report["added"], report["dry_run"]) == (200, 2, False)
            (deck,) = (await ask("GET", "/decks"))[1]["items"]
            assert (deck["rows"], deck["file"], deck["imported_by"], deck["currency"]) == (
                2,
                "carrier.csv",
                "test",
                "USD",
            )
            quote = (await ask("GET", "/quote", destination="+46701740605", seconds=61))[1]
            assert (quote["prefix"], quote["rate_per_minute"], quote["charge"]) == ("4670", "0.03", "0.0305")
            first = (await ask("GET", "/decks/standard/rates", limit=1))[1]
            (second,) = (await ask("GET", "/decks/standard/rates", cursor=first["next"]))[1]["items"]
            assert [(each["prefix"], each["file"], each["line"]) for each in (*first["items"], second)] == [
                ("46", "carrier.csv", 2), ("4670", "carrier.csv", 3),
            ]  # fmt: skip
            found = (await ask("GET", "/decks/standard/rates", prefix="467"))[1]["items"]
            assert [each["increments"] for each in found] == ["60/1"]
            dearer = CARRIER.replace("0.02", "0.025")
            report = (await ask("PUT", "/decks/standard", dearer, mode="merge"))[1]
            assert (report["dearer"], report["unchanged"], report["dearer_by"]) == (1, 1, "0.005")
            (change,) = report["largest"]
            assert (change["prefix"], change["by"], change["percent"]) == ("46", "0.005", "+25.0")

    asyncio.run(scenario())


@pytest.mark.parametrize("dry_run", [True, False])
def test_a_faulty_file_changes_nothing(dry_run: bool) -> None:  # noqa: FBT001 - both ways
    """Every fault of it with line and column; a real import of it is an error."""

    async def scenario() -> None:
        async with api() as ask:
            file = f"{HEADER}\n46,Sweden,0.01x,0,1,1,\n4670,,0.02,0,60,0,\n"
            status, report = await ask("PUT", "/decks/standard", file, dry_run=dry_run)
            assert status == (200 if dry_run else 422)
            assert [(each["line"], each["column"], each["found"]) for each in report["errors"]] == [
                (2, "rate_per_min", "'0.01x'"), (3, "next_s", "'0'"),
            ]  # fmt: skip
            assert all(each["expected"] for each in report["errors"])
            assert report["added"] == 0
            assert (await ask("GET", "/decks/standard"))[0] == 404

    asyncio.run(scenario())


def test_a_question_is_answered_in_the_query() -> None:
    """What a file leaves open is asked once, and never guessed."""

    async def scenario() -> None:
        async with api() as ask:
            file = CARRIER.replace("60/60", "1/60")
            (fault,) = (await ask("PUT", "/decks/standard", file))[1]["errors"]
            assert (fault["line"], fault["column"], fault["found"]) == (2, "Billing Increment", "'1/60'")
            assert "increment-order first-next" in fault["expected"]
            status, report = await ask(
                "PUT", "/decks/standard", file, increment_order="first-next", map="rate_per_min=Rate (USD)"
            )
            assert (status, report["preview"][0]["increments"]) == (200, "1/60")
            assert (await ask("PUT", "/decks/standard", file, map="rate_per_min=Price"))[0] == 400
            assert (await ask("PUT", "/decks/standard", file, map="colour=Price"))[0] == 400
            assert (await ask("PUT", "/decks/standard", file, increment_order="any"))[0] == 400
            assert (await ask("PUT", "/decks/none", CARRIER))[0] == 400

    asyncio.run(scenario())


def test_an_answer_is_remembered_for_the_suppliers_next_file() -> None:
    """Of an import, not of a dry run; it is said where from, can be overridden and forgotten, and is no other supplier's."""

    async def scenario() -> None:
        async with api() as ask:
            file = CARRIER.replace("60/60", "1/60")
            said = {"increment_order": "next-first", "ignore": "Note", "supplier": "acme"}
            noted = file.replace("Increment\n", "Increment,Note\n").replace("1/60\n", "1/60,Blocked\n")
            assert (await ask("PUT", "/decks/a", noted, dry_run=True, **said))[0] == 200
            assert (await ask("PUT", "/decks/a", noted, supplier="acme"))[0] == 422
            assert (await ask("PUT", "/decks/a", noted, **said, allow_free="true"))[1]["recalled"] is None
            status, report = await ask(
                "PUT", "/decks/b", noted.replace("0.02", "0.04"), supplier="acme", file="dec.csv"
            )
            assert (status, report["preview"][0]["charge_1_s"], report["blocked"]) == (200, "0.04", 0)
            assert (report["recalled"]["supplier"], report["recalled"]["file"], report["recalled"]["said"]) == (
                "acme", "a.csv", ["--increment-order next-first", '--ignore "Note"'],
            )  # fmt: skip
            for query in ({}, {"supplier": "other"}, {"supplier": "acme", "afresh": True}):
                assert (await ask("PUT", "/decks/b", noted, **query))[0] == 422
            assert (await ask("PUT", "/decks/b", noted, supplier="two words"))[0] == 400
            turned = {"supplier": "acme", "increment_order": "first-next", "map": "comment=Note"}
            status, report = await ask("PUT", "/decks/b", noted, **turned, dry_run=True)
            assert (report["preview"][0]["increments"], report["blocked"]) == ("60/1", 1)
            assert (await ask("GET", "/supplier-mappings", supplier="other"))[1]["items"] == []
            (mapping,) = (await ask("GET", "/supplier-mappings"))[1]["items"]
            assert (mapping["file"], mapping["remembered_by"], mapping["header"][-1]) == ("dec.csv", "test", "Note")
            path = f"/supplier-mappings/{mapping['id']}"
            assert (await ask("GET", "/audit", kind="supplier_mapping"))[1]["items"][0]["subject"] == mapping["id"]
            assert (await ask("DELETE", path))[0] == 204
            assert (await ask("DELETE", path))[0] == 404
            assert (await ask("PUT", "/decks/b", noted, supplier="acme"))[0] == 422

    asyncio.run(scenario())


def test_a_remembered_currency_prices_the_next_file_too() -> None:
    """Where that says none itself."""

    async def scenario() -> None:
        async with api() as ask:
            file = CARRIER.replace(" (USD)", "")
            assert (await ask("PUT", "/decks/a", file, currency="EUR"))[1]["currency"] == "EUR"
            assert (await ask("PUT", "/decks/a", file))[1]["currency"] == "EUR"
            assert (await ask("PUT", "/decks/a", file, afresh=True, dry_run=True))[1]["currency"] == "USD"

    asyncio.run(scenario())


def test_a_large_file_is_read_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same answers, and the same errors."""
    monkeypatch.setattr(import_alone, "ALONE_FROM_BYTES", 1)

    async def scenario() -> None:
        async with api() as ask:
            assert (await ask("PUT", "/decks/standard", CARRIER))[1]["added"] == 2
            status, report = await ask("PUT", "/decks/standard", "code,colour\n46,blue\n")
            assert (status, len(report["errors"])) == (422, 1)
            status, problem = await ask("PUT", "/decks/standard", CARRIER, currency="EUR")
            assert (status, problem["type"].rpartition("/")[2]) == (400, "invalid")

    asyncio.run(scenario())
