"""The tables of SVAML, read once more: what may stand where, and what each property takes.

Written over plain JSON and apart from the structs and rules, so that a slip in those cannot hide here.
"""

from typing import Any

import msgspec
import pytest

from callgate.protocol import sinch

EVENTS = ("ice", "ace", "pie", "dice", "patch", "patch-leg", "notify", "conference-pie")

# y: allowed today. o: allowed in older documents only. -: never.
ACTIONS = """
                  ice ace pie dice patch patch-leg notify conference-pie
    hangup         y   y   y   y     y       y       -         -
    continue       -   y   y   -     y       y       -         -
    connectPstn    y   o   y   -     o       -       -         -
    connectMxp     y   o   -   -     o       -       -         -
    connectConf    y   y   y   -     o       -       -         -
    connectSip     y   o   y   -     o       -       -         -
    connectStream  y   -   -   -     -       -       -         -
    runMenu        y   y   y   -     o       -       -         -
    park           y   -   o   -     y       y       -         -
    startRecording -   -   -   -     o       -       -         -
    stopRecording  -   -   -   -     o       -       -         -
"""
INSTRUCTIONS = """
                     ice ace pie dice patch patch-leg notify conference-pie
    playFiles         y   y   y   -     y       y       -         -
    say               y   y   y   -     y       y       -         -
    sendDtmf          y   o   y   -     y       -       -         -
    setCookie         y   y   y   -     y       -       -         -
    answer            y   -   -   -     o       -       -         -
    startRecording    y   y   y   -     y       -       -         -
    stopRecording     y   y   y   -     y       -       -         -
    ReportCallStatus  -   -   -   o     -       -       -         -
"""

RECORDING = {"destinationUrl": "s3://bucket", "credentials": "key:secret:eu-central-1"}
MENU = {"id": "main", "mainPrompt": "#tts[Hi]", "options": [{"dtmf": "1", "action": "return(a)"}]}

LEAST: dict[str, dict[str, Any]] = {
    "hangup": {},
    "continue": {},
    "connectPstn": {},
    "connectMxp": {},
    "connectConf": {"conferenceId": "room"},
    "connectSip": {"destination": {"endpoint": "46708000000@sip.foo.com"}},
    "connectStream": {"destination": {"type": "Websocket", "endpoint": "wss://example.com/audio"}},
    "runMenu": {"menus": [MENU]},
    "park": {},
    "startRecording": {"options": RECORDING},
    "stopRecording": {},
    "playFiles": {"ids": ["myfile"]},
    "say": {"text": "Hi"},
    "sendDtmf": {"value": "1"},
    "setCookie": {"key": "a", "value": "b"},
    "answer": {},
    "ReportCallStatus": {"value": "success"},
}
"""The least that each action and instruction holds."""


def cells(table: str) -> list[tuple[str, str, str]]:
    """Read a table into name, event and cell."""
    head, *rows = [line.split() for line in table.strip().splitlines()]
    return [(name, event, cell) for name, *row in rows for event, cell in zip(head, row, strict=True)]


def faults(answer: dict[str, Any], event: str = "ice", *, strict: bool = True) -> list[str]:
    """Return the paths of the faults of an answer."""
    return [fault.path for fault in sinch.check(answer, event=event, strict=strict)]


def action(name: str, **properties: Any) -> dict[str, Any]:
    return {"action": {"name": name, **LEAST[name], **properties}}


def instruction(name: str, event: str = "ice", **properties: Any) -> dict[str, Any]:
    """Return an answer with one instruction, and an action that is allowed everywhere where one is."""
    step = {"instructions": [{"name": name, **LEAST[name], **properties}]}
    return step if event in {"notify", "conference-pie"} else step | {"action": {"name": "hangup"}}


@pytest.mark.parametrize(("name", "event", "cell"), cells(ACTIONS))
def test_actions(name: str, event: str, cell: str) -> None:
    """An action stands where its cell says so, older cells only without strictness."""
    answer = action(name)
    assert faults(answer, event) == ([] if cell == "y" else ["$.action.name"])
    assert faults(answer, event, strict=False) == ([] if cell in "yo" else ["$.action.name"])


