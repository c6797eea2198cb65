"""The platform, played from the outside: it carries calls, signs callbacks, delivers them well or badly, hears the answers."""

from datetime import timedelta
from functools import partial
from typing import Any

import msgspec

from callgate.protocol import WireReply, WireRequest, sinch
from callgate.simulator import schedule as s
from callgate.simulator.causes import CallId, Delivery, Said
from callgate.simulator.node import EPOCH, Node
from callgate.simulator.oracle import GO_ON, HANG_UP, NOTHING, End, Start
from callgate.simulator.promises import DECIDED_WITHIN_S, EXACT_S, FRESH_S, GIVES_UP_S, REPORTED_WITHIN_S
from callgate.simulator.world import Does, World

PATH = "/callbacks/sinch"
SECRET, WRONG_SECRET = "c2VjcmV0LW9mLXRoZS1hcHA=", "c29tZWJvZHktZWxzZQ=="
OK, UNAUTHORIZED, UNAVAILABLE = 200, 401, 503


class Carried:
    """A call, as far as the platform has come with it."""

    def __init__(self, world: World, entry: s.Place) -> None:
        self._world = world
        self._entry = entry
        self._key: CallId = (entry.application, entry.call)
        self._is_decided = False
        self._is_over = False
        self._granted_s: int | None = None
        self._answered_at: float | None = None
        self._world.platform.carries(self._key, entry, self._hung_up)

    def begin(self) -> None:
        """Ask whether it may be set up, in every way in which that can be asked."""
        world, entry = self._world, self._entry
        start = Start(entry.user, entry.cli, entry.to, entry.to_kind, entry.is_valid, entry.origin)
        body = _start_body(entry, entry.to_kind, entry.to)
        for delay_s in entry.ice:
            delivery = Delivery("ice", self._key, start)
            delivery.is_forged = entry.is_forged
            if not entry.is_deaf:
                delivery.told = self._told
            world.after(delay_s, deliver, world, delivery, body)
        if entry.stale_after_s:
            stale = Delivery("ice", self._key, start)
            stale.signed_at = world.agenda.now
            world.after(entry.stale_after_s, deliver, world, stale, body)
        if entry.other_to:
            other = Start(entry.user, entry.cli, entry.other_to, "number", is_valid=True, origin=entry.origin)
            conflicting = Delivery("ice", self._key, other)
            world.after(entry.other_after_s, deliver, world, conflicting, _start_body(entry, "number", entry.other_to))
        world.after(GIVES_UP_S, self._give_up)

    def _told(self, said: Said | None) -> None:
        """An answer to the start. The first one counts."""
        if said is None or self._is_decided:
            return
        self._is_decided = True
        if said[0] == "connectpstn":
            self._granted_s = int(str(said[3]))
            self._world.after(self._entry.rings_s, self._pick_up)
        else:
            self._end("N/A", "CALLERHANGUP", None)

    def _give_up(self) -> None:
        if self._is_decided:
            return
        self._is_decided = True
        if self._entry.connects_anyway:
            self._world.after(self._entry.rings_s, self._pick_up)
        else:
            self._end("FAILED", "GENERALERROR", None)

    def _pick_up(self) -> None:
        entry, world = self._entry, self._world
        if entry.talks_s == 0:
            self._end(entry.result, entry.result, None)
            return
        self._answered_at = world.agenda.now
        body = msgspec.json.encode(
            {"event": "ace", "callid": entry.call, "applicationKey": entry.application, "user": entry.user}
        )
        for delay_s in entry.ace:
            delivery = Delivery("ace", self._key, None)
            delivery.told = self._may_go_on
            world.after(delay_s, deliver, world, delivery, body)
        seconds, reason = entry.talks_s, "CALLERHANGUP"
        if self._granted_s is not None and seconds > self._granted_s:
            seconds, reason = self._granted_s + entry.late_s, "TIMEOUT"
        world.after(seconds, self._end, "ANSWERED", reason, seconds)

    def _may_go_on(self, said: Said | None) -> None:
        if said == HANG_UP and not self._is_over and self._answered_at is not None:
            seconds = int(self._world.agenda.now - self._answered_at)
            self._end("ANSWERED", "CALLEEHANGUP", max(seconds, 1))

    def _hung_up(self) -> None:
        """The server asked for its end."""
        if self._answered_at is None:
            self._end("N/A", "MANAGERHANGUP", None)
        else:
            self._end("ANSWERED", "MANAGERHANGUP", max(int(self._world.agenda.now - self._answered_at), 1))

    def _end(self, result: str, reason: str, duration_s: int | None) -> None:
        """Tell of the end, once; before it, where the schedule says so, of one that cannot be."""
        if self._is_over:
            return
        self._is_over = True
        entry = self._entry
        self._world.platform.ends(self._key, entry, self._end_of(result, reason, duration_s))
        if entry.muddle:
            self._send_end(entry.muddle, reason, entry.muddle_s, 0.001)
        for delay_s in entry.dice:
            self._send_end(result, reason, duration_s, delay_s + (1.0 if entry.muddle else 0.0))

    def _send_end(self, result: str, reason: str, duration_s: int | None, delay_s: float) -> None:
        entry = self._entry
        end = self._end_of(result, reason, duration_s)
        body: dict[str, Any] = {
            "event": "dice",
            "callid": entry.call,
            "applicationKey": entry.application,
            "result": result,
            "reason": reason,
            "user": entry.user,
            "to": {"type": entry.to_kind, "endpoint": entry.to},
        }
        if duration_s is not None:
            body["duration"] = duration_s
        delivery = Delivery("dice", self._key, end)
        self._world.after(delay_s, deliver, self._world, delivery, msgspec.json.encode(body))

    def _end_of(self, result: str, reason: str, duration_s: int | None) -> End:
        entry = self._entry
        return End(result, reason, duration_s, entry.user, entry.to, entry.to_kind, entry.is_valid)


