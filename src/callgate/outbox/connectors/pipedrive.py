"""Pipedrive: a call log, which appears as an activity of its person.

Source of fields and habits: Pipedrive's own client for Node 33.7.0 and its documentation.
"""

import html
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from callgate.outbox.api import Api, Reply, part, seconds
from callgate.outbox.connector import CallLog, Connector, Contact, Setup
from callgate.outbox.connectors.credentials import token_or
from callgate.outbox.tokens import Authorization, Fixed, OAuth
from callgate.outbox.trouble import Told, Trouble

OUTCOMES = {"answered": "connected", "busy": "busy"}
"""`outcome` by our result; all else is `no_answer`, and the note says why."""

LOOKED_AT = 50
"""Call logs that are looked through for one that may be there: as many as one list may have."""


class Pipedrive(Connector):
    """Needs an API token, or an application with the scopes for persons and phone integration."""

    URL = "https://api.pipedrive.com"
    OPTIONS: ClassVar[dict[str, str]] = {
        "prefix": "/v1",
        "search_path": "/api/v2/persons/search",
        "user_id": "",
        "token_url": "https://oauth.pipedrive.com/oauth/token",
    }
    PER_S = 5

    def __init__(self, setup: Setup) -> None:
        self._options = setup.options
        self._credentials = token_or(setup.credentials, "client_id", "client_secret", "refresh_token")

    def authorization(self) -> Authorization:
        if token := self._credentials.get("token"):
            return Fixed({"x-api-token": token})
        return OAuth(self._options["token_url"], {"grant_type": "refresh_token", **self._credentials})

    async def find_contacts(self, api: Api, number: str) -> Sequence[Contact]:
        query = {"term": number, "fields": "phone", "exact_match": "true"}
        reply = await api.ask("GET", self._options["search_path"], query=query)
        found = [part(each, "item") for each in part(reply.body, "data", "items")]
        return [
            Contact(str(part(each, "id")), created_at=each.get("add_time") or f"{each['id']:012}") for each in found
        ]

    async def add_contact(self, api: Api, number: str) -> Contact:
        phone = [{"value": number, "primary": True, "label": "work"}]
        reply = await api.ask("POST", self._path("persons"), json={"name": number, "phone": phone})
        return Contact(str(part(reply.body, "data", "id")))

    async def find_call(self, api: Api, call: CallLog) -> str | None:
        """There is no search: the newest are looked through for our reference."""
        reply = await api.ask("GET", self._path("callLogs"), query={"start": "0", "limit": str(LOOKED_AT)})
        for each in part(reply.body, "data") or ():
            if call.reference in (part(each, "note") or ""):
                return str(part(each, "id"))
        return None

    async def add_call(self, api: Api, call: CallLog, contact: Contact | None) -> None:
        body: dict[str, Any] = {
            "subject": call.title,
            "outcome": OUTCOMES.get(call.result, "no_answer"),
            "from_phone_number": call.caller,
            "to_phone_number": call.destination,
            "start_time": _time(call.answered_at or call.started_at),
            "end_time": _time(call.ended_at),
            "duration": str(call.duration_s),
            "note": "".join(f"<p>{html.escape(line)}</p>" for line in call.lines),
        }
        if contact is not None:
            body["person_id"] = int(contact.id)
        if self._options["user_id"]:
            body["user_id"] = int(self._options["user_id"])
        reply = await api.ask("POST", self._path("callLogs"), json=body)
        part(reply.body, "data", "id")

    async def change_call(self, api: Api, found: str, call: CallLog, contact: Contact | None) -> None:
        """A call log cannot be changed: the old one goes first, so that a repeat finds none and adds it."""
        await api.ask("DELETE", self._path(f"callLogs/{found}"))
        await self.add_call(api, call, contact)

    def explain(self, reply: Reply) -> Told | None:
        if reply.status == 429:  # noqa: PLR2004 - `x-ratelimit-reset` is seconds that are left, not a time
            return Told(Trouble.QUOTA_HIT, wait=seconds(reply.headers.get("x-ratelimit-reset")))
        if reply.status == 403 and reply.headers.get("x-ratelimit-remaining") == "0":  # noqa: PLR2004 - after many 429
            return Told(Trouble.QUOTA_HIT, "403", timedelta(hours=1))
        return None

    def _path(self, what: str) -> str:
        return f"{self._options['prefix'].rstrip('/')}/{what}"


def _time(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")
