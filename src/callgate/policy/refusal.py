"""Why a call is refused: the stable names that records, the API and the dashboard show, each with a sentence."""

from enum import StrEnum


class Refusal(StrEnum):
    """A reasoned no, in the order in which the decision looks for them."""

    APPLICATION_SUSPENDED = "application_suspended"
    CALL_CONFLICT = "call_conflict"
    CALLER_UNKNOWN = "caller_unknown"
    ACCOUNT_SUSPENDED = "account_suspended"
    ACCOUNT_CLOSED = "account_closed"
    DESTINATION_INVALID = "destination_invalid"
    NO_ROUTE = "no_route"
    BLOCKED = "blocked"
    DESTINATION_BLOCKED = "destination_blocked"
    DESTINATION_NOT_ALLOWED = "destination_not_allowed"
    COUNTRY_BLOCKED = "country_blocked"
    NUMBER_TYPE_BLOCKED = "number_type_blocked"
    CALLER_ID_NOT_ALLOWED = "caller_id_not_allowed"
    OUTSIDE_HOURS = "outside_hours"
    RULE = "rule"
    NO_RATE = "no_rate"
    RATE_TOO_HIGH = "rate_too_high"
    MARGIN_NEGATIVE = "margin_negative"
    TOO_MANY_CONCURRENT_CALLS = "too_many_concurrent_calls"
    TOO_MANY_CALLS = "too_many_calls"
    TOO_MANY_DESTINATIONS = "too_many_destinations"
    REPEATED_DESTINATION = "repeated_destination"
    SPEND_CAP_REACHED = "spend_cap_reached"
    INSUFFICIENT_CREDIT = "insufficient_credit"
    NOT_DECIDED_IN_TIME = "not_decided_in_time"


SENTENCES: dict[Refusal, str] = {
    Refusal.APPLICATION_SUSPENDED: "The application is suspended.",
    Refusal.CALL_CONFLICT: "This call id was used before, for another call or for one that has ended.",
    Refusal.CALLER_UNKNOWN: "No account answers to this caller.",
    Refusal.ACCOUNT_SUSPENDED: "The account is suspended.",
    Refusal.ACCOUNT_CLOSED: "The account is closed.",
    Refusal.DESTINATION_INVALID: "What was dialled is not a valid phone number.",
    Refusal.NO_ROUTE: "Nothing says what to do with calls to this kind of destination.",
    Refusal.BLOCKED: "The account is blocked for a while.",
    Refusal.DESTINATION_BLOCKED: "The number is on a deny list.",
    Refusal.DESTINATION_NOT_ALLOWED: "There are allow lists, and the number is on none of them.",
    Refusal.COUNTRY_BLOCKED: "Calls to this country are not allowed.",
    Refusal.NUMBER_TYPE_BLOCKED: "Calls to this kind of number are not allowed.",
    Refusal.CALLER_ID_NOT_ALLOWED: "The account may not show the number that the call asks to show.",
    Refusal.OUTSIDE_HOURS: "It is outside the opening hours.",
    Refusal.RULE: "A rule of the operator refuses the call, or could not be judged.",
    Refusal.NO_RATE: "The account's rate deck has no price for this destination, or blocks it.",
    Refusal.RATE_TOO_HIGH: "The destination is priced above the ceiling price.",
    Refusal.MARGIN_NEGATIVE: "A minute may cost more than it is sold for, or its cost is not known.",
    Refusal.TOO_MANY_CONCURRENT_CALLS: "As many calls of the account are up as may be at once.",
    Refusal.TOO_MANY_CALLS: "The account tried as many calls within a minute as it may.",
    Refusal.TOO_MANY_DESTINATIONS: "The account called as many different numbers within an hour as it may.",
    Refusal.REPEATED_DESTINATION: "The account called this number as often within an hour as it may.",
    Refusal.SPEND_CAP_REACHED: "What the spend caps leave does not cover the least grant.",
    Refusal.INSUFFICIENT_CREDIT: "The credit does not cover the first increment of the call.",
    Refusal.NOT_DECIDED_IN_TIME: "The store did not answer before the deadline, so the fallback was sent.",
}
"""What each means, for the operator."""