@pytest.mark.parametrize(("name", "event", "cell"), cells(INSTRUCTIONS))
def test_instructions(name: str, event: str, cell: str) -> None:
    """An instruction stands where its cell says so, older cells only without strictness."""
    answer = instruction(name, event)
    assert faults(answer, event) == ([] if cell == "y" else ["$.instructions[0].name"])
    assert faults(answer, event, strict=False) == ([] if cell in "yo" else ["$.instructions[0].name"])


def test_both_tables_are_whole() -> None:
    """Nine actions and two more of a patch, eight instructions, eight events."""
    assert len(cells(ACTIONS)) == 11 * len(EVENTS)
    assert len(cells(INSTRUCTIONS)) == 8 * len(EVENTS)
    assert {event for _, event, _ in cells(ACTIONS)} == set(EVENTS)


@pytest.mark.parametrize("event", EVENTS)
def test_which_events_need_an_action(event: str) -> None:
    """A call that waits needs exactly one action; a report needs no words."""
    needs_one = event in {"ice", "ace", "pie", "patch", "patch-leg"}
    for answer in ({}, {"instructions": []}, {"instructions": None, "action": None}):
        assert faults(answer, event) == (["$.action"] if needs_one else [])


PROMPT = (
    [
        "myfile",
        "#tts[Hi]",
        "#tts[a];#ssml[<b>b</b>];c",
        f"#tts[{'x' * 600}]",
        ";".join("a" * 64),
        "https://a.example/b",
    ],
    ["", ";", "#tts[a", f"#tts[{'x' * 601}]", ";".join("a" * 65), f"#tts[{'x' * 600}];#tts[{'x' * 401}]", 5],
)
SECONDS = ([1, 600, 14_400], [0, -1, 14_401, 1.5, "600", True])
FLAG = ([True, False], ["true", 1, 0])
NUMBER = (
    ["+46708000000", "46708000000", "112"],
    ["", "+0708000000", "0708000000", "+46 708", "alice", "1" * 16, 46708],
)
CLI = ([*NUMBER[0], "private"], ["", "Private", "anonymous", "incoming", 5])
TONES = (["1", "12#w3"], ["", "*", "1,2", "a", 12])
TEXT = (["x"], ["", 5, True, []])
COUNT = ([1, 100_000], [0, -1, "1", 1.5, False])
MOH = (["ring", "music1", "music2", "music3"], ["ringing", "", "Ring", 1])
HEADERS = (
    [[{"key": "a", "value": "b"}], [{"key": "k", "value": "å" * 511}]],
    [[], {}, "a", [{"key": "a"}], [{"key": "k", "value": "å" * 512}], [{"key": "a", "value": 5}], ["a"]],
)
ID = (["x" * 64], ["", "x" * 65, 5])
INDICATIONS = """
    at au bg br be ch cl cn cz de dk ee es fi fr gr hu il in it lt jp mx my nl no nz ph pl pt ru se sg th uk us tw ve za
"""


def address(kind: str, good: str, *bad: Any) -> tuple[list[Any], list[Any]]:
    """Return addresses of a kind that are well, and some that are not."""
    well = [{"endpoint": good}, {"type": kind, "endpoint": good}, {"type": kind.upper(), "endpoint": good}]
    return well, [good, [], {"type": kind}, {"type": "number", "endpoint": good}, *({"endpoint": it} for it in bad)]


