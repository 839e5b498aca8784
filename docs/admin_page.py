"""The page of the reference on the administrators' API: the table of its routes, and what their bodies hold."""

from __future__ import annotations

from typing import Any

from docs.markdown import joined, prose, table

from thriftgate.gateway.admin.openapi import openapi
from thriftgate.gateway.admin.routes import ROOT, ROUTES


def admin_page() -> str:
    """All routes, and each type of body with its members."""
    document = openapi(ROOT, ROUTES)
    rows = [
        (
            f"`{route.method} {route.path}`",
            route.least,
            ", ".join(f"`{name}`" for name in route.asks),
            f"`{route.takes.__name__}`" if route.takes is not None else "",
            str(route.status),
        )
        for route in ROUTES
    ]
    bodies = {route.takes.__name__ for route in ROUTES if route.takes is not None}
    schemas = document["components"]["schemas"]
    return joined(
        [
            "# The administrators' API",
            (
                f"Below `{ROOT}`, with a key that has a role in `x-api-key`, or in a session with its CSRF token; see "
                "[keys, teams and roles](../guides/keys.md). `GET /openapi.json` tells all of it as OpenAPI 3.1. A role "
                "may what those before it may: viewer, team-admin, admin, owner; what is no `GET` takes the scope `admin` "
                "besides. Errors have the shape of the Messages API's."
            ),
            table(("Route", "Takes the role", "Query", "Body", "Answer"), rows),
            "## Bodies",
            "Members without a default must be there; one that is not listed is a 400.",
            *(part for name in sorted(bodies) for part in _body(name, schemas[name])),
        ]
    )


def _body(name: str, schema: dict[str, Any]) -> list[str]:
    rows = [(f"`{key}`", _kind(inner), _default(inner)) for key, inner in schema["properties"].items()]
    return [f"### {name}", prose(schema.get("description", "")), table(("Member", "Type", "Default"), rows)]


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"] if value != "")
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    return str(schema["type"])


def _default(schema: dict[str, Any]) -> str:
    return f"`{schema['default']!r}`".replace("'", '"') if "default" in schema else ""
