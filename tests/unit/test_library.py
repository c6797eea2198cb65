"""Library mode without a server: handlers are asked, what they say is sent, and what goes wrong ends no call for free."""

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from typing import Any

import msgspec
import pytest

from callgate import Callgate
from callgate.errors import Invalid
from callgate.http import problems
from callgate.library import MAX_BODY_BYTES, THREADS
from callgate.protocol import WireReply, WireRequest, sinch

KEY, SECRET = "669E367E-6BBA-48AB-AF15-266871C28135", "BeIukql3pTKJ8RGL5zo0DA=="
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PATH = "/callbacks/sinch"
NUMBER = "+15612600684"

HANG_UP = {"action": {"name": "hangup"}}
GO_ON = {"action": {"name": "continue"}}
QUESTIONS = [("ice", HANG_UP), ("ace", GO_ON), ("pie", HANG_UP)]
REPORTS = [("dice", {}), ("notify", {})]

ICE = {"event": "ice", "callid": "a-call", "cli": "46700000001", "to": {"type": "number", "endpoint": NUMBER}}


def event(name: str, **fields: object) -> dict[str, object]:
    return (ICE if name == "ice" else {"event": name, "callid": "a-call"}) | fields


def signed(body: bytes | dict[str, Any], secret: str = SECRET, now: datetime = NOW) -> WireRequest:
    text = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return WireRequest(method="POST", path=PATH, headers=sinch.sign("POST", PATH, text, KEY, secret, now), body=text)


def said(reply: WireReply) -> Any:
    assert (reply.status, reply.content_type) == (200, "application/json")
    return msgspec.json.decode(reply.body)


def ask(gate: Callgate, body: dict[str, Any]) -> Any:
    return said(gate.answer(signed(body), NOW))


def ask_async(gate: Callgate, body: dict[str, Any]) -> Any:
    return said(asyncio.run(gate.answer_async(signed(body), NOW)))


WAYS = pytest.mark.parametrize("ask", [ask, ask_async])
Ask = Callable[[Callgate, dict[str, Any]], Any]


@pytest.fixture
def gate() -> Callgate:
    return Callgate(applications={KEY: SECRET})


@pytest.fixture
def errors() -> list[Exception]:
    return []


