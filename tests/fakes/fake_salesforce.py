"""Salesforce, played: upserts by external id, errors as lists, a quota that is a 403."""

from typing import Any
from urllib.parse import unquote

from aiohttp import web
from fake_crm import FakeCrm

from callgate.outbox.connectors.salesforce import Salesforce
from callgate.outbox.contract import Fault, Logged

PREFIX = "/services/data/v62.0"
FIELDS = {
    "Subject", "TaskSubtype", "Status", "Priority", "ActivityDate", "CallType", "CallDurationInSeconds",
    "CallDisposition", "CallObject", "Description", "WhoId", "WhatId", "OwnerId",
}  # fmt: skip


class FakeSalesforce(FakeCrm):
    """With client credentials. `is_double` makes one external id mean several tasks."""

    kind = Salesforce
    credentials = {"client_id": "an-id", "client_secret": "a-secret"}
    is_renewed = True
    token_path = "/services/oauth2/token"

    def __init__(self) -> None:
        super().__init__()
        self._tasks: dict[str, dict[str, Any]] = {}
        self.is_double = False

    def beside_token(self) -> dict[str, str]:
        return {"instance_url": self.url}

    def is_known(self, headers: Any) -> bool:
        return self.is_granted(headers)

    def is_write(self, method: str, path: str) -> bool:
        return method == "PATCH" and "/Task/" in path

    def calls(self) -> list[Logged]:
        return [
            Logged(
                each["CallDurationInSeconds"],
                each.get("WhoId", ""),
                f"{each['Subject']} {each['Description']}",
            )
            for each in self._tasks.values()
        ]

    def do(self, request: web.Request, path: str, body: Any) -> web.Response:
        what = path.removeprefix(PREFIX)
        if request.method == "GET" and what == "/search/":
            words = request.query["q"]
            assert words.startswith("FIND {") and "RETURNING Contact(Id, CreatedDate), Lead(" in words
            number = "+" + words.partition("{")[2].partition("}")[0]
            return web.json_response({"searchRecords": [
                {"attributes": {"type": "Contact"}, "Id": name, "CreatedDate": f"2026-01-01T00:00:00.{name[-3:]}+0000"}
                for name in self.having(number)
            ]})  # fmt: skip
        if request.method == "POST" and what == "/sobjects/Contact/":
            assert set(body) == {"LastName", "Phone"}
            found = {"id": self.add_contact(body["Phone"]), "success": True, "errors": []}
            return web.json_response(found, status=201)
        head = "/sobjects/Task/External_Call_Id__c/"
        if request.method == "PATCH" and what.startswith(head):
            return self._upsert(unquote(what.removeprefix(head)), body)
        return self.error(404, "NOT_FOUND")

    def _upsert(self, name: str, body: dict[str, Any]) -> web.Response:
        if self.is_double:
            return web.json_response([f"{PREFIX}/sobjects/Task/1", f"{PREFIX}/sobjects/Task/2"], status=300)
        if not set(body) <= FIELDS:
            return self.error(400, "INVALID_FIELD")
        if len(body["Subject"]) > 255 or len(body["ActivityDate"]) != 10:
            return self.error(400, "STRING_TOO_LONG")
        if body["CallType"] not in {"Inbound", "Outbound", "Internal"}:
            return self.error(400, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST")
        if name in self._tasks and "TaskSubtype" in body:
            return self.error(400, "INVALID_FIELD_FOR_INSERT_UPDATE")
        is_new = name not in self._tasks
        self._tasks[name] = self._tasks.get(name, {}) | body
        found = {"id": f"00T{len(self._tasks)}", "success": True, "errors": [], "created": is_new}
        return web.json_response(found, status=201) if is_new else web.Response(status=204)

    @staticmethod
    def error(status: int, code: str) -> web.Response:
        body = [{"message": "about +46701740605", "errorCode": code, "fields": []}]
        return web.json_response(body, status=status, headers={"Sforce-Limit-Info": "api-usage=18/5000"})

    def trouble(self, fault: Fault) -> web.Response:
        return self.error(*{
            Fault.TOKEN_WRONG: (401, "INVALID_SESSION_ID"),
            Fault.FORBIDDEN: (403, "INSUFFICIENT_ACCESS_OR_READONLY"),
            Fault.QUOTA: (403, "REQUEST_LIMIT_EXCEEDED"),
            Fault.LOCKED: (400, "UNABLE_TO_LOCK_ROW"),
            Fault.REFUSED: (400, "FIELD_CUSTOM_VALIDATION_EXCEPTION"),
        }[fault])  # fmt: skip
