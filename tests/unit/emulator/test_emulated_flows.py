"""Menus, conferences, parking, callouts, detection and recordings go as the platform's reference says."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from callgate.emulator.scenario import Machine, Outcome, Scenario, Side, parse_callee, parse_caller
from callgate.emulator.sinch import (
    PAIRS,
    Callout,
    Elapse,
    Ending,
    Exchange,
    Habits,
    Happened,
    HungUp,
    Input,
    Kicked,
    Later,
    LostNetwork,
    OngoingCall,
    Patched,
    Pressed,
    Rooms,
    Tell,
    Verdict,
    run,
)
from callgate.emulator.svaml import read_svaml

STARTED_AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
PHONE, DID = "+46701740605", "did:+46846500400"
CONTINUE = {"action": {"name": "continue"}}
HANGUP = {"action": {"name": "hangup"}}
CONNECT = {"action": {"name": "connectPstn", "number": PHONE, "maxDuration": 600}}
ROOM = {"action": {"name": "connectConf", "conferenceId": "room"}}

Answers = Mapping[str, Any | Callable[[dict[str, Any]], Any]]


class Played(NamedTuple):
    """A call that was played: what was told, when of its own time, and how it ended."""

    told: list[dict[str, Any]]
    times: list[float]
    ending: Ending
    call: OngoingCall

    @property
    def events(self) -> list[str]:
        return [body["type"] if body["event"] == "notify" else body["event"] for body in self.told]

    def one(self, event: str) -> dict[str, Any]:
        (found,) = [body for body in self.told if event in (body["event"], body.get("type"))]
        return found


def ongoing(caller: str = "+447700900123", callee: str = DID, **words: Any) -> OngoingCall:
    more = {name: words.pop(name) for name in ("habits", "rooms", "callout", "wants", "routes") if name in words}
    scenario = Scenario(caller=parse_caller(caller), callee=parse_callee(callee), **words)
    return OngoingCall(scenario, "c1", "key", STARTED_AT, connected_to=scenario.callee, **more)


def perform(call: OngoingCall, answers: Answers, *, inputs: Sequence[tuple[float, Input]] = ()) -> Played:
    """Play a call; inputs come at their second of the call. An answer may be made of the event."""
    script, told, times = run(call), [], []
    came: Exchange | Happened | None = None
    waiting = list(inputs)
    while True:
        try:
            step = script.send(came)
        except StopIteration as end:
            return Played(told, times, end.value, call)
        now_s = (call.at - STARTED_AT) / timedelta(seconds=1)
        came = None
        match step:
            case Tell(body):
                told.append(dict(body))
                times.append(now_s)
                answer = answers.get(body["event"], {})
                answer = answer(body) if callable(answer) else answer
                status = None if answer is None else 200
                came = Exchange(sent=body, status=status, answer=answer, ms=1.0, fault=None if status else "no answer")
            case Later(seconds, body):
                told.append(dict(body))
                times.append(now_s + seconds)
            case Elapse(seconds) if waiting and waiting[0][0] <= now_s + seconds:
                at_s, what = waiting.pop(0)
                came = Happened(what, max(0.0, at_s - now_s))


def menu(**properties: Any) -> dict[str, Any]:
    main = {"id": "main", "mainPrompt": "#tts[Press one]", **properties.pop("main", {})}
    return {"action": {"name": "runMenu", "menus": [main, *properties.pop("more", [])], **properties}}


OPTIONS = [{"dtmf": "1", "action": "return(sales)"}, {"dtmf": 2, "action": "menu(second)"}]
NESTED = menu(
    main={"options": OPTIONS, "repeatPrompt": "#tts[Again]", "repeats": 2},
    more=[{"id": "second", "maxDigits": 4, "timeoutMills": 3000}],
)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        (("1",), {"menuId": "main", "type": "return", "value": "sales", "inputMethod": "dtmf"}),
        (("2", "1234"), {"menuId": "second", "type": "sequence", "value": "1234", "inputMethod": "dtmf"}),
        (("2", "12#"), {"menuId": "second", "type": "sequence", "value": "12", "inputMethod": "dtmf"}),
        (("2", "12"), {"menuId": "second", "type": "sequence", "value": "12", "inputMethod": "dtmf"}),
        (("9", "", "1"), {"menuId": "main", "type": "return", "value": "sales", "inputMethod": "dtmf"}),
        (("9", "9", "9"), {"menuId": "main", "type": "invalidinput", "inputMethod": "dtmf"}),
        ((), {"menuId": "main", "type": "timeout", "inputMethod": "dtmf"}),
        (("2",), {"menuId": "second", "type": "timeout", "inputMethod": "dtmf"}),
    ],
)
def test_what_is_entered_in_menus_is_told(keys: Sequence[str], expected: dict[str, Any]) -> None:
    """Options, nested menus, digits, repeats after wrong and no input, and silence to the end."""
    played = perform(ongoing(keys=keys), {"ice": NESTED, "pie": HANGUP})
    assert played.events == ["ice", "pie", "dice"]
    assert played.one("pie")["menuResult"] == expected
    assert (played.ending.reason, played.ending.result) == ("MANAGERHANGUP", "ANSWERED")
    assert played.ending.outcome is Verdict.ANSWERED


def test_repeats_and_time_outs_take_their_time() -> None:
    """Three attempts of a spoken second or so and five seconds of silence each."""
    played = perform(ongoing(), {"ice": NESTED, "pie": HANGUP})
    assert played.times[1] == 3 * 5 + 1 + 1 + 1


def test_who_leaves_a_menu_is_told_before_the_end() -> None:
    """A PIE of type hangup, whose answer changes nothing."""
    played = perform(ongoing(keys=("hangup",)), {"ice": NESTED, "pie": CONNECT})
    assert played.events == ["ice", "pie", "dice"]
    assert played.one("pie")["menuResult"]["type"] == "hangup"
    assert played.ending.reason == "CALLERHANGUP"


def test_a_prompt_without_barge_is_heard_to_its_end() -> None:
    """A key during it is not lost, but waits."""
    words = menu(barge=False, main={"mainPrompt": "#tts[" + "x" * 150 + "]", "options": OPTIONS[:1]})
    played = perform(ongoing(keys=("1",)), {"ice": words, "pie": HANGUP})
    assert played.times[1] == 11  # ten seconds of speech, then the key


def test_words_are_input_where_voice_is_enabled() -> None:
    """They come as a sequence, by voice."""
    words = menu(enableVoice=True, locale="en-US")
    played = perform(ongoing(keys=("say:yes please",)), {"ice": words, "pie": HANGUP})
    assert played.one("pie")["menuResult"] == {
        "menuId": "main", "type": "sequence", "value": "yes please", "inputMethod": "voice",
    }  # fmt: skip


def test_a_menu_may_lead_to_a_call() -> None:
    """The answer to the PIE connects; its talk counts from the callee's answer."""
    played = perform(ongoing(keys=("1",), talk_s=65), {"ice": NESTED, "pie": CONNECT, "ace": CONTINUE})
    assert played.events == ["ice", "pie", "ace", "dice"]
    assert played.one("dice")["duration"] == 65
    assert played.one("dice")["to"] == {"type": "number", "endpoint": PHONE}