PROPERTIES: list[tuple[str, str, tuple[list[Any], list[Any]]]] = [
    ("connectPstn", "number", NUMBER),
    ("connectPstn", "locale", TEXT),
    ("connectPstn", "maxDuration", SECONDS),
    ("connectPstn", "dialTimeout", COUNT),
    ("connectPstn", "cli", CLI),
    ("connectPstn", "suppressCallbacks", FLAG),
    ("connectPstn", "dtmf", TONES),
    ("connectPstn", "indications", (INDICATIONS.split(), ["xx", "us-old", "ml", "false", False, "SE"])),
    (
        "connectPstn",
        "amd",
        ([{}, {"enabled": True}, {"enabled": True, "async": False}], [True, {"enabled": "yes"}, {"on": 1}]),
    ),
    ("connectMxp", "destination", address("username", "alice", "", 5)),
    ("connectMxp", "callHeaders", HEADERS),
    ("connectConf", "conferenceId", ID),
    ("connectConf", "moh", MOH),
    (
        "connectConf",
        "conferenceDtmfOptions",
        (
            [{}, *({"mode": mode} for mode in ("ignore", "forward", "detect")), {"maxDigits": 4, "timeoutMills": 3000}],
            [[], "detect", {"mode": "Detect"}, {"mode": "x"}, {"maxDigits": 0}, {"timeoutMills": "1"}, {"timeout": 1}],
        ),
    ),
    ("connectSip", "destination", address("sip", "sip:a@b.example;transport=tls", "", "alice", "a @b", "a@", 5)),
    ("connectSip", "maxDuration", SECONDS),
    ("connectSip", "cli", CLI),
    ("connectSip", "transport", (["UDP", "TCP", "TLS", "tls"], ["", "http", 5])),
    ("connectSip", "suppressCallbacks", FLAG),
    ("connectSip", "callHeaders", HEADERS),
    ("connectSip", "moh", MOH),
    ("connectStream", "destination", address("Websocket", "wss://a.example", "ws://a.example", "wss://", "", 5)),
    ("connectStream", "maxDuration", SECONDS),
    ("connectStream", "callHeaders", HEADERS),
    (
        "connectStream",
        "streamingOptions",
        (
            [{}, {"version": 1}, *({"sampleRate": rate} for rate in (8000, 16_000, 24_000, 44_100, 48_000, 96_000))],
            [[], {"version": 0}, {"version": "1"}, {"sampleRate": 11_025}, {"sampleRate": "8000"}, {"rate": 8000}],
        ),
    ),
    ("runMenu", "barge", FLAG),
    ("runMenu", "locale", TEXT),
    ("runMenu", "mainMenu", (["main"], ["", "other", 5])),
    ("runMenu", "menus", ([[MENU]], [[], {}, "main", [5], [[]], [{}]])),
    ("park", "locale", TEXT),
    ("park", "introPrompt", PROMPT),
    ("park", "holdPrompt", PROMPT),
    ("park", "maxDuration", ([1, 600], [0, 601, "600", True])),
    ("playFiles", "ids", ([["a"], ["a", "https://a.example/b"]], [[], "a", ["a", ""], [5], ["#song[a]"], {}])),
    ("playFiles", "locale", TEXT),
    ("say", "text", (["x" * 600, "å" * 600], ["", "x" * 601, 5])),
    ("say", "locale", (["en-US", "en-US/female", "Joanna"], ["", 5])),
    ("sendDtmf", "value", TONES),
    ("setCookie", "key", TEXT),
    ("setCookie", "value", (["", "b"], [5, []])),
    (
        "startRecording",
        "options",
        (
            [
                RECORDING,
                RECORDING | {"destinationUrl": "azure://account/container/file", "format": "mp3"},
                RECORDING | {"notificationEvents": False, "transcriptionOptions": {"enabled": True, "locale": "en-US"}},
            ],
            [
                {},
                [],
                {"destinationUrl": "s3://bucket"},
                {"credentials": "x"},
                RECORDING | {"destinationUrl": "bucket"},
                RECORDING | {"credentials": 5},
                RECORDING | {"format": ""},
                RECORDING | {"notificationEvents": "no"},
                RECORDING | {"transcriptionOptions": {"enabled": "yes"}},
                RECORDING | {"destination": "s3://bucket"},
            ],
        ),
    ),
]


