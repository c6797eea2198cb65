"""Salesforce: a Task as a call log, written by an external id, so that a repeat writes the same one.

The customer adds a text field to Activity, marked as external id and unique; its name is the option `external_field`. Source
of fields and habits: Salesforce's REST reference, and public integrations.
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from callgate.outbox.api import Api, Reply
from callgate.outbox.api import part as part_of
from callgate.outbox.connector import CallLog, Connector, Contact, Setup
from callgate.outbox.connectors.credentials import token_or
from callgate.outbox.tokens import Authorization, OAuth, bearer
from callgate.outbox.trouble import CrmFailed, Told, Trouble

DISPOSITIONS = {"answered": "Connected", "busy": "Busy", "no_answer": "No answer"}
"""`CallDisposition` by our result; all else is Failed."""

LOCKED = frozenset({"UNABLE_TO_LOCK_ROW"})
FAILED = frozenset({"SERVER_UNAVAILABLE", "UNKNOWN_EXCEPTION"})
NO_FIELD = frozenset({"INVALID_FIELD", "NOT_FOUND", "INVALID_TYPE"})
"""The customer's organisation has no such field or object, or this user may not see it."""

NOT_ON_UPDATE = frozenset({"INVALID_FIELD_FOR_INSERT_UPDATE"})
"""`TaskSubtype` can be set when a task is made, and not later."""


class Salesforce(Connector):
    """Needs a connected app with the client credentials flow, whose user may read contacts and leads and write tasks."""

    OPTIONS: ClassVar[dict[str, str]] = {
        "api_version": "62.0",
        "external_field": "External_Call_Id__c",
        "owner_id": "",
        "token_path": "/services/oauth2/token",
    }
    PER_S = 5

    def __init__(self, setup: Setup) -> None:
        self._options = setup.options
        self._credentials = token_or(setup.credentials, "client_id", "client_secret")
        self._home = urlsplit(setup.url)
        self._instance = ""

    def authorization(self) -> Authorization:
        if token := self._credentials.get("token"):
            return bearer(token)
        form = {"grant_type": "client_credentials", **self._credentials}
        return OAuth(self._options["token_path"], form, self._hear_instance)

    def _hear_instance(self, told: Mapping[str, Any]) -> None:
        """The organisation may live elsewhere than at the address that it signs in by: only at one of Salesforce's hosts."""
        text = told.get("instance_url")
        url = urlsplit(text if isinstance(text, str) else "")
        is_of_salesforce = url.scheme == "https" and (url.hostname or "").endswith(".salesforce.com")
        self._instance = text.rstrip("/") if isinstance(text, str) and is_of_salesforce else ""

    async def find_contacts(self, api: Api, number: str) -> Sequence[Contact]:
        words = f"FIND {{{number.removeprefix('+')}}} IN PHONE FIELDS RETURNING Contact(Id, CreatedDate), "
        query = {"q": words + "Lead(Id, CreatedDate WHERE IsConverted = false)"}
        reply = await self._ask(api, "GET", "/search/", query=query)
        return [
            Contact(
                part_of(each, "Id"), kind=part_of(each, "attributes", "type"), created_at=each.get("CreatedDate") or ""
            )
            for each in part_of(reply.body, "searchRecords")
        ]

    async def add_contact(self, api: Api, number: str) -> Contact:
        reply = await self._ask(api, "POST", "/sobjects/Contact/", json={"LastName": number, "Phone": number})
        return Contact(part_of(reply.body, "id"), kind="Contact")

    async def find_call(self, api: Api, call: CallLog) -> str | None:
        """Nobody need look: written again, it is the same task."""
        del api, call
        return None

    async def add_call(self, api: Api, call: CallLog, contact: Contact | None) -> None:
        path = f"/sobjects/Task/{quote(self._options['external_field'], safe='')}/{quote(call.reference, safe='')}"
        fields = self._fields(call, contact)
        try:
            await self._ask(api, "PATCH", path, json={**fields, "TaskSubtype": "Call"})
        except CrmFailed as failed:
            if failed.told.code not in NOT_ON_UPDATE:
                raise
            await self._ask(api, "PATCH", path, json=fields)

    async def change_call(self, api: Api, found: str, call: CallLog, contact: Contact | None) -> None:
        del found
        await self.add_call(api, call, contact)

    def explain(self, reply: Reply) -> Told | None:
        if reply.status == 300:  # noqa: PLR2004 - several tasks have this external id, and nothing was written
            return Told(Trouble.CALL_TWICE)
        code = _code(reply.body)
        if code == "REQUEST_LIMIT_EXCEEDED":  # comes as 403, which elsewhere means that the token may not
            return Told(Trouble.QUOTA_HIT, code)
        if code in LOCKED:
            return Told(Trouble.LOCKED, code)
        if code in FAILED:
            return Told(Trouble.CRM_FAILED, code)
        if code in NO_FIELD:
            return Told(Trouble.WRONG_PLACE, code)
        return Told(Trouble.RECORD_REFUSED, code) if reply.status == 400 else None  # noqa: PLR2004 - "bad request"

    async def _ask(self, api: Api, method: str, path: str, **words: Any) -> Reply:
        if self._instance:
            api.base = self._instance
        return await api.ask(method, f"/services/data/v{self._options['api_version']}{path}", **words)

    def _fields(self, call: CallLog, contact: Contact | None) -> dict[str, Any]:
        """`ActivityDate` is a date, not a time; the external field and `Id` stand in the address alone."""
        fields = {
            "Subject": call.title[:255],
            "Status": "Completed",
            "Priority": "Normal",
            "ActivityDate": call.started_at.date().isoformat(),
            "CallType": "Outbound" if call.is_outbound else "Inbound",
            "CallDurationInSeconds": call.duration_s,
            "CallDisposition": DISPOSITIONS.get(call.result, "Failed"),
            "CallObject": call.reference,
            "Description": "\n".join(call.lines),
        }
        if contact is not None:
            fields["WhoId"] = contact.id
        if self._options["owner_id"]:
            fields["OwnerId"] = self._options["owner_id"]
        return fields


def _code(body: Any) -> str:
    """The first error code of a list of errors."""
    first = body[0] if isinstance(body, list) and body else None
    code = first.get("errorCode") if isinstance(first, dict) else None
    return code[:60] if isinstance(code, str) else ""