def test_a_menu_that_leads_back_to_itself_ends_some_time() -> None:
    """No backend keeps the emulator busy for ever."""
    played = perform(ongoing(keys=["1"] * 50, habits=Habits(most_questions=20)), {"ice": NESTED, "pie": NESTED})
    assert played.events.count("pie") == 19
    assert played.ending.outcome is Verdict.ERROR


def test_an_unanswered_pie_ends_the_call() -> None:
    """As an unanswered ICE does, but the call was answered."""
    played = perform(ongoing(keys=("1",)), {"ice": NESTED, "pie": None})
    assert (played.ending.reason, played.ending.result) == ("CALLBACKERROR", "ANSWERED")


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (menu(mainMenu="other"), "$.action.mainMenu"),
        (menu(main={"id": "first"}), "$.action.menus"),
        (menu(more=[{"id": "main"}]), "$.action.menus"),
        (menu(main={"options": [{"dtmf": "1", "action": "menu(none)"}]}), "$.action.menus[0].options"),
        (menu(main={"options": [{"dtmf": "12", "action": "return(x)"}]}), "$.action.menus[0].options[0].dtmf"),
        (menu(main={"options": [{"dtmf": "1", "action": "go(x)"}]}), "$.action.menus[0].options[0].action"),
        (menu(main={"maxDigits": 0}), "$.action.menus[0].maxDigits"),
        ({"action": {"name": "runMenu"}}, "$.action.menus"),
        ({"action": {"name": "connectConf"}}, "$.action.conferenceId"),
        ({"action": {"name": "connectConf", "conferenceId": "x" * 65}}, "$.action.conferenceId"),
        ({"action": {"name": "connectSip"}}, "$.action.destination"),
        (
            {"action": {"name": "connectSip", "destination": {"type": "number", "endpoint": "x"}}},
            "$.action.destination",
        ),
        ({"action": {"name": "park", "maxDuration": 601}}, "$.action.maxDuration"),
        ({"instructions": [{"name": "sendDtmf", "value": "12*"}], **HANGUP}, "$.instructions[0].value"),
        ({"instructions": [{"name": "say", "text": "x" * 601}], **HANGUP}, "$.instructions[0].text"),
    ],
)
def test_illegal_svaml_is_notified_with_its_path(words: dict[str, Any], path: str) -> None:
    """And the call ends."""
    played = perform(ongoing(), {"ice": words})
    assert played.events == ["ice", "callingerror", "dice"]
    assert played.one("callingerror")["errorMsg"].startswith(f"Illegal SVAML: {path}: ")
    assert played.one("callingerror")["errorCode"] == 40001


