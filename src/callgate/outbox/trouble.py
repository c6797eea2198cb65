"""What can be wrong between us and a CRM, each with a name that stays and what an operator does about it."""

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from callgate.outbox.schedule import Answer, Fate


class Trouble(StrEnum):
    """Why a call could not be logged, or was logged otherwise than usual."""

    TOKEN_WRONG = "token_wrong"  # noqa: S105 - a name of a state
    TOKEN_REVOKED = "token_revoked"  # noqa: S105 - see above
    FORBIDDEN = "forbidden"
    QUOTA_HIT = "quota_hit"
    REDIRECTED = "redirected"
    CERTIFICATE_REFUSED = "certificate_refused"
    ADDRESS_PRIVATE = "address_private"
    WRONG_PLACE = "wrong_place"
    UNREACHABLE = "unreachable"
    NO_ANSWER = "no_answer"
    CRM_FAILED = "crm_failed"
    LOCKED = "locked"
    UNREADABLE = "unreadable"
    RECORD_REFUSED = "record_refused"
    CALL_TWICE = "call_twice"
    CONTACT_MISSING = "contact_missing"
    CONTACTS_SEVERAL = "contacts_several"


SENTENCES: dict[Trouble, str] = {
    Trouble.TOKEN_WRONG: "it does not know the token; give another with `callgate endpoint token`",
    Trouble.TOKEN_REVOKED: "it gives out no token for these credentials any more; "
    "allow us again there, then `callgate endpoint token`",
    Trouble.FORBIDDEN: "the token may not do this; give its user or application the rights that the reference lists",
    Trouble.QUOTA_HIT: "the quota of requests is used up; we wait until it is renewed",
    Trouble.REDIRECTED: "it answered with a redirect, which is not followed; add the endpoint with the URL that it leads to",
    Trouble.CERTIFICATE_REFUSED: "its certificate was not accepted; it must be valid for the host that the URL names",
    Trouble.ADDRESS_PRIVATE: "its address is not public; add it with --allow-private if it is your own network",
    Trouble.WRONG_PLACE: "it knows no such address or field; look at the URL and the options of the endpoint",
    Trouble.UNREACHABLE: "there was no connection; it is tried again",
    Trouble.NO_ANSWER: "it did not answer, and may have logged the call; that is looked up before it is tried again",
    Trouble.CRM_FAILED: "it failed; whether it logged the call is looked up before it is tried again",
    Trouble.LOCKED: "somebody else was changing the same; it is tried again",
    Trouble.UNREADABLE: "it answered in a shape that we do not know; look at the URL of the endpoint",
    Trouble.RECORD_REFUSED: "it does not take this record and never will; look at the options, then resend",
    Trouble.CALL_TWICE: "it has several entries for this call already; remove all but one, then resend",
    Trouble.CONTACT_MISSING: "no contact has this number; the call was logged without one",
    Trouble.CONTACTS_SEVERAL: "several contacts have this number; `on_several` says which one is taken",
}
"""What is the matter, and what to do: the second half of what `deliveries list` and `endpoint list` show."""

OF_THE_ENDPOINT = frozenset(
    {
        Trouble.TOKEN_WRONG,
        Trouble.TOKEN_REVOKED,
        Trouble.FORBIDDEN,
        Trouble.QUOTA_HIT,
        Trouble.REDIRECTED,
        Trouble.CERTIFICATE_REFUSED,
        Trouble.ADDRESS_PRIVATE,
        Trouble.WRONG_PLACE,
    }
)
"""Nothing would get through: all of the endpoint rests, and no delivery uses up a try."""

MAY_BE_DONE = frozenset({Trouble.NO_ANSWER, Trouble.CRM_FAILED, Trouble.UNREADABLE})
"""The call may be logged all the same."""

OF_THE_RECORD = frozenset({Trouble.RECORD_REFUSED, Trouble.CALL_TWICE})
"""The same bytes would fail again."""

REST = timedelta(minutes=5)
"""How long an endpoint rests after trouble of its own that says no time; then one record is tried."""


class Told(NamedTuple):
    """A trouble as one answer told it. `code` is the CRM's own word or number for it: never its sentence, which may hold
    names and numbers.
    """

    trouble: Trouble
    code: str = ""
    wait: timedelta = timedelta(0)


class CrmFailed(Exception):
    """A request to a CRM did not do what was asked."""

    def __init__(self, told: Told) -> None:
        super().__init__(sentence(told.trouble, told.code))
        self.told = told


def sentence(trouble: Trouble, code: str = "") -> str:
    """The name, the CRM's own word for it, and what to do."""
    return f"{trouble}{f' ({code})' if code else ''}: {SENTENCES[trouble]}"


def answer(told: Told, settle: timedelta) -> Answer:
    """What a trouble means for the delivery. `settle` is how long the CRM may take to find what it has."""
    why = sentence(told.trouble, told.code)
    if told.trouble in OF_THE_RECORD:
        return Answer(Fate.DEAD, why)
    if told.trouble in OF_THE_ENDPOINT:
        return Answer(Fate.HELD, why, told.wait or REST)
    wait = max(told.wait, settle) if told.trouble in MAY_BE_DONE else told.wait
    return Answer(Fate.RETRY, why, wait, is_of_record=True)