@pytest.fixture
def watched(errors: list[Exception]) -> Callgate:
    """A gate with a short deadline whose errors are kept."""
    return Callgate({KEY: SECRET}, deadline_s=0.05, on_error=lambda error, _: errors.append(error))


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What blocking handlers wait for; set at the end in any case, so that no thread stays."""
    event = threading.Event()
    yield event
    event.set()


# -- handlers ----------------------------------------------------------------------------------------------------------


@WAYS
def test_the_tutorials_controller(gate: Callgate, ask: Ask) -> None:
    """One number is connected, with the destination that was dialled; any other is hung up."""

    @gate.ice
    async def incoming(call: sinch.Ice) -> sinch.Action:
        assert call.to is not None
        return sinch.ConnectPstn(max_duration=600) if call.to.endpoint == NUMBER else sinch.Hangup()

    assert ask(gate, ICE) == {"action": {"name": "connectPstn", "maxDuration": 600}}
    assert ask(gate, event("ice", to={"type": "number", "endpoint": "+15612600685"})) == HANG_UP


@WAYS
@pytest.mark.parametrize("name", ["ice", "ace", "pie", "dice", "notify"])
def test_each_event_reaches_its_own_handler(gate: Callgate, ask: Ask, name: str) -> None:
    """As the struct of the wire, in a handler that is async and in one that is not."""
    seen: list[object] = []

    async def asynchronous(call: object) -> None:
        seen.append(call)

    getattr(gate, name)(asynchronous)
    ask(gate, event(name, custom="mine"))
    again = Callgate({KEY: SECRET})
    getattr(again, name)(seen.append)
    ask(again, event(name, custom="mine"))
    assert seen[0] == seen[1]
    assert [type(call).__name__.lower() for call in seen] == [name, name]
    assert getattr(seen[0], "custom", None) == "mine"


@WAYS
@pytest.mark.parametrize(("name", "default"), [*QUESTIONS, *REPORTS])
def test_without_a_handler_and_without_an_answer_the_default_is_sent(
    gate: Callgate, ask: Ask, name: str, default: object
) -> None:
    """No call is set up by silence, an answered one goes on, a report is acknowledged."""
    assert ask(gate, event(name)) == default
    getattr(gate, name)(lambda _: None)
    assert ask(gate, event(name)) == default


def test_answers_are_sent_as_they_are_written(gate: Callgate) -> None:
    """Instructions, action and nothing added."""
    svaml = sinch.Svaml(instructions=(sinch.Say(text="Hello", locale="en-US"),), action=sinch.Hangup())
    gate.ice(lambda _: svaml)
    assert gate.answer(signed(ICE), NOW).body == svaml.to_json()


def test_decorators_return_the_handler_itself(gate: Callgate) -> None:
    """So that it can be tested as the plain function that it is."""

    def incoming(_: sinch.Ice) -> sinch.Hangup:
        return sinch.Hangup()

    assert gate.ice(incoming) is incoming


def test_callables_of_any_kind_are_handlers(gate: Callgate) -> None:
    """A partial function, and an object whose `__call__` is async."""

    class Controller:
        async def __call__(self, _: sinch.Ace) -> sinch.Hangup:
            return sinch.Hangup()

    async def incoming(greeting: str, _: sinch.Ice) -> sinch.Svaml:
        return sinch.Svaml(instructions=(sinch.Say(text=greeting),), action=sinch.Hangup())

    gate.ice(partial(incoming, "Hello"))
    gate.ace(Controller())
    assert ask(gate, ICE)["instructions"] == [{"name": "say", "text": "Hello"}]
    assert ask(gate, event("ace")) == HANG_UP


@pytest.mark.parametrize(
    ("handler", "expected"),
    [
        (None, "without brackets"),
        (lambda: None, "one argument"),
        (lambda _, __: None, "one argument"),
    ],
)
def test_what_cannot_be_a_handler_is_refused_at_once(gate: Callgate, handler: Any, expected: str) -> None:
    """When the module is loaded, not when the first call comes."""
    with pytest.raises(Invalid, match=expected):
        gate.ice(handler)


def test_an_event_has_one_handler(gate: Callgate) -> None:
    """A second one would never be asked."""
    gate.ice(lambda _: None)
    with pytest.raises(Invalid, match="second handler"):
        gate.ice(lambda _: None)


def test_digits_that_a_conference_detects_are_answered_with_nothing(gate: Callgate) -> None:
    """The platform wants no SVAML there, whether or not there is a handler."""
    digits = event("pie", conferenceId="room", menuResult={"menuId": "room", "type": "sequence", "value": "1"})
    assert ask(gate, digits) == {}
    gate.pie(lambda _: None)
    assert ask(gate, digits) == {}
    assert ask(gate, digits | {"menuResult": {"menuId": "main", "type": "return", "value": "1"}}) == HANG_UP


# -- what goes wrong ---------------------------------------------------------------------------------------------------


@WAYS
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(("name", "default"), [*QUESTIONS, *REPORTS])
def test_a_handler_that_raises_does_not_connect(  # noqa: PLR0913, PLR0917 - each is one of the cases
    watched: Callgate, errors: list[Exception], caplog: pytest.LogCaptureFixture, ask: Ask, is_async: bool, name: str,  # noqa: FBT001
    default: object,
) -> None:  # fmt: skip
    """Incoming calls and menus are hung up, answered calls go on. The log says where, and no number."""

    def fails(_: sinch.Ice) -> None:
        raise KeyError(NUMBER)

    async def fails_later(call: sinch.Ice) -> None:
        await asyncio.sleep(0)
        fails(call)

    getattr(watched, name)(fails_later if is_async else fails)
    assert ask(watched, event(name)) == default
    assert [type(error) for error in errors] == [KeyError]
    assert f"handler_failed callback={name} call_id='a-call'" in caplog.text
    assert f"error=KeyError reason='{__name__}:" in caplog.text
    assert NUMBER.strip("+") not in caplog.text


def test_a_handler_that_cancels_itself_is_a_failure(watched: Callgate, errors: list[Exception]) -> None:
    """As an HTTP client may do; the server's own task is not the one that was cancelled."""

    @watched.ice
    async def incoming(_: sinch.Ice) -> None:
        raise asyncio.CancelledError

    assert ask_async(watched, ICE) == HANG_UP
    assert [type(error) for error in errors] == [RuntimeError]


