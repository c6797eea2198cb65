"""A scenario file is read whole before anything is played; what came is compared with what was expected."""

from pathlib import Path
from typing import Any

import pytest

from callgate.emulator.scenario_files.judge import judge_account, judge_books, judge_call, judge_records, miss
from callgate.emulator.scenario_files.lines import line_of, lines_of
from callgate.emulator.scenario_files.read import parse_plan, read_plan, shipped, value_at
from callgate.emulator.scenario_files.wording import AccountExpectPart, AnswerPart, ExpectPart
from callgate.emulator.sinch import Ending, Exchange, Verdict
from callgate.errors import Invalid

CALL = '[[call]]\nfrom = "alice"\nto = "+46701740605"\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            'title = "x"\n[[call]\n',
            "s.toml: found Expected ']]' at the end of an array declaration (at line 2, column 7)",
        ),
        (CALL, "s.toml, line 1: found no 'title'"),
        ('title = "x"\n', "s.toml, line 1: found no 'call'"),
        ("title = 7\n" + CALL, "s.toml, line 1, title: found a whole number; expected text"),
        (
            'title = "x"\n' + CALL + 'colour = "red"\n',
            "s.toml, line 5, call[0].colour: found the word 'colour'; expected one of from,",
        ),
        (
            'title = "x"\n[[call]]\nfrom = "alice"\nto = "bob"\n',
            "s.toml, line 4, call[0].to: found 'bob'; expected +NUMBER",
        ),
        ('title = "x"\n[[call]]\nfrom = "alice"\n', "s.toml, line 2, call[0]: found a call without `from` or `to`"),
        ('title = "x"\n' + CALL + 'talk = "soon"\n', "s.toml, line 5, call[0].talk: found 'soon'; expected a duration"),
        (
            'title = "x"\n' + CALL + '[call.expect]\noutcome = "fine"\n',
            "s.toml, line 6, call[0].expect.outcome: found 'fine'",
        ),
        (
            'title = "x"\n' + CALL + "[call.expect]\nfine = 1\n",
            "line 6, call[0].expect.fine: found the word 'fine'; expected one of outcome",
        ),
        (
            'title = "x"\n' + CALL + 'faults = [{ kind = "explode" }]\n',
            "line 5, call[0].faults[0].kind: found Invalid enum value 'explode'",
        ),
        (
            'title = "x"\n' + CALL + 'faults = [{ kind = "lost", call = "c" }]\n',
            "line 5, call[0].faults[0].call: found 'c'",
        ),
        ('title = "x"\n' + CALL + "callout = {}\n", "line 5, call[0].callout: found a callout beside"),
        (
            'title = "x"\n' + CALL + CALL + 'name = "call 1"\n',
            "line 8, call[1].name: found 'call 1'; expected a name that no other",
        ),
        ('title = "x"\n' + CALL + "[[act]]\nat_s = 1\n", "line 5, act[0]: found nothing to do"),
        (
            'title = "x"\n' + CALL + '[[act]]\nat_s = 1\npress = "1"\n',
            "line 5, act[0].call: found ''; expected one of call 1",
        ),
        (
            'title = "x"\n' + CALL + '[[act]]\nat_s = 1\ncall = "call 1"\npress = "a"\n',
            "line 8, act[0].press: found 'a'",
        ),
        ('title = "x"\n' + CALL + '[[act]]\nat_s = 1\nrequest = "GO x"\n', "line 7, act[0].request: found 'GO x'"),
        (
            'title = "x"\n' + CALL + '[[act]]\nat_s = 1\ncall = "call 1"\nreplay = "x"\n',
            "line 8, act[0].replay: found 'x'",
        ),
        ('title = "x"\n[[account]]\nid = "a"\ncredit = "much"\n' + CALL, "line 4, account[0].credit: found 'much'"),
        (
            'title = "x"\n[[account]]\nid = "a"\nstatus = "odd"\n' + CALL,
            "line 4, account[0].status: found 'odd'; expected one of active",
        ),
        ('title = "x"\n' + CALL + '[[expect]]\nid = "a"\n', "line 6, expect[0].id: found 'a'; expected one of none"),
        ('title = "x"\n[[backend]]\nevent = "x"\n' + CALL, "line 3, backend[0].event: found 'x'; expected one of ice"),
        (
            'title = "x"\n[platform.habits]\nodd = 1\n' + CALL,
            "line 3, platform.habits.odd: found the word 'odd'; expected one of is_strict",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, told: str) -> None:
    """Where, what was found, and what would do."""
    with pytest.raises(Invalid) as caught:
        parse_plan(text, "s.toml")
    assert told in str(caught.value)
    assert "; expected " in str(caught.value)


