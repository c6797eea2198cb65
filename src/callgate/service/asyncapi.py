"""What is sent to endpoints, described for programs: AsyncAPI 3.0, with a JSON Schema for each type of record."""

from typing import Any

import msgspec

from callgate import __version__
from callgate.service.account_events import REPORTS
from callgate.service.endpoint import RecordType
from callgate.service.endpoint_events import DisabledReport
from callgate.service.event_fields import FIELDS
from callgate.service.queue_record import Message
from callgate.service.reports import RecordReport

ABOUT = {
    RecordType.CALL_ENDED: "A call that had a payer was settled.",
    RecordType.CALL_CORRECTED: "The true end of a call that was settled by estimate came.",
    RecordType.CALL_SETTLED_BY_ESTIMATE: "Nobody could say how the call ended.",
    RecordType.OVERRUN: "The call cost more than was held for it.",
    RecordType.BALANCE_LOW: "A call brought the balance below the threshold of its account.",
    RecordType.BALANCE_DEPLETED: "The balance does not cover a call any more.",
    RecordType.LIMIT_REACHED: "A call was refused because a limit of its account or application was reached.",
    RecordType.CALL_REFUSED: "A call of a known account was not let through.",
    RecordType.ACCOUNT_BLOCKED: "The account was blocked because its calls look like fraud.",
    RecordType.CALL_EMERGENCY: "Somebody dials an emergency number.",
    RecordType.RULE_FAILED: "A rule of the operator could not be judged, so that calls are refused.",
    RecordType.ENDPOINT_DISABLED: "Another endpoint is sent nothing any more: it was gone, or has failed for days.",
}
"""What each type says; the reference has the same."""

DATA: dict[RecordType, type[msgspec.Struct]] = {
    kind: DisabledReport if kind is RecordType.ENDPOINT_DISABLED else REPORTS.get(kind, RecordReport)
    for kind in RecordType
}
"""What the data of each type is."""

HEADERS = {
    "webhook-id": "Names the delivery: the same in every attempt and every resend.",
    "webhook-timestamp": "Seconds since 1970 of this attempt.",
    "webhook-signature": "Signatures with blanks between: `v1,` HMAC-SHA256 or `v1a,` ed25519, in base64.",
}


def describe() -> dict[str, Any]:
    """The whole document."""
    reports = list(dict.fromkeys(DATA.values()))
    _, components = msgspec.json.schema_components(reports, ref_template="#/components/schemas/{name}")
    names = {kind: kind.value.replace(".", "_") for kind in RecordType}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Callgate records",
            "version": __version__,
            "description": "Posted as Standard Webhooks 1.0.0.",
        },
        "defaultContentType": "application/json",
        "channels": {
            "endpoint": {
                "address": None,
                "description": "The URL of an endpoint, as `callgate endpoint add` was told it.",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names.values()},
            }
        },
        "operations": {"send": {"action": "send", "channel": {"$ref": "#/channels/endpoint"}}},
        "components": {
            "messages": {name: _message(kind, name) for kind, name in names.items()},
            "schemas": {name: _described(each) for name, each in components.items()}
            | {name: _schema(kind) for kind, name in names.items()},
        },
    }


def _message(kind: RecordType, name: str) -> dict[str, Any]:
    headers = {each: {"type": "string", "description": about} for each, about in HEADERS.items()}
    return {
        "name": kind.value,
        "summary": ABOUT[kind],
        "headers": {"type": "object", "properties": headers, "required": list(headers)},
        "payload": {"$ref": f"#/components/schemas/{name}"},
    }


def _described(data: dict[str, Any]) -> dict[str, Any]:
    """With what each field is beside its type."""
    properties = {name: {**each, **FIELDS[name]} for name, each in data["properties"].items()}
    return {**data, "properties": properties}


def _schema(kind: RecordType) -> dict[str, Any]:
    """Of one body. Fields may be added by later versions."""
    return {
        "type": "object",
        "properties": {
            "type": {"const": kind.value},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": {"$ref": f"#/components/schemas/{DATA[kind].__name__}"},
        },
        "required": list(Message.__struct_fields__),
    }
