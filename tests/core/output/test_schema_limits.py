"""What of JSON Schema the provider takes, and the limits of a request."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.core.planning import MODELS
from thriftgate.core.output.schema_limits import Weight, check_schema, holds_to_schema, weigh

TEXT = {"type": "string"}


def raw(schema: object) -> bytes:
    return msgspec.json.encode(schema)


def table(required: tuple[str, ...] = (), /, **properties: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {"type": "object", "properties": properties, "additionalProperties": False}
    return whole | ({"required": required} if required else {})


def texts(count: int, **said: Any) -> dict[str, Any]:
    return {f"a{n}": said or TEXT for n in range(count)}


TREE = {"$defs": {"node": table(child={"$ref": "#/$defs/node"})}, "$ref": "#/$defs/node"}

TAKEN: list[dict[str, Any]] = [
    TEXT,
    {"enum": ["a", 1, True, None]},
    {"const": "a"},
    {"type": ["string", "null"], "description": "d", "title": "t", "default": None},
    {"type": "string", "format": "date-time"},
    {"type": "string", "pattern": r"^[a-z]{2,3}\d+$"},
    {"type": "array", "items": TEXT, "minItems": 1},
    {"anyOf": [TEXT, {"type": "null"}]},
    {"allOf": [TEXT]},
    table(("a",), a=TEXT, b={"type": "array", "items": table(c=TEXT)}),
    {"$defs": {"x": TEXT}, **table(a={"$ref": "#/$defs/x"}, b={"$ref": "#/$defs/x"})},
    {"definitions": {"x": TEXT}, "$ref": "#/definitions/x"},
]
REFUSED: list[tuple[object, str]] = [
    (True, "$: a schema must be an object"),
    ({}, "$: it needs a type, enum, const, anyOf, allOf or $ref"),
    ({"type": "object", "properties": {}}, "$: additionalProperties must be false"),
    ({"type": ["object", "null"]}, "$: additionalProperties must be false"),
    (table(a={"type": "object"}), "$.a: additionalProperties must be false"),
    (table(a=table(b={"type": "integer", "minimum": 1})), "$.a.b: minimum is not supported"),
    ({"type": "string", "maxLength": 3}, "$: maxLength is not supported"),
    ({"oneOf": [TEXT]}, "$: oneOf is not supported, use anyOf"),
    ({"type": "array", "items": TEXT, "minItems": 2}, "$: minItems may be 0 or 1"),
    ({"type": "array", "items": [TEXT]}, "$.items: a schema must be an object"),
    ({"type": "array", "items": TEXT, "uniqueItems": True}, "$: uniqueItems is not supported"),
    ({"type": "string", "format": "ipv9"}, "$: format ipv9 is not supported"),
    ({"type": "text"}, "$: there is no type text"),
    ({"enum": [{"a": 1}]}, "$: enum and const take strings, numbers, booleans and null only"),
    ({"enum": []}, "$: enum must be a list with something in it"),
    ({"anyOf": []}, "$: anyOf must be a list with something in it"),
    ({"type": "string", "pattern": r"\bword"}, "$: pattern takes no look-around, back-references or word boundaries"),
    ({"type": "string", "pattern": "(?=a)"}, "$: pattern takes no look-around, back-references or word boundaries"),
    (table(("b",), a=TEXT), "$: b is required but not among the properties"),
    ({"$ref": "https://example.com/x"}, "$: $ref must name one of the schema's own $defs"),
    ({"$ref": "#"}, "$: $ref must name one of the schema's own $defs"),
    (TREE, "$.child: recursive schemas are not supported"),
    ({"$defs": {"x": TEXT}, "$ref": "#/$defs/x", "default": 1}, "$: default beside $ref is not supported"),
    ({"$defs": {"x": TEXT}, "allOf": [{"$ref": "#/$defs/x"}]}, "$.allOf: $ref is not supported in it"),
    (table((), **texts(25)), "25 parameters are not required, and 24 may be"),
    (table(tuple(texts(17)), **texts(17, type=["string", "null"])),
     "17 parameters have union types, and 16 may"),
]  # fmt: skip


@pytest.mark.parametrize("schema", TAKEN, ids=str)
def test_taken(schema: dict[str, Any]) -> None:
    assert check_schema(raw(schema)) == ""


@pytest.mark.parametrize(("schema", "trouble"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_refused(schema: object, trouble: str) -> None:
    assert check_schema(raw(schema)) == trouble


def test_what_is_no_json() -> None:
    assert check_schema(b'{"type":').startswith("it is not valid JSON: ")
    assert check_schema(b"\xff").startswith("it is not valid JSON: ")
    assert check_schema(b'{"anyOf":[' * 3_000 + b"]}" * 3_000)


def test_the_weight_counts_a_definition_wherever_it_is_used() -> None:
    pair = table(("a",), a={"anyOf": [TEXT, {"type": "null"}]}, b=TEXT)
    schema = {"$defs": {"p": pair}, **table(("x",), x={"$ref": "#/$defs/p"}, y={"$ref": "#/$defs/p"})}
    assert weigh(raw(schema)) == Weight(optional=3, unions=2)
    assert weigh(raw({"type": "nothing"})) == Weight()
    assert Weight(20, 1).plus(Weight(4, 15)).excess() == ""


def test_many_uses_of_many_uses_are_counted_in_time() -> None:
    definitions: dict[str, Any] = {"d0": table(a=TEXT)}
    for n in range(1, 40):
        below = {"$ref": f"#/$defs/d{n - 1}"}
        definitions[f"d{n}"] = table(("a", "b"), a=below, b=below)
    assert check_schema(raw({"$defs": definitions, "$ref": "#/$defs/d39"})).endswith("and 24 may be")


def test_models_of_the_4_5_generation_and_later_are_held() -> None:
    held = {row.id for row in MODELS.rows if holds_to_schema(row)}
    assert {"claude-haiku-4-5-20251001", "claude-sonnet-4-5-20250929", "claude-opus-4-5-20251101"} <= held
    assert {"claude-mythos-preview", "claude-fable-5-2", "claude-haiku-5-5", "claude-sonnet-5-5"} <= held
    assert held.isdisjoint({"claude-opus-4-1-20250805", "claude-sonnet-4-20250514", "claude-3-haiku-20240307"})
    assert not holds_to_schema(MODELS["claude-nobody"])
