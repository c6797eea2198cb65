"""Zendesk, played: tickets with voice comments, and idempotency keys that are kept."""

import base64
import json
from typing import Any

from aiohttp import web
from fake_crm import FakeCrm

from callgate.outbox.connectors.zendesk import Zendesk
from callgate.outbox.contract import Fault, Logged

TICKET = {
    "subject", "external_id", "via_id", "status", "tags", "voice_comment", "comment", "requester_id", "requester",
}  # fmt: skip
VOICE = {
    "from",
    "to",
    "started_at",
    "call_duration",
    "transcription_text",
    "recording_url",
    "answered_by_id",
    "location",
}


class FakeZendesk(FakeCrm):
    """With an API token of an agent. `is_forgetful` forgets keys, as after two hours."""

    kind = Zendesk
    credentials = {"email": "agent@example.com", "api_token": "a-secret"}
    options = {"from_number": "+14155550100"}

    def __init__(self) -> None:
        super().__init__()
        self._tickets: dict[str, dict[str, Any]] = {}
        self._keys: dict[str, tuple[str, str]] = {}
        self.is_forgetful = False

    def is_known(self, headers: Any) -> bool:
        word = f"{self.credentials['email']}/token:{self.credentials['api_token']}"
        return headers.get("authorization") == f"Basic {base64.b64encode(word.encode()).decode()}"

    def is_write(self, method: str, path: str) -> bool:
        return (method, path) == ("POST", "/api/v2/tickets.json")

    def calls(self) -> list[Logged]:
        return [
            Logged(
                each["voice_comment"]["call_duration"],
                str(each.get("requester_id", "")),
                " ".join([each["subject"], each["voice_comment"]["transcription_text"], *each["said"]]),
            )
            for each in self._tickets.values()
        ]

    def do(self, request: web.Request, path: str, body: Any) -> web.Response:
        match request.method, path:
            case "GET", "/api/v2/users/search.json":
                kind, _, number = request.query["query"].partition(":")
                assert kind == "phone"
                users = [
                    {"id": int(name), "created_at": f"2026-01-01T00:00:{name[-2:]}Z"} for name in self.having(number)
                ]
                return web.json_response({"users": users, "count": len(users)})
            case "POST", "/api/v2/users.json":
                return web.json_response({"user": {"id": int(self.add_contact(body["user"]["phone"]))}}, status=201)
            case "GET", "/api/v2/tickets.json":
                wanted = request.query["external_id"]
                found = [{"id": int(name)} for name, each in self._tickets.items() if each["external_id"] == wanted]
                return web.json_response({"tickets": found})
            case "POST", "/api/v2/tickets.json":
                return self._add(body["ticket"], request.headers.get("idempotency-key", ""))
            case "PUT", _ if (name := path.removeprefix("/api/v2/tickets/").removesuffix(".json")) in self._tickets:
                assert body["ticket"]["comment"]["public"] is False
                self._tickets[name]["said"].append(body["ticket"]["comment"]["body"])
                return web.json_response({"ticket": {"id": int(name)}})
        return web.json_response({"error": "RecordNotFound"}, status=404)

    def _add(self, ticket: dict[str, Any], key: str) -> web.Response:
        content = json.dumps(ticket, sort_keys=True)
        if key and key in self._keys and not self.is_forgetful:
            name, before = self._keys[key]
            if content != before:
                return web.json_response({"error": "IdempotentRequestError"}, status=400)
            headers = {"x-idempotency-lookup": "hit"}
            return web.json_response({"ticket": {"id": int(name)}}, status=201, headers=headers)
        if not self._is_good(ticket):
            return self.trouble(Fault.REFUSED)
        name = str(35_000 + len(self._tickets))
        self._tickets[name] = ticket | {"said": []}
        self._keys[key] = (name, content)
        headers = {"x-idempotency-lookup": "miss"}
        return web.json_response({"ticket": {"id": int(name)}}, status=201, headers=headers)

    def _is_good(self, ticket: dict[str, Any]) -> bool:
        voice = ticket.get("voice_comment", {})
        numbers = (voice.get("from", ""), voice.get("to", ""))
        return (
            set(ticket) <= TICKET
            and set(voice) <= VOICE
            and ticket["via_id"] in {44, 45, 46}
            and all(number.removeprefix("+").isdigit() for number in numbers)
            and isinstance(voice["call_duration"], int)
        )

    def trouble(self, fault: Fault) -> web.Response:
        status, error = {
            Fault.TOKEN_WRONG: (401, "Couldn't authenticate you"),
            Fault.FORBIDDEN: (403, "Forbidden"),
            Fault.QUOTA: (429, "APIRateLimitExceeded"),
            Fault.LOCKED: (409, "IdempotentRequestInProgress"),
            Fault.REFUSED: (422, "RecordInvalid"),
        }[fault]
        headers = {"retry-after": "17"} if fault is Fault.QUOTA else None
        return web.json_response({"error": error, "description": "about +46701740605"}, status=status, headers=headers)
