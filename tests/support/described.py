"""Is a body what our AsyncAPI document says of it: judged by a reader of JSON Schemas that is not ours."""

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import fastjsonschema

from callgate.service.asyncapi import describe


def check(body: bytes) -> None:
    """Raises `fastjsonschema.JsonSchemaException`, also for a field that the document does not know."""
    said = json.loads(body)
    _judge(said["type"])(said)


@cache
def _judge(kind: str) -> Callable[[Any], Any]:
    document = describe()
    (message,) = (each for each in document["components"]["messages"].values() if each["name"] == kind)
    known = {name: {**each, "additionalProperties": False} for name, each in document["components"]["schemas"].items()}
    judge: Callable[[Any], Any] = fastjsonschema.compile(
        {"$ref": message["payload"]["$ref"], "components": {"schemas": known}}
    )
    return judge
