"""The control API: JSON over HTTP, under `/control/v1`. Errors are `{"error": "..."}`."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from callgate.emulator.control.orders import (
    HangUp,
    Keys,
    NewApplication,
    NewCall,
    Replay,
    Users,
    Words,
    hung_up,
    pressed,
    show_call,
    show_entry,
    spoken,
)
from callgate.emulator.courier import encode
from callgate.emulator.emulated import LiveCall, Platform
from callgate.emulator.faults import Fault
from callgate.emulator.journal import Entry
from callgate.emulator.phones import Manner
from callgate.emulator.sinch import Habits
from callgate.errors import Conflict, Invalid, NotFound
from callgate.numbers import parse_e164

PREFIX = "/control/v1"

MAX_LISTED = 1_000
"""Calls or entries that one answer lists."""

T = TypeVar("T")
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ControlApi:
    """The routes of the control API."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform

    def add_to(self, app: web.Application) -> None:
        """Serve it in an app."""
        routes: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/state", self.show_state),
            ("POST", "/reset", self.reset),
            ("GET", "/calls", self.list_calls),
            ("POST", "/calls", self.place_call),
            ("GET", "/calls/{call_id}", self.show_call),
            ("POST", "/calls/{call_id}/keys", self.press_keys),
            ("POST", "/calls/{call_id}/speech", self.speak),
            ("POST", "/calls/{call_id}/hangup", self.hang_up),
            ("GET", "/journal", self.list_journal),
            ("GET", "/journal/{number:[0-9]{1,12}}", self.show_entry),
            ("POST", "/journal/{number:[0-9]{1,12}}/replay", self.replay),
            ("GET", "/faults", self.list_faults),
            ("POST", "/faults", self.add_fault),
            ("DELETE", "/faults", self.clear_faults),
            ("PUT", "/habits", self.set_habits),
            ("PUT", "/users", self.set_users),
            ("POST", "/applications", self.add_application),
            ("PUT", "/phones/{number}", self.set_phone),
            ("DELETE", "/phones/{number}", self.forget_phone),
        )
        for method, path, handler in routes:
            app.router.add_route(method, PREFIX + path, _guarded(handler))

    async def show_state(self, _: web.Request) -> web.Response:
        """Everything but calls and journal; no secrets."""
        platform = self._platform
        return answer(
            {
                "now": platform.clock.now(),
                "applications": [
                    {"key": each.key, "primary": each.urls.primary, "fallback": each.urls.fallback}
                    for each in platform.applications.values()
                ],
                "numbers": platform.numbers,
                "phones": platform.phones,
                "habits": platform.habits,
                "faults": _faults(platform),
                "conferences": {key: rooms.conferences for key, rooms in platform.rooms.items()},
            }
        )

    async def reset(self, _: web.Request) -> web.Response:
        """Drop all calls, the journal, the faults and the phones."""
        await self._platform.reset()
        return answer({})

    async def list_calls(self, request: web.Request) -> web.Response:
        """Newest first; `?live=true` those that are up."""
        only_live = request.query.get("live") == "true"
        calls = [each for each in reversed(self._platform.calls.values()) if each.is_up or not only_live]
        return answer({"items": [show_call(each) for each in calls[:MAX_LISTED]]})

    async def place_call(self, request: web.Request) -> web.Response:
        """Place a call, and go on; it can be watched and led by its id."""
        live = place(self._platform, await _read(request, NewCall))
        return answer(show_call(live), status=201)

    async def show_call(self, request: web.Request) -> web.Response:
        """One call, with what was said of it."""
        return answer(show_call(self._find(request)))

    async def press_keys(self, request: web.Request) -> web.Response:
        """Keys of the person at the phone."""
        keys = pressed((await _read(request, Keys)).keys)
        live = self._find_live(request)
        for key in keys:
            live.inbox.put(key)
        return answer({}, status=202)

    async def speak(self, request: web.Request) -> web.Response:
        """Words of the person at the phone."""
        words = spoken((await _read(request, Words)).words)
        self._find_live(request).inbox.put(words)
        return answer({}, status=202)

    async def hang_up(self, request: web.Request) -> web.Response:
        """One side puts the phone down."""
        what = hung_up((await _read(request, HangUp)).by)
        self._find_live(request).inbox.put(what)
        return answer({}, status=202)

    async def list_journal(self, request: web.Request) -> web.Response:
        """Oldest first: `?call=` of one call, `?after=` a number, `?limit=` how many."""
        entries = self._platform.journal.entries(
            call_id=request.query.get("call"),
            after=_whole(request, "after", 0),
            limit=min(_whole(request, "limit", MAX_LISTED), MAX_LISTED),
        )
        return answer({"items": [show_entry(entry) for entry in entries]})

    async def show_entry(self, request: web.Request) -> web.Response:
        """One entry."""
        return answer(show_entry(self._entry(request)))

    async def replay(self, request: web.Request) -> web.Response:
        """Send it again, as it was or edited."""
        order = await _read(request, Replay)
        body = order.body if isinstance(order.body, str | None) else encode(order.body)
        entry = await replay(
            self._platform,
            self._entry(request),
            body.encode() if isinstance(body, str) else body,
            is_same=order.is_same,
        )
        return answer(show_entry(entry))

    async def list_faults(self, _: web.Request) -> web.Response:
        """Those that are set."""
        return answer({"items": _faults(self._platform)})

    async def add_fault(self, request: web.Request) -> web.Response:
        """One more."""
        self._platform.faults.add(await _read(request, Fault))
        return answer({"items": _faults(self._platform)}, status=201)

    async def clear_faults(self, _: web.Request) -> web.Response:
        """From now on nothing goes wrong."""
        self._platform.faults.clear()
        return answer({"items": []})

    async def set_habits(self, request: web.Request) -> web.Response:
        """How the platform behaves from the next call on."""
        self._platform.habits = await _read(request, Habits)
        return answer(self._platform.habits)

    async def set_users(self, request: web.Request) -> web.Response:
        """Which in-app users there are."""
        order = await _read(request, Users)
        rooms = self._platform.rooms_of(self._platform.application(order.application))
        rooms.users = None if order.users is None else frozenset(order.users)
        return answer({})

    async def add_application(self, request: web.Request) -> web.Response:
        """Carry one more, or one otherwise."""
        self._platform.add((await _read(request, NewApplication)).application())
        return answer({}, status=201)

    async def set_phone(self, request: web.Request) -> web.Response:
        """How a phone takes calls that the backend places."""
        self._platform.phones[_phone(request)] = await _read(request, Manner)
        return answer({})

    async def forget_phone(self, request: web.Request) -> web.Response:
        """The phone is like any other again."""
        self._platform.phones.pop(_phone(request), None)
        return answer({})

    def _find(self, request: web.Request) -> LiveCall:
        live = self._platform.calls.get(request.match_info["call_id"])
        if live is None:
            raise NotFound(f"there is no call {request.match_info['call_id']}")
        return live

    def _find_live(self, request: web.Request) -> LiveCall:
        live = self._find(request)
        if not live.is_up:
            raise Conflict(f"the call {live.call.call_id} has ended")
        return live

    def _entry(self, request: web.Request) -> Entry:
        return find_entry(self._platform, request.match_info["number"])