def test_strict_refuses_what_only_older_pages_allow() -> None:
    """`park` in the answer to a PIE, `sendDtmf` in that to an ACE."""
    lenient = perform(ongoing(keys=("1",)), {"ice": NESTED, "pie": {"action": {"name": "park"}}})
    assert lenient.ending.reason == "TIMEOUT"
    strict = ongoing(keys=("1",), habits=Habits(is_strict=True))
    assert perform(strict, {"ice": NESTED, "pie": {"action": {"name": "park"}}}).events[-2] == "callingerror"
    tones = {"instructions": [{"name": "sendDtmf", "value": "1"}], **CONTINUE}
    assert "callingerror" not in perform(ongoing(), {"ice": CONNECT, "ace": tones}).events
    strict = ongoing(habits=Habits(is_strict=True))
    assert "callingerror" in perform(strict, {"ice": CONNECT, "ace": tones}).events


def test_an_app_calls_an_app() -> None:
    """No ACE is sent, and what it costs is nothing."""
    words = {"action": {"name": "connectMxp", "callHeaders": [{"key": "a", "value": "b"}]}}
    played = perform(ongoing("alice", "user:bob", call_headers={"x": "y"}), {"ice": words})
    assert played.events == ["ice", "dice"]
    assert played.one("ice")["callHeaders"] == [{"key": "x", "value": "y"}]
    assert played.one("dice")["callHeaders"] == [{"key": "a", "value": "b"}]
    assert played.one("dice")["debit"]["amount"] == 0
    assert played.one("dice")["to"] == {"type": "username", "endpoint": "bob"}


def test_an_app_that_does_not_answer_is_busy() -> None:
    """Not so a phone; and a user whom nobody knows is not found."""
    words = {"action": {"name": "connectMxp"}}
    played = perform(ongoing("alice", "user:bob", outcome=Outcome.NO_ANSWER), {"ice": words})
    assert (played.ending.reason, played.ending.result) == ("N/A", "BUSY")
    played = perform(ongoing("alice", "user:bob", rooms=Rooms(users=frozenset({"carol"}))), {"ice": words})
    assert (played.ending.reason, played.ending.result) == ("USERNOTFOUND", "FAILED")


def test_a_sip_trunk_is_answered_like_a_phone() -> None:
    """With an ACE; the address without its scheme."""
    words = {"action": {"name": "connectSip", "destination": {"endpoint": "sip:bob@example.com"}}}
    played = perform(ongoing("alice", "sip:bob@example.com"), {"ice": words, "ace": CONTINUE})
    assert played.events == ["ice", "ace", "dice"]
    assert played.one("dice")["to"] == {"type": "sip", "endpoint": "bob@example.com"}


