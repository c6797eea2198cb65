"""Tryton, played: JSON-RPC that says its errors with 200, notes that cannot be changed. As trytond 8.2 answered."""

import base64
import json
from typing import Any

from aiohttp import web
from callgate_tryton import Tryton
from fake_crm import FakeCrm

from callgate.outbox.contract import Fault, Logged


class FakeTryton(FakeCrm):
    """With the name and password of a user."""

    kind = Tryton
    credentials = {"user": "admin", "password": "a-secret"}

    def __init__(self) -> None:
        super().__init__()
        self._notes: dict[int, dict[str, str]] = {}

    def is_known(self, headers: Any) -> bool:
        word = f"{self.credentials['user']}:{self.credentials['password']}"
        return headers.get("authorization") == f"Basic {base64.b64encode(word.encode()).decode()}"

    def is_write(self, method: str, path: str) -> bool:
        del method, path
        return self.heard[-1][2]["method"] == "model.ir.note.create"

    def calls(self) -> list[Logged]:
        return [
            Logged(
                int(each["message"].splitlines()[1].partition(" ")[0]),
                each["resource"].removeprefix("party.party,").replace("res.user,1", ""),
                each["message"],
            )
            for each in self._notes.values()
        ]

    def do(self, request: web.Request, path: str, body: Any) -> web.Response:
        assert (request.method, path, body["params"].pop()) == ("POST", "/crm/rpc/", {})
        match body["method"], body["params"]:
            case "model.party.party.search", [[[field, "=", number]], 0, 10, [["id", "ASC"]]]:
                assert field == "contact_mechanisms.value_compact"
                return self._result([int(name) for name in self.having(number)])
            case "model.party.party.create", [[{"name": _, "contact_mechanisms": [["create", [phone]]]}]]:
                assert phone["type"] == "phone"
                return self._result([int(self.add_contact(phone["value"]))])
            case "model.ir.note.search", [[["message", "like", pattern]], 0, 1, None]:
                found = [name for name, each in self._notes.items() if pattern.strip("%") in each["message"]]
                return self._result(found[:1])
            case "model.ir.note.create", [[{"resource": str(), "message": str()} as note]]:
                self._notes[len(self.heard)] = note
                return self._result([len(self.heard)])
            case "model.ir.note.delete", [[name]]:
                del self._notes[name]
                return self._result(None)
        return self.trouble(Fault.REFUSED)

    def _result(self, value: Any) -> web.Response:
        return web.json_response({"id": 1, "result": value})

    def trouble(self, fault: Fault) -> web.Response:
        if fault is Fault.REFUSED:
            error = ["UserError", ["A value is required for +46701740605.", "", None]]
            return web.Response(body=json.dumps({"id": 1, "error": error}), content_type="application/json")
        status = {Fault.TOKEN_WRONG: 401, Fault.FORBIDDEN: 403, Fault.QUOTA: 429, Fault.LOCKED: 409}[fault]
        return web.Response(status=status, text="<!doctype html>", content_type="text/html")