def _start_body(entry: s.Place, kind: str, to: str) -> bytes:
    body = {
        "event": "ice",
        "callid": entry.call,
        "applicationKey": entry.application,
        "cli": entry.cli,
        "user": entry.user,
        "originationType": entry.origin,
        "domain": "pstn",
        "to": {"type": kind, "endpoint": to},
    }
    return msgspec.json.encode(body)


# -- the wire ----------------------------------------------------------------------------------------------------------


def deliver(world: World, delivery: Delivery, body: bytes) -> None:
    """Send a callback to the server, which may be down."""
    world.count(delivery.kind)
    node, now = world.node, world.agenda.now
    if node is None or node.setup is None:
        world.say("nobody hears", delivery)
        if delivery.told is not None:
            delivery.told(None)
        return
    signed_at = now if delivery.signed_at is None else delivery.signed_at
    secret = WRONG_SECRET if delivery.is_forged else SECRET
    headers = sinch.sign("POST", PATH, body, delivery.key[0], secret, EPOCH + timedelta(seconds=signed_at))
    delivery.at, delivery.setup = now, node.setup
    is_genuine = not delivery.is_forged and abs(world.now_us() / 1_000_000 - signed_at) <= FRESH_S
    task = node.begin(delivery, node.receive(WireRequest(method="POST", path=PATH, headers=headers, body=body)))
    task.add_done_callback(partial(_replied, world, node, delivery, is_genuine))


def _replied(world: World, node: Node, delivery: Delivery, is_genuine: bool, task: Any) -> None:  # noqa: FBT001
    """Hold the answer against what the oracle expects."""
    if (error := task.exception()) is not None:
        world.uncaught(str(delivery), error)
    reply: WireReply = task.result()
    waited_s = world.agenda.now - delivery.at
    said = _said(reply.body) if reply.status == OK else None
    world.say("answer", delivery, reply.status, said)
    if not is_genuine:
        if reply.status != UNAUTHORIZED or delivery.is_committed:
            world.fail("genuine", f"{delivery} was not genuine, and got {reply.status}")
    elif said is not None:
        world.check("answer", _fault_in(world, node, delivery, said, waited_s))
    elif reply.status != UNAVAILABLE or delivery.kind == "ice" or not _is_excused(node, delivery, waited_s):
        world.fail("answer", f"{delivery} got {reply.status}: {reply.body.decode()}")
    if delivery.told is not None:
        delivery.told(said)


def _fault_in(world: World, node: Node, delivery: Delivery, said: Said, waited_s: float) -> str:
    if waited_s > _limit_s(delivery) + EXACT_S:
        return f"{delivery} waited {waited_s:.3f} s"
    if any(_is_owed(node, told, delivery) for told in node.fallbacks) and said != HANG_UP:
        return f"{delivery} was answered {said}, after the fallback and before that was written down"
    if delivery.kind == "ice" and said == HANG_UP and _is_excused(node, delivery, waited_s):
        node.told_late.add(delivery.key)
    if delivery.is_committed and said == delivery.expected:
        return ""
    if delivery.kind == "ice" and said == HANG_UP and delivery.key in node.told_late:
        node.fallbacks[delivery] = world.agenda.now  # and must be written down
        return ""
    if not delivery.is_committed:
        return f"{delivery} was answered {said}, and nothing was committed"
    return f"{delivery} was answered {said}, must be {delivery.expected}"


def _is_owed(node: Node, told: Delivery, asked: Delivery) -> bool:
    """Whether this call was answered with the fallback before it was asked about again, and the books do not know it yet."""
    is_same = asked.kind == "ice" and told.key == asked.key
    return is_same and not told.is_overruled and node.fallbacks[told] < asked.at


def _is_excused(node: Node, delivery: Delivery, waited_s: float) -> bool:
    """Whether the store failed meanwhile, or was too slow."""
    return node.trouble_at >= delivery.at or waited_s >= _limit_s(delivery) - EXACT_S


def _limit_s(delivery: Delivery) -> float:
    return DECIDED_WITHIN_S if delivery.kind == "ice" else REPORTED_WITHIN_S


def _said(body: bytes) -> Said:
    action = msgspec.json.decode(body).get("action")
    if action is None:
        return NOTHING
    if action["name"] == "hangup":
        return HANG_UP
    if action["name"] == "continue":
        return GO_ON
    if action["name"] == "connectConf":
        return ("connectconf", action["conferenceId"])
    return (action["name"].lower(), action.get("number"), action.get("cli"), action.get("maxDuration"))


def _place(world: World, entry: s.Place) -> None:
    Carried(world, entry).begin()


DOES: dict[type, Does] = {s.Place: _place}
