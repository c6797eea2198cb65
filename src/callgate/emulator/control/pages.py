"""The pages: a phone pad, calls, the journal with replay. Plain forms; a little script only looks again what has changed."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import web
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from callgate.emulator.control.api import find_entry, place, replay
from callgate.emulator.control.orders import NewCall, hung_up, pressed
from callgate.emulator.emulated import LiveCall, Platform
from callgate.emulator.faults import SAID, Fault, FaultKind
from callgate.emulator.journal import Entry
from callgate.emulator.ladder import describe_answer, describe_sent
from callgate.emulator.scenario import Outcome
from callgate.emulator.sinch import NAMES
from callgate.errors import Conflict, Invalid, NotFound

HERE = Path(__file__).parent

PAD = ("1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#")

SHOWN_CALLS, SHOWN_ENTRIES = 25, 40
"""How many the first page shows."""

MAX_FORM_BYTES = 131_072

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Pages:
    """The routes of the pages."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
        )
        self._templates.filters.update(indented=indented, event_name=lambda event: NAMES.get(event, event))

    def add_to(self, app: web.Application) -> None:
        """Serve them in an app."""
        routes: tuple[tuple[str, str, Handler], ...] = (
            ("GET", "/", self.show_first),
            ("GET", "/parts/{name:calls|journal}", self.show_part),
            ("POST", "/calls", self.place_call),
            ("GET", "/calls/{call_id}", self.show_call),
            ("POST", "/calls/{call_id}/keys", self.press_key),
            ("POST", "/calls/{call_id}/hangup", self.hang_up),
            ("GET", "/parts/call/{call_id}", self.show_call_part),
            ("GET", "/journal/{number:[0-9]{1,12}}", self.show_entry),
            ("POST", "/journal/{number:[0-9]{1,12}}/replay", self.replay),
            ("POST", "/faults", self.change_faults),
            ("POST", "/reset", self.reset),
        )
        for method, path, handler in routes:
            app.router.add_route(method, path, self._guarded(handler))
        app.router.add_static("/static", HERE / "static")

    async def show_first(self, _: web.Request) -> web.Response:
        """What goes on, and a phone."""
        faults = [(fault, left, SAID[fault.kind]) for fault, left in self._platform.faults.listed()]
        return self._page("first.html", faults=faults, kinds=SAID, outcomes=list(Outcome), pad=PAD, **self._parts())

    async def show_part(self, request: web.Request) -> web.Response:
        """A part of the first page, as it is now."""
        return self._page(f"{request.match_info['name']}.html", **self._parts())

    async def show_call(self, request: web.Request) -> web.Response:
        """One call: its phone, and what was said of it."""
        return self._page("call.html", pad=PAD, **self._call(request))

    async def show_call_part(self, request: web.Request) -> web.Response:
        """What was said of one call, as it is now."""
        return self._page("said.html", pad=PAD, **self._call(request))

    async def place_call(self, request: web.Request) -> web.StreamResponse:
        """Dial."""
        form = await _form(request)
        order = NewCall(
            caller=form.get("from", ""),
            to=form.get("to", ""),
            talk=form.get("talk", "").strip(),
            outcome=form.get("outcome", "answered"),
            custom=form.get("custom", ""),
            application=form.get("application") or None,
        )
        return _go(f"/calls/{place(self._platform, order).call.call_id}")

    async def press_key(self, request: web.Request) -> web.StreamResponse:
        """A key of the pad."""
        live = self._live(request)
        for key in pressed((await _form(request)).get("keys", "")):
            live.inbox.put(key)
        return _go(f"/calls/{live.call.call_id}")

    async def hang_up(self, request: web.Request) -> web.StreamResponse:
        """One side puts the phone down."""
        live = self._live(request)
        live.inbox.put(hung_up((await _form(request)).get("by", "caller")))
        return _go(f"/calls/{live.call.call_id}")

    async def show_entry(self, request: web.Request) -> web.Response:
        """One request and its answer, byte for byte, and a form to send it again."""
        return self._page("entry.html", entry=find_entry(self._platform, request.match_info["number"]))

    async def replay(self, request: web.Request) -> web.StreamResponse:
        """Send it again: as it was, freshly signed, or edited."""
        form = await _form(request)
        entry = find_entry(self._platform, request.match_info["number"])
        body = form["body"].encode() if form.get("how") == "edited" and "body" in form else None
        sent = await replay(self._platform, entry, body, is_same=form.get("how") == "same")
        return _go(f"/journal/{sent.number}")

    async def change_faults(self, request: web.Request) -> web.StreamResponse:
        """Set a fault, or take all of them away."""
        form = await _form(request)
        if form.get("do") == "clear":
            self._platform.faults.clear()
        else:
            self._platform.faults.add(_fault(form))
        return _go("/")

    async def reset(self, _: web.Request) -> web.StreamResponse:
        """Drop all calls and forget what was said."""
        await self._platform.reset()
        return _go("/")

    def _parts(self) -> dict[str, Any]:
        newest = list(reversed(self._platform.calls.values()))
        entries = list(reversed(self._platform.journal.entries(limit=SHOWN_ENTRIES)))
        return {
            "applications": list(self._platform.applications.values()),
            "up": [line_of(each) for each in newest if each.is_up],
            "ended": [line_of(each) for each in newest if not each.is_up][:SHOWN_CALLS],
            "entries": [(entry, summary(entry)) for entry in entries],
        }

    def _call(self, request: web.Request) -> dict[str, Any]:
        live = self._find(request)
        rungs = [(each, describe_sent(each.sent), describe_answer(each)) for each in live.events]
        entries = {
            (entry.event, bytes(entry.body)): entry.number
            for entry in self._platform.journal.entries(call_id=live.call.call_id)
        }
        return {"line": line_of(live), "rungs": rungs, "entries": sorted(entries.values())}

    def _find(self, request: web.Request) -> LiveCall:
        live = self._platform.calls.get(request.match_info["call_id"])
        if live is None:
            raise NotFound("There is no such call.")
        return live

    def _live(self, request: web.Request) -> LiveCall:
        live = self._find(request)
        if not live.is_up:
            raise Conflict("The call has ended.")
        return live

    def _page(self, name: str, *, status: int = 200, **values: Any) -> web.Response:
        html = self._templates.get_template(name).render(**values)
        return web.Response(text=html, status=status, content_type="text/html")

    def _guarded(self, handler: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except Invalid as error:
                return self._page("problem.html", status=400, told=str(error))
            except NotFound as error:
                return self._page("problem.html", status=404, told=str(error))
            except Conflict as error:
                return self._page("problem.html", status=409, told=str(error))

        return handle


def line_of(live: LiveCall) -> dict[str, Any]:
    """What pages say of a call in one line."""
    call, ending = live.call, live.ending
    return {
        "call_id": call.call_id,
        "caller": str(call.scenario.caller),
        "callee": str(call.scenario.callee),
        "state": str(call.state),
        "began_at": live.began_at.strftime("%H:%M:%S"),
        "is_up": live.is_up,
        "is_callout": call.callout is not None,
        "granted_s": call.granted_s,
        "summary": "" if ending is None else ending.summary,
        "outcome": "" if ending is None else str(ending.outcome),
    }


def summary(entry: Entry) -> str:
    """What an entry is, in a few words."""
    if entry.way == "in":
        return f"{entry.method} {entry.url}"
    try:
        sent = msgspec.json.decode(entry.body)
        return f"{NAMES.get(entry.event, entry.event)}: {describe_sent(sent)}"
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):  # edited by hand
        return entry.event or entry.url


def indented(body: bytes) -> str:
    """A body for people: JSON indented, anything else as it came."""
    try:
        return msgspec.json.format(body, indent=2).decode()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body.decode("utf-8", "replace")


async def _form(request: web.Request) -> dict[str, str]:
    posted = await request.post()
    return {name: value for name, value in posted.items() if isinstance(value, str)}


def _fault(form: dict[str, str]) -> Fault:
    seconds = form.get("seconds", "").strip()
    try:
        return Fault(
            kind=FaultKind(form.get("kind", "")),
            event=form.get("event", ""),
            times=int(form.get("times") or "1"),
            seconds=float(seconds) if seconds else None,
        )
    except ValueError as error:
        raise Invalid("fault", str(error), "a kind, an event or none, and numbers") from None


def _go(where: str) -> web.Response:
    return web.Response(status=303, headers={"location": where})