@WAYS
@pytest.mark.parametrize(("name", "default"), QUESTIONS)
def test_an_async_handler_that_misses_the_deadline_is_cancelled(
    watched: Callgate, errors: list[Exception], ask: Ask, name: str, default: object
) -> None:
    """The caller hears the end, not silence."""
    cancelled = threading.Event()

    async def waits(_: object) -> sinch.Continue:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise
        return sinch.Continue()

    getattr(watched, name)(waits)
    assert ask(watched, event(name)) == default
    assert cancelled.wait(10)
    assert [str(error) for error in errors] == ["no answer within 0.05 s"]


def test_an_async_handler_that_does_not_let_go_is_not_waited_for(watched: Callgate) -> None:
    """The deadline holds even while a handler tidies up, and what it raises then is reported."""

    async def main() -> object:
        ended = asyncio.Event()

        @watched.ice
        async def incoming(_: sinch.Ice) -> None:
            try:
                await asyncio.sleep(60)
            finally:
                await ended.wait()

        reply = await watched.answer_async(signed(ICE), NOW)
        ended.set()
        return said(reply)

    assert asyncio.run(main()) == HANG_UP


def test_a_handler_ends_with_the_request_that_asked_it(gate: Callgate) -> None:
    """When the server cancels that, nobody would read the answer."""

    async def main() -> None:
        begun = asyncio.Event()
        ended: list[str] = []

        @gate.ice
        async def incoming(call: sinch.Ice) -> None:
            begun.set()
            try:
                await asyncio.sleep(60)
            finally:
                ended.append(call.callid)

        request = asyncio.create_task(gate.answer_async(signed(ICE), NOW))
        await begun.wait()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        await asyncio.sleep(0)
        assert ended == ["a-call"]

    asyncio.run(main())


@pytest.mark.parametrize(("name", "default"), QUESTIONS)
def test_a_handler_that_blocks_is_not_waited_for(
    watched: Callgate, released: threading.Event, name: str, default: object
) -> None:
    """It runs in a thread: the event loop goes on, and the platform is answered at the deadline."""
    getattr(watched, name)(lambda _: released.wait(60) and sinch.Continue())
    assert ask_async(watched, event(name)) == default


def test_a_late_answer_of_the_callers_own_thread_is_not_sent(errors: list[Exception]) -> None:
    """There nothing can interrupt the handler, but what was decided too late does not count."""
    gate = Callgate({KEY: SECRET}, deadline_s=1e-9, on_error=lambda error, _: errors.append(error))
    gate.ice(lambda _: sinch.ConnectPstn(max_duration=600))
    assert ask(gate, ICE) == HANG_UP
    assert [type(error) for error in errors] == [TimeoutError]


def test_a_report_is_acknowledged_at_the_deadline_and_its_handler_goes_on(
    watched: Callgate, errors: list[Exception]
) -> None:
    """Whoever books the end of a call is not cut off in the middle of it, and is heard when it fails."""

    async def main() -> object:
        booked = asyncio.Event()

        @watched.dice
        async def ended(_: sinch.Dice) -> None:
            await booked.wait()
            raise ConnectionError

        reply = await watched.answer_async(signed(event("dice")), NOW)
        assert errors == []
        booked.set()
        while not errors:  # noqa: ASYNC110 - what is waited for is not ours to set
            await asyncio.sleep(0)
        return said(reply)

    assert asyncio.run(main()) == {}
    assert [type(error) for error in errors] == [ConnectionError]


@pytest.mark.parametrize(
    ("returned", "found"),
    [
        ({"action": {"name": "hangup"}}, "a dict"),
        (sinch.Hangup, "the class Hangup itself"),
        ("hangup", "a str"),
        (True, "a bool"),
        (sinch.Say(text="Hello"), "a Say"),
        (sinch.ConnectPstn(tags=object()), "a value that JSON has no word for"),
    ],
)
def test_what_is_no_answer_is_told_to_the_developer(
    watched: Callgate, errors: list[Exception], returned: object, found: str
) -> None:
    """What was returned, and what would do; the call is hung up."""
    watched.ice(lambda _: returned)  # type: ignore[arg-type, return-value]
    assert ask(watched, ICE) == HANG_UP
    assert [type(error) for error in errors] == [Invalid]
    assert f"the answer: found {found}; expected " in str(errors[0])