@pytest.mark.parametrize(
    "outcome", [each for each in Outcome if str(each) in PAIRS and each is not Outcome.USER_NOT_FOUND]
)
def test_every_way_of_not_answering_has_its_reason_and_result(outcome: Outcome) -> None:
    """As the table says, without a duration; and the table can be changed."""
    played = perform(ongoing(outcome=outcome), {"ice": CONNECT})
    assert (played.ending.reason, played.ending.result) == PAIRS[outcome]
    assert "duration" not in played.one("dice")
    changed = Habits(pairs={str(outcome): ("GENERALERROR", "FAILED")})
    played = perform(ongoing(outcome=outcome, habits=changed), {"ice": CONNECT})
    assert played.one("dice")["reason"] == "GENERALERROR"


@pytest.mark.parametrize(
    ("what", "pair"),
    [
        (HungUp(Side.CALLER), ("CALLERHANGUP", "ANSWERED")),
        (HungUp(Side.CALLEE), ("CALLEEHANGUP", "ANSWERED")),
        (LostNetwork(), ("CLIENTNETWORK", "ANSWERED")),
        (Patched(read_svaml(HANGUP, "patch")), ("MANAGERHANGUP", "ANSWERED")),
    ],
)
def test_what_is_done_to_a_talk_ends_it(what: Input, pair: tuple[str, str]) -> None:
    """At that second; keys are not minded, and an update to continue changes nothing."""
    inputs = [(5.0, Pressed("1")), (6.0, Patched(read_svaml(CONTINUE, "patch"))), (10.5, what)]
    played = perform(ongoing(talk_s=None), {"ice": CONNECT, "ace": CONTINUE}, inputs=inputs)
    assert (played.ending.reason, played.ending.result) == pair
    assert played.one("dice")["duration"] == 8  # begun seconds count


@pytest.mark.parametrize(
    ("what", "pair"),
    [
        (HungUp(Side.CALLER), ("CANCEL", "NOANSWER")),
        (HungUp(Side.CALLEE), ("N/A", "BUSY")),
        (Patched(read_svaml(HANGUP, "patch")), ("MANAGERHANGUP", "FAILED")),
    ],
)
def test_what_is_done_while_it_rings_ends_the_call(what: Input, pair: tuple[str, str]) -> None:
    """Before anybody answers, and without an ACE."""
    played = perform(ongoing(), {"ice": CONNECT}, inputs=[(1.0, what)])
    assert played.events == ["ice", "dice"]
    assert (played.ending.reason, played.ending.result) == pair


def test_a_parked_call_goes_on_by_an_update() -> None:
    """As if it were the answer to the ICE; left alone, it ends after its time."""
    park = {"action": {"name": "park", "holdPrompt": "#tts[Wait]", "maxDuration": 60}}
    played = perform(ongoing(), {"ice": park})
    assert (played.ending.reason, played.ending.duration_s) == ("TIMEOUT", 60)
    update = (20.0, Patched(read_svaml(CONNECT, "parked")))
    played = perform(ongoing(talk_s=30), {"ice": park, "ace": CONTINUE}, inputs=[update])
    assert played.events == ["ice", "ace", "dice"]
    assert played.times == [0, 23, 53]


def test_a_conference_is_there_while_somebody_is_in_it() -> None:
    """And who is put out has an end like any other."""
    rooms = Rooms()
    seen: list[set[str]] = []

    def look(_: dict[str, Any]) -> dict[str, Any]:
        seen.append(set(rooms.conferences))
        return {}

    call = ongoing("alice", "conference:room", rooms=rooms, talk_s=60)
    played = perform(call, {"ice": ROOM, "dice": look}, inputs=[(10.0, Kicked())])
    assert seen == [set()]
    assert played.one("dice")["conferenceId"] == "room"
    assert (played.ending.reason, played.ending.duration_s) == ("MANAGERHANGUP", 10)


