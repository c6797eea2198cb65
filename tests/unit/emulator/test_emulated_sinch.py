"""A scenario is played as the platform plays a call: events in order, answers obeyed, the right end."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from callgate.emulator.scenario import Outcome, Scenario, Side, parse_callee, parse_caller
from callgate.emulator.sinch import CUT_AT_ANSWER_S, Ending, Exchange, Tell, Verdict, play

STARTED_AT = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
KEY = "ca119a7e-0000-4000-8000-00000000de00"
CONNECT = {"action": {"name": "connectPstn", "number": "+46701740605", "maxDuration": 180}}
CONTINUE = {"action": {"name": "continue"}}
HANGUP = {"action": {"name": "hangup"}}


def connect(**properties: Any) -> dict[str, Any]:
    return {"action": {"name": "connectPstn", "number": "+46701740605", **properties}}


def scenario(caller: str = "alice", callee: str = "+46701740605", **words: Any) -> Scenario:
    return Scenario(caller=parse_caller(caller), callee=parse_callee(callee), **words)


def perform(
    scenario: Scenario, answers: dict[str, Any], *, statuses: dict[str, int | None] | None = None
) -> tuple[list[dict[str, Any]], Ending]:
    """Play a call against fixed answers, one an event; events without one get an empty object."""
    script = play(scenario, call_id="c1", application_key=KEY, started_at=STARTED_AT)
    told: list[dict[str, Any]] = []
    came: Exchange | None = None
    while True:
        try:
            step = script.send(came)
        except StopIteration as end:
            return told, end.value
        came = None
        if isinstance(step, Tell):
            event = step.body["event"]
            told.append(dict(step.body))
            status = (statuses or {}).get(event, 200)
            came = Exchange(
                sent=step.body,
                status=status,
                answer=answers.get(event, {}),
                ms=1.0,
                fault="no answer within 5 s" if status is None else None,
            )


def names(told: list[dict[str, Any]]) -> list[str]:
    return [body["event"] for body in told]


def test_an_answered_call_is_told_from_ice_to_dice() -> None:
    """Three events of one call id, each at its moment of the call's own time."""
    told, ending = perform(scenario(talk_s=65), {"ice": CONNECT, "ace": CONTINUE})
    assert names(told) == ["ice", "ace", "dice"]
    assert {body["callid"] for body in told} == {"c1"}
    assert [body["timestamp"] for body in told] == [
        "2026-07-01T12:00:00Z",
        "2026-07-01T12:00:03Z",
        "2026-07-01T12:01:08Z",
    ]
    assert ending == Ending(
        outcome=Verdict.ANSWERED,
        reason="CALLERHANGUP",
        result="ANSWERED",
        summary="connected for 65 s of at most 180 s, CALLERHANGUP",
        duration_s=65,
        granted_s=180,
    )


def test_the_ice_of_an_in_app_call_has_every_field() -> None:
    """The user is named, and shows no number."""
    told, _ = perform(scenario(), {"ice": HANGUP})
    assert told[0] == {
        "event": "ice",
        "callid": "c1",
        "callResourceUrl": "https://calling-euc1.api.sinch.com/calling/v1/calls/id/c1",
        "timestamp": "2026-07-01T12:00:00Z",
        "version": 1,
        "custom": "",
        "applicationKey": KEY,
        "user": "alice",
        "userRate": {"currencyId": "USD", "amount": Decimal("0.01")},
        "cli": "private",
        "to": {"type": "number", "endpoint": "+46701740605"},
        "domain": "pstn",
        "originationType": "MXP",
        "duration": 0,
        "rdnis": "",
    }


def test_the_ice_of_a_phone_names_no_user() -> None:
    """A call to a rented number costs nothing towards it."""
    told, _ = perform(scenario("+447700900123", "did:+46846500400"), {"ice": HANGUP})
    ice = told[0]
    assert "user" not in ice
    assert ice["cli"] == "+447700900123"
    assert ice["to"] == {"type": "did", "endpoint": "+46846500400"}
    assert (ice["originationType"], ice["domain"]) == ("PSTN", "pstn")
    assert ice["userRate"]["amount"] == 0


@pytest.mark.parametrize(
    ("callee", "kind"), [("user:bob", "username"), ("conference:r1", "conference"), ("sip:a@b.example", "sip")]
)
def test_what_stays_off_the_phone_network_says_so(callee: str, kind: str) -> None:
    """Type and domain follow from what is dialled."""
    told, _ = perform(scenario(callee=callee), {"ice": HANGUP})
    assert told[0]["to"]["type"] == kind
    assert told[0]["domain"] == "mxp"


