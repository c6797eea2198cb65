"""What an operator asks when a call is to be placed, read and judged in its form; and the whole way of one, from the hold to
the platform's answer.
"""

import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

import msgspec

from callgate.errors import Invalid, NotFound
from callgate.numbers import parse_e164
from callgate.policy.limits import MAX_GRANT_S
from callgate.protocol.call import CallKey, Endpoint, EndpointKind, PlaceCall
from callgate.protocol.provider import Provider
from callgate.service.books import AccountKey
from callgate.service.callout import PREFIX, CalloutKind
from callgate.service.catalog import Catalog
from callgate.service.dial import dial_leg
from callgate.service.place_callout import Leg, PlaceCallout
from callgate.service.ports import Platform, Store
from callgate.service.records import Call
from callgate.service.signing import refer

MAX_TEXT: Final = 600
"""Longest text that is spoken. Source: Sinch Voice API reference, callouts."""

USUAL_TTS_S: Final = 300
"""How long a spoken message may take unless more is asked for: the longest text takes a minute or so."""

ROOM_PREFIX: Final = "callgate-"
"""How private conferences are called; nobody else's may be."""

_ROOM = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_LOCALE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8}){0,2}", re.ASCII)


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """A call that is wanted. `sender` is the number that is shown; of a bridge, the one that is rung first, and `cli` is what
    is shown. Empty for what was not said.
    """

    account: str
    kind: CalloutKind
    to: str
    sender: str = ""
    cli: str = ""
    text: str = ""
    conference: str = ""
    greeting: str = ""
    locale: str = ""
    max_duration_s: int | None = None


class Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be decided, and the reference of the first leg."""

    job: PlaceCallout
    reference: str


async def prepare(  # noqa: PLR0913 - what a callout depends on
    store: Store, wanted: Wanted, application: str, *, catalog: Catalog, provider: Provider, key: bytes, now: datetime
) -> Prepared:
    """Read what is wanted, and make references for it, signed with `key`. Raises `Invalid`, and `NotFound` for the account."""
    payer = AccountKey(application, wanted.account)
    opened = await store.account(payer)
    if opened is None:
        raise NotFound(f"there is no account {wanted.account} in application {application}")
    known = catalog.applications[application]
    legs = legs_of(wanted, opened.identities, locale=wanted.locale or known.row.settings.locale)
    named = tuple(_named(leg, application, key) for leg in legs)
    job = PlaceCallout(
        kind=wanted.kind,
        legs=named,
        payer=payer,
        provider=provider,
        application=known.row,
        decks=catalog.decks,
        now=now,
        longest_s=_longest_s(wanted),
        endpoints=catalog.endpoints,
        lists=catalog.lists.get(application, ()),
        rules=catalog.rules.get(application),
        rented=catalog.rented,
    )
    return Prepared(job=job, reference=named[0].ref)


def legs_of(wanted: Wanted, identities: tuple[str, ...], *, locale: str) -> tuple[Leg, ...]:
    """Say whom to ring, and what for. References are not made yet. Raises `Invalid`."""
    _check_text("greeting", wanted.greeting)
    if not _LOCALE.fullmatch(locale):
        raise Invalid("locale", repr(locale[:40]), "a language and a country, such as en-US or sv-SE")
    base = PlaceCall(number="", custom="", max_duration_s=0, locale=locale, greeting=wanted.greeting)
    match wanted.kind:
        case CalloutKind.TTS:
            if not wanted.text.strip():
                raise Invalid("text", "nothing", "what is to be spoken")
            _check_text("text", wanted.text)
            _check_unused(wanted, "conference", "greeting")
            legs = [(wanted.to, msgspec.structs.replace(base, text=wanted.text, cli=_shown(wanted)))]
        case CalloutKind.CONFERENCE:
            if not _ROOM.fullmatch(wanted.conference) or wanted.conference.startswith(ROOM_PREFIX):
                expected = f"1 to 64 of letters, digits and . _ -, not beginning with {ROOM_PREFIX}"
                raise Invalid("conference", repr(wanted.conference[:80]), expected)
            _check_unused(wanted, "text")
            legs = [(wanted.to, msgspec.structs.replace(base, conference=wanted.conference, cli=_shown(wanted)))]
        case CalloutKind.BRIDGE:
            first, cli = parse_e164(wanted.sender), _number("cli", wanted.cli)
            if first is None:
                raise Invalid("from", repr(wanted.sender[:40]), "the number that is rung first, such as +46700000001")
            _check_unused(wanted, "text", "conference")
            room = msgspec.structs.replace(base, conference=f"{ROOM_PREFIX}{secrets.token_hex(16)}")
            own = first if f"number:{first}" in identities else None  # a caller may show a number of their own
            legs = [
                (first, msgspec.structs.replace(room, cli=cli)),
                (wanted.to, msgspec.structs.replace(room, cli=cli or own, greeting="")),
            ]
    return tuple(Leg("", _read_endpoint(to), place) for to, place in legs)


def _named(leg: Leg, application: str, key: bytes) -> Leg:
    ref = f"{PREFIX}{secrets.token_hex(12)}"
    return leg._replace(ref=ref, place=msgspec.structs.replace(leg.place, custom=refer(key, application, ref)))


def _longest_s(wanted: Wanted) -> int:
    longest_s = wanted.max_duration_s
    if longest_s is None:
        return USUAL_TTS_S if wanted.kind is CalloutKind.TTS else MAX_GRANT_S
    if not 1 <= longest_s <= MAX_GRANT_S:
        raise Invalid("max_duration_s", str(longest_s), f"whole seconds from 1 to {MAX_GRANT_S}")
    return longest_s


def _shown(wanted: Wanted) -> str | None:
    return _number("cli", wanted.cli) or _number("from", wanted.sender)


def _number(where: str, text: str) -> str | None:
    if not text:
        return None
    number = parse_e164(text)
    if number is None:
        raise Invalid(where, repr(text[:40]), "a number in E.164, such as +46700000001")
    return number


def _check_text(where: str, text: str) -> None:
    is_plain = all(letter.isprintable() or letter == "\n" for letter in text)
    if len(text) > MAX_TEXT or not is_plain:
        raise Invalid(where, f"{len(text)} characters", f"at most {MAX_TEXT} printable characters")


def _check_unused(wanted: Wanted, *names: str) -> None:
    for name in names:
        if getattr(wanted, name):
            raise Invalid(name, repr(getattr(wanted, name)[:40]), f"nothing: a callout of kind {wanted.kind} has none")


def _read_endpoint(text: str) -> Endpoint:
    """Read `user:ID`, `sip:ADDRESS`, `conference:ID` or a number; what is none of these is a number that is not valid."""
    kind, colon, address = text.partition(":")
    found = {"user": EndpointKind.USER, "sip": EndpointKind.SIP, "conference": EndpointKind.CONFERENCE}.get(kind)
    if colon and found is not None:
        if not 1 <= len(address) <= 255 or not address.isprintable():  # noqa: PLR2004 - as long as the wire has it
            raise Invalid("to", repr(text[:40]), f"{kind}: and 1 to 255 printable characters")
        return Endpoint(found, address)
    if not text or len(text) > 64 or not text.isprintable():  # noqa: PLR2004 - what no number is longer than
        raise Invalid("to", repr(text[:40]), "a number in E.164, such as +46700000001")
    return Endpoint(EndpointKind.NUMBER, parse_e164(text) or text)


async def dial_first(
    store: Store,
    platform: Platform,
    prepared: Prepared,
    clock: Callable[[], datetime],
    forget: str | None = None,
) -> Call | None:
    """Have the first leg of a call rung that was let through. Returns and raises as `dial_leg` does. `forget` is the scope
    of a kept reply, which is worth nothing once it is known that nobody was rung.
    """
    first, *others = (CallKey(prepared.job.application.key, leg.ref) for leg in prepared.job.legs)
    call = await store.call(first)
    assert call is not None, "it was just let through"
    return await dial_leg(store, platform, call, clock, others=others, endpoints=prepared.job.endpoints, forget=forget)


async def what_became(
    store: Store, application: str, reference: str, *, wait: Callable[[], Awaitable[bool]]
) -> Call | None:
    """Return a call that somebody else is placing, as soon as it has an id or has ended, or `wait` says that it is enough."""
    while True:
        call = await store.call_referred(application, reference)
        if call is None or call.key.call_id != reference or call.ended_at is not None or not await wait():
            return call
