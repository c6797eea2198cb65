"""Scenario files are played against our own server, and against any other."""

import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer, unused_port

from callgate.cli.scenario import run
from callgate.emulator.place import opened
from callgate.emulator.scenario_files.read import parse_plan, read_plan, shipped
from callgate.emulator.scenario_files.run import Result, play_plan
from callgate.policy.refusal import Refusal
from callgate.trial import trial_gate


async def play(*files: Path) -> Sequence[Result]:
    async with opened() as session, trial_gate() as gate:
        return [await play_plan(read_plan(file), session, gate) for file in files]


def test_every_shipped_scenario_goes_as_expected() -> None:
    """On one server for all of them, ledger and deliveries included; nothing is left unseen."""
    results = asyncio.run(play(*shipped().values()))
    assert {Path(each.plan.source).stem: each.misses for each in results if each.misses} == {}
    assert [each.unseen for each in results if not each.plan.file.backend and each.unseen] == []


def test_every_refusal_has_its_scenario() -> None:
    """One that is added brings a file `refused-...` along."""
    plans = [read_plan(path) for path in shipped().values()]
    shown = {call.part.expect.refusal for plan in plans for call in plan.calls}
    conflicts = [plan for plan in plans if any("conflict" in (call.part.expect.flags or ()) for call in plan.calls)]
    # A conflict is no decision of its call, which keeps the one that it had.
    assert shown | ({Refusal.CALL_CONFLICT} if conflicts else set()) >= set(Refusal)


WRONG = """
title = "Nothing of this is so"
[[account]]
id = "alice"
credit = "5.00"
[[call]]
name = "talk"
from = "alice"
to = "+46701740605"
[call.expect]
outcome = "busy"
charge = "9.99"
delivered = 0
record = { charge = "9.99" }
[[act]]
at_s = 1
request = "GET /calling/v1/calls/id/nobody"
[[act]]
at_s = 500
call = "talk"
press = "1"
[[expect]]
id = "alice"
posted = "1"
"""


def test_what_is_not_as_expected_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each miss on a line of its own, exit code 1."""
    file = tmp_path / "wrong.toml"
    file.write_text(WRONG, encoding="utf-8")
    assert run(str(file)) == 1
    lines = [
        line.removeprefix("not as expected: ") for line in capsys.readouterr().out.splitlines() if "not as" in line
    ]
    assert len(lines) == 7
    assert lines[0].startswith("GET /calling/v1/calls/id/nobody: answered with 404")
    assert lines[1:] == [
        "at 500 s: the call 'talk' is not up",
        "talk, outcome: expected 'busy', came 'answered'",
        "talk, charge: expected '9.99', came '0.02'",
        "talk, records delivered: expected 0, came 1",
        "talk, record, charge: expected '9.99', came '0.02'",
        "account alice, posted: expected '1', came '4.98'",
    ]


def test_another_server_is_called_without_its_books(capsys: pytest.CaptureFixture[str]) -> None:
    """What nobody could look at is said; with `--json` as one document."""

    async def answer(request: web.Request) -> web.Response:
        event = (await request.json())["event"]
        action = {"ice": {"name": "connectPstn", "number": "+46701740605"}, "ace": {"name": "continue"}}
        return web.json_response({"action": action[event]} if event in action else {})

    async def steps() -> int:
        app = web.Application()
        app.router.add_post("/callbacks", answer)
        async with TestServer(app) as server:
            target = str(server.make_url("/callbacks"))
            return await asyncio.to_thread(run, "app-to-phone", target=target, json=True)

    assert asyncio.run(steps()) == 0
    (shown,) = json.loads(capsys.readouterr().out)
    assert (shown["is_as_expected"], shown["misses"]) == (True, [])
    assert shown["unseen"] == ["the books of call 1", "the records of call 1", "account alice"]
    assert [event["sent"]["event"] for event in shown["calls"][0]["events"]] == ["ice", "ace", "dice"]


def test_a_ladder_is_drawn_of_each_call(capsys: pytest.CaptureFixture[str]) -> None:
    """With the title above, the ending below, and a closing line."""
    assert run("conference") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Two in a conference: one is muted and put out over the REST interface"
    assert sum("DiCE" in line for line in lines) == 2
    assert lines[-1] == "1 played, 1 as expected"


@pytest.mark.parametrize("kind", ["page", "nothing", "mistake", "gate"])
def test_what_cannot_be_played_is_told_in_a_line(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A target that answers a page, one that is not there, a mistake in the file, a word that our server does not know:
    exit code 2.
    """
    file = tmp_path / "file.toml"
    file.write_text('title = "x"\n[gate]\nlimits = ["odd=1"]\n[[call]]\nfrom = "alice"\nto = "+46701740605"\n')

    async def show_page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>Hello</title>", content_type="text/html")

    async def steps() -> int:
        app = web.Application()
        app.router.add_post("/page", show_page)
        async with TestServer(app) as server:
            match kind:
                case "page":
                    return await asyncio.to_thread(run, str(file), target=str(server.make_url("/page")))
                case "nothing":
                    return await asyncio.to_thread(run, str(file), target=f"http://127.0.0.1:{unused_port()}/")
                case "mistake":
                    return await asyncio.to_thread(run, str(tmp_path / "none.toml"))
                case _:
                    return await asyncio.to_thread(run, str(file))

    assert asyncio.run(steps()) == 2
    shown = capsys.readouterr()
    assert len(shown.err.splitlines()) == 1
    expected = {"page": "'Hello'", "nothing": "nothing answers", "mistake": "none.toml", "gate": "odd"}[kind]
    assert expected in shown.err and "Traceback" not in shown.err


def test_a_scenario_is_repeatable() -> None:
    """The same file gives the same ids at the same times."""
    text = (
        'title = "x"\n[platform]\nseed = 3\n[[backend]]\nevent = "ice"\nsvaml = { action = { name = "hangup" } }\n'
        '[[call]]\nfrom = "alice"\nto = "+46701740605"\n[[call]]\nat_s = 3600\nfrom = "bob"\nto = "+46701740605"\n'
    )

    async def ids() -> list[str]:
        async with opened() as session:
            result = await play_plan(parse_plan(text, "x"), session, None)  # type: ignore[arg-type]
            assert result.calls[1].live.call.at - result.calls[0].live.call.at == timedelta(hours=1)
            return [call.live.call.call_id for call in result.calls]

    assert asyncio.run(ids()) == asyncio.run(ids())
