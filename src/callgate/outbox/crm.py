"""A record on its way into a CRM: find the contact, make sure that the call is not there yet, log it.

The same for every CRM; what differs is the connector's. Nothing is kept of what is done: the delivery says whether a try went
before it, and then the CRM itself is asked what it has.
"""

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import NamedTuple

import aiohttp
import msgspec

from callgate.outbox.api import Api, Pace
from callgate.outbox.connector import CallLog, Connector, Contact, Setup
from callgate.outbox.schedule import Answer, Fate
from callgate.outbox.trouble import CrmFailed, Trouble, answer, sentence
from callgate.service.delivery import Delivery
from callgate.service.endpoint import RecordType
from callgate.service.reports import RecordReport

KNOWN_FOR_S = 3_600.0
"""How long a contact is remembered by its number."""

UNKNOWN_FOR_S = 60.0
"""How long it is remembered that nobody has a number: somebody may be adding the contact just now."""

REMEMBERED = 10_000
"""Numbers that are remembered; what was looked up longest ago is forgotten first."""

NOBODY = "+15550100"
"""Source: numbers in 555-01xx are for fiction, North American Numbering Plan."""

Link = Callable[[str, str], str]
"""The page of a call, by application and call id; empty where no public URL is set."""


class Crm:
    """One endpoint's CRM."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        connector: Connector,
        setup: Setup,
        link: Link,
        clock: Callable[[], datetime],
    ) -> None:
        self._connector = connector
        self._options = setup.options
        self._link = link
        self._contacts = Contacts()
        pace = Pace(float(setup.options["per_s"]))
        self._api = Api(session, setup.url, connector.authorization(), connector.explain, pace, clock)

    async def send(self, delivery: Delivery) -> Answer:
        """Log one record. Never raises: each failure has a name."""
        message = _decode(delivery.body)
        call = call_log(message.data, self._options["contact"], self._link)
        was_tried = delivery.attempt_count > 1 or bool(delivery.why) or message.data.corrects is not None
        try:
            note = await self._log(call, was_tried=was_tried, corrects=message.data.corrects is not None)
        except CrmFailed as failed:
            return answer(failed.told, self._connector.SETTLE)
        return Answer(Fate.DELIVERED, note)

    async def probe(self) -> str:
        """Look up a number that nobody has. Return what is wrong, empty when all is well."""
        try:
            await self._connector.find_contacts(self._api, NOBODY)
        except CrmFailed as failed:
            return str(failed)
        return ""

    async def _log(self, call: CallLog, *, was_tried: bool, corrects: bool) -> str:
        """Return what is to be noted of how it was logged."""
        found = await self._connector.find_call(self._api, call) if was_tried else None
        if found is not None and not corrects:
            return ""
        contact, note = await self._contact(call.number)
        if found is None:
            await self._connector.add_call(self._api, call, contact)
        else:
            await self._connector.change_call(self._api, found, call, contact)
        return note

    async def _contact(self, number: str) -> tuple[Contact | None, str]:
        """Whom the call belongs to, and what is to be noted of that."""
        if not number.startswith("+"):
            return None, ""
        found = self._contacts.get(number)
        if found is None:
            several = await self._connector.find_contacts(self._api, number)
            found = choose(several, self._options["on_several"])
            if not several and self._options["on_missing"] == "create":
                found = Found(await self._connector.add_contact(self._api, number))
            self._contacts.put(number, found)
        return found.contact, "" if found.trouble is None else sentence(found.trouble)


class Found(NamedTuple):
    """What looking for a number led to."""

    contact: Contact | None
    trouble: Trouble | None = None


def choose(several: Sequence[Contact], rule: str) -> Found:
    """Take one of those who have the number. `rule` is `first`, `newest` or `none`."""
    if not several:
        return Found(None, Trouble.CONTACT_MISSING)
    if len(several) == 1:
        return Found(several[0])
    if rule == "none":
        return Found(None, Trouble.CONTACTS_SEVERAL)
    taken = several[0] if rule == "first" else max(several, key=lambda each: each.created_at)
    return Found(taken, Trouble.CONTACTS_SEVERAL)


class Contacts:
    """Who has which number, for a while."""

    def __init__(self) -> None:
        self._found: OrderedDict[str, tuple[float, Found]] = OrderedDict()

    def get(self, number: str) -> Found | None:
        until, found = self._found.get(number, (0.0, None))
        return found if time.monotonic() < until else None

    def put(self, number: str, found: Found) -> None:
        lasts_s = UNKNOWN_FOR_S if found.contact is None else KNOWN_FOR_S
        self._found[number] = (time.monotonic() + lasts_s, found)
        self._found.move_to_end(number)
        if len(self._found) > REMEMBERED:
            self._found.popitem(last=False)


def call_log(record: RecordReport, contact: str, link: Link) -> CallLog:
    """Put a record into the words that CRMs share. `contact` is which side the CRM's contact is: `destination` or `caller`."""
    is_outbound = contact == "destination"
    answered_at = None if record.answered_at is None else datetime.fromisoformat(record.answered_at)
    return CallLog(
        reference=reference(record.application, record.call_id),
        call_id=record.call_id,
        account=record.account,
        caller=record.caller,
        destination=record.destination,
        number=record.destination if is_outbound else record.caller,
        is_outbound=is_outbound,
        started_at=datetime.fromisoformat(record.started_at),
        answered_at=answered_at,
        ended_at=datetime.fromisoformat(record.ended_at),
        duration_s=record.duration_s,
        billed_s=record.billed_s,
        charge=record.charge,
        currency=record.currency,
        result=record.result,
        reason=record.reason,
        link=link(record.application, record.call_id),
    )


def reference(application: str, call_id: str) -> str:
    """Name a call in a way that every CRM takes, in addresses too: ids of platforms may hold anything."""
    return "call-" + hashlib.sha256(f"{application} {call_id}".encode()).hexdigest()[:32]


class _OfCall(msgspec.Struct, frozen=True):
    """What a connector is sent: `OF_CONNECTORS`, all of which have this data."""

    type: RecordType
    data: RecordReport


_decode = msgspec.json.Decoder(_OfCall).decode
