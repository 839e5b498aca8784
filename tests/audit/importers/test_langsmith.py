"""LangSmith: inclusive inputs, and writes that stand only in their split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.audit.importers.reading import GOLDEN, head_of, lines, one, read
from thriftgate.audit.importers.langsmith import LangSmith
from thriftgate.audit.records import API_ERROR, MALFORMED, NO_USAGE, NOT_A_CALL, OTHER_PROVIDER
from thriftgate.audit.sources import Head, Source

IT = LangSmith()
PARQUET_FILE = GOLDEN / "langsmith" / "bulk-parquet" / "export.parquet"


def row(usage: object = None, **more: Any) -> dict[str, Any]:
    return {
        "id": "r1",
        "trace_id": "t1",
        "run_type": "llm",
        "start_time": 1_793_527_200_000,
        "outputs": {"usage_metadata": usage},
        "extra": {"metadata": {"ls_provider": "anthropic", "ls_model_name": "claude-sonnet-5"}},
        "prompt_tokens": 24,
        "completion_tokens": 5,
        "total_tokens": 29,
        **more,
    }


def usage(**details: int) -> dict[str, Any]:
    return {"input_tokens": 24, "output_tokens": 5, "total_tokens": 29, "input_token_details": details}


def test_it_knows_its_own_files_and_no_others() -> None:
    assert IT.sniff(head_of(row()))
    assert IT.sniff(head_of({"runs": [row()], "cursors": {}}))
    assert IT.sniff(Source(PARQUET_FILE).head)
    assert not IT.sniff(head_of({"id": "1", "traceId": "t", "type": "GENERATION", "usageDetails": {}}))
    assert not IT.sniff(Head("f.parquet", b"PAR1 line_item_usage_type start_time PAR1"))


@pytest.mark.parametrize(
    ("details", "five", "hour", "unsplit"),
    [
        ({"cache_read": 12, "cache_creation": 0, "ephemeral_5m_input_tokens": 6, "ephemeral_1h_input_tokens": 3}, 6, 3, 0),
        ({"cache_read": 12, "cache_creation": 9, "ephemeral_5m_input_tokens": 6, "ephemeral_1h_input_tokens": 3}, 6, 3, 0),
        ({"cache_read": 12, "cache_creation": 9, "ephemeral_1h_input_tokens": 3}, 6, 3, 0),
        ({"cache_read": 12, "ephemeral_1hr_input_tokens": 9}, 0, 9, 0),
        ({"cache_read": 12, "cache_creation": 9}, 0, 0, 9),
    ],
)
def test_writes_are_found_where_they_stand(
    tmp_path: Path, details: dict[str, int], five: int, hour: int, unsplit: int
) -> None:
    told = one(IT, tmp_path, row(usage(**details)))
    assert (told.input, told.read, told.output) == (3, 12, 5)
    assert (told.write_5m, told.write_1h, told.write_unsplit) == (five, hour, unsplit)


def test_columns_tell_where_the_outputs_do_not(tmp_path: Path) -> None:
    told = one(IT, tmp_path, row(prompt_token_details='{"cache_read": 20}', completion_token_details={"reasoning": 2}))
    assert (told.input, told.read, told.output, told.thinking, told.cache_untold) == (4, 20, 5, 2, False)
    told = one(IT, tmp_path, row(outputs=None))
    assert (told.input, told.read, told.cache_untold) == (24, 0, True)


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"run_type": "chain"}, NOT_A_CALL),
        ({"extra": {"metadata": {"ls_model_name": "gpt-5.6-luna"}}}, OTHER_PROVIDER),
        ({"extra": None}, OTHER_PROVIDER),
        ({"prompt_tokens": 0, "completion_tokens": 0, "status": "error"}, API_ERROR),
        ({"prompt_tokens": 0, "completion_tokens": 0}, NO_USAGE),
        ({"usage": usage(cache_read=25)}, MALFORMED),
        ({"start_time": ""}, MALFORMED),
        ({"outputs": {"generations": 7}}, MALFORMED),
    ],
)
def test_what_is_no_billed_call_is_counted_by_reason(tmp_path: Path, more: dict[str, Any], reason: str) -> None:
    assert read(IT, tmp_path, lines(row(**more))) == ([], {reason: 1})


def test_generations_that_are_empty_leave_the_columns(tmp_path: Path) -> None:
    empty: list[list[Any]] = [[], [[]], [[{"text": "x"}]], [{"text": "x"}]]
    for generations in empty:
        assert one(IT, tmp_path, row(outputs={"generations": generations})).input == 24


def test_the_thread_is_the_session_and_else_the_trace(tmp_path: Path) -> None:
    about = {"ls_model_name": "claude-sonnet-5", "thread_id": "th", "session_id": "se"}
    assert one(IT, tmp_path, row(extra={"metadata": about})).session == "th"
    assert one(IT, tmp_path, row(thread_id="top")).session == "top"
    assert one(IT, tmp_path, row()).session == "t1"


def test_a_failed_run_that_used_tokens_is_a_call(tmp_path: Path) -> None:
    assert one(IT, tmp_path, row(error="broke off", status="error")).output == 5
