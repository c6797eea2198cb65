"""Why a call was decided as it was, and how one would be that has not happened: every step, the price, the hold, the answer."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Never

import msgspec

from callgate.errors import Invalid, NotFound
from callgate.money import format_micros, format_nanos
from callgate.numbers import parse_e164
from callgate.protocol import PROVIDERS
from callgate.protocol.call import CallArrived, CallKey, Endpoint, EndpointKind, Origin
from callgate.rating.rate import Rate
from callgate.service.authorize import Authorize
from callgate.service.books import Books, Keys
from callgate.service.catalog import Catalog
from callgate.service.elastic import ElasticTerms
from callgate.service.ports import Store
from callgate.service.reason import reason_of, refused_by
from callgate.service.records import Call, held_s
from callgate.service.reports import rfc3339
from callgate.service.respond import authorize_job, hooks_of
from callgate.service.ticket import Presented


class PriceSource(msgspec.Struct, frozen=True, kw_only=True):
    """The row of a deck that priced a call, and where it came from: the deck, and the file and line that it was imported from.
    `file` is empty and `line` 0 where that is not known.
    """

    deck: str
    file: str
    line: int
    prefix: str
    destination: str
    rate_per_minute: str
    connect_fee: str
    increments: str
    minimum_charge: str
    effective_from: str


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with all that it rests on. `call_id` is None for a call that has not happened. `rule` is the operator's rule
    that refused it, where one did. `hold` is what was held when it was decided, for `held_s` seconds. `answer` is what the
    platform was told.
    """

    call_id: str | None
    application: str
    at: datetime
    account: str | None
    caller: str
    destination: str
    outcome: str
    refusal: str | None
    rule: str | None
    reason: str | None
    granted_s: int
    held_s: int
    hold: str | None
    currency: str | None
    rate: PriceSource | None
    answer: Any
    trace: list[dict[str, Any]]


async def explain_call(store: Store, key: CallKey) -> Explanation:
    """Explain a call that was decided, from what is stored of it. Raises `NotFound`."""
    call = await store.call(key)
    if call is None:
        raise NotFound(f"there is no call {key.call_id} in application {key.application}")
    if not call.answer:
        raise NotFound(f"call {key.call_id} was never decided: only its end was heard of")
    return _explanation(call, key.call_id)


async def explain_what_if(  # noqa: PLR0913 - who calls whom, when, and under which terms
    store: Store, catalog: Catalog, application: str, caller: str, to: str, *, now: datetime, elastic: ElasticTerms
) -> Explanation:
    """Explain how a call would be decided now. It goes the way of every call but for its end: nothing of it is written.

    Raises `Invalid` for a caller or a destination that cannot be read.
    """
    return await explain_arrival(store, catalog, _call(application, caller, to), now=now, elastic=elastic)


async def explain_arrival(  # noqa: PLR0913 - the question, and what it is decided by
    store: Store,
    catalog: Catalog,
    call: CallArrived,
    *,
    now: datetime,
    elastic: ElasticTerms,
    presented: Presented | None = None,
) -> Explanation:
    """Explain how this question would be decided now, if nobody had heard of its call before."""
    known = catalog.applications[call.key.application].row
    provider = PROVIDERS[known.provider]
    job = authorize_job(
        call,
        b"",
        provider,
        catalog,
        now=now,
        orphan_after=timedelta(0),
        elastic=elastic,
        presented=presented,
        hooks=await hooks_of(call, catalog),
    )
    try:
        await store.perform(_WhatIf(job))
    except _Decided as decided:
        return _explanation(decided.call, None)
    raise AssertionError("it ends by raising")


class _Decided(Exception):
    """How the call would have been decided."""

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call


@dataclass(frozen=True)
class _WhatIf:
    """Decides as `Authorize` does, and then fails, so that all of it is undone."""

    job: Authorize

    def keys(self) -> Keys:
        return self.job.keys()

    def run(self, books: Books) -> Never:
        raise _Decided(self.job.authorized(books, self.job.elastic))


