"""Structured outputs."""

from __future__ import annotations

import msgspec
import pytest

from tests.wire.openai.completions import MODELS
from thriftgate.wire.openai.formats import object_form, schema_form
from thriftgate.wire.openai.losses import Report

CLOSED = b'{"type":"object","properties":{},"required":[],"additionalProperties":false}'
FIELD = "response_format.json_schema"


def test_a_schema_that_the_provider_holds_answers_to() -> None:
    report = Report()
    form = schema_form(CLOSED, field=FIELD, strict=True, capability=MODELS["claude-opus-5-5"], report=report)
    assert msgspec.json.encode(form.format) == b'{"type":"json_schema","schema":' + CLOSED + b"}"
    assert not form.words
    assert not report.fields


@pytest.mark.parametrize(
    ("model", "schema"),
    [
        ("claude-3-5-haiku-20241022", CLOSED),
        ("claude-opus-5-5", b'{"type":"object"}'),
        ("claude-opus-5-5", b'{"type":"number","minimum":3}'),
    ],
)
def test_otherwise_the_model_is_told(model: str, schema: bytes) -> None:
    report = Report()
    form = schema_form(schema, field=FIELD, strict=True, capability=MODELS[model], report=report)
    assert form.format is None
    assert form.words.endswith(schema.decode())
    assert report.fields == (f"{FIELD}.strict",)


def test_any_object() -> None:
    assert object_form().format is None
    assert "JSON object" in object_form().words
