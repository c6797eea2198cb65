"""HubSpot: a call engagement, associated with its contact.

Source of fields and habits: HubSpot's documentation and its Python client 12.0.0, and public integrations; what those do not
agree on is an option.
"""

import html
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar

from callgate.outbox.api import Api, Reply, part
from callgate.outbox.connector import CallLog, Connector, Contact, Setup
from callgate.outbox.connectors.credentials import token_or
from callgate.outbox.tokens import Authorization, OAuth, bearer
from callgate.outbox.trouble import Told, Trouble

STATUSES = {"answered": "COMPLETED", "busy": "BUSY", "no_answer": "NO_ANSWER"}
"""`hs_call_status` by our result; all else is FAILED."""

QUOTA_WAITS = {
    "TEN_SECONDLY_ROLLING": timedelta(seconds=10),
    "SECONDLY": timedelta(seconds=1),
    "DAILY": timedelta(hours=1),  # renewed at midnight of the customer's zone, which we do not know
}
"""How long to wait by the policy that a 429 names: it promises no `Retry-After`."""

LOCKED_S = 2
"""A record that is locked is to be left alone for so long at least."""


class HubSpot(Connector):
    """Needs the scopes `crm.objects.contacts.read` and `crm.objects.contacts.write`."""

    URL = "https://api.hubapi.com"
    OPTIONS: ClassVar[dict[str, str]] = {
        "prefix": "/crm/v3/objects",
        "owner_id": "",
        "association_type": "194",
        "phone_properties": "phone,mobilephone",
        "disposition_answered": "f240bbac-87c9-4f6e-bf70-924b57d47db7",
        "disposition_busy": "9d9162e7-6cf3-4944-bf63-4dff82258764",
        "disposition_no_answer": "73a0d17f-1163-4015-bdd5-ec830791da20",
        "token_path": "/oauth/v1/token",
    }
    PER_S = 4  # searches are allowed five a second, which is the tightest limit
    SETTLE = timedelta(seconds=30)  # "new records appear after a few moments" in searches

    def __init__(self, setup: Setup) -> None:
        self._options = setup.options
        self._credentials = token_or(setup.credentials, "client_id", "client_secret", "refresh_token")

    def authorization(self) -> Authorization:
        if token := self._credentials.get("token"):
            return bearer(token)
        return OAuth(self._options["token_path"], {"grant_type": "refresh_token", **self._credentials})

    async def find_contacts(self, api: Api, number: str) -> Sequence[Contact]:
        names = self._options["phone_properties"].split(",")
        found = await self._search(api, "contacts", {name.strip(): number for name in names}, "createdate")
        return [Contact(part(each, "id"), created_at=each.get("createdAt") or "") for each in found]

    async def add_contact(self, api: Api, number: str) -> Contact:
        reply = await api.ask("POST", self._path("contacts"), json={"properties": {"phone": number}})
        return Contact(part(reply.body, "id"))

    async def find_call(self, api: Api, call: CallLog) -> str | None:
        found = await self._search(api, "calls", {"hs_call_external_id": call.reference}, "hs_timestamp")
        return str(part(found, 0, "id")) if found else None

    async def add_call(self, api: Api, call: CallLog, contact: Contact | None) -> None:
        body: dict[str, Any] = {"properties": self._properties(call)}
        if contact is not None:
            kind = {
                "associationCategory": "HUBSPOT_DEFINED",
                "associationTypeId": int(self._options["association_type"]),
            }
            body["associations"] = [{"to": {"id": contact.id}, "types": [kind]}]
        reply = await api.ask("POST", self._path("calls"), json=body)
        part(reply.body, "id")

    async def change_call(self, api: Api, found: str, call: CallLog, contact: Contact | None) -> None:
        del contact  # it was associated when the call was logged
        await api.ask("PATCH", self._path(f"calls/{found}"), json={"properties": self._properties(call)})

    def explain(self, reply: Reply) -> Told | None:
        body = reply.body if isinstance(reply.body, dict) else {}
        if reply.status == 429:  # noqa: PLR2004 - see QUOTA_WAITS
            policy = str(body.get("policyName") or "")
            return Told(
                Trouble.QUOTA_HIT, policy if policy in QUOTA_WAITS else "", QUOTA_WAITS.get(policy, timedelta(0))
            )
        if reply.status == 423:  # noqa: PLR2004 - HTTP's "locked"
            return Told(Trouble.LOCKED, "423", timedelta(seconds=LOCKED_S))
        if reply.status == 400:  # noqa: PLR2004 - HTTP's "bad request"
            return Told(Trouble.RECORD_REFUSED, str(body.get("category") or "400")[:40])
        return None

    def _path(self, what: str) -> str:
        return f"{self._options['prefix'].rstrip('/')}/{what}"

    async def _search(self, api: Api, what: str, equal: dict[str, str], newest_by: str) -> list[Any]:
        """Those that have any of these properties, newest first."""
        groups = [
            {"filters": [{"propertyName": name, "operator": "EQ", "value": value}]} for name, value in equal.items()
        ]
        body = {
            "filterGroups": groups,
            "sorts": [{"propertyName": newest_by, "direction": "DESCENDING"}],
            "limit": 10,
        }
        reply = await api.ask("POST", self._path(f"{what}/search"), json=body)
        found: list[Any] = part(reply.body, "results")
        return found

    def _properties(self, call: CallLog) -> dict[str, str]:
        """All values travel as text; the duration is in milliseconds."""
        properties = {
            "hs_timestamp": call.started_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "hs_call_title": call.title,
            "hs_call_body": "<br>".join(map(html.escape, call.lines)),
            "hs_call_direction": "OUTBOUND" if call.is_outbound else "INBOUND",
            "hs_call_status": STATUSES.get(call.result, "FAILED"),
            "hs_call_disposition": self._options.get(f"disposition_{call.result}", ""),
            "hs_call_duration": str(call.duration_s * 1_000),
            "hs_call_from_number": call.caller if call.caller.startswith("+") else "",
            "hs_call_to_number": call.destination,
            "hs_call_external_id": call.reference,
            "hs_call_source": "INTEGRATIONS_PLATFORM",
            "hubspot_owner_id": self._options["owner_id"],
        }
        return {name: value for name, value in properties.items() if value}
