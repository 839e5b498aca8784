"""The administrators' API as an OpenAPI 3.1 document, from the table of its routes and the types that they take."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any

import msgspec

from thriftgate import __version__
from thriftgate.gateway.admin.desk import LIMIT_MAX, Route

PART = r"[A-Za-z0-9_.@-]{1,100}"
"""What one part of a path may be."""
_REFERENCE = "#/components/schemas/{name}"
_TEXT_MAX = 100
_NUMBER = {"type": "string", "pattern": r"^[0-9]{1,19}$"}
_QUERY: dict[str, dict[str, Any]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": 100},
    "all": {"type": "string", "enum": ["true", "false"]},
    "before": _NUMBER,
}
_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["type", "error"],
    "properties": {
        "type": {"const": "error"},
        "error": {
            "type": "object",
            "required": ["type", "message"],
            "properties": {"type": {"type": "string"}, "message": {"type": "string"}},
        },
        "request_id": {"type": ["string", "null"]},
    },
}
_REFUSALS = {
    400: "What was sent cannot be used; the message says why.",
    401: "No key, or none that is good.",
    403: "The key may not do that.",
    404: "There is nothing of that name.",
    413: "The body is too large.",
    429: "Too many wrong keys from that address.",
    503: "The books cannot be read or written now.",
}


def openapi(root: str, routes: Sequence[Route]) -> dict[str, Any]:
    """The document. `root` is what all paths begin with."""
    taken = [route.takes for route in routes if route.takes is not None]
    made, components = msgspec.json.schema_components(taken, ref_template=_REFERENCE)
    bodies = dict(zip(taken, made, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        body = bodies[route.takes] if route.takes is not None else None
        paths.setdefault(root + route.path, {})[route.method.lower()] = _operation(route, body)
    told = {"application/json": {"schema": {"$ref": _REFERENCE.format(name="Error")}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "thriftgate: the administrators' API", "version": __version__},
        "paths": paths,
        "components": {
            "schemas": {**components, "Error": _ERROR},
            "responses": {str(status): {"description": text, "content": told} for status, text in _REFUSALS.items()},
            "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "x-api-key"}},
        },
        "security": [{"key": []}],
    }


def _operation(route: Route, body: dict[str, Any] | None) -> dict[str, Any]:
    room = route.work.__module__.rpartition(".")[2]
    operation: dict[str, Any] = {
        "operationId": f"{room}{route.work.__name__}",
        "tags": [room],
        "description": " ".join(filter(None, (inspect.getdoc(route.work), f"Takes the role {route.least}."))),
        "parameters": [*_parts(route), *_query(route)],
        "responses": {
            str(route.status): _answer(route),
            **{str(status): {"$ref": f"#/components/responses/{status}"} for status in _REFUSALS},
        },
    }
    if body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _parts(route: Route) -> list[dict[str, Any]]:
    schema = {"type": "string", "pattern": f"^{PART}$"}
    return [
        {"name": name, "in": "path", "required": True, "schema": schema} for name in re.findall(r"\{(\w+)\}", route.path)
    ]


def _query(route: Route) -> list[dict[str, Any]]:
    text = {"type": "string", "maxLength": _TEXT_MAX}
    return [{"name": name, "in": "query", "schema": _QUERY.get(name, text)} for name in route.asks]


def _answer(route: Route) -> dict[str, Any]:
    if route.status == 204:
        return {"description": "Done."}
    return {"description": "Done.", "content": {"application/json": {"schema": {"type": "object"}}}}