def test_digits_in_a_conference_are_detected_where_that_is_asked() -> None:
    """As many as are collected make one PIE, whose answer changes nothing."""
    options = {"mode": "detect", "maxDigits": 2}
    words = {"action": {"name": "connectConf", "conferenceId": "room", "conferenceDtmfOptions": options}}
    played = perform(ongoing(keys=("12", "3"), talk_s=60), {"ice": words, "pie": HANGUP})
    assert [body["menuResult"]["value"] for body in played.told if body["event"] == "pie"] == ["12", "3"]
    assert {body["menuResult"]["menuId"] for body in played.told if body["event"] == "pie"} == {"room"}
    assert played.ending.reason == "CALLERHANGUP"
    assert perform(ongoing(keys=("12",), talk_s=60), {"ice": ROOM}).events == ["ice", "dice"]


@pytest.mark.parametrize(
    ("amd", "events", "at_s"),
    [
        ({"enabled": True}, ["ice", "ace", "dice"], 3 + 4),
        ({"enabled": True, "async": True}, ["ice", "amd", "amd_beep", "ace", "dice"], 3),
        ({"enabled": False}, ["ice", "ace", "dice"], 3),
    ],
)
def test_answering_machines_are_detected(amd: dict[str, bool], events: list[str], at_s: float) -> None:
    """At once: the ACE waits for the verdict. Asynchronously: the verdict and the beep are notified."""
    machine = Machine(status="machine", reason="longgreeting", after_s=4, beep_after_s=6)
    words = {"action": {"name": "connectPstn", "number": PHONE, "amd": amd}}
    played = perform(ongoing(machine=machine), {"ice": words, "ace": CONTINUE})
    assert played.events == events
    assert played.times[played.events.index("ace")] == at_s
    found = {"status": "machine", "reason": "longgreeting", "duration": 4}
    match events:
        case ["ice", "amd", *_]:
            assert played.one("amd")["amd"] == found
            assert played.times[1:3] == [3 + 4, 3 + 4 + 6]
            assert played.one("ace")["amd"] == {"status": "inprogress"}
        case _:
            assert played.one("ace").get("amd") == (found if amd["enabled"] else None)


def test_a_recording_is_notified_after_the_call() -> None:
    """Finished with the call, available soon, and its transcription minutes later, each with where it lies."""
    options = {"destinationUrl": "s3://calls/today", "transcriptionOptions": {"enabled": True}}
    start = {"name": "startRecording", "options": options}
    played = perform(ongoing(talk_s=10), {"ice": {"instructions": [start], **CONNECT}, "ace": CONTINUE})
    assert played.events == [
        "ice", "ace", "recording_finished", "recording_available", "transcription_available", "dice",
    ]  # fmt: skip
    assert played.one("recording_available")["destination"] == "s3://calls/today/20260701120013_key_c1.mp3"
    assert played.one("transcription_available")["destination"].endswith("_key_c1.json")
    assert played.times[2:5] == [13, 18, 133]
    silent = {"name": "startRecording", "options": options | {"notificationEvents": False}}
    assert perform(ongoing(), {"ice": {"instructions": [silent], **HANGUP}}).events == ["ice", "dice"]


def test_custom_and_cookies_ride_on_every_event() -> None:
    """Custom on the ICE too; too many cookies in all are an illegal answer."""
    ice = {"instructions": [{"name": "setCookie", "key": "a", "value": "x" * 1000}], **CONNECT}
    played = perform(ongoing(custom="order 7"), {"ice": ice, "ace": CONTINUE})
    assert {body["custom"] for body in played.told} == {"order 7"}
    assert all(body["cookies"] for body in played.told[1:])
    ace = {"instructions": [{"name": "setCookie", "key": "b", "value": "x" * 100}], **CONTINUE}
    assert "callingerror" in perform(ongoing(), {"ice": ice, "ace": ace}).events


def test_suppressed_callbacks_are_not_sent() -> None:
    """Neither ACE nor DiCE."""
    words = {"action": {"name": "connectPstn", "number": PHONE, "suppressCallbacks": True}}
    assert perform(ongoing(), {"ice": words}).events == ["ice"]


