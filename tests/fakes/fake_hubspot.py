"""HubSpot, played: calls and contacts under one prefix, searches that lag, quotas by policy."""

import re
from typing import Any

from aiohttp import web
from fake_crm import FakeCrm

from callgate.outbox.connectors.hubspot import HubSpot
from callgate.outbox.contract import Fault, Logged

PREFIX = "/crm/v3/objects"
STATUSES = {
    "BUSY", "CALLING_CRM_USER", "CANCELED", "COMPLETED", "CONNECTING", "FAILED", "IN_PROGRESS", "NO_ANSWER", "QUEUED",
    "RINGING",
}  # fmt: skip
PROPERTIES = {
    "hs_timestamp", "hs_call_title", "hs_call_body", "hs_call_direction", "hs_call_status", "hs_call_disposition",
    "hs_call_duration", "hs_call_from_number", "hs_call_to_number", "hs_call_external_id", "hs_call_source",
    "hubspot_owner_id",
}  # fmt: skip


class FakeHubSpot(FakeCrm):
    """With a token that stays. `policy` is which quota a 429 names."""

    kind = HubSpot
    credentials = {"token": "pat-eu1-a-secret"}
    policy = "TEN_SECONDLY_ROLLING"

    def __init__(self) -> None:
        super().__init__()
        self._calls: dict[str, dict[str, Any]] = {}
        self.is_lagging = False

    def is_known(self, headers: Any) -> bool:
        return headers.get("authorization") == f"Bearer {self.credentials['token']}"

    def is_write(self, method: str, path: str) -> bool:
        return (method, path) == ("POST", f"{PREFIX}/calls")

    def calls(self) -> list[Logged]:
        return [
            Logged(
                int(each["properties"]["hs_call_duration"]) // 1_000,
                each["contact"],
                " ".join(each["properties"].values()),
            )
            for each in self._calls.values()
        ]

    def do(self, request: web.Request, path: str, body: Any) -> web.Response:
        what = path.removeprefix(PREFIX)
        match request.method, what:
            case "POST", "/contacts/search":
                numbers = {self._value(each) for each in self._filters(body)}
                found = [(name, {}) for number in numbers for name in self.having(number)]
                return self._list(sorted(found, key=lambda each: each[0], reverse=True))
            case "POST", "/contacts":
                number = body["properties"]["phone"]
                return web.json_response({"id": self.add_contact(number), "properties": {}}, status=201)
            case "POST", "/calls/search":
                (wanted,) = self._filters(body)
                assert wanted["propertyName"] == "hs_call_external_id"
                found = [] if self.is_lagging else self._calls.items()
                return self._list([
                    (name, each["properties"]) for name, each in found
                    if each["properties"]["hs_call_external_id"] == wanted["value"]
                ])  # fmt: skip
            case "POST", "/calls":
                return self._add(body)
            case "PATCH", _ if what.removeprefix("/calls/") in self._calls:
                name = what.removeprefix("/calls/")
                if (fault := self._fault(body["properties"])) is not None:
                    return fault
                self._calls[name]["properties"] |= body["properties"]
                return web.json_response({"id": name, "properties": self._calls[name]["properties"]})
        return web.json_response({"status": "error"}, status=404)

    def _add(self, body: Any) -> web.Response:
        assert set(body) <= {"properties", "associations"}
        if (fault := self._fault(body["properties"])) is not None:
            return fault
        contact = ""
        for each in body.get("associations", ()):
            (kind,) = each["types"]
            assert kind == {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 194}
            contact = each["to"]["id"]
        name = str(9_000 + len(self._calls))
        self._calls[name] = {"properties": body["properties"], "contact": contact}
        return web.json_response({"id": name, "properties": body["properties"], "archived": False}, status=201)

    def _fault(self, properties: dict[str, Any]) -> web.Response | None:
        is_good = (
            set(properties) <= PROPERTIES
            and all(isinstance(value, str) for value in properties.values())
            and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", properties.get("hs_timestamp", ""))
            and properties["hs_call_status"] in STATUSES
            and properties["hs_call_direction"] in {"INBOUND", "OUTBOUND"}
            and properties["hs_call_duration"].isdigit()
        )
        return None if is_good else self.trouble(Fault.REFUSED)

    def _filters(self, body: Any) -> list[dict[str, str]]:
        """At most 5 groups of 6 filters, 200 a page."""
        assert 0 < len(body["filterGroups"]) <= 5 and body["limit"] <= 200
        return [each for group in body["filterGroups"] for each in group["filters"]]

    def _value(self, wanted: dict[str, str]) -> str:
        assert wanted["operator"] == "EQ" and wanted["propertyName"] in {"phone", "mobilephone"}
        return wanted["value"]

    def _list(self, found: Any) -> web.Response:
        results = [
            {"id": name, "properties": properties, "createdAt": f"2026-01-01T00:00:00.{name[-3:]}Z"}
            for name, properties in found
        ]
        return web.json_response({"total": len(results), "results": results})

    def trouble(self, fault: Fault) -> web.Response:
        status, category = {
            Fault.TOKEN_WRONG: (401, "INVALID_AUTHENTICATION"),
            Fault.FORBIDDEN: (403, "MISSING_SCOPES"),
            Fault.QUOTA: (429, "RATE_LIMITS"),
            Fault.LOCKED: (423, "LOCKED"),
            Fault.REFUSED: (400, "VALIDATION_ERROR"),
        }[fault]
        body = {"status": "error", "category": category, "message": "about +46701740605", "correlationId": "x"}
        if fault is Fault.QUOTA:
            body["policyName"] = self.policy
        return web.json_response(body, status=status)


class FakeHubSpotWithOAuth(FakeHubSpot):
    """With an access token that ends and is asked for with a refresh token."""

    credentials = {"client_id": "an-id", "client_secret": "a-secret", "refresh_token": "a-refresh"}
    is_renewed = True
    token_path = "/oauth/v1/token"

    def is_known(self, headers: Any) -> bool:
        return self.is_granted(headers)