def test_a_shown_number_is_the_cli() -> None:
    """In-app users may show one."""
    told, _ = perform(scenario(cli="+46846500400"), {"ice": HANGUP})
    assert told[0]["cli"] == "+46846500400"


@pytest.mark.parametrize(("talk_s", "minutes"), [(0, 0), (1, 1), (60, 1), (61, 2), (179, 3)])
def test_the_debit_is_started_minutes_at_the_users_rate(talk_s: int, minutes: int) -> None:
    """And the DiCE says who was connected, and who called."""
    told, _ = perform(scenario(talk_s=talk_s, rate=Decimal("0.0368")), {"ice": CONNECT, "ace": CONTINUE})
    dice = told[-1]
    assert dice["debit"] == {"currencyId": "USD", "amount": Decimal("0.0368") * minutes}
    assert dice["userRate"]["amount"] == Decimal("0.0368")
    assert dice["duration"] == talk_s
    assert dice["to"] == {"type": "number", "endpoint": "+46701740605"}
    assert (dice["user"], dice["from"]) == ("alice", "alice")


def test_a_caller_number_comes_without_plus_in_the_dice() -> None:
    """As it often does on the wire."""
    told, _ = perform(scenario("+447700900123"), {"ice": HANGUP})
    assert told[-1]["from"] == "447700900123"


@pytest.mark.parametrize(
    ("talk_s", "duration_s", "reason"), [(179, 179, "CALLERHANGUP"), (180, 180, "CALLERHANGUP"), (181, 180, "TIMEOUT")]
)
def test_max_duration_cuts_a_longer_talk(talk_s: int, duration_s: int, reason: str) -> None:
    """Only a talk that would last longer is cut, and then it ends by TIMEOUT."""
    told, ending = perform(scenario(talk_s=talk_s), {"ice": CONNECT, "ace": CONTINUE})
    assert (told[-1]["duration"], told[-1]["reason"], told[-1]["result"]) == (duration_s, reason, "ANSWERED")
    assert ending.duration_s == duration_s


def test_without_max_duration_nothing_is_cut() -> None:
    """The closing line then names no limit."""
    _, ending = perform(scenario(talk_s=20_000, ended_by=Side.CALLEE), {"ice": connect(), "ace": CONTINUE})
    assert ending.summary == "connected for 20000 s, CALLEEHANGUP"


def test_hangup_refuses_the_call() -> None:
    """No ACE, and a DiCE of a call that never was."""
    told, ending = perform(scenario(), {"ice": HANGUP})
    assert names(told) == ["ice", "dice"]
    assert (told[-1]["reason"], told[-1]["result"]) == ("MANAGERHANGUP", "FAILED")
    assert "duration" not in told[-1]
    assert ending.outcome is Verdict.REFUSED
    assert not ending.is_as_asked
    assert ending.summary == "hung up by the gate before it connected"


def test_hangup_at_the_answer_ends_a_call_of_one_second() -> None:
    """The callee has picked up, so that the platform charges."""
    told, ending = perform(scenario(), {"ice": CONNECT, "ace": HANGUP})
    assert names(told) == ["ice", "ace", "dice"]
    assert (told[-1]["reason"], told[-1]["result"]) == ("MANAGERHANGUP", "ANSWERED")
    assert told[-1]["duration"] == CUT_AT_ANSWER_S
    assert ending.outcome is Verdict.REFUSED


@pytest.mark.parametrize(
    ("outcome", "reason", "result"),
    [
        (Outcome.BUSY, "N/A", "BUSY"),
        (Outcome.NO_ANSWER, "TIMEOUT", "NOANSWER"),
        (Outcome.CANCEL, "CANCEL", "NOANSWER"),
        (Outcome.FAILED, "CONGESTION", "FAILED"),
    ],
)
def test_a_call_that_nobody_answers_has_no_ace_and_no_duration(outcome: Outcome, reason: str, result: str) -> None:
    """It went as its scenario said, and costs nothing."""
    told, ending = perform(scenario(outcome=outcome), {"ice": CONNECT})
    dice = told[-1]
    assert names(told) == ["ice", "dice"]
    assert (dice["reason"], dice["result"]) == (reason, result)
    assert "duration" not in dice
    assert dice["debit"]["amount"] == 0
    assert ending.outcome == outcome.value
    assert ending.is_as_asked


