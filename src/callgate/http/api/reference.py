"""The reference of the API: OpenAPI 3.1 for programs and a page for people, both made of what the routes declare.

The framework describes paths, parameters and bodies. What is the same for every route is added here: problem documents,
the least role, and what a rate limit says.
"""

import base64
import hashlib
from collections.abc import Iterator
from html import escape
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from callgate.http.api.access import AtLeast, is_for_bound
from callgate.http.problems import Problem
from callgate.service.export import MEDIA_TYPES

_PROBLEMS = {
    400: "A value cannot be used; `errors` names each.",
    401: "No token, or one that is not known.",
    403: "The token's role, or the application that it is bound to, does not allow this.",
    404: "It does not exist.",
    405: "Not with this method; `Allow` names those that will do.",
    409: "It contradicts what is already so, or the `Idempotency-Key` was used for another body.",
    412: "It was changed since it was read.",
    413: "The body is too large.",
    429: "Too many requests; `Retry-After` says when the next will do.",
    500: "A fault of ours; it was logged.",
    502: "The platform did not do it.",
    503: "The store did not take it; try again.",
}
_NOT_ON_READS = frozenset({409, 412, 413, 502})


def describe_api(app: Litestar) -> dict[str, Any]:
    """The OpenAPI document."""
    document: dict[str, Any] = app.openapi_schema.to_schema()
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    (reference,), components = msgspec.json.schema_components([Problem], ref_template="#/components/schemas/{name}")
    schemas.update(components)
    for path, method, handler in _operations(app):
        operation = document["paths"].get(path, {}).get(method)
        if operation is None:
            continue
        least = least_role_of(handler)
        operation["x-least-role"] = least or "open"
        operation["x-bound-tokens"] = is_for_bound(handler)
        _describe_files(path, operation)
        operation["responses"] = {
            **{code: each for code, each in operation["responses"].items() if int(code) < 400},  # noqa: PLR2004
            **_describe_faults(path, operation),
            **{
                str(status): {
                    "description": what,
                    "content": {"application/problem+json": {"schema": reference}},
                    **_headers(status),
                }
                for status, what in _PROBLEMS.items()
                if method != "get" or status not in _NOT_ON_READS
            },
        }
    return document


def _describe_files(path: str, operation: dict[str, Any]) -> None:
    """Of records there are files too, and calls are followed as a stream."""
    if path.endswith("/cdrs"):
        content = operation["responses"]["200"].setdefault("content", {})
        content.update({kind.partition(";")[0]: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()})


def _names(operation: dict[str, Any]) -> set[str]:
    return {each["name"] for each in operation.get("parameters", ())}


def _describe_faults(path: str, operation: dict[str, Any]) -> dict[str, Any]:
    """A deck with faults is answered as one without, with the list of them."""
    if path.endswith("/decks/{name}") and "200" in operation["responses"] and "mode" in _names(operation):
        return {"422": {**operation["responses"]["200"], "description": "The deck has faults; nothing was changed."}}
    return {}


def _headers(status: int) -> dict[str, Any]:
    if status != 429:  # noqa: PLR2004 - HTTP's own number
        return {}
    return {"headers": {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}}}}


def least_role_of(handler: HTTPRouteHandler) -> str | None:
    """The least role that a route asks for; None for one that is open."""
    for guard in handler.guards or ():
        if isinstance(guard, AtLeast):
            return str(guard.role)
    return None


def methods_of(app: Litestar, path: str) -> set[str]:
    """The methods that a path of the reference takes."""
    return {method.upper() for each, method, _ in _operations(app) if each == path}


