"""Zendesk: a ticket with a voice comment, the one way that has an idempotency key and needs no Talk account.

Source of fields and habits: Zendesk's developer documentation, its Python client zenpy 2.0.57, and public integrations.
"""

from collections.abc import Sequence
from datetime import UTC
from typing import Any, ClassVar

from callgate.outbox.api import Api, Reply, part
from callgate.outbox.connector import CallLog, Connector, Contact, Setup
from callgate.outbox.connectors.credentials import token_or
from callgate.outbox.tokens import Authorization, basic, bearer
from callgate.outbox.trouble import Told, Trouble

VIA_INBOUND, VIA_OUTBOUND = 45, 46
"""How a ticket says that it is about a call."""


class Zendesk(Connector):
    """Needs an API token and the address of its agent, or an OAuth token with the scopes `tickets:write` and `users:read`."""

    OPTIONS: ClassVar[dict[str, str]] = {
        "from_number": "",
        "tags": "callgate",
    }
    PER_S = 2  # the smallest plan allows 200 requests a minute

    def __init__(self, setup: Setup) -> None:
        self._options = setup.options
        self._credentials = token_or(setup.credentials, "email", "api_token")

    def authorization(self) -> Authorization:
        if token := self._credentials.get("token"):
            return bearer(token)
        return basic(f"{self._credentials['email']}/token", self._credentials["api_token"])

    async def find_contacts(self, api: Api, number: str) -> Sequence[Contact]:
        reply = await api.ask("GET", "/api/v2/users/search.json", query={"query": f"phone:{number}"})
        found = part(reply.body, "users")
        return [Contact(str(part(each, "id")), created_at=each.get("created_at") or "") for each in found]

    async def add_contact(self, api: Api, number: str) -> Contact:
        body = {"user": {"name": number, "phone": number, "role": "end-user", "skip_verify_email": True}}
        reply = await api.ask("POST", "/api/v2/users.json", json=body)
        return Contact(str(part(reply.body, "user", "id")))

    async def find_call(self, api: Api, call: CallLog) -> str | None:
        reply = await api.ask("GET", "/api/v2/tickets.json", query={"external_id": call.reference})
        found = part(reply.body, "tickets")
        return str(part(found, 0, "id")) if found else None

    async def add_call(self, api: Api, call: CallLog, contact: Contact | None) -> None:
        headers = {"idempotency-key": call.reference}  # kept for two hours there; after that `find_call` knows
        json = {"ticket": self._ticket(call, contact)}
        reply = await api.ask("POST", "/api/v2/tickets.json", json=json, headers=headers)
        part(reply.body, "ticket", "id")

    async def change_call(self, api: Api, found: str, call: CallLog, contact: Contact | None) -> None:
        """Nothing that was said on a ticket can be changed: what is true now is said below it, for agents alone."""
        del contact
        body = "\n".join(["Corrected:", *call.lines])
        json = {"ticket": {"comment": {"body": body, "public": False}}}
        await api.ask("PUT", f"/api/v2/tickets/{found}.json", json=json)

    def explain(self, reply: Reply) -> Told | None:
        error = reply.body.get("error") if isinstance(reply.body, dict) else None
        if error == "IdempotentRequestError":  # sent before, otherwise: `find_call` will find it
            return Told(Trouble.LOCKED, error)
        if reply.status == 409:  # noqa: PLR2004 - "conflict": an edit that clashed, or the same request in flight
            return Told(Trouble.LOCKED, error if isinstance(error, str) else "409")
        if reply.status == 422:  # noqa: PLR2004 - a field that Zendesk does not take
            return Told(Trouble.RECORD_REFUSED, error[:40] if isinstance(error, str) else "422")
        return None

    def _ticket(self, call: CallLog, contact: Contact | None) -> dict[str, Any]:
        """Of a voice comment both numbers must be numbers: an app's user has none, and gets the one that is set for them."""
        began_at = (call.answered_at or call.started_at).astimezone(UTC)
        voice: dict[str, Any] = {
            "from": call.caller if call.caller.startswith("+") else self._options["from_number"],
            "to": call.destination,
            "started_at": began_at.strftime("%Y-%m-%d %H:%M:%S +0000"),
            "call_duration": call.duration_s,
            "transcription_text": "\n".join(call.lines),
        }
        ticket: dict[str, Any] = {
            "subject": call.title,
            "external_id": call.reference,
            "via_id": VIA_OUTBOUND if call.is_outbound else VIA_INBOUND,
            "status": "solved",
            "tags": self._options["tags"].split(),
        }
        if voice["from"] and voice["to"].startswith("+"):
            ticket["voice_comment"] = voice
        else:
            ticket["comment"] = {"body": "\n".join(call.lines), "public": False}
        if contact is not None:
            ticket["requester_id"] = int(contact.id)
        return ticket
