"""What each field of records and events is, for those who read the JSON Schemas. One name means one thing in all of them."""

from collections.abc import Mapping
from typing import Any

from callgate.protocol.call import CallResult
from callgate.service.records import SettledBy


def _time(about: str) -> dict[str, Any]:
    return {"description": about, "format": "date-time"}


def _amount(about: str) -> dict[str, Any]:
    return {"description": about, "pattern": r"^-?[0-9]+(\.[0-9]+)?$"}


def _count(about: str) -> dict[str, Any]:
    return {"description": about, "minimum": 0}


def _text(about: str) -> dict[str, Any]:
    return {"description": about}


def _one_of(words: type[CallResult | SettledBy], about: str) -> dict[str, Any]:
    return {"description": about, "enum": [str(word) for word in words]}


FIELDS: Mapping[str, Mapping[str, Any]] = {
    "account": _text("Who pays; empty where a caller has no account."),
    "answered_at": _time("When it was answered; null when it was not, or when we were not told."),
    "application": _text("Key of the application that the call belongs to."),
    "available": _amount("What can still be held."),
    "balance": _amount("What can still be spent, what is held included."),
    "billed_s": _count("Seconds that were billed, rounded up to increments."),
    "call_id": _text("The provider's id of the call; of an event, of the call that led there."),
    "caller": _text("The app's user who called, or the number where no user is known."),
    "charge": _amount("What the account was charged."),
    "corrects": _text("`record_id` of the record that this one corrects; null for a first one."),
    "cost": _amount("What the provider charged; null when it did not say."),
    "cost_currency": _text("Of `cost`; null when the provider did not say."),
    "credit_limit": _amount("How far below zero the account may go."),
    "currency": _text("ISO 4217, of all amounts but `cost`; empty where a caller has no account."),
    "destination": _text("What was dialled, a number as E.164."),
    "duration_s": _count("Seconds that they talked; 0 when it was not answered."),
    "ended_at": _time("When its end was reported, or worked out."),
    "endpoint": _text("Id of the endpoint that is disabled."),
    "error": _text("What the rule could not work out."),
    "event_id": _text("Names the event for ever."),
    "failing_since": _time("When it last worked; null where one answer disabled it."),
    "kind": _text("Webhook, email, or the connector that it has."),
    "limit": _text("Name of the limit."),
    "outcome": {"description": "Whether the call was let through.", "enum": ["connect", "refuse"]},
    "reason": _text("Why the call ended, the provider's word in lower case; of a refusal, a sentence that says it."),
    "record_id": _text("Names the record for ever; that of a correction begins with `correction:`."),
    "refusal": _text("The refusal by its name."),
    "result": _one_of(CallResult, "How the call ended."),
    "rule": _text("Name of the rule."),
    "sequence": _count(
        "Counts the records of the account from 1; events count on their own, 0 where there is no account."
    ),
    "settled_by": _one_of(SettledBy, "What the settlement rests on."),
    "started_at": _time("When the call arrived."),
    "threshold": _amount("Below this the balance is low."),
    "until": _time("When the block ends."),
    "where": _text("Its host or its addresses."),
    "why": _text("What led there, in words."),
    "window": _text("The minute, hour or day in UTC in which nothing more is told of it."),
}
