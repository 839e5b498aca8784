"""Helicone: Anthropic's own counts before columns, and columns without the cached part whatever their total says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.audit.importers.reading import head_of, lines, one, read
from thriftgate.audit.importers.helicone import Helicone
from thriftgate.audit.records import API_ERROR, CACHED_ANSWER, MALFORMED, NO_USAGE, OTHER_PROVIDER
from thriftgate.audit.sources import Head

IT = Helicone()


def row(**more: Any) -> dict[str, Any]:
    return {
        "request_id": "q1",
        "request_created_at": "2026-11-01 10:00:00.000",
        "response_created_at": "2026-11-01 10:00:01.000",
        "response_status": 200,
        "request_model": "claude-sonnet-5",
        "prompt_tokens": 60,
        "prompt_cache_read_tokens": 49,
        "prompt_cache_write_tokens": 6,
        "completion_tokens": 7,
        "total_tokens": 67,
        **more,
    }


def test_it_knows_its_own_files_and_no_others() -> None:
    assert IT.sniff(head_of(row()))
    assert IT.sniff(head_of({"data": [row()], "error": None}))
    assert IT.sniff(Head("f", b"response_id,response_created_at,request_created_at,model,cost\n"))
    assert not IT.sniff(head_of({"request_id": "1", "call_type": "completion", "spend": 0, "startTime": "x"}))
    assert not IT.sniff(head_of({"request_created_at": "x"}))


def test_columns_never_include_the_cached_part(tmp_path: Path) -> None:
    for total in (67, 122, None):
        told = one(IT, tmp_path, row(total_tokens=total))
        assert (told.input, told.read, told.write_unsplit, told.output) == (60, 49, 6, 7)
        assert not told.cache_untold


def test_columns_without_the_cache_say_so(tmp_path: Path) -> None:
    told = one(IT, tmp_path, row(prompt_cache_read_tokens=None, prompt_cache_write_tokens=None))
    assert (told.input, told.cache_untold) == (60, True)


def test_the_answers_own_counts_come_first(tmp_path: Path) -> None:
    usage = {"input_tokens": 1, "cache_creation_input_tokens": 9, "output_tokens": 2}
    split = {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 9}
    answer = {"id": "msg_1", "model": "claude-opus-5-5", "usage": {**usage, "cache_creation": split}}
    told = one(IT, tmp_path, row(response_body=answer))
    assert (told.input, told.write_1h, told.write_5m, told.read, told.output) == (1, 9, 0, 0, 2)
    assert (told.model, told.call_id, told.request_id) == ("claude-opus-5-5", "msg_1", "")
    assert one(IT, tmp_path, row(response_body={"streamed_data": ["x"]})).input == 60


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"cache_reference_id": "4f0c3b1e-1111-4222-8333-444455556666"}, CACHED_ANSWER),
        ({"saved_latency_ms": 12}, CACHED_ANSWER),
        ({"response_status": 529}, API_ERROR),
        ({"request_model": "gpt-5.6-luna"}, OTHER_PROVIDER),
        ({"response_status": -3, "prompt_tokens": 0, "completion_tokens": 0, "prompt_cache_read_tokens": 0}, None),
        ({"response_status": 200, "prompt_tokens": None, "completion_tokens": None}, None),
        ({"prompt_tokens": -5}, MALFORMED),
        ({"request_created_at": None}, MALFORMED),
        ({"request_properties": "{"}, MALFORMED),
    ],
)
def test_what_is_no_billed_call_is_counted_by_reason(tmp_path: Path, more: dict[str, Any], reason: str | None) -> None:
    records, issues = read(IT, tmp_path, lines(row(**more)))
    assert (len(records), issues) == ((1, {}) if reason is None else (0, {reason: 1}))


def test_an_answer_that_used_nothing_is_none(tmp_path: Path) -> None:
    nothing = {"prompt_tokens": 0, "prompt_cache_read_tokens": 0, "prompt_cache_write_tokens": 0, "completion_tokens": None}
    assert read(IT, tmp_path, lines(row(**nothing))) == ([], {NO_USAGE: 1})


@pytest.mark.parametrize("name", ["Helicone-Session-Id", "helicone_session"])
def test_the_session_stands_in_the_properties(tmp_path: Path, name: str) -> None:
    assert one(IT, tmp_path, row(request_properties={"a": None, name: "s"})).session == "s"
    assert one(IT, tmp_path, row(properties={name: 7})).session == "7"


def test_times_and_cost(tmp_path: Path) -> None:
    told = one(IT, tmp_path, row(delay_ms=800, time_to_first_token=100.5, costUSD=0.5))
    assert (told.began_us - told.at_us, told.ended_us - told.at_us) == (100_500, 800_000)
    assert told.reported_pico == 500_000_000_000
    told = one(IT, tmp_path, row(cost="0.25"))
    assert (told.ended_us - told.at_us, told.reported_pico) == (1_000_000, 250_000_000_000)
