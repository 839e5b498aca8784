"""Spans by the GenAI conventions become disjoint counts; spans that repeat others' counts do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.audit.importers.reading import head_of, read_values
from thriftgate.audit.importers.otel_genai import OtelGenai

IMPORTER = OtelGenai()
CALL = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "anthropic", "gen_ai.request.model": "claude-sonnet-5"}
COUNTS = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.output_tokens": 50}


def span(attributes: dict[str, Any], scope: str = "lib") -> dict[str, Any]:
    return {"traceId": "t", "startTimeUnixNano": "1793534400000000000", "scope": {"name": scope}, "attributes": attributes}


@pytest.mark.parametrize("operation", ["chat", "text_completion", "generate_content"])
def test_operations_that_are_one_call(tmp_path: Path, operation: str) -> None:
    told = read_values(IMPORTER, tmp_path, span(CALL | COUNTS | {"gen_ai.operation.name": operation}))
    assert [(record.input, record.output) for record in told.records] == [(1000, 50)]


@pytest.mark.parametrize("operation", ["invoke_agent", "create_agent", "execute_tool", "embeddings", "something_new"])
def test_operations_that_are_none(tmp_path: Path, operation: str) -> None:
    told = read_values(IMPORTER, tmp_path, span(CALL | COUNTS | {"gen_ai.operation.name": operation}))
    assert (told.records, told.issues) == ([], {"not_a_call": 1})


def test_before_operations_had_names(tmp_path: Path) -> None:
    nameless = {name: value for name, value in (CALL | COUNTS).items() if name != "gen_ai.operation.name"}
    told = read_values(
        IMPORTER,
        tmp_path,
        span(nameless),
        span(nameless | {"llm.request.type": "completion"}),
        span(nameless | {"llm.request.type": "rerank"}),
        span(nameless | {"gen_ai.agent.name": "support"}),
        span(CALL | {"gen_ai.operation.name": ""}),
    )
    assert (len(told.records), told.issues) == (2, {"not_a_call": 3})


@pytest.mark.parametrize(
    ("attributes", "input_read_writes"),
    [
        ({"cache_read.input_tokens": 600, "cache_creation.input_tokens": 300}, (100, 600, (0, 0, 300))),
        ({"cache_read_input_tokens": 600, "cache_creation_input_tokens": 300}, (100, 600, (0, 0, 300))),
        ({"cached_tokens": 600}, (400, 600, (0, 0, 0))),
        ({"cache_write.input_tokens": 300}, (700, 0, (0, 0, 300))),
        (
            {"cache_creation.input_tokens": 300, "cache_creation.ephemeral_1h_input_tokens": 100},
            (700, 0, (200, 100, 0)),
        ),
        (
            {"cache_creation.ephemeral_5m_input_tokens": 0, "cache_creation.input_tokens": 300},
            (700, 0, (300, 0, 0)),
        ),
        ({"cache_creation.ephemeral_5m_input_tokens": 200}, (800, 0, (200, 0, 0))),
    ],
)
def test_cached_parts_are_taken_out_of_the_input(
    tmp_path: Path, attributes: dict[str, int], input_read_writes: tuple[int, int, tuple[int, int, int]]
) -> None:
    cached = {f"gen_ai.usage.{name}": value for name, value in attributes.items()}
    (record,) = read_values(IMPORTER, tmp_path, span(CALL | COUNTS | cached)).records
    writes = (record.write_5m, record.write_1h, record.write_unsplit)
    assert (record.input, record.read, writes) == input_read_writes
    assert record.prompt_tokens == 1000


def test_an_instrumentation_that_leaves_cached_tokens_out(tmp_path: Path) -> None:
    small = {"gen_ai.usage.input_tokens": 3, "gen_ai.usage.cache_read.input_tokens": 900}
    large = {"gen_ai.usage.input_tokens": 1000, "gen_ai.usage.cache_read.input_tokens": 900}
    told = read_values(IMPORTER, tmp_path, span(CALL | small, "a"), span(CALL | large, "a"), span(CALL | large, "b"))
    assert [record.input for record in told.records] == [3, 1000, 100]


def test_the_name_asked_for_counts_where_it_tells_a_region(tmp_path: Path) -> None:
    asked, answered = "eu.anthropic.claude-sonnet-5", "claude-sonnet-5"
    names = {"gen_ai.request.model": asked, "gen_ai.response.model": answered}
    told = read_values(
        IMPORTER,
        tmp_path,
        span(CALL | COUNTS | names | {"gen_ai.provider.name": "aws.bedrock"}),
        span(CALL | COUNTS | names),
        span(CALL | COUNTS | {"gen_ai.provider.name": "gcp.vertex_ai"}),
        span(COUNTS | {"gen_ai.operation.name": "chat", "gen_ai.system": "az.other", "gen_ai.request.model": answered}),
    )
    assert [(record.model, record.platform) for record in told.records] == [
        (asked, "bedrock"),
        (answered, "api"),
        (answered, "vertex"),
        (answered, "gateway"),
    ]


def test_what_is_left_out_is_told_by_reason(tmp_path: Path) -> None:
    told = read_values(
        IMPORTER,
        tmp_path,
        span(CALL),
        span(CALL | {"error.type": "timeout"}),
        span(CALL | COUNTS | {"gen_ai.request.model": "gpt-5"}),
        span(CALL | COUNTS | {"gen_ai.request.model": ""}),
        span(CALL | {"gen_ai.usage.input_tokens": -5}),
        span(CALL | {"gen_ai.usage.input_tokens": 2.5}),
        b'{"resourceSpans": [{"scopeSpans"',
    )
    assert told.records == []
    assert told.issues == {"no_usage": 1, "api_error": 1, "other_provider": 1, "malformed": 4}


def test_a_failed_call_that_used_tokens_is_a_call(tmp_path: Path) -> None:
    told = read_values(IMPORTER, tmp_path, span(CALL | COUNTS | {"error.type": "timeout"}))
    assert len(told.records) == 1


def test_sniff() -> None:
    assert IMPORTER.sniff(head_of(span(CALL)))
    assert not IMPORTER.sniff(head_of(span({"http.method": "GET"})))
    assert not IMPORTER.sniff(head_of(span(CALL | {"openinference.span.kind": "LLM"})))
    assert not IMPORTER.sniff(head_of(b"gen_ai,attributes\n"))
    assert not IMPORTER.sniff(head_of(b""))
