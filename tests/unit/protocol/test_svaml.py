"""SVAML as bytes: written in the exact spelling of current documents, read in every spelling that has been one."""

from typing import Any

import pytest

from callgate.protocol import sinch

EXACT: list[tuple[sinch.Action | sinch.Instruction, str]] = [
    (sinch.Hangup(), '{"name":"hangup"}'),
    (sinch.Continue(), '{"name":"continue"}'),
    (
        sinch.ConnectPstn(
            number="+46708000000",
            locale="en-US",
            max_duration=600,
            dial_timeout=30,
            cli="private",
            suppress_callbacks=False,
            dtmf="1w2#",
            indications="no",
            amd=sinch.AmdOptions(enabled=True, is_async=True),
        ),
        (
            '{"name":"connectPstn","number":"+46708000000","locale":"en-US","maxDuration":600,"dialTimeout":30,'
            '"cli":"private","suppressCallbacks":false,"dtmf":"1w2#","indications":"no",'
            '"amd":{"enabled":true,"async":true}}'
        ),
    ),
    (
        sinch.ConnectMxp(
            destination=sinch.Address(type="username", endpoint="alice"),
            call_headers=(sinch.Pair(key="a", value="b"),),
        ),
        (
            '{"name":"connectMxp","destination":{"type":"username","endpoint":"alice"},'
            '"callHeaders":[{"key":"a","value":"b"}]}'
        ),
    ),
    (
        sinch.ConnectConf(
            conference_id="room",
            conference_dtmf_options=sinch.ConferenceDtmfOptions(mode="detect", max_digits=4, timeout_mills=3000),
            moh="music1",
        ),
        (
            '{"name":"connectConf","conferenceId":"room","conferenceDtmfOptions":'
            '{"mode":"detect","maxDigits":4,"timeoutMills":3000},"moh":"music1"}'
        ),
    ),
    (
        sinch.ConnectSip(
            destination=sinch.Address(type="sip", endpoint="46708000000@sip.foo.com"),
            max_duration=14_400,
            cli="+46708000001",
            transport="TLS",
            suppress_callbacks=True,
            call_headers=(sinch.Pair(key="X-a", value=""),),
            moh="ring",
        ),
        (
            '{"name":"connectSip","destination":{"type":"sip","endpoint":"46708000000@sip.foo.com"},"maxDuration":14400,'
            '"cli":"+46708000001","transport":"TLS","suppressCallbacks":true,"callHeaders":[{"key":"X-a","value":""}],'
            '"moh":"ring"}'
        ),
    ),
    (
        sinch.ConnectStream(
            destination=sinch.Address(type="Websocket", endpoint="wss://a.example"),
            streaming_options=sinch.StreamingOptions(version=1, sample_rate=44_100),
            max_duration=60,
            call_headers=(sinch.Pair(key="a", value="b"),),
        ),
        (
            '{"name":"connectStream","destination":{"type":"Websocket","endpoint":"wss://a.example"},'
            '"streamingOptions":{"version":1,"sampleRate":44100},"maxDuration":60,"callHeaders":[{"key":"a","value":"b"}]}'
        ),
    ),
    (
        sinch.RunMenu(
            barge=False,
            locale="en-US/female",
            main_menu="main",
            enable_voice=True,
            menus=(
                sinch.Menu(
                    id="main",
                    main_prompt="#tts[Hi]",
                    repeat_prompt="#tts[Again]",
                    repeats=0,
                    max_digits=4,
                    timeout_mills=5000,
                    max_timeout_mills=20_000,
                    options=(sinch.Option(dtmf="*", action="menu(main)"), sinch.Option(dtmf="1", action="return(x)")),
                ),
            ),
        ),
        (
            '{"name":"runMenu","barge":false,"locale":"en-US/female","mainMenu":"main","enableVoice":true,"menus":['
            '{"id":"main","mainPrompt":"#tts[Hi]","repeatPrompt":"#tts[Again]","repeats":0,"maxDigits":4,'
            '"timeoutMills":5000,"maxTimeoutMills":20000,'
            '"options":[{"dtmf":"*","action":"menu(main)"},{"dtmf":"1","action":"return(x)"}]}]}'
        ),
    ),
    (
        sinch.Park(locale="en-US", intro_prompt="a", hold_prompt="b", max_duration=600),
        '{"name":"park","locale":"en-US","introPrompt":"a","holdPrompt":"b","maxDuration":600}',
    ),
    (
        sinch.PlayFiles(ids=("#tts[Hi]", "myfile"), locale="en-US"),
        '{"name":"playFiles","ids":["#tts[Hi]","myfile"],"locale":"en-US"}',
    ),
    (sinch.Say(text="Hi", locale="Joanna"), '{"name":"say","text":"Hi","locale":"Joanna"}'),
    (sinch.SendDtmf(value="1w2"), '{"name":"sendDtmf","value":"1w2"}'),
    (sinch.SetCookie(key="a", value=""), '{"name":"setCookie","key":"a","value":""}'),
    (sinch.Answer(), '{"name":"answer"}'),
    (
        sinch.StartRecording(
            options=sinch.RecordingOptions(
                destination_url="s3://bucket",
                credentials="key:secret:region",
                format="mp3",
                notification_events=False,
                transcription_options=sinch.TranscriptionOptions(enabled=True, locale="en-US"),
            )
        ),
        (
            '{"name":"startRecording","options":{"destinationUrl":"s3://bucket","credentials":"key:secret:region",'
            '"format":"mp3","notificationEvents":false,"transcriptionOptions":{"enabled":true,"locale":"en-US"}}}'
        ),
    ),
    (sinch.StopRecording(), '{"name":"stopRecording"}'),
    (
        sinch.ReportCallStatus(value="success", details="all well"),
        '{"name":"ReportCallStatus","value":"success","details":"all well"}',
    ),
]


