"""The judge `schema`."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from tests.quality.evaluating import item, said
from thriftgate.core.errors import InputError
from thriftgate.quality.judges.schema import SchemaJudge, first_offence, schema_trouble, validators
from thriftgate.quality.rules import Schema

SCHEMA = {"type": "object", "required": ["n"], "properties": {"n": {"type": "integer"}}}


def test_grades() -> None:
    judge = SchemaJudge(Schema(SCHEMA))
    assert judge.grade(item(), said('{"n": 1}')).quality == 1.0
    assert judge.grade(item(), said('```json\n{"n": "1"}\n```')).reason == "$.n: '1' is not of type 'integer'"
    assert judge.grade(item(), said("none")).reason == "no JSON in the answer"


def test_where_the_schema_comes_from() -> None:
    asked = {"messages": [{"role": "user", "content": "x"}], "output_config": {"format": {"schema": SCHEMA}}}
    for one in (item(SCHEMA), item('{"type": "object", "required": ["n"]}'), item(request=asked)):
        assert SchemaJudge(Schema()).check(one) == ""
        assert SchemaJudge(Schema()).grade(one, said("{}")).quality == 0.0


@pytest.mark.parametrize(
    ("expected", "words"), [(None, "no schema"), ("{", "not JSON"), ({"type": 7}, "the schema is not valid")]
)
def test_what_an_item_lacks(expected: Any, words: str) -> None:
    assert words in SchemaJudge(Schema()).check(item(expected))


def test_references_are_not_fetched_and_leave_the_item_ungraded() -> None:
    grade = SchemaJudge(Schema({"$ref": "https://example.org/schema.json"})).grade(item(), said("{}"))
    assert grade.quality is None
    assert "https://example.org/schema.json" in grade.reason


def test_whether_a_value_follows() -> None:
    assert first_offence({"n": 1}, SCHEMA) == ""
    assert first_offence([], SCHEMA) == "$: [] is not of type 'object'"
    assert schema_trouble(SCHEMA) == ""


def test_without_the_library_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jsonschema", None)
    with pytest.raises(InputError, match=r"pip install 'thriftgate\[eval\]'"):
        validators()
