"""Pipedrive, played: call logs with texts for numbers, no way to change one, seconds left in place of times."""

import re
from typing import Any

from aiohttp import web
from fake_crm import FakeCrm

from callgate.outbox.connectors.pipedrive import Pipedrive
from callgate.outbox.contract import Fault, Logged

OUTCOMES = {"connected", "no_answer", "left_message", "left_voicemail", "wrong_number", "busy"}
TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
REQUIRED = {"outcome", "to_phone_number", "start_time", "end_time"}
FIELDS = REQUIRED | {"subject", "from_phone_number", "duration", "person_id", "org_id", "deal_id", "user_id", "note"}


class FakePipedrive(FakeCrm):
    """With an API token. `is_blocking` answers 403 to who has ignored too many 429."""

    kind = Pipedrive
    credentials = {"token": "an-api-token"}

    def __init__(self) -> None:
        super().__init__()
        self._logs: dict[str, dict[str, Any]] = {}
        self._count = 0
        self.is_blocking = False

    def is_known(self, headers: Any) -> bool:
        return headers.get("x-api-token") == self.credentials["token"]

    def is_write(self, method: str, path: str) -> bool:
        return (method, path) == ("POST", "/v1/callLogs")

    def calls(self) -> list[Logged]:
        return [
            Logged(int(each["duration"]), str(each.get("person_id", "")), f"{each['subject']} {each['note']}")
            for each in self._logs.values()
        ]

    def do(self, request: web.Request, path: str, body: Any) -> web.Response:
        match request.method, path:
            case "GET", "/api/v2/persons/search":
                assert (request.query["fields"], request.query["exact_match"]) == ("phone", "true")
                found = self.having(request.query["term"])
                items = [{"result_score": 1, "item": {"id": int(name), "type": "person"}} for name in found]
                return self._done({"items": items})
            case "POST", "/v1/persons":
                return self._done({"id": int(self.add_contact(body["phone"][0]["value"]))}, 201)
            case "GET", "/v1/callLogs":
                assert int(request.query["limit"]) <= 50
                return self._done([{"id": name, **each} for name, each in reversed(self._logs.items())])
            case "POST", "/v1/callLogs":
                return self._add(body)
            case "DELETE", _ if (name := path.removeprefix("/v1/callLogs/")) in self._logs:
                del self._logs[name]
                return web.json_response({"success": True})
        return self._error(404)

    def _add(self, body: dict[str, Any]) -> web.Response:
        is_good = (
            set(body) >= REQUIRED
            and set(body) <= FIELDS
            and body["outcome"] in OUTCOMES
            and TIME.fullmatch(body["start_time"])
            and TIME.fullmatch(body["end_time"])
            and isinstance(body.get("duration", ""), str)
        )
        if not is_good:
            return self._error(400)
        self._count += 1
        name = f"{self._count:032x}"
        self._logs[name] = body
        return self._done({"id": name, "activity_id": self._count, "has_recording": False, "company_id": 1})

    def _done(self, data: Any, status: int = 200) -> web.Response:
        return web.json_response({"success": True, "data": data}, status=status)

    def _error(self, status: int, headers: dict[str, str] | None = None) -> web.Response:
        body = {"success": False, "error": "about +46701740605", "error_info": "", "data": None}
        return web.json_response(body, status=status, headers=headers)

    def trouble(self, fault: Fault) -> web.Response:
        if fault is Fault.QUOTA:
            headers = {"x-ratelimit-limit": "20", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "2"}
            return self._error(403 if self.is_blocking else 429, headers)
        status = {Fault.TOKEN_WRONG: 401, Fault.FORBIDDEN: 403, Fault.LOCKED: 409, Fault.REFUSED: 400}[fault]
        return self._error(status)
