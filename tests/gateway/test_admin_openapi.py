"""The OpenAPI document tells of every route what its table row says."""

from __future__ import annotations

import re

import msgspec

from thriftgate.gateway.admin.openapi import openapi
from thriftgate.gateway.admin.routes import ROOT, ROUTES


def test_every_row_is_an_operation() -> None:
    document = openapi(ROOT, ROUTES)
    assert document["openapi"] == "3.1.0"
    operations = [(path, method) for path, one in document["paths"].items() for method in one]
    assert sorted(operations) == sorted((ROOT + route.path, route.method.lower()) for route in ROUTES)
    names = [one["operationId"] for path in document["paths"].values() for one in path.values()]
    assert len(set(names)) == len(names)
    for route in ROUTES:
        one = document["paths"][ROOT + route.path][route.method.lower()]
        assert ("requestBody" in one) is (route.takes is not None)
        assert f"the role {route.least}" in one["description"]
        named = {parameter["name"]: parameter["in"] for parameter in one["parameters"]}
        assert named == dict.fromkeys(re.findall(r"\{(\w+)\}", route.path), "path") | dict.fromkeys(route.asks, "query")
        assert ("content" in one["responses"][str(route.status)]) is (route.status != 204)


def test_every_reference_leads_somewhere() -> None:
    document = openapi(ROOT, ROUTES)
    for reference in set(re.findall(r'"\$ref":"#/([^"]+)"', msgspec.json.encode(document).decode())):
        place = document
        for part in reference.split("/"):
            place = place[part]
        assert place