def answer_with(part: Any) -> sinch.Svaml:
    """Return an answer that holds an action or an instruction."""
    if isinstance(part, sinch.Action):
        return sinch.Svaml(action=part)
    return sinch.Svaml(instructions=(part,), action=sinch.Hangup())


@pytest.mark.parametrize(("part", "written"), EXACT, ids=lambda value: type(value).__name__)
def test_every_word_is_spelled_as_documented(part: Any, written: str) -> None:
    """Each property of each action and instruction, none misspelled, none written as another kits' faults have it."""
    expected = (
        f'{{"action":{written}}}'
        if isinstance(part, sinch.Action)
        else f'{{"instructions":[{written}],"action":{{"name":"hangup"}}}}'
    )
    assert answer_with(part).to_json().decode() == expected


@pytest.mark.parametrize(("part", "written"), EXACT, ids=lambda value: type(value).__name__)
def test_what_is_written_is_read(part: Any, written: str) -> None:
    """Typed, written and read again it is the same, and its least form leaves everything out."""
    answer = answer_with(part)
    assert sinch.Svaml.from_json(answer.to_json()) == answer
    shouted = answer.to_json().decode()
    for name in ("connectPstn", "playFiles", "setCookie", "runMenu", "say"):
        shouted = shouted.replace(f'"{name}"', f'"{name.upper()}"')
    assert sinch.Svaml.from_json(shouted.encode()) == answer
    assert written.count('"name"') == 1


