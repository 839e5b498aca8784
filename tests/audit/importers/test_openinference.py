"""OpenInference spans of kind LLM become calls, whichever way their attributes are nested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.audit.importers.reading import head_of, read_values
from thriftgate.audit.importers.openinference import OpenInference

IMPORTER = OpenInference()
CALL = {
    "openinference.span.kind": "LLM",
    "llm.model_name": "claude-sonnet-5",
    "llm.token_count.prompt": 1000,
    "llm.token_count.completion": 50,
}


def span(attributes: dict[str, Any], scope: str = "lib") -> dict[str, Any]:
    return {
        "context": {"trace_id": "t"},
        "start_time": "2026-11-01T12:00:00Z",
        "scope": {"name": scope},
        "attributes": attributes,
    }


def test_cached_parts_are_taken_out_of_the_prompt(tmp_path: Path) -> None:
    cached = {"llm.token_count.prompt_details.cache_read": 600, "llm.token_count.prompt_details.cache_write": 300}
    (record,) = read_values(IMPORTER, tmp_path, span(CALL | cached)).records
    assert (record.input, record.read, record.write_unsplit, record.output) == (100, 600, 300, 50)
    assert record.session == "t"


def test_an_instrumentation_that_leaves_cached_tokens_out(tmp_path: Path) -> None:
    read = "llm.token_count.prompt_details.cache_read"
    told = read_values(
        IMPORTER, tmp_path, span(CALL | {read: 1001}, "a"), span(CALL | {read: 1}, "a"), span(CALL | {read: 1})
    )
    assert [record.input for record in told.records] == [1000, 1000, 999]


@pytest.mark.parametrize("kind", ["CHAIN", "AGENT", "TOOL", "EMBEDDING", ""])
def test_only_llm_spans_are_calls(tmp_path: Path, kind: str) -> None:
    told = read_values(IMPORTER, tmp_path, span(CALL | {"openinference.span.kind": kind}))
    assert (told.records, told.issues) == ([], {"not_a_call": 1})


@pytest.mark.parametrize(
    ("parameters", "limit"),
    [
        ('{"max_tokens": 64}', 64),
        ('{"max_tokens": null}', 0),
        ('{"max_tokens": -1}', 0),
        ("not json", 0),
        ('{"max_tokens": "x"}', 0),
    ],
)
def test_the_limit_stands_in_the_parameters(tmp_path: Path, parameters: str, limit: int) -> None:
    (record,) = read_values(IMPORTER, tmp_path, span(CALL | {"llm.invocation_parameters": parameters})).records
    assert record.max_tokens == limit


def test_what_is_left_out_is_told_by_reason(tmp_path: Path) -> None:
    uncounted = {"openinference.span.kind": "LLM", "llm.model_name": "claude-sonnet-5"}
    told = read_values(
        IMPORTER,
        tmp_path,
        span(uncounted),
        span(uncounted) | {"status_code": "ERROR"},
        span(CALL | {"llm.model_name": "gpt-5"}),
        span(CALL | {"llm.model_name": "", "llm.provider": "anthropic"}),
        span(CALL | {"llm.token_count.prompt": "several"}),
        b"{",
    )
    assert told.records == []
    assert told.issues == {"no_usage": 1, "api_error": 1, "other_provider": 1, "malformed": 3}


def test_sniff() -> None:
    nested = {"openinference": {"span": {"kind": "LLM"}}, "llm": {"token_count": {"prompt": 1}}}
    assert IMPORTER.sniff(head_of(span(CALL)))
    assert IMPORTER.sniff(head_of(span(nested)))
    assert not IMPORTER.sniff(head_of(span({"gen_ai.operation.name": "chat"})))
    assert not IMPORTER.sniff(head_of({"openinference.span.kind": "LLM"}))