def _operations(app: Litestar) -> Iterator[tuple[str, str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                for method in handler.http_methods:
                    yield route.path_format, str(method).lower(), handler


STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { max-width: 60rem; margin: 0 auto; padding: 1rem }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #8886 }
details { border: 1px solid #8886; border-radius: .4rem; margin: .5rem 0; padding: .3rem .8rem }
summary { cursor: pointer; overflow-wrap: anywhere }
code, pre { font: .875rem/1.5 ui-monospace, monospace }
pre { overflow: auto; background: #8881; padding: .6rem; border-radius: .3rem }
b.method { display: inline-block; min-width: 4.5rem; font-family: ui-monospace, monospace }
small.role { float: right; opacity: .8 }
table { border-collapse: collapse; width: 100% }
th, td { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid #8883 }
"""

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-"
)


def policy_of_page() -> str:
    """The content security policy of the page: its one style, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    return f"{CONTENT_SECURITY_POLICY}{digest}'"


def page_of(document: dict[str, Any]) -> str:
    """The same to be read: one page that loads nothing from anywhere."""
    groups: dict[str, list[str]] = {}
    for path, item in document["paths"].items():
        for method, operation in item.items():
            parts = path.removeprefix("/api/v1/").partition("/")
            groups.setdefault(parts[0], []).append(_operation(path, method, operation, document))
    body = "\n".join(f'<h2 id="{escape(name)}">{escape(name)}</h2>\n{"".join(each)}' for name, each in groups.items())
    links = " · ".join(f'<a href="#{escape(name)}">{escape(name)}</a>' for name in groups)
    info = document["info"]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Callgate API</title><style>{STYLE}</style></head>
<body><h1>Callgate API</h1>
<p>{escape(info["description"])} For programs: <a href="v1/openapi.json">openapi.json</a>, and what endpoints are sent:
<a href="v1/asyncapi.json">asyncapi.json</a>. Version {escape(info["version"])}.</p>
<p>Send <code>Authorization: Bearer TOKEN</code>; <code>callgate token create NAME --role ROLE</code> makes one. A viewer reads,
an operator also moves money and ends calls, an admin also configures.</p>
<nav>{links}</nav>
{body}
</body></html>
"""


def _operation(path: str, method: str, operation: dict[str, Any], document: dict[str, Any]) -> str:
    role = escape(operation.get("x-least-role", ""))
    about = escape(operation.get("description") or operation.get("summary") or "")
    parameters = "".join(_parameter(each) for each in operation.get("parameters", ()))
    table = f"<table><tr><th>Parameter<th>In<th>Type<th>What</tr>{parameters}</table>" if parameters else ""
    body = "".join(_content("Body", kind, each, document) for kind, each in _contents(operation.get("requestBody")))
    replies = "".join(
        _content(f"{status}: {escape(reply.get('description', ''))}", kind, each, document)
        for status, reply in operation["responses"].items()
        if int(status) < 400  # noqa: PLR2004
        for kind, each in _contents(reply) or [("", {})]
    )
    return (
        f'<details><summary><b class="method">{method.upper()}</b> <code>{escape(path)}</code>'
        f'<small class="role">{role}</small></summary><p>{about}</p>{table}{body}{replies}</details>\n'
    )


def _parameter(each: dict[str, Any]) -> str:
    needed = "" if each.get("required") else " (optional)"
    kind = escape(_type(each.get("schema", {})))
    return (
        f"<tr><td><code>{escape(each['name'])}</code>{needed}<td>{escape(each['in'])}<td>{kind}"
        f"<td>{escape(each.get('description') or '')}</tr>"
    )


def _contents(part: dict[str, Any] | None) -> list[tuple[str, dict[str, Any]]]:
    return [(kind, each.get("schema", {})) for kind, each in ((part or {}).get("content") or {}).items()]


def _content(title: str, kind: str, schema: dict[str, Any], document: dict[str, Any]) -> str:
    shape = _shape(schema, document, depth=0)
    return f"<p>{title} <small>{escape(kind)}</small></p>" + (f"<pre>{escape(shape)}</pre>" if shape else "")


def _shape(schema: dict[str, Any], document: dict[str, Any], depth: int) -> str:
    """A schema as an example of itself: names with types."""
    pad = "  " * (depth + 1)
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    if "properties" in schema and depth < 4:  # noqa: PLR2004 - deeper ones are nowhere
        needed = set(schema.get("required", ()))
        lines = [
            f"{pad}{name}{'' if name in needed else '?'}: {_shape(each, document, depth + 1)}"
            for name, each in schema["properties"].items()
        ]
        return "{\n" + "\n".join(lines) + f"\n{'  ' * depth}}}"
    if schema.get("type") == "array":
        return f"[{_shape(schema.get('items', {}), document, depth)}]"
    for each in (*schema.get("oneOf", ()), *schema.get("anyOf", ())):
        if "$ref" in each or each.get("type") == "array":
            return f"{_shape(each, document, depth)} | null"
    return _type(schema)


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " | ".join(msgspec.json.encode(each).decode() for each in schema["enum"])
    if several := schema.get("oneOf") or schema.get("anyOf"):
        return " | ".join(dict.fromkeys(_type(each) for each in several))
    kind = schema.get("type", "any")
    return " | ".join(kind) if isinstance(kind, list) else str(kind)
