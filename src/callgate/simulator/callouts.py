"""Calls that the server places: a program asks for them, the platform rings, or says that it does not, or says nothing."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from callgate.errors import Error, PlatformFailed
from callgate.protocol import sinch
from callgate.protocol.call import Endpoint, EndpointKind, PlaceCall
from callgate.service.books import AccountKey
from callgate.service.call_out import Prepared, dial_first
from callgate.service.callout import PREFIX, CalloutKind
from callgate.service.idempotent import Asked as Request
from callgate.service.idempotent import Idempotent
from callgate.service.place_callout import Leg, PlaceCallout, Placing
from callgate.service.signing import refer
from callgate.simulator import schedule as s
from callgate.simulator.causes import CallId, Delivery, Said, Wish
from callgate.simulator.node import SIGNING, Node
from callgate.simulator.oracle import HANG_UP, End, Side
from callgate.simulator.platform import deliver
from callgate.simulator.world import Does, World

REFUSED, HELD = 409, 202
LONGEST_S = 14_400


class Wanted:
    """A call that a program wants, once or, with the same key, twice."""

    def __init__(self, world: World, entry: s.Callout) -> None:
        self._world = world
        self._entry = entry
        self._tries = 0
        self._rings: dict[CallId, Ringing] = {}

    def ask(self) -> None:
        """Send the request. Each try has references of its own, of which the first that is let through counts."""
        world, entry = self._world, self._entry
        world.count("callout")
        self._tries += 1
        node = world.node
        if node is None or node.setup is None:
            return
        refs = [f"{PREFIX}{entry.callout}-{self._tries}{letter}" for letter, _ in zip("ab", entry.rings, strict=False)]
        for ref, ring in zip(refs, entry.rings, strict=True):
            key = (entry.application, ref)
            self._rings[key] = Ringing(world, entry.application, ref, ring)
            world.platform.expects(key, self._rings[key].dialled)
        wish = Wish(entry.callout, entry.application, entry.account, self._sides(refs), self._longest_s, node.setup)
        task = node.begin(wish, self._place(node, wish, refs))
        task.add_done_callback(partial(self._placed, node, wish))

    @property
    def _longest_s(self) -> int:
        return self._entry.longest_s or LONGEST_S

    def _room(self, ref: str) -> str:
        """A spoken message has none; the sides of a bridge share theirs."""
        return "" if self._entry.is_spoken else f"room-{ref[:-1]}"

    def _sides(self, refs: Sequence[str]) -> tuple[Side, ...]:
        return tuple(
            Side((self._entry.application, ref), ring.to, ring.is_valid, self._room(ref))
            for ref, ring in zip(refs, self._entry.rings, strict=True)
        )

    async def _place(self, node: Node, wish: Wish, refs: Sequence[str]) -> None:
        """As the API does."""
        entry = self._entry
        payer = AccountKey(entry.application, entry.account)
        if await node.store.account(payer) is None:
            wish.is_unknown = True
            return
        now = self._world.clock()
        job = self._job(node, payer, refs, now)
        scope = f"simulator {entry.callout}"
        kept = await node.store.perform(
            Idempotent(job=job, asked=Request(scope, entry.callout), now=now, render=_kept, refuse=_nothing_to_read)
        )
        wish.said = kept.status, kept.body.decode()
        if wish.said == (HELD, refs[0]):
            prepared = Prepared(job=job, reference=refs[0])
            await dial_first(node.store, self._world.platform, prepared, self._world.clock, forget=scope)

    def _job(self, node: Node, payer: AccountKey, refs: Sequence[str], now: datetime) -> PlaceCallout:
        entry, catalog = self._entry, node.catalogs.now
        is_bridge = len(entry.rings) > 1
        kind = CalloutKind.BRIDGE if is_bridge else CalloutKind.TTS if entry.is_spoken else CalloutKind.CONFERENCE
        legs = tuple(
            Leg(
                ref,
                Endpoint(EndpointKind.NUMBER, ring.to),
                PlaceCall(
                    number="",
                    custom=refer(SIGNING.holds, entry.application, ref),
                    max_duration_s=0,
                    text="hello" if entry.is_spoken else "",
                    conference=self._room(ref),
                ),
            )
            for ref, ring in zip(refs, entry.rings, strict=True)
        )
        return PlaceCallout(
            kind=kind,
            legs=legs,
            payer=payer,
            provider=sinch,
            application=catalog.applications[entry.application].row,
            decks=catalog.decks,
            now=now,
            longest_s=self._longest_s,
            endpoints=catalog.endpoints,
        )

    def _placed(self, node: Node, wish: Wish, task: Any) -> None:
        """The program learns what came of it."""
        world = self._world
        error = task.exception()
        if error is not None and not isinstance(error, PlatformFailed) and not node.is_excused(error):
            world.uncaught(str(wish), error)
        if error is None and wish.said != wish.expected and not wish.is_unknown:
            world.fail("callout", f"{wish} was answered {wish.said}, must be {wish.expected}")


def _kept(placing: Placing) -> tuple[int, bytes]:
    if placing.refusal is not None:
        return REFUSED, b""
    return HELD, placing.calls[0].key.call_id.encode()


def _nothing_to_read(error: Error) -> tuple[int, bytes]:
    raise error


class Ringing:
    """One phone that the platform is asked to ring, and what its owner does."""

    def __init__(self, world: World, application: str, ref: str, entry: s.Ring) -> None:
        self._world = world
        self._entry = entry
        self._ref: CallId = (application, ref)
        self._key: CallId = (application, f"p-{ref}")
        self._custom = refer(SIGNING.holds, application, ref)
        self._granted_s: int | None = None
        self._answered_at: float | None = None
        self._is_dialled = self._is_over = False

    async def dialled(self, place: PlaceCall) -> str:
        """The platform is asked to ring: once, and for what is held."""
        world, entry = self._world, self._entry
        world.say("dialled", self._ref[1], entry.says)
        if self._is_dialled:
            world.fail("callout", f"the platform was asked to ring {self._ref} again")
        self._is_dialled = True
        world.check("callout", world.oracle.may_dial(self._ref))
        if entry.says == "no":
            await asyncio.sleep(entry.takes_s)
            raise PlatformFailed("refused, as the simulation has it", is_retryable=False)
        if entry.says != "lost":
            self._granted_s = place.max_duration_s if place.is_limited else None
            world.platform.carries(self._key, entry, self._hung_up)
            world.after(entry.rings_s, self._pick_up)
        await asyncio.sleep(entry.takes_s)
        if entry.says != "id":
            raise PlatformFailed("no answer, as the simulation has it", is_retryable=True, may_be_done=True)
        return self._key[1]

    def _pick_up(self) -> None:
        entry, world = self._entry, self._world
        if self._is_over:
            return
        if entry.talks_s == 0:
            self._end(entry.result, entry.result, None)
            return
        self._answered_at = world.agenda.now
        body = self._body("ace")
        for delay_s in entry.ace:
            delivery = Delivery("ace", self._key, None, self._ref)
            delivery.told = self._may_go_on
            world.after(delay_s, deliver, world, delivery, msgspec.json.encode(body))
        seconds, reason = entry.talks_s, "CALLEEHANGUP"
        if self._granted_s is not None and seconds > self._granted_s:
            seconds, reason = self._granted_s + entry.late_s, "TIMEOUT"
        world.after(seconds, self._end, "ANSWERED", reason, seconds)

    def _may_go_on(self, said: Said | None) -> None:
        if said == HANG_UP:
            self._hung_up()

    def _hung_up(self) -> None:
        """The server asked for its end, or gave nothing to go on with."""
        if self._answered_at is None:
            self._end("N/A", "MANAGERHANGUP", None)
        else:
            self._end("ANSWERED", "MANAGERHANGUP", max(int(self._world.agenda.now - self._answered_at), 1))

    def _end(self, result: str, reason: str, duration_s: int | None) -> None:
        """Tell of the end, once."""
        if self._is_over:
            return
        self._is_over = True
        entry, world = self._entry, self._world
        end = End(result, reason, duration_s, "", entry.to, "number", entry.is_valid)
        world.platform.ends(self._key, entry, end)
        body = self._body("dice") | {"result": result, "reason": reason}
        body |= {} if duration_s is None else {"duration": duration_s}
        for delay_s in entry.dice:
            delivery = Delivery("dice", self._key, end, self._ref)
            world.after(delay_s, deliver, world, delivery, msgspec.json.encode(body))

    def _body(self, event: str) -> dict[str, Any]:
        application, call = self._key
        to = {"type": "number", "endpoint": self._entry.to}
        return {"event": event, "callid": call, "applicationKey": application, "to": to, "custom": self._custom}


def _call_out(world: World, entry: s.Callout) -> None:
    wanted = Wanted(world, entry)
    wanted.ask()
    if entry.again_after_s:
        world.after(entry.again_after_s, wanted.ask)


DOES: dict[type, Does] = {s.Callout: _call_out}