@pytest.mark.parametrize(
    ("name", "key", "values"), PROPERTIES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_properties(name: str, key: str, values: tuple[list[Any], list[Any]]) -> None:
    """Each property takes what the tables say, and a fault names its path or one within it."""
    is_action = name in {row[0] for row in cells(ACTIONS)} and name != "startRecording"
    build, path = (action, f"$.action.{key}") if is_action else (instruction, f"$.instructions[0].{key}")
    for good in values[0]:
        assert faults(build(name, **{key: good})) == [], good
        assert faults(build(name, **{key: None})) == ([f"{path}"] if key in LEAST[name] else []), "null is absent"
    for bad in values[1]:
        found = faults(build(name, **{key: bad}))
        assert found, bad
        assert all(one.startswith(path) for one in found), (bad, found)


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, least in LEAST.items() for key in least], ids=str)
def test_what_is_required(name: str, key: str) -> None:
    """What an action or instruction cannot do without is missed at its place."""
    events = {"ReportCallStatus": "dice"}
    event, strict = events.get(name, "ice"), name not in events
    is_action = name.startswith(("connect", "run"))
    answer = action(name) if is_action else instruction(name)
    step = answer["action"] if is_action else answer["instructions"][0]
    del step[key]
    assert faults(answer, event, strict=strict) == [f"$.{'action' if is_action else 'instructions[0]'}.{key}"]


OLDER: list[tuple[str, str, Any]] = [
    ("hangup", "hangupCause", 1),
    ("hangup", "barge", True),
    ("connectPstn", "destination", {"type": "number", "endpoint": "+46708000000"}),
    ("connectPstn", "record", True),
    ("connectPstn", "recordingOptions", {}),
    ("connectPstn", "tags", ["a"]),
    ("connectPstn", "callback", True),
    ("connectPstn", "suppressErrorPrompts", True),
    ("connectPstn", "cli", "incoming"),
    ("connectPstn", "indications", "us-old"),
    ("connectPstn", "indications", "ml"),
    ("connectConf", "record", True),
    ("connectConf", "recordingOptions", {}),
    ("connectConf", "enterLeaveSound", "beep"),
    ("connectConf", "conferenceType", "x"),
    ("connectConf", "cli", "+46708000000"),
    ("connectConf", "suppressCallbacks", True),
    ("connectConf", "dtmfMode", "forward"),
    ("connectSip", "account", "peer"),
    ("runMenu", "altLocale", "sv-SE"),
]


@pytest.mark.parametrize(("name", "key", "value"), OLDER, ids=str)
def test_older_properties_and_values(name: str, key: str, value: object) -> None:
    """What only older documents have is a fault today, and passes without strictness."""
    answer = action(name, **{key: value})
    assert faults(answer) == [f"$.action.{key}"]
    assert faults(answer, strict=False) == []


def menu(**properties: Any) -> dict[str, Any]:
    """Return an answer with one menu."""
    return action("runMenu", menus=[{"id": "main", **properties}])