def test_absent_fields_are_left_out() -> None:
    """The shortest answers are short."""
    assert sinch.Svaml(action=sinch.ConnectPstn(max_duration=600)).to_json() == (
        b'{"action":{"name":"connectPstn","maxDuration":600}}'
    )
    assert sinch.Svaml().to_json() == b"{}"
    assert sinch.Svaml(instructions=(sinch.Answer(),)).to_json() == b'{"instructions":[{"name":"answer"}]}'


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (
            '{"action":{"name":"ConnectPSTN","callback":true,"maxDuration":60}}',
            sinch.Svaml(action=sinch.ConnectPstn(callback=True, max_duration=60)),
        ),
        (
            '{"Action":{"Name":"connectpstn","destination":{"type":"number","endpoint":"+46708000000"}}}',
            sinch.Svaml(action=sinch.ConnectPstn(number="+46708000000")),
        ),
        (
            '{"action":{"name":"connectPstn","number":"+1","destination":{"endpoint":"+2"}}}',
            sinch.Svaml(action=sinch.ConnectPstn(number="+1")),
        ),
        (
            '{"instructions":[{"name":"PlayFiles","Ids":"welcome"}],"action":{"name":"Hangup"}}',
            sinch.Svaml(instructions=(sinch.PlayFiles(ids=("welcome",)),), action=sinch.Hangup()),
        ),
        (
            '{"action":{"name":"connectMxp","callheaders":[{"key":"a","value":"b"}]}}',
            sinch.Svaml(action=sinch.ConnectMxp(call_headers=(sinch.Pair(key="a", value="b"),))),
        ),
        (
            '{"action":{"name":"runMenu","menus":[{"id":"main","options":[{"dtmf":1,"action":"return(a)"}]}]}}',
            sinch.Svaml(
                action=sinch.RunMenu(
                    menus=(sinch.Menu(id="main", options=(sinch.Option(dtmf="1", action="return(a)"),)),)
                )
            ),
        ),
        (
            '{"instructions":[{"name":"StartRecording","options":{"destination":"s3://b"}}],"action":null}',
            sinch.Svaml(instructions=(sinch.StartRecording(options=sinch.RecordingOptions(destination_url="s3://b")),)),
        ),
        ('{"action":{"name":"stopRecording"}}', sinch.Svaml(action=sinch.StopRecording())),
        (
            '{"instructions":null,"action":{"name":"connectPstn","number":null,"maxDuration":600.0,"new":{"x":1}}}',
            sinch.Svaml(action=sinch.ConnectPstn(max_duration=600)),
        ),
        (
            '{"action":{"name":"connectPstn","maxDuration":"600","suppressCallbacks":"true"}}',
            sinch.Svaml(action=sinch.ConnectPstn(max_duration=600, suppress_callbacks=True)),
        ),
        ("{}", sinch.Svaml()),
    ],
)
def test_older_forms_are_read(body: str, answer: sinch.Svaml) -> None:
    """Samples of ten years, strings for numbers and unknown extras included."""
    assert sinch.Svaml.from_json(body.encode()) == answer


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", "$"),
        (b"[]", "$"),
        (b"\xff", "$"),
        (b'{"action":5}', "$.action"),
        (b'{"action":{}}', "$.action"),
        (b'{"action":{"name":"dial"}}', "$.action.name"),
        (b'{"action":{"name":5}}', "$.action.name"),
        (b'{"action":{"name":"say","text":"x"}}', "$.action.name"),
        (b'{"action":{"name":"connectPstn","maxDuration":"long"}}', "$.action.maxDuration"),
        (b'{"action":{"name":"connectPstn","maxDuration":1.5}}', "$.action.maxDuration"),
        (b'{"action":{"name":"connectPstn","destination":{"endpoint":5}}}', "$.action.number"),
        (b'{"action":{"name":"connectPstn","maxDuration":1e999999999}}', "$"),
        (b'{"instructions":{},"action":{"name":"hangup"}}', "$.instructions"),
        (b'{"instructions":[5],"action":{"name":"hangup"}}', "$.instructions[0]"),
        (b'{"instructions":[{"name":"sendDtmf"}],"action":{"name":"hangup"}}', "$.instructions[0]"),
        (b'{"action":{"name":"runMenu","menus":[{"options":5}]}}', "$.action.menus[0].options"),
        (b'{"action":{"name":"runMenu","menus":[5]}}', "$.action.menus[0]"),
    ],
)
def test_what_cannot_be_read(body: bytes, path: str) -> None:
    """The first thing that is in the way is told by its path."""
    with pytest.raises(sinch.CallbackMalformed) as refused:
        sinch.Svaml.from_json(body)
    assert refused.value.path == path


def test_credentials_are_not_shown() -> None:
    """Neither alone nor within an answer."""
    options = sinch.RecordingOptions(destination_url="s3://bucket", credentials="key:hunter2:region")
    answer = sinch.Svaml(instructions=(sinch.StartRecording(options=options),))
    assert "hunter2" not in repr(answer) + str(answer)
    assert "s3://bucket" in repr(answer)


@pytest.mark.parametrize(("part", "written"), EXACT, ids=lambda value: type(value).__name__)
def test_the_checker_knows_every_word(part: Any, written: str) -> None:
    """Each action and instruction with all its properties has no fault where it is allowed."""
    older = isinstance(part, sinch.ReportCallStatus)
    event = "dice" if older else "ace" if isinstance(part, sinch.Continue) else "ice"
    assert sinch.check(answer_with(part), event=event, strict=not older) == [], written