def test_a_file_that_is_not_there_is_told_with_those_that_are(tmp_path: Path) -> None:
    """Also one that is no text."""
    with pytest.raises(Invalid, match="one of another-device-answers"):
        read_plan(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff")
    with pytest.raises(Invalid, match="UTF-8"):
        read_plan(tmp_path / "bytes.toml")


def test_lines_are_those_of_the_last_table_of_an_array() -> None:
    """Tables within arrays count with the element that they stand in; what is not found is where it stands in."""
    text = 'title = "x"\n\n[[call]]\nto = 1\n[call.expect]\nfine = 2\n[[call]]\n"to" = 3\n[[call.faults]]\nkind = 4\n'
    lines = lines_of(text)
    found = {
        path: line_of(path, lines)
        for path in ("call[0].to", "call[0].expect.fine", "call[1].to", "call[1].faults[0].kind")
    }
    assert list(found.values()) == [4, 6, 8, 10]
    assert line_of("call[1].expect.answers[0].event", lines) == 7
    assert line_of("account[0]", lines) == 1


def test_what_is_shipped_can_be_read() -> None:
    """At least 25, each with a title of its own."""
    titles = [read_plan(path).file.title for path in shipped().values()]
    assert len(titles) >= 25
    assert len(set(titles)) == len(titles)


def exchange(event: str, answer: Any, status: int = 200) -> Exchange:
    return Exchange(sent={"event": event, "type": "amd"}, status=status, answer=answer, ms=1.0)


EVENTS = [exchange("ice", {"action": {"name": "hangup", "menus": [{"id": "main"}]}}), exchange("notify", None, 500)]
ENDING = Ending(outcome=Verdict.REFUSED, reason="MANAGERHANGUP", result="FAILED", summary="")


@pytest.mark.parametrize(
    ("expect", "misses"),
    [
        (ExpectPart(), []),
        (ExpectPart(outcome="refused", events=["ice", "amd"], reason="MANAGERHANGUP", result="FAILED"), []),
        (ExpectPart(outcome="answered"), ["c, outcome: expected 'answered', came 'refused'"]),
        (ExpectPart(duration_s=5), ["c, duration_s: expected 5, came None"]),
        (ExpectPart(events=["ice"]), ["c, events: expected ['ice'], came ['ice', 'amd']"]),
        (ExpectPart(answers=[AnswerPart(event="ice", action="hangup", has={"action.menus.0.id": "main"})]), []),
        (
            ExpectPart(answers=[AnswerPart(event="ice", action="continue")]),
            ["c, answer to ice, action: expected 'continue', came 'hangup'"],
        ),
        (
            ExpectPart(answers=[AnswerPart(event="ice", has={"action.x": 1})]),
            ["c, answer to ice, action.x: expected 1, came None"],
        ),
        (ExpectPart(answers=[AnswerPart(event="notify")]), ["c, answer to notify, status: expected 200, came 500"]),
        (ExpectPart(answers=[AnswerPart(event="notify", status=None)]), []),
        (
            ExpectPart(answers=[AnswerPart(event="ice", nth=2)]),
            ["c, answer to ice no. 2: there was none, the event was sent 1 times"],
        ),
    ],
)
def test_a_call_is_judged(expect: ExpectPart, misses: list[str]) -> None:
    """What is not named may be anything; each miss says what was expected and what came."""
    assert judge_call("c", expect, EVENTS, ENDING) == misses


def test_books_records_and_accounts_are_judged() -> None:
    """Amounts by what they are worth."""
    call = {"decision": {"refusal": None}, "charge": "0.0400", "flags": []}
    assert judge_books("c", ExpectPart(charge="0.04", flags=[]), call) == []
    assert judge_books("c", ExpectPart(refusal="no_rate"), call) == ["c, refusal: expected 'no_rate', came 'none'"]
    assert judge_books("c", ExpectPart(charge="1"), None) == ["c: expected charge, but the server knows no such call"]
    assert judge_books("c", ExpectPart(), None) == []
    assert judge_records("c", ExpectPart(record={"charge": "1"}), []) == ["c: expected a record, none was delivered"]
    assert judge_records("c", ExpectPart(record={"charge": "1.0"}, delivered=1), [{"charge": "1"}]) == []
    assert judge_records("c", ExpectPart(delivered=0), [{}]) == ["c, records delivered: expected 0, came 1"]
    wanted = AccountExpectPart(id="a", posted="5", held="0")
    assert judge_account(wanted, {"posted": "5.00", "held": "0.000"}) == []
    assert judge_account(wanted, {"posted": "4.99", "held": "0"}) == ["account a, posted: expected '5', came '4.99'"]
    assert judge_account(wanted, None) == ["account a: the server knows no such account"]
    assert miss("x, name", "1", "1.0") == "x, name: expected '1', came '1.0'"


def test_values_are_found_by_their_path() -> None:
    """Or are none."""
    value = {"a": [{"b": 1}]}
    assert [value_at(path, value) for path in ("a.0.b", "a.1.b", "a.b", "x", "a.0.b.c")] == [1, None, None, None, None]