@pytest.mark.parametrize(
    ("key", "good", "bad"),
    [
        ("mainPrompt", PROMPT[0], PROMPT[1]),
        ("repeatPrompt", PROMPT[0], PROMPT[1]),
        ("repeats", [0, 3], [-1, "3", True]),
        ("maxDigits", *COUNT),
        ("timeoutMills", [1000, 30_000], [0, "5000"]),
        ("maxTimeoutMills", [20_000], [0, "5000"]),
        ("id", ["main"], ["", "x" * 65, 5]),
        ("options", [[{"dtmf": key, "action": "return()"}] for key in "0123456789*#"], [{}, [], ["1"], [{}]]),
        ("options", [[{"dtmf": key, "action": "menu(main)"}] for key in range(10)], [[{"dtmf": "1"}]]),
        ("options", [], [[{"dtmf": key, "action": "return(x)"}] for key in ("", "10", "a", 10, -1, True, 1.5)]),
        ("options", [], [[{"dtmf": "1", "action": act}] for act in ("", "x", "return", "menu()", "menu(other)", 5)]),
        ("options", [], [[{"dtmf": "1", "action": "return(a)"}, {"dtmf": 1, "action": "return(b)"}]]),
        ("options", [], [[{"dtmf": "1", "action": "return(a)", "input": "yes"}]]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_menus(key: str, good: list[Any], bad: list[Any]) -> None:
    """What a menu and its options take; faults point into the very option."""
    for value in good:
        assert faults(menu(**{key: value})) == [], value
    for value in bad:
        found = faults(menu(**{key: value}))
        assert found, value
        assert any(one.startswith(f"$.action.menus[0].{key}") for one in found), (value, found)


def test_menus_know_each_other() -> None:
    """One is `main`, ids are unique, and a `menu(id)` leads to one of them."""
    two = [MENU, {"id": "sub", "maxDigits": 4, "options": [{"dtmf": 0, "action": "menu(main)"}]}]
    assert faults(action("runMenu", menus=two)) == []
    assert faults(action("runMenu", menus=two, mainMenu="sub")) == []
    assert faults(action("runMenu", menus=[MENU, MENU])) == ["$.action.menus[1].id"]
    lonely = [{"id": "sub", "maxDigits": 4}]
    assert faults(action("runMenu", menus=lonely)) == ["$.action.menus"]
    assert faults(action("runMenu", menus=lonely), strict=False) == ["$.action.menus"]
    assert faults(action("runMenu", menus=lonely, mainMenu="sub")) == ["$.action.menus"]
    assert faults(action("runMenu", menus=lonely, mainMenu="sub"), strict=False) == []
    assert faults(action("runMenu", menus=two, mainMenu="other"), strict=False) == ["$.action.mainMenu"]


def test_voice_needs_a_locale() -> None:
    """Speech is understood in some language."""
    assert faults(action("runMenu", enableVoice=True)) == ["$.action.locale"]
    assert faults(action("runMenu", enableVoice=True, locale="en-US")) == []
    assert faults(action("runMenu", enableVoice=False)) == []
    assert faults(action("runMenu", enableVoice="yes")) == ["$.action.enableVoice"]


def test_spoken_files_need_a_locale() -> None:
    """Speech is spoken in some language; older documents left it to the platform."""
    answer = instruction("playFiles", ids=["a", "#ssml[<speak/>]"])
    assert faults(answer) == ["$.instructions[0].locale"]
    assert faults(answer, strict=False) == []
    assert faults(instruction("playFiles", ids=["#tts[a]"], locale="en-US")) == []


def test_cookies_share_a_limit() -> None:
    """1024 bytes of keys and values in all."""
    cookie = {"name": "setCookie", "key": "k" * 12, "value": "å" * 250}
    assert faults({"instructions": [cookie, cookie], "action": {"name": "hangup"}}) == []
    more = cookie | {"key": "k" * 13}
    assert faults({"instructions": [cookie, more], "action": {"name": "hangup"}}) == ["$.instructions"]


def test_no_recording_with_in_app_calls() -> None:
    """It would be ignored, which nobody means who asks for it."""
    record = {"name": "startRecording", "options": RECORDING}
    answer = action("connectMxp") | {"instructions": [{"name": "answer"}, record]}
    assert faults(answer) == ["$.instructions[1].name"]
    assert faults(answer, strict=False) == []


def test_a_report_ends_the_call() -> None:
    """ReportCallStatus stands in an answer to DiCE, with hangup."""
    report = {"instructions": [{"name": "reportcallstatus", "value": "Failure", "details": "x" * 64}]}
    assert faults(report | {"action": {"name": "hangup"}}, "dice", strict=False) == []
    assert faults(report, "dice", strict=False) == ["$.action"]
    worse = {"instructions": [{"name": "ReportCallStatus", "value": "maybe", "details": "x" * 65}]}
    paths = ["$.instructions[0].value", "$.instructions[0].details"]
    assert faults(worse | {"action": {"name": "hangup"}}, "dice", strict=False) == paths


@pytest.mark.parametrize(
    ("answer", "paths"),
    [
        ({"action": 5}, ["$.action"]),
        ({"action": []}, ["$.action"]),
        ({"action": {}}, ["$.action.name"]),
        ({"action": {"name": 5}}, ["$.action.name"]),
        ({"action": {"name": "dial"}}, ["$.action.name"]),
        ({"action": {"name": "say", "text": "x"}}, ["$.action.name"]),
        ({"action": {"name": "hangup"}, "instructions": {}}, ["$.instructions"]),
        ({"action": {"name": "hangup"}, "instructions": "x"}, ["$.instructions"]),
        ({"action": {"name": "hangup"}, "instructions": [5]}, ["$.instructions[0]"]),
        ({"action": {"name": "hangup"}, "instructions": [{"name": "hangup"}]}, ["$.instructions[0].name"]),
        ({"action": {"name": "hangup", "reason": "x"}}, ["$.action.reason"]),
        (action("connectPstn", maxduration=5, max_duration=5), ["$.action.maxduration", "$.action.max_duration"]),
        ({"action": {"name": "hangup"}, "actions": []}, ["$.actions"]),
        (action("connectPstn", cli="", amd=1), ["$.action.cli", "$.action.amd"]),
    ],
    ids=lambda value: str(value)[:60],
)
def test_every_fault_has_its_path(answer: dict[str, Any], paths: list[str]) -> None:
    """All of them are told, in the order of the answer."""
    assert faults(answer) == paths


@pytest.mark.parametrize("name", LEAST)
def test_names_are_read_in_any_case(name: str) -> None:
    """As the platform does."""
    event = "dice" if name == "ReportCallStatus" else "ice"
    is_action = name.startswith(("connect", "run")) or name in {"hangup", "park"}
    for spelled in (name.upper(), name.lower(), name.capitalize()):
        answer = {"name": spelled, **LEAST[name]}
        whole = {"action": answer} if is_action else {"instructions": [answer], "action": {"name": "Hangup"}}
        expected = ["$.action.name"] if name == "continue" else []
        if name == "continue":
            whole = {"action": answer}
        assert faults(whole, event, strict=False) == expected


def test_what_is_no_json() -> None:
    """Bytes that are no SVAML at all have one fault, at the root."""
    for answer in (b"", b"[]", b"{", b"\xff", b'{"action":{"name":"hangup"},"x":1e999999999}', b"[" * 10_000):
        assert [fault.path for fault in sinch.check(answer)] == ["$"]
    assert sinch.check(b'{"action":{"name":"hangup"}}') == []
    typed = sinch.Svaml(instructions=(sinch.Say(text="\ud800"),), action=sinch.Hangup())
    assert [fault.path for fault in sinch.check(typed)] == ["$"]


def test_an_event_that_does_not_exist() -> None:
    """A slip in the event is the caller's, and no fault of the answer."""
    with pytest.raises(ValueError, match="ICE"):
        sinch.check({}, event="ICE")


def test_faults_tell_no_credentials() -> None:
    """Whatever is wrong with a recording, what opens its place is not shown."""
    options = {"destinationUrl": "bucket", "credentials": ["hunter2"], "format": 5}
    told = sinch.check(instruction("startRecording", options=options))
    assert len(told) == 3
    assert "hunter2" not in "".join(map(str, told))


def test_faults_are_short() -> None:
    """A fault shows the beginning of what was found, and says what would do."""
    told = sinch.check(action("connectPstn", cli="x" * 1000))
    assert len(str(told[0])) < 200
    assert str(told[0]).startswith('$.action.cli: found "xxx')
    assert "E.164" in told[0].expected


def test_typed_plain_and_written_are_checked_alike() -> None:
    """An answer has the same faults as a struct, as JSON and as bytes."""
    typed = sinch.Svaml(instructions=(sinch.Say(text="x" * 601),), action=sinch.Continue())
    told = sinch.check(typed)
    assert len(told) == 2
    assert sinch.check(typed.to_json()) == sinch.check(msgspec.json.decode(typed.to_json())) == told