def test_dial_timeout_ends_the_ringing() -> None:
    """A phone that would be answered later is not answered at all."""
    told, ending = perform(scenario(ring_s=20), {"ice": connect(dialTimeout=10)})
    assert (told[-1]["reason"], told[-1]["result"]) == ("TIMEOUT", "NOANSWER")
    assert told[-1]["timestamp"] == "2026-07-01T12:00:10Z"
    assert ending.outcome is Verdict.NO_ANSWER


def test_suppressed_callbacks_are_not_made() -> None:
    """The call is played to its end all the same."""
    told, ending = perform(scenario(talk_s=5), {"ice": connect(suppressCallbacks=True)})
    assert names(told) == ["ice"]
    assert ending.duration_s == 5


def test_a_call_to_a_rented_number_needs_a_number_to_connect_to() -> None:
    """It cannot be dialled back to itself."""
    told, ending = perform(scenario("+447700900123", "did:+46846500400"), {"ice": {"action": {"name": "connectPstn"}}})
    assert (told[-1]["reason"], told[-1]["result"]) == ("CONGESTION", "FAILED")
    assert ending.outcome is Verdict.ERROR


def test_without_a_number_the_dialled_one_is_connected() -> None:
    """The tutorial's form."""
    told, ending = perform(
        scenario(callee="+442079460123"), {"ice": {"action": {"name": "connectPstn"}}, "ace": CONTINUE}
    )
    assert told[-1]["to"]["endpoint"] == "+442079460123"
    assert ending.is_as_asked


@pytest.mark.parametrize(
    ("status", "words"), [(None, "not answered: no answer within 5 s"), (500, "answered with 500")]
)
def test_an_ice_that_fails_ends_the_call(status: int | None, words: str) -> None:
    """The platform ends it with CALLBACKERROR."""
    told, ending = perform(scenario(), {"ice": CONNECT}, statuses={"ice": status})
    assert names(told) == ["ice", "dice"]
    assert (told[-1]["reason"], told[-1]["result"]) == ("CALLBACKERROR", "FAILED")
    assert ending.outcome is Verdict.ERROR
    assert words in ending.summary


def test_an_ace_that_fails_lets_the_call_go_on() -> None:
    """So says the reference; the closing line still tells of it."""
    told, ending = perform(scenario(talk_s=65), {"ice": CONNECT, "ace": HANGUP}, statuses={"ace": 503})
    assert (told[-1]["reason"], told[-1]["duration"]) == ("CALLERHANGUP", 65)
    assert ending.outcome is Verdict.ERROR
    assert ending.summary.endswith("CALLERHANGUP; ACE was answered with 503")


def test_a_dice_that_fails_is_told_in_the_closing_line() -> None:
    """The call is over, but its report was not taken."""
    _, ending = perform(scenario(), {"ice": CONNECT, "ace": CONTINUE}, statuses={"dice": 401})
    assert ending.outcome is Verdict.ERROR
    assert ending.summary.endswith("; DiCE was answered with 401")


@pytest.mark.parametrize("event", ["ice", "ace"])
def test_illegal_svaml_ends_the_call_with_a_calling_error(event: str) -> None:
    """First the notification, then the end."""
    answers = {"ice": CONNECT, "ace": CONTINUE, event: {"action": {"name": "explode"}}}
    told, ending = perform(scenario(), answers)
    assert names(told)[-2:] == ["notify", "dice"]
    assert (told[-2]["type"], told[-2]["errorCode"]) == ("callingerror", 40001)
    assert (told[-1]["reason"], told[-1]["result"]) == ("GENERALERROR", "FAILED")
    assert ending.outcome is Verdict.ERROR
    assert "$.action.name: 'explode'" in ending.summary


def test_cookies_ride_on_all_later_events() -> None:
    """Those of the ICE on the ACE, both on the DiCE."""
    told, _ = perform(
        scenario(),
        {
            "ice": {"instructions": [{"name": "setCookie", "key": "a", "value": "1"}], **CONNECT},
            "ace": {"instructions": [{"name": "setCookie", "key": "b", "value": "2"}], **CONTINUE},
        },
    )
    first, second = {"key": "a", "value": "1"}, {"key": "b", "value": "2"}
    assert [body.get("cookies") for body in told] == [None, [first], [first, second]]