def place(platform: Platform, order: NewCall) -> LiveCall:
    """Place a call. Raises `Invalid`, and `Conflict` when too many are up."""
    application = platform.application(order.application)
    return platform.start(platform.new_call(order.scenario(), application), application)


def find_entry(platform: Platform, number: str) -> Entry:
    """An entry of the journal. Raises `NotFound`."""
    entry = platform.journal.find(int(number))
    if entry is None:
        raise NotFound(f"the journal has no entry {number}")
    return entry


async def replay(platform: Platform, entry: Entry, body: bytes | None, *, is_same: bool) -> Entry:
    """Send a callback again. Raises `Conflict` for what the platform did not send."""
    if entry.way != "out" or not entry.url:
        raise Conflict(f"the journal's entry {entry.number} was received, not sent")
    return await platform.courier.send_again(entry, platform.application(entry.application), body, is_same=is_same)


def answer(value: object, *, status: int = 200) -> web.Response:
    """A reply in JSON."""
    return web.Response(body=encode(value), status=status, content_type="application/json")


def _guarded(handler: Handler) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Invalid as error:
            return answer({"error": str(error)}, status=400)
        except NotFound as error:
            return answer({"error": str(error)}, status=404)
        except Conflict as error:
            return answer({"error": str(error)}, status=409)

    return handle


async def _read(request: web.Request, kind: type[T]) -> T:
    """The body. Raises `Invalid`."""
    try:
        return msgspec.json.decode(await request.read() or b"{}", type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        found, _, path = str(error).partition(" - at `")
        raise Invalid(path.rstrip("`") or "$", found, "what the reference of the control API says") from None


def _whole(request: web.Request, name: str, otherwise: int) -> int:
    text = request.query.get(name, str(otherwise))
    if not text.isascii() or not text.isdigit() or len(text) > 12:  # noqa: PLR2004 - digits of any number there is
        raise Invalid(name, repr(text[:40]), "a whole number")
    return int(text)


def _phone(request: web.Request) -> str:
    text = request.match_info["number"]
    return parse_e164(text) or text


def _faults(platform: Platform) -> list[dict[str, Any]]:
    return [msgspec.to_builtins(fault) | {"left": left} for fault, left in platform.faults.listed()]
