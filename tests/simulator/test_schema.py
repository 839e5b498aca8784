from typing import Any

import pytest

from thriftgate.simulator.schema import instance


@pytest.mark.parametrize(
    ("schema", "check"),
    [
        ({"const": 4}, lambda value: value == 4),
        ({"enum": ["a", "b"]}, lambda value: value in {"a", "b"}),
        ({"type": "integer", "minimum": 5, "maximum": 7}, lambda value: value in {5, 6, 7}),
        ({"type": "integer", "exclusiveMinimum": 5, "exclusiveMaximum": 7}, lambda value: value == 6),
        ({"type": "number", "multipleOf": 0.5, "minimum": 1}, lambda value: value >= 1 and value % 0.5 == 0),
        ({"type": "boolean"}, lambda value: isinstance(value, bool)),
        ({"type": "null"}, lambda value: value is None),
        ({"type": ["null", "string"]}, lambda value: isinstance(value, str)),
        ({"type": "string", "minLength": 30}, lambda value: len(value) >= 30),
        ({"type": "string", "maxLength": 3}, lambda value: len(value) <= 3),
        ({"type": "string", "format": "date"}, lambda value: value == "2026-11-21"),
        (
            {"type": "array", "items": {"type": "integer"}, "minItems": 3},
            lambda value: len(value) == 3 and all(isinstance(part, int) for part in value),
        ),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 2, "uniqueItems": True},
            lambda value: len(set(value)) == 2,
        ),
        ({"type": "array", "maxItems": 0}, lambda value: value == []),
        ({"type": "array", "prefixItems": [{"const": 1}, {"const": "x"}]}, lambda value: value == [1, "x"]),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}]}, lambda value: isinstance(value, int)),
        (
            {"oneOf": [{"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}]},
            lambda value: value == {"a": 1},
        ),
        (
            {
                "allOf": [
                    {"properties": {"a": {"const": 1}}, "required": ["a"]},
                    {"properties": {"b": {"const": 2}}, "required": ["b"]},
                ]
            },
            lambda value: value == {"a": 1, "b": 2},
        ),
        ({"$ref": "#/$defs/x", "$defs": {"x": {"const": 9}}}, lambda value: value == 9),
        (
            {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}}, "required": ["a"]},
            lambda value: set(value) == {"a"},
        ),
        ({"type": "object", "required": ["free"]}, lambda value: set(value) == {"free"}),
        (
            {"type": "object", "properties": {"file_path": {"type": "string"}}, "required": ["file_path"]},
            lambda value: value["file_path"].startswith("/"),
        ),
        ({}, lambda value: isinstance(value, str)),
    ],
)
def test_instances_fit(schema: dict[str, Any], check: Any) -> None:
    for chance in range(8):
        assert check(instance(schema, chance)), schema


def test_recursive_schemas_end() -> None:
    tree = {
        "$ref": "#/$defs/n",
        "$defs": {"n": {"type": "object", "properties": {"n": {"$ref": "#/$defs/n"}}, "required": ["n"]}},
    }
    assert isinstance(instance(tree, 1), dict)


def test_words_fill_free_texts_and_chance_repeats() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
    assert instance(schema, 1, ("Paris",)) == {"city": "Paris"}
    assert instance(schema, 1) == instance(schema, 1)