def test_faults_are_logged_and_the_answer_is_sent(gate: Callgate, caplog: pytest.LogCaptureFixture) -> None:
    """The developer's own answer is the developer's own; the log holds what would do, not the number that was found."""
    gate.ice(lambda _: sinch.ConnectPstn(number="call 15612600684", max_duration=0))
    assert ask(gate, ICE)["action"]["number"] == "call 15612600684"
    assert "answer_has_faults callback=ice call_id='a-call'" in caplog.text
    assert "$.action.number: expected" in caplog.text and "$.action.maxDuration: expected" in caplog.text
    assert "15612600684" not in caplog.text


def test_a_strict_gate_sends_no_faults() -> None:
    """Neither what is wrong nor what only older documents had: ICE and PIE are hung up, ACE goes on."""
    errors: list[Exception] = []
    strict = Callgate({KEY: SECRET}, strict=True, on_error=lambda error, _: errors.append(error))
    strict.ice(lambda _: sinch.Continue())
    strict.ace(lambda _: sinch.ConnectPstn(number=NUMBER))
    assert ask(strict, ICE) == HANG_UP
    assert ask(strict, event("ace")) == GO_ON
    assert all("$.action.name" in str(error) for error in errors) and len(errors) == 2


def test_what_older_documents_had_is_no_fault_unless_strict(gate: Callgate, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody's log fills with what has worked for years."""
    gate.ace(lambda _: sinch.ConnectPstn(number=NUMBER))
    assert ask(gate, event("ace")) == {"action": {"name": "connectPstn", "number": NUMBER}}
    assert caplog.text == ""


def test_a_failing_error_reporter_fails_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The call is answered and the log has both."""

    def report(_: Exception, __: object) -> None:
        raise ConnectionError

    gate = Callgate({KEY: SECRET}, on_error=report)
    gate.ice(lambda _: {}[NUMBER])
    assert ask(gate, ICE) == HANG_UP
    assert "handler_failed" in caplog.text and "on_error_failed error=ConnectionError" in caplog.text


# -- requests ----------------------------------------------------------------------------------------------------------


def test_either_secret_of_an_application_is_good() -> None:
    """While a secret is being changed, callbacks come with both."""
    old = "b2xkIHNlY3JldA=="
    gate = Callgate({KEY: [SECRET, old]})
    assert said(gate.answer(signed(ICE, old), NOW)) == said(gate.answer(signed(ICE), NOW)) == HANG_UP
    assert Callgate({KEY: SECRET}).answer(signed(ICE, old), NOW).status == 401


def answers_connect(gate: Callgate) -> None:
    gate.ice(lambda _: sinch.ConnectPstn(max_duration=600))


DAMAGED = {
    "another secret": (signed(ICE, "b2xkIHNlY3JldA=="), problems.UNAUTHORIZED),
    "too old": (signed(ICE, now=NOW - timedelta(seconds=301)), problems.UNAUTHORIZED),
    "another path": (msgspec.structs.replace(signed(ICE), path="/callbacks/sinch/"), problems.UNAUTHORIZED),
    "another body": (msgspec.structs.replace(signed(ICE), body=b"{}"), problems.UNAUTHORIZED),
    "no headers": (msgspec.structs.replace(signed(ICE), headers={}), problems.UNAUTHORIZED),
    "another application's body": (signed(event("ice", applicationKey="other")), problems.UNAUTHORIZED),
    "too large": (signed(b" " * (MAX_BODY_BYTES + 1)), problems.TOO_LARGE),
    "not posted": (msgspec.structs.replace(signed(ICE), method="GET"), problems.METHOD_NOT_ALLOWED),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_refused_requests_get_what_the_server_answers(gate: Callgate, damage: str) -> None:
    """The same problem documents, which tell the sender nothing of what was wrong with a signature."""
    answers_connect(gate)
    request, problem = DAMAGED[damage]
    assert gate.answer(request, NOW) == problem


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff", b'"ice"'])
def test_genuine_nonsense_is_malformed(gate: Callgate, body: bytes) -> None:
    """400, with the JSON path."""
    reply = gate.answer(signed(body), NOW)
    assert (reply.status, reply.content_type) == (400, "application/problem+json")
    assert msgspec.json.decode(reply.body)["type"] == problems.TYPE + "malformed"
    assert msgspec.json.decode(reply.body)["detail"].startswith("$")


def test_a_body_of_the_largest_size_is_read(gate: Callgate) -> None:
    """64 KiB, not one byte less."""
    answers_connect(gate)
    body = msgspec.json.encode(ICE)
    assert said(gate.answer(signed(body + b" " * (MAX_BODY_BYTES - len(body))), NOW))["action"]["maxDuration"] == 600


def test_unknown_events_are_ignored(gate: Callgate) -> None:
    """The platform may learn new words before we do."""
    assert ask(gate, {"event": "holo", "callid": "a-call"}) == {}
    assert ask(gate, {}) == {}


@pytest.mark.parametrize("missing", ["to", "callid"])
def test_a_call_that_cannot_be_handled_is_hung_up(gate: Callgate, missing: str) -> None:
    """The handler need not ask whether there is a destination."""
    answers_connect(gate)
    assert ask(gate, {name: value for name, value in ICE.items() if name != missing}) == HANG_UP


def test_freshness_can_be_changed_and_turned_off() -> None:
    """In seconds; None takes callbacks of any age."""
    old = signed(ICE, now=NOW - timedelta(seconds=301))
    assert Callgate({KEY: SECRET}, freshness_s=400).answer(old, NOW).status == 200
    assert Callgate({KEY: SECRET}, freshness_s=None).answer(old, NOW + timedelta(days=999)).status == 200


@pytest.mark.parametrize(
    ("applications", "options", "expected"),
    [
        ({}, {}, "at least one"),
        ({KEY: ""}, {}, "what the platform shows"),
        ({KEY: []}, {}, "what the platform shows"),
        ({KEY: [SECRET, "!"]}, {}, "what the platform shows"),
        ({KEY: 7}, {}, "what the platform shows"),
        ({KEY: SECRET}, {"deadline_s": 0}, "more than 0 seconds"),
        ({KEY: SECRET}, {"freshness_s": -1}, "0 or more seconds, or None"),
        ({KEY: SECRET}, {"public_path": "https://example.com/cb"}, "the path of the callback URL"),
        ({KEY: SECRET}, {"public_path": "/cb?x=1"}, "the path of the callback URL"),
    ],
)
def test_what_cannot_be_used_is_refused_without_showing_a_secret(
    applications: Any, options: dict[str, Any], expected: str
) -> None:
    """With what was found and what would do."""
    with pytest.raises(Invalid, match=expected) as refused:
        Callgate(applications, **options)
    assert SECRET not in str(refused.value)


# -- many at once ------------------------------------------------------------------------------------------------------


def test_concurrent_calls_keep_their_own_answers(gate: Callgate) -> None:
    """A hundred async handlers at once, each with its own call."""

    async def main() -> list[str]:
        all_here = asyncio.Event()
        here: list[str] = []

        @gate.ice
        async def incoming(call: sinch.Ice) -> sinch.ConnectConf:
            here.append(call.callid)
            if len(here) == 100:
                all_here.set()
            await all_here.wait()
            return sinch.ConnectConf(conference_id=call.callid)

        requests = [signed(event("ice", callid=f"call-{index}")) for index in range(100)]
        replies = await asyncio.gather(*(gate.answer_async(request, NOW) for request in requests))
        return [said(reply)["action"]["conferenceId"] for reply in replies]

    assert asyncio.run(main()) == [f"call-{index}" for index in range(100)]


def test_blocking_handlers_run_beside_each_other(gate: Callgate) -> None:
    """As many as there are threads."""
    together = threading.Barrier(THREADS)

    @gate.ice
    def incoming(_: sinch.Ice) -> sinch.Hangup:
        together.wait(10)
        return sinch.Hangup()

    async def main() -> list[WireReply]:
        return await asyncio.gather(*(gate.answer_async(signed(ICE), NOW) for _ in range(THREADS)))

    assert [said(reply) for reply in asyncio.run(main())] == [HANG_UP] * THREADS
    assert not together.broken


def test_async_handlers_of_a_thread_share_one_event_loop(gate: Callgate) -> None:
    """So that a connection pool that one of them opened is good for the next."""
    loops = set()

    @gate.ice
    async def incoming(_: sinch.Ice) -> None:
        loops.add(asyncio.get_running_loop())

    threads = [threading.Thread(target=ask, args=(gate, ICE)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loops) == 1


# -- ASGI and WSGI -----------------------------------------------------------------------------------------------------


def asgi(gate: Callgate, request: WireRequest, **scope: Any) -> list[Any]:
    """Ask as a server does, the body in two parts; returns what was sent."""
    half = len(request.body) // 2
    messages = [
        {"type": "http.request", "body": request.body[:half], "more_body": True},
        {"type": "http.request", "body": request.body[half:]},
    ]
    return exchange(
        gate,
        {
            "type": "http",
            "method": request.method,
            "path": request.path,
            "headers": [(name.encode(), value.encode()) for name, value in request.headers.items()],
        }
        | scope,
        messages,
    )


def exchange(gate: Callgate, scope: dict[str, Any], messages: list[Any]) -> list[Any]:
    sent: list[Any] = []

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(gate(scope, receive, send))
    return sent


def now_signed(path: str) -> WireRequest:
    body = msgspec.json.encode(ICE)
    return WireRequest(
        method="POST", path=path, headers=sinch.sign("POST", path, body, KEY, SECRET, datetime.now(UTC)), body=body
    )


@pytest.mark.parametrize(
    ("requested", "scope"),
    [
        ("/cb", {"path": "/cb", "raw_path": b"/cb"}),
        ("/cb", {"path": "/cb", "raw_path": b"/cb?x=1"}),  # a server that leaves the query there
        ("/a/cb", {"path": "/a/cb", "raw_path": b"/a/cb", "root_path": "/a"}),  # mounted
        ("/a/cb", {"path": "/cb", "raw_path": b"/a/cb", "root_path": "/a"}),  # mounted, as it once was
        ("/a/cb", {"path": "/cb", "raw_path": b"/cb", "root_path": "/a/"}),  # stripped by a proxy
        ("/a/cb", {"path": "/cb", "root_path": "/a"}),  # a server without raw paths
        ("/a%20b/c%C3%A9", {"path": "/a b/c\u00e9"}),
        ("/a%2Fb", {"path": "/a/b", "raw_path": b"/a%2Fb"}),
        ("/a", {"path": "/a", "raw_path": b"/a", "root_path": "/a"}),
        ("/", {"path": "", "raw_path": b""}),
    ],
)
def test_the_path_that_counts_is_that_of_the_url(gate: Callgate, requested: str, scope: dict[str, Any]) -> None:
    """However server, proxy and mounts have cut it up."""
    start, body = asgi(gate, now_signed(requested), **scope)
    assert start["status"] == 200
    assert msgspec.json.decode(body["body"]) == HANG_UP


def test_a_public_path_goes_before_the_path_that_arrived() -> None:
    """A proxy may rename it altogether."""
    gate = Callgate({KEY: SECRET}, public_path="/voice/cb")
    assert asgi(gate, now_signed("/voice/cb"), path="/x", raw_path=b"/x")[0]["status"] == 200
    assert asgi(gate, now_signed("/x"), path="/x", raw_path=b"/x")[0]["status"] == 401


def test_other_methods_are_told_what_is_allowed(gate: Callgate) -> None:
    """405 with `allow`, as HTTP wants it."""
    start, _ = asgi(gate, msgspec.structs.replace(now_signed("/cb"), method="GET"))
    assert start["status"] == 405
    assert (b"allow", b"POST") in start["headers"]


def test_a_body_that_is_too_large_is_not_read_to_its_end(gate: Callgate) -> None:
    """As soon as it is known."""
    part = {"type": "http.request", "body": b" " * MAX_BODY_BYTES, "more_body": True}
    messages = [part, part, part]
    sent = exchange(gate, {"type": "http", "method": "POST", "path": "/", "headers": []}, messages)
    assert sent[0]["status"] == 413
    assert len(messages) == 1


def test_a_client_that_goes_away_gets_no_answer(gate: Callgate) -> None:
    """Half a body is nobody's callback."""
    part = {"type": "http.request", "body": b"{", "more_body": True}
    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    assert exchange(gate, scope, [part, {"type": "http.disconnect"}]) == []


def test_it_starts_and_stops_with_the_server(gate: Callgate) -> None:
    """When it is the whole application; so that uvicorn need not be told to leave it alone."""
    sent = exchange(gate, {"type": "lifespan"}, [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]


def test_stopping_waits_for_reports_that_are_being_handled(watched: Callgate) -> None:
    """But no longer than the deadline."""
    booked: list[str] = []

    async def main() -> None:
        @watched.dice
        async def ended(call: sinch.Dice) -> None:
            await stopping.wait()
            booked.append(call.callid)

        stopping = asyncio.Event()

        async def receive() -> Any:
            stopping.set()
            return {"type": "lifespan.shutdown"}

        async def send(_: Any) -> None:
            assert booked == ["a-call"]

        await watched.answer_async(signed(event("dice")), NOW)
        await watched({"type": "lifespan"}, receive, send)

    asyncio.run(main())


def test_other_protocols_are_refused(gate: Callgate) -> None:
    """A WebSocket is closed; what ASGI does not know yet is an error, as it asks for."""
    assert exchange(gate, {"type": "websocket"}, []) == [{"type": "websocket.close"}]
    with pytest.raises(NotImplementedError):
        exchange(gate, {"type": "telepathy"}, [])


def wsgi(gate: Callgate, request: WireRequest, **environ: Any) -> tuple[str, list[tuple[str, str]], bytes]:
    started: list[Any] = []
    given = {
        "REQUEST_METHOD": request.method,
        "PATH_INFO": request.path,
        "CONTENT_TYPE": request.headers["content-type"],
        "CONTENT_LENGTH": str(len(request.body)),
        "HTTP_AUTHORIZATION": request.headers["authorization"],
        "HTTP_X_TIMESTAMP": request.headers["x-timestamp"],
        "wsgi.input": BytesIO(request.body),
    }
    body = b"".join(gate.wsgi(given | environ, lambda *args: started.extend(args)))  # type: ignore[arg-type, return-value]
    return started[0], started[1], body


@pytest.mark.parametrize(
    ("requested", "environ"),
    [
        ("/cb", {"PATH_INFO": "/cb"}),
        ("/a/cb", {"SCRIPT_NAME": "/a", "PATH_INFO": "/cb"}),
        ("/a/cb", {"SCRIPT_NAME": "/a", "PATH_INFO": "/cb", "RAW_URI": "/a/cb?x=1"}),
        ("/a/cb", {"SCRIPT_NAME": "/a", "PATH_INFO": "/cb", "REQUEST_URI": "/cb"}),
        ("/a%2Fcb", {"PATH_INFO": "/a/cb", "REQUEST_URI": "/a%2Fcb"}),
        ("/cb", {"PATH_INFO": "/cb", "REQUEST_URI": "http://example.com/cb?x=1"}),
        ("/c%C3%A9", {"PATH_INFO": "/c\u00c3\u00a9"}),
        ("/cb", {"CONTENT_LENGTH": "", "wsgi.input_terminated": True}),
    ],
)
def test_wsgi_finds_the_path_of_the_url_too(gate: Callgate, requested: str, environ: dict[str, Any]) -> None:
    """Whatever the server says of it."""
    status, headers, body = wsgi(gate, now_signed(requested), **environ)
    assert status == "200 OK"
    assert msgspec.json.decode(body) == HANG_UP
    assert headers == [("content-type", "application/json"), ("content-length", str(len(body)))]


def test_wsgi_bounds_what_it_reads(gate: Callgate) -> None:
    """By the declared length and by the limit; a body without length is none."""
    large = BytesIO(b" " * (3 * MAX_BODY_BYTES))
    request = now_signed("/cb")
    status, _, _ = wsgi(gate, request, **{"CONTENT_LENGTH": str(3 * MAX_BODY_BYTES), "wsgi.input": large})
    assert (status, large.tell()) == ("413 Request Entity Too Large", MAX_BODY_BYTES + 1)
    assert wsgi(gate, request, CONTENT_LENGTH="")[0] == "401 Unauthorized"
    assert wsgi(gate, request, CONTENT_LENGTH="-1")[0] == "401 Unauthorized"


def test_log_levels_fit_what_happened(gate: Callgate, caplog: pytest.LogCaptureFixture) -> None:
    """A stranger's knock is a warning, our own failure an error, a new word is worth a note."""
    gate.ice(lambda _: {}[0])
    with caplog.at_level(logging.INFO, logger="callgate"):
        gate.answer(DAMAGED["too old"][0], NOW)
        ask(gate, ICE)
        ask(gate, {"event": "holo"})
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "INFO"]