@pytest.mark.parametrize(
    ("caller", "callee", "end"),
    [
        ("alice", "conference:room", "CALLERHANGUP"),
        ("alice", "user:bob", "CALLERHANGUP"),
        ("alice", PHONE, "CALLBACKERROR"),
    ],
)
def test_without_a_callback_url_some_calls_go_by_themselves(caller: str, callee: str, end: str) -> None:
    """Conferences are joined and users rung; what needs an answer has none."""
    played = perform(ongoing(caller, callee, wants=frozenset()), {})
    assert played.told == []
    assert played.ending.reason == end


# -- callouts ----------------------------------------------------------------------------------------------------------


def callout(method: str = "ttsCallout", *, wants: Sequence[str] = ("ace", "pie", "dice"), **words: Any) -> OngoingCall:
    asked = {name: words.pop(name) for name in ("text", "conference_id", "max_duration_s", "dtmf") if name in words}
    return ongoing("+46846500400", PHONE, callout=Callout(method=method, **asked), wants=frozenset(wants), **words)


def test_a_text_is_said_to_who_answers() -> None:
    """The ACE is answered `continue`; when all is said the platform hangs up. What was not enabled is not sent."""
    played = perform(callout(text="#tts[" + "x" * 150 + "]"), {"ace": CONTINUE})
    assert played.events == ["ace", "dice"]
    assert (played.ending.reason, played.one("dice")["duration"]) == ("MANAGERHANGUP", 10)
    assert played.one("dice")["from"] == "46846500400"
    assert perform(callout(wants=(), text="#tts[x]"), {}).told == []
    short = perform(callout(text="#tts[" + "x" * 150 + "]", talk_s=4), {"ace": CONTINUE})
    assert (short.ending.reason, short.ending.duration_s) == ("CALLEEHANGUP", 4)


def test_a_text_may_lead_to_a_menu() -> None:
    """The keys are the callee's."""
    played = perform(callout(text="#tts[x]", keys=("1",)), {"ace": NESTED, "pie": HANGUP})
    assert played.events == ["ace", "pie", "dice"]
    left = perform(callout(text="#tts[x]", keys=("hangup",)), {"ace": NESTED})
    assert left.ending.reason == "CALLEEHANGUP"


def test_a_conference_calls_somebody() -> None:
    """Without an ACE they join by themselves; the answer to one must be the conference."""
    played = perform(callout("conferenceCallout", wants=["dice"], conference_id="room", talk_s=30), {})
    assert played.one("dice")["conferenceId"] == "room"
    assert (played.ending.reason, played.ending.duration_s) == ("CALLEEHANGUP", 30)
    assert perform(callout("conferenceCallout", conference_id="room"), {"ace": ROOM}).events == ["ace", "dice"]
    wrong = perform(callout("conferenceCallout", conference_id="room"), {"ace": CONTINUE})
    assert wrong.events == ["ace", "callingerror", "dice"]


def test_a_custom_callout_is_led_by_svaml() -> None:
    """Asked at the backend, or given inline; with a destination it just dials."""
    every = ("ice", "ace", "pie", "dice")
    asked = perform(callout("customCallout", wants=every), {"ice": CONNECT, "ace": CONTINUE})
    assert asked.events == ["ice", "ace", "dice"]
    inline = callout("customCallout", wants=every, routes={"ice": CONNECT, "ace": CONTINUE})
    assert perform(inline, {}).events == ["dice"]
    dialled = callout("customCallout", wants=("ace", "dice"), max_duration_s=30)
    played = perform(dialled, {"ace": CONTINUE})
    assert (played.ending.reason, played.ending.duration_s, played.ending.granted_s) == ("TIMEOUT", 30, 30)


def test_nobody_hears_of_a_callout_to_an_app() -> None:
    """Whatever was enabled."""
    call = ongoing("+46846500400", "user:bob", callout=Callout(method="ttsCallout", text="#tts[x]"))
    assert perform(call, {}).told == []


def test_everything_told_is_json() -> None:
    """Whatever flow it comes from."""
    played = perform(ongoing(keys=("1",)), {"ice": NESTED, "pie": CONNECT, "ace": CONTINUE})
    assert all(json.dumps(body, default=float) for body in played.told)