def _call(application: str, caller: str, to: str) -> CallArrived:
    """The call in neutral words. `caller` is `user:ID` or a number, `to` a number or `user:`, `conference:`, `sip:`, `did:`."""
    kind, _, address = caller.partition(":")
    user, cli = (address, None) if kind == "user" else (None, parse_e164(caller))
    if not user and cli is None:
        raise Invalid("from", repr(caller[:80]), "user:ID or a number in E.164, such as +46700000001")
    return CallArrived(
        key=CallKey(application, "what-if"),
        name="what-if",
        destination=_destination(to),
        fingerprint="",
        user=user,
        cli=cli,
        origin=Origin.IN_APP if user else Origin.PHONE,
    )


def _destination(to: str) -> Endpoint:
    kind, colon, address = to.partition(":")
    if colon and kind in _KINDS and address:
        number = parse_e164(address) if kind == "did" else None
        return Endpoint(_KINDS[kind], number or address)
    number = parse_e164(to)
    if number is None and (colon or not to.strip("+ -().0123456789") == ""):
        raise Invalid(
            "to", repr(to[:80]), f"a number in E.164, or one of {', '.join(f'{each}:...' for each in _KINDS)}"
        )
    return Endpoint(EndpointKind.NUMBER, number or to)


_KINDS = {
    "user": EndpointKind.USER,
    "conference": EndpointKind.CONFERENCE,
    "sip": EndpointKind.SIP,
    "did": EndpointKind.DID,
}


def _explanation(call: Call, call_id: str | None) -> Explanation:
    trace = _full_trace(call)
    answer = msgspec.json.decode(call.answer)
    rule = refused_by(call.refusal, trace)
    return Explanation(
        call_id=call_id,
        application=call.key.application,
        at=call.decided_at,
        account=call.account,
        caller=call.caller,
        destination=call.destination,
        outcome="refuse" if call.refusal is not None else "connect",
        refusal=call.refusal,
        rule=rule,
        reason=reason_of(call.refusal, rule),
        granted_s=call.granted_s,
        held_s=held_s(call) if call.hold is not None and call.rate is not None else 0,
        hold=None if call.hold is None or call.rate is None else format_micros(call.hold.amount_micros),
        currency=call.currency,
        rate=None if call.rate is None else _rate(call.rate),
        answer=answer,
        trace=[*trace, {"step": "answer", "saw": {"answer": answer}, "refusal": None}],
    )


def _full_trace(call: Call) -> list[dict[str, Any]]:
    """The steps of a decision with what each saw. That of the rate, the last one where a call was led on, has the whole row, and
    of a call that was let through there is one more, `grant`, with what was held: both stand in columns of their own and are
    not stored twice.
    """
    trace: list[dict[str, Any]] = msgspec.json.decode(call.trace)
    if call.rate is None or call.hold is None:
        return trace
    priced = next((step for step in reversed(trace) if step["step"] == "rate"), None)
    if priced is not None:
        priced["saw"] |= {
            name: value for name, value in msgspec.to_builtins(_rate(call.rate)).items() if value not in ("", 0)
        }
    held = {
        "granted_s": call.granted_s,
        "held_s": held_s(call),
        "hold": format_micros(call.hold.amount_micros),
        "currency": call.currency,
    }
    return [*trace, {"step": "grant", "saw": held, "refusal": None}]


def _rate(rate: Rate) -> PriceSource:
    return PriceSource(
        deck=rate.deck,
        file=rate.file,
        line=rate.line,
        prefix=rate.prefix,
        destination=rate.destination,
        rate_per_minute=format_nanos(rate.rate_nanos_per_min),
        connect_fee=format_micros(rate.connect_fee_micros),
        increments=f"{rate.first_increment_s}/{rate.increment_s}",
        minimum_charge=format_micros(rate.minimum_charge_micros),
        effective_from=rfc3339(rate.effective_from),
    )
