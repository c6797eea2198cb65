"""Files with faults among much that is well: all faults in one report, each with its place, and nothing is applied."""

import asyncio
from pathlib import Path

import pytest
from api_client import api
from tests.support.commands import run_here

HEADER = "prefix,destination,rate_per_min,connect_fee,first_s,next_s,effective_from\n"
BROKEN = {
    17: "4670x,Sweden,0.02,0,60,60,\n", 1_003: "46701,Sweden,cheap,0,60,60,\n", 9_999: "46702,Sweden,0.02,-1,60,60,\n",
    20_000: "46703,Sweden,0.02,0,0,60,\n", 31_415: "46704,Sweden,0.02,0,60,sixty,\n",
    50_000: "46705,Sweden,0.02,0,60,60,23/11/2026\n", 65_537: "46706,Sweden,0.02,0,60,60\n",
    77_777: "46707,Sweden,0.02,0,60,60,,extra\n", 88_888: ",Sweden,0.02,0,60,60,\n", 99_990: "46708,Sweden,,0,60,60,soon\n",
}  # fmt: skip


def a_deck() -> bytes:
    """A hundred thousand rows, ten of them broken."""
    rows = (BROKEN.get(line, f"{10**8 + line},Somewhere,0.02,0,60,60,\n") for line in range(2, 100_002))
    return (HEADER + "".join(rows)).encode()


def test_ten_broken_lines_among_a_hundred_thousand() -> None:
    """Each is named by line and column; the deck in force stays as it was. A dry run says the same."""

    async def scenario() -> None:
        async with api() as (ask, store):
            good = (HEADER + "46,Sweden,0.02,0,60,60,\n").encode()
            assert (await ask("PUT", "/api/v1/decks/standard?currency=USD", content=good)).status_code == 200
            before = list(await store.deck_heads())
            told = await ask("PUT", "/api/v1/decks/standard?currency=USD", content=a_deck())
            dry = await ask("PUT", "/api/v1/decks/standard?currency=USD&dry_run=true", content=a_deck())
            assert (told.status_code, dry.status_code, told.json()["errors"]) == (422, 200, dry.json()["errors"])
            assert [fault["line"] for fault in told.json()["errors"]] == sorted(BROKEN)
            assert [fault["column"] for fault in told.json()["errors"]] == [
                "prefix", "rate_per_min", "connect_fee", "first_s", "next_s", "effective_from", "", "", "prefix",
                "effective_from",
            ]  # fmt: skip
            assert list(await store.deck_heads()) == before

    asyncio.run(scenario())


def test_a_list_with_words_in_it() -> None:
    """By entry in the API; the list stays as it was."""

    async def scenario() -> None:
        async with api() as (ask, _):
            good = {"kind": "deny", "entries": ["+46701740605"]}
            assert (await ask("PUT", "/api/v1/lists/hot", json=good)).status_code == 200
            bad = {"kind": "deny", "entries": ["+46701740606", "spam", "+4670*", "46", "+46 70 174 06 07"]}
            refused = await ask("PUT", "/api/v1/lists/hot", json=bad)
            assert (refused.status_code, [fault["field"] for fault in refused.json()["errors"]]) == (
                400, ["entry 2", "entry 4"]
            )  # fmt: skip
            assert (await ask("GET", "/api/v1/lists/hot")).json()["entries"] == ["+46701740605"]

    asyncio.run(scenario())


def test_rules_and_lists_with_faults_by_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every fault of a file in one report; a misspelt fact is told which ones there are; nothing is in force after."""
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str]:
        code, out, err = run_here(capsys, words)
        return code, out + err

    for words in (("init",), ("app", "add", "KEY", "c2VjcmV0"), ("list", "create", "hot", "--kind", "deny")):
        assert run(*words)[0] == 0
    rule = '[[rule]]\nname = "{}"\ncondition = \'{}\'\neffect = "refuse"\n'
    Path("bad.toml").write_text(rule.format("a", "contry == 'SE'".replace("'", '"')) + rule.format("b", 'hour > "x"'))
    code, said = run("rules", "apply", "bad.toml")
    assert (code, "line 3" in said, "country?" in said, "line 7" in said) == (1, True, True, True), said
    assert "has no rules" in run("rules", "show")[1]
    Path("hot.txt").write_text("+46701740605\n# fine\nspam\n+4690*\n12\n")
    code, said = run("list", "import", "hot", "hot.txt")
    assert (code, "line 3" in said, "line 5" in said, "line 1" in said) == (1, True, True, False), said
    assert run("list", "show", "hot") == (0, "")
