"""Logs of requests and answers: the envelopes, the times, and what is none of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.audit.importers.reading import claims, lines, one, read
from thriftgate.audit.importers.anthropic_messages import AnthropicMessagesLog
from thriftgate.audit.sources import HEAD_BYTES

LOG = AnthropicMessagesLog()
REQUEST: dict[str, object] = {"model": "claude-opus-5-5", "max_tokens": 99, "messages": [{"role": "user", "content": "hi"}]}
ANSWER: dict[str, object] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-opus-5-5",
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 3, "output_tokens": 4},
}
NINE = 1_793_610_000_000_000  # 2026-11-02T09:00:00Z
CALL: dict[str, object] = {"timestamp": "2026-11-02T09:00:00Z", "request": REQUEST, "response": ANSWER}


@pytest.mark.parametrize(
    ("ask", "answer"),
    [
        ("request", "response"),
        ("request_body", "response_body"),
        ("body", "response"),
        ("params", "message"),
        ("input", "output"),
    ],
)
def test_envelopes(tmp_path: Path, ask: str, answer: str) -> None:
    text = lines({"timestamp": "2026-11-02T09:00:00Z", ask: REQUEST, answer: ANSWER})
    found = one(LOG, tmp_path / "log", text)
    assert (found.at_us, found.call_id, found.max_tokens, found.input) == (NINE, "msg_1", 99, 3)
    assert found.body == lines(REQUEST).strip().encode()
    assert claims(text) == ["anthropic-messages"]


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-02T09:00:00Z",
        "2026-11-02T10:00:00+01:00",
        "2026-11-02 09:00:00",
        1793610000,
        1793610000.0,
        1793610000000,
        "1793610000",
    ],
)
@pytest.mark.parametrize("name", ["timestamp", "time", "created_at", "ts", "started_at", "start_time"])
def test_times(tmp_path: Path, name: str, value: object) -> None:
    found = one(LOG, tmp_path / "log", lines(ANSWER | {name: value}))
    assert (found.at_us, found.at_is_end, found.ended_us) == (NINE, False, 0)


def test_only_the_end_is_known(tmp_path: Path) -> None:
    found = one(LOG, tmp_path / "log", lines(ANSWER | {"completed_at": "2026-11-02T09:00:00Z"}))
    assert (found.at_us, found.at_is_end, found.ended_us) == (NINE, True, NINE)


def test_an_end_before_the_start_is_not_believed(tmp_path: Path) -> None:
    found = one(LOG, tmp_path / "log", lines(CALL | {"ended_at": "2026-11-02T08:00:00Z"}))
    assert (found.at_us, found.ended_us) == (NINE, 0)


def test_a_duration_is_no_moment(tmp_path: Path) -> None:
    found = one(
        LOG, tmp_path / "log", lines(ANSWER | {"time": 0.73, "completed": True, "started_at": "2026-11-02T09:00:00Z"})
    )
    assert (found.at_us, found.ended_us) == (NINE, 0)


def test_without_any_time_there_is_no_record(tmp_path: Path) -> None:
    records, issues = read(
        LOG, tmp_path / "log", lines(ANSWER, {"request": REQUEST, "response": ANSWER}, ANSWER | {"ts": "soon"})
    )
    assert not records
    assert issues == {"no_time": 3}


def test_http_around_both_sides(tmp_path: Path) -> None:
    sent = {"timestamp": 1793610000, "method": "POST", "headers": {"x-api-key": "k"}, "body": REQUEST}
    got = {"timestamp": 1793610002, "status": 200, "headers": {"Request-Id": "req_1"}, "body": ANSWER}
    found = one(LOG, tmp_path / "log", lines({"request": sent, "response": got}))
    assert (found.at_us, found.ended_us, found.request_id) == (NINE, NINE + 2_000_000, "req_1")
    assert found.body == lines(REQUEST).strip().encode()
    assert b"x-api-key" not in found.body


def test_a_failed_exchange_is_an_error_whatever_its_body(tmp_path: Path) -> None:
    got = {"status_code": 529, "body": "<html>"}
    assert read(LOG, tmp_path / "log", lines(CALL | {"response": got}))[1] == {"api_error": 1}


def test_names_and_claims(tmp_path: Path) -> None:
    extra = {"session_id": 17, "user_id": "u", "project": "p", "api_key_id": "k", "workspace_id": "w", "cost_usd": 0.1}
    found = one(LOG, tmp_path / "log", lines(CALL | extra))
    assert (found.session, found.user, found.project, found.key, found.workspace) == ("17", "u", "p", "k", "w")
    assert found.reported_pico == 100_000_000_000


def test_a_claim_that_cannot_be_is_left_out(tmp_path: Path) -> None:
    assert one(LOG, tmp_path / "log", lines(CALL | {"cost_usd": "NaN"})).reported_pico is None


def test_bad_lines_do_not_stop_the_reading(tmp_path: Path) -> None:
    text = lines(CALL, '{"timestamp": ', "[1]", '"text"', "{}", CALL, '{"timestamp":"2026-11-02T09:00:00Z","request":{"mod')
    records, issues = read(LOG, tmp_path / "log", text)
    assert [record.position for record in records] == [1, 6]
    assert issues == {"malformed": 4, "not_a_call": 1}


@pytest.mark.parametrize(
    "text",
    [
        lines({"type": "assistant", "sessionId": "s", "uuid": "u", "message": ANSWER, "timestamp": "2026-11-02T09:00:00Z"}),
        lines({"type": "assistant", "message": ANSWER, "session_id": "s", "parent_tool_use_id": None}),
        lines({"custom_id": "a", "params": REQUEST}),
        lines({"id": "1", "ai_org": "anthropic", "request": REQUEST, "response": ANSWER}),
        lines({"request_id": "1", "request_created_at": "x", "request_body": REQUEST, "response_body": ANSWER}),
        lines(
            {"schemaType": "ModelInvocationLog", "input": {"inputBodyJson": REQUEST}, "output": {"outputBodyJson": ANSWER}}
        ),
        lines({"id": "o", "traceId": "t", "type": "GENERATION", "input": REQUEST, "output": ANSWER}),
        lines({"id": "c", "call_type": "acompletion", "messages": [], "response": ANSWER, "model": "claude-opus-5-5"}),
        lines({"timestamp": 1, "input": "messages for claude", "output": "text", "session_id": "s"}),
        lines({"request": {"a": 1}, "response": {"b": 2}}),
        "usage_date_utc,model,cost_usd\n",
        "hello\n",
        "",
    ],
)
def test_others_are_not_taken(text: str) -> None:
    assert "anthropic-messages" not in claims(text)


def test_a_first_line_longer_than_what_may_be_seen() -> None:
    long = {"role": "user", "content": "x" * HEAD_BYTES}
    text = lines({"timestamp": "2026-11-02T09:00:00Z", "request": REQUEST | {"messages": [long]}, "response": ANSWER})
    assert claims(text[:HEAD_BYTES]) == ["anthropic-messages"]
    foreign = lines({"id": "1", "request": REQUEST | {"messages": [long]}, "response": ANSWER, "ai_org": "anthropic"})
    assert not claims(foreign[:HEAD_BYTES])
