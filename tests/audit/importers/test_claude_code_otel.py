"""Claude Code's telemetry events become calls that its session logs can be joined with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.audit.importers.reading import head_of, read_values
from thriftgate.audit.importers.claude_code_otel import ClaudeCodeOtel

IMPORTER = ClaudeCodeOtel()
NOON_US = 1_793_534_400_000_000
CALL = {
    "event.name": "api_request",
    "session.id": "s",
    "model": "claude-opus-4-8",
    "input_tokens": 3,
    "cache_creation_tokens": 900,
    "cache_read_tokens": 41_000,
    "output_tokens": 210,
    "request_id": "req_1",
}


def event(**attributes: Any) -> dict[str, Any]:
    return {"timestamp": "2026-11-01T12:00:00Z", "body": "claude_code.x", "attributes": attributes}


def test_the_input_leaves_cached_tokens_out(tmp_path: Path) -> None:
    (record,) = read_values(IMPORTER, tmp_path, event(**CALL)).records
    assert (record.input, record.write_unsplit, record.read, record.output) == (3, 900, 41_000, 210)
    assert (record.request_id, record.session, record.call_id) == ("req_1", "s", "")


@pytest.mark.parametrize(("took", "start_us"), [(1500, NOON_US - 1_500_000), ("0.5", NOON_US - 500)])
def test_the_event_is_the_end_of_the_call(tmp_path: Path, took: object, start_us: int) -> None:
    (record,) = read_values(IMPORTER, tmp_path, event(**CALL | {"duration_ms": took})).records
    assert (record.at_us, record.ended_us, record.at_is_end) == (start_us, NOON_US, False)


def test_without_a_duration_only_the_end_is_known(tmp_path: Path) -> None:
    (record,) = read_values(IMPORTER, tmp_path, event(**CALL)).records
    assert (record.at_us, record.ended_us, record.at_is_end) == (NOON_US, NOON_US, True)


@pytest.mark.parametrize("took", [-1, "long", True, "nan", "inf"])
def test_a_duration_that_is_none(tmp_path: Path, took: object) -> None:
    told = read_values(IMPORTER, tmp_path, event(**CALL | {"duration_ms": took}))
    assert (told.records, told.issues) == ([], {"malformed": 1})


@pytest.mark.parametrize(
    ("query", "agent"),
    [
        ("repl_main_thread", ""),
        ("main", ""),
        ("", ""),
        ("compact", "compact"),
        ("generate_session_title", "generate_session_title"),
    ],
)
def test_what_is_not_the_main_thread_is_side_work(tmp_path: Path, query: str, agent: str) -> None:
    (record,) = read_values(IMPORTER, tmp_path, event(**CALL | {"query_source": query})).records
    assert (record.agent, record.side) == (agent, bool(agent))


@pytest.mark.parametrize(
    ("claims", "pico"),
    [
        ({"cost_usd": 0.0313903, "cost_usd_micros": 31_390}, 31_390_300_000),
        ({"cost_usd_micros": "31390"}, 31_390_000_000),
        ({"cost_usd": "?", "cost_usd_micros": -1}, None),
        ({}, None),
    ],
)
def test_its_own_reckoning(tmp_path: Path, claims: dict[str, object], pico: int | None) -> None:
    (record,) = read_values(IMPORTER, tmp_path, event(**CALL | claims)).records
    assert record.reported_pico == pico


def test_fast_mode(tmp_path: Path) -> None:
    told = read_values(IMPORTER, tmp_path, event(**CALL | {"speed": "fast"}), event(**CALL | {"speed": "normal"}))
    assert [record.mode for record in told.records] == ["fast", "standard"]


def test_the_body_names_an_event_whose_attributes_do_not(tmp_path: Path) -> None:
    nameless = {name: value for name, value in CALL.items() if name != "event.name"}
    told = read_values(IMPORTER, tmp_path, event(**nameless) | {"body": "claude_code.api_request"})
    assert len(told.records) == 1


def test_what_is_left_out_is_told_by_reason(tmp_path: Path) -> None:
    told = read_values(
        IMPORTER,
        tmp_path,
        event(**{"event.name": "user_prompt"}),
        event(**{"event.name": "api_error", "model": "claude-opus-4-8"}),
        event(**{"event.name": "claude_code.api_error"}),
        {"resourceMetrics": []},
        event(**CALL | {"model": "my-local-model"}),
        event(**CALL | {"model": ""}),
        event(**CALL | {"input_tokens": -3}),
        {"body": "claude_code.api_request", "attributes": CALL},
        b'{"resourceLogs": [',
    )
    assert told.records == []
    assert told.issues == {"not_a_call": 2, "api_error": 2, "other_provider": 1, "malformed": 4}


def test_sniff() -> None:
    assert IMPORTER.sniff(head_of({"resourceLogs": [{"x": {"stringValue": "claude_code.api_request"}}]}))
    assert IMPORTER.sniff(head_of({"resourceMetrics": [{"name": "claude_code.token.usage"}]}))
    assert IMPORTER.sniff(head_of(event(**CALL)))
    assert IMPORTER.sniff(head_of({"timeUnixNano": "1", "attributes": CALL}))
    assert not IMPORTER.sniff(head_of({"resourceLogs": [{"body": "gemini_cli.api_request"}]}))
    assert not IMPORTER.sniff(head_of({"resourceSpans": [{"name": "claude_code.interaction"}]}))
    assert not IMPORTER.sniff(head_of({"type": "assistant", "sessionId": "s", "version": "claude_code."}))
