"""Langfuse: many spellings, and a total that tells what the input includes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.audit.importers.reading import GOLDEN, head_of, lines, one, read
from thriftgate.audit.importers.answers import Buckets
from thriftgate.audit.importers.langfuse import Langfuse, buckets_of
from thriftgate.audit.records import API_ERROR, MALFORMED, NO_USAGE, NOT_A_CALL, OTHER_PROVIDER
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError

IT = Langfuse()


def row(**more: Any) -> dict[str, Any]:
    return {
        "id": "o1",
        "traceId": "t1",
        "type": "GENERATION",
        "startTime": "2026-11-01T10:00:00Z",
        "model": "claude-sonnet-5",
        "usageDetails": {"input": 3, "output": 7, "total": 10},
        **more,
    }


def test_it_knows_its_own_files_and_no_others() -> None:
    assert IT.sniff(head_of(row()))
    assert IT.sniff(head_of({"data": [row(type="SPAN")], "meta": {"page": 1}}))
    assert IT.sniff(head_of({"id": "1", "trace_id": "t", "type": "SPAN", "usage_details": {}}))
    assert IT.sniff(Head("f", b'"id","traceId","type","usageDetails"\n'))
    assert not IT.sniff(head_of({"id": "1", "traceId": "t", "type": "x", "value": 1}))
    assert not IT.sniff(head_of({"data": [{"usage_details": 1}]}))


READ_AND_WRITTEN: list[tuple[Mapping[str, float], Buckets]] = [
    ({"input": 3, "input_cached_tokens": 49, "output": 7, "total": 59}, Buckets(input=3, read=49, output=7)),
    ({"input": 52, "input_cached_tokens": 49, "output": 7, "total": 59}, Buckets(input=3, read=49, output=7)),
    ({"input": 3, "input_cached_tokens": 49, "output": 7}, Buckets(input=3, read=49, output=7)),
    ({"input_tokens": 3, "cache_read_input_tokens": 49, "output_tokens": 7}, Buckets(input=3, read=49, output=7)),
    ({"input": 3, "input_cache_creation": 36, "output": 7, "total": 46}, Buckets(input=3, write_unsplit=36, output=7)),
    (
        {"input": 3, "input_cache_creation": 6, "input_cache_creation_1h": 30, "output": 7, "total": 46},
        Buckets(input=3, write_5m=6, write_1h=30, output=7),
    ),
    (
        {"input": 3, "cache_creation_input_tokens": 36, "input_cache_creation_1h": 30, "output": 7, "total": 46},
        Buckets(input=3, write_5m=6, write_1h=30, output=7),
    ),
    ({"input": 3, "output": 4, "output_reasoning_tokens": 3, "total": 10}, Buckets(input=3, output=7, thinking=3)),
    ({"input": 3, "output": 7, "output_reasoning_tokens": 3, "total": 10}, Buckets(input=3, output=7, thinking=3)),
    ({"input": 30, "input_cached_tokens": 49, "output": 7, "total": 37}, Buckets(input=30, read=49, output=7)),
]


@pytest.mark.parametrize(("details", "expected"), READ_AND_WRITTEN)
def test_the_total_tells_how_the_counts_are_meant(details: Mapping[str, float], expected: Buckets) -> None:
    assert buckets_of(details) == expected


@pytest.mark.parametrize("details", [{"input": -1}, {"output": 1.5}, {"input": 3, "total": float("inf")}])
def test_what_can_be_no_count_is_refused(details: Mapping[str, float]) -> None:
    with pytest.raises(InputError):
        buckets_of(details)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"type": "SPAN"}, NOT_A_CALL),
        ({"model": "gpt-5.6-luna"}, OTHER_PROVIDER),
        ({"model": None}, OTHER_PROVIDER),
        ({"usageDetails": {}, "level": "ERROR"}, API_ERROR),
        ({"usageDetails": None}, NO_USAGE),
        ({"usageDetails": {"input": "x"}}, MALFORMED),
        ({"startTime": "x"}, MALFORMED),
    ],
)
def test_what_is_no_billed_call_is_counted_by_reason(tmp_path: Path, more: dict[str, Any], reason: str) -> None:
    assert read(IT, tmp_path, lines(row(**more))) == ([], {reason: 1})


def test_counts_that_the_client_gave_stand_in_where_there_are_no_others(tmp_path: Path) -> None:
    told = one(IT, tmp_path, row(usageDetails={}, providedUsageDetails={"input": 5, "output": 1}))
    assert (told.input, told.output) == (5, 1)


def test_a_stored_anthropic_request_is_the_body(tmp_path: Path) -> None:
    request = {"max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}
    assert one(IT, tmp_path, row(input=request)).body.startswith(b'{"max_tokens":5')
    assert one(IT, tmp_path, row(input=request["messages"])).body == b""


def test_costs_are_claims_only(tmp_path: Path) -> None:
    assert one(IT, tmp_path, row(costDetails={"input": 1, "total": 0.5})).reported_pico == 500_000_000_000
    assert one(IT, tmp_path, row(totalCost="0.25")).reported_pico == 250_000_000_000
    assert one(IT, tmp_path, row()).reported_pico is None


def test_the_parquet_of_a_blob_export_tells_what_its_jsonl_does(tmp_path: Path) -> None:
    lines = GOLDEN / "langfuse" / "blob-jsonl" / "observations_v2.jsonl"
    path = tmp_path / "file"
    with duckdb.connect() as database:
        table = f"select * replace (usage_details::json::map(varchar, ubigint) as usage_details) from read_json('{lines}')"
        database.execute(f"copy ({table}) to '{path}' (format parquet)")
    assert IT.sniff(Source(path).head)
    there = read(IT, tmp_path, path.read_bytes())
    assert there == read(IT, tmp_path, lines.read_bytes())
    assert len(there[0]) == 3
