"""Bedrock's logs tell most where they hold the answer, and the counts where they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.audit.importers.reading import head_of, read_values
from thriftgate.audit.importers.bedrock_logs import BedrockLogs

IMPORTER = BedrockLogs()
SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
REQUEST = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": [{"role": "user", "content": "Hi"}]}


def log(given: object = None, asked: object = None, **fields: Any) -> dict[str, Any]:
    return {
        "schemaType": "ModelInvocationLog",
        "timestamp": "2026-11-01T12:00:00Z",
        "requestId": "r",
        "operation": "InvokeModel",
        "modelId": SONNET,
        "input": {
            "inputBodyJson": asked,
            "inputTokenCount": 2,
            "cacheReadInputTokenCount": 95_500,
            "cacheWriteInputTokenCount": 8,
        },
        "output": {"outputBodyJson": given, "outputTokenCount": 7},
    } | fields


def message(**usage: Any) -> dict[str, Any]:
    return {"id": "msg_bdrk_1", "type": "message", "model": "claude-sonnet-4-5-20250929", "usage": usage}


def test_counts_leave_cached_tokens_out(tmp_path: Path) -> None:
    (record,) = read_values(IMPORTER, tmp_path, log()).records
    assert (record.input, record.read, record.write_unsplit, record.output) == (2, 95_500, 8, 7)
    assert record.prompt_tokens == 95_510


@pytest.mark.parametrize(
    ("split", "writes"),
    [
        (None, (0, 0, 8)),
        ({"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}, (8, 0, 0)),
        ({"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 5}, (3, 5, 0)),
    ],
)
def test_the_answer_tells_how_long_writes_live(tmp_path: Path, split: object, writes: tuple[int, int, int]) -> None:
    answer = message(input_tokens=2, output_tokens=7, cache_creation_input_tokens=8, cache_creation=split)
    (record,) = read_values(IMPORTER, tmp_path, log(answer)).records
    assert (record.write_5m, record.write_1h, record.write_unsplit) == writes


def test_the_request_is_kept_with_its_model(tmp_path: Path) -> None:
    (record,) = read_values(IMPORTER, tmp_path, log(asked=REQUEST)).records
    assert msgspec.json.decode(record.body) == REQUEST | {"model": SONNET}
    assert record.max_tokens == 64


def test_a_stream_is_put_together(tmp_path: Path) -> None:
    events = [
        {"type": "message_start", "message": message(input_tokens=2, output_tokens=1, cache_creation_input_tokens=8)},
        {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "x"}},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 99}},
        {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"invocationLatency": 3000, "firstByteLatency": 500}},
    ]
    (record,) = read_values(IMPORTER, tmp_path, log(events, operation="InvokeModelWithResponseStream")).records
    assert (record.input, record.write_unsplit, record.output, record.stop_reason) == (2, 8, 99, "end_turn")
    assert (record.began_us - record.at_us, record.ended_us - record.at_us, record.streamed) == (500_000, 3_000_000, True)


def test_a_stream_cut_short_keeps_what_it_had(tmp_path: Path) -> None:
    (record,) = read_values(IMPORTER, tmp_path, log([{"type": "message_delta", "usage": {"output_tokens": 5}}])).records
    assert record.output == 5


@pytest.mark.parametrize("streamed", [False, True])
def test_converse_tells_writes_by_their_ttl(tmp_path: Path, *, streamed: bool) -> None:
    details = [{"ttl": "1h", "inputTokens": 5}, {"ttl": "5m", "inputTokens": 2}]
    usage = {
        "inputTokens": 21,
        "outputTokens": 4,
        "cacheReadInputTokens": 30,
        "cacheWriteInputTokens": 8,
        "cacheDetails": details,
    }
    whole = {"stopReason": "end_turn", "usage": usage, "metrics": {"latencyMs": 40}}
    events = [{"messageStop": {"stopReason": "end_turn"}}, {"metadata": {"usage": usage, "metrics": {"latencyMs": 40}}}]
    asked = {"messages": [{"role": "user", "content": [{"text": "Hi"}]}], "inferenceConfig": {"maxTokens": 300}}
    (record,) = read_values(IMPORTER, tmp_path, log(events if streamed else whole, asked)).records
    assert (record.input, record.read, record.write_5m, record.write_1h, record.write_unsplit) == (21, 30, 3, 5, 0)
    assert (record.output, record.stop_reason, record.max_tokens, record.body) == (4, "end_turn", 300, b"")
    assert record.ended_us - record.at_us == 40_000


def test_converse_without_details_does_not_tell_the_ttl(tmp_path: Path) -> None:
    answer = {"stopReason": "end_turn", "usage": {"inputTokens": 21, "outputTokens": 4, "cacheWriteInputTokens": 8}}
    (record,) = read_values(IMPORTER, tmp_path, log(answer)).records
    assert (record.write_5m, record.write_1h, record.write_unsplit) == (0, 0, 8)


def test_an_answer_that_cannot_be_understood_leaves_the_counts(tmp_path: Path) -> None:
    for answer in ({"usage": {"input_tokens": -1}}, [{"type": 7}], "text", 3, {}):
        (record,) = read_values(IMPORTER, tmp_path, log(answer)).records
        assert (record.input, record.read, record.write_unsplit, record.output) == (2, 95_500, 8, 7)


def test_the_answer_names_the_model_behind_an_own_profile(tmp_path: Path) -> None:
    profile = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1"
    told = read_values(
        IMPORTER,
        tmp_path,
        log(message(input_tokens=1, output_tokens=1), modelId=profile),
        log(modelId=profile),
    )
    assert [record.model for record in told.records] == ["claude-sonnet-4-5-20250929"]
    assert told.issues == {"other_provider": 1}


def test_what_is_left_out_is_told_by_reason(tmp_path: Path) -> None:
    told = read_values(
        IMPORTER,
        tmp_path,
        {"schemaType": "Other"},
        log(modelId="amazon.nova-micro-v1:0"),
        log(input={}, output={}, errorCode="ThrottlingException"),
        log(input={}, output={}),
        log(timestamp="soon"),
        log(input={"inputTokenCount": -1}),
        b"[1, 2",
    )
    assert told.records == []
    assert told.issues == {"not_a_call": 1, "other_provider": 1, "api_error": 1, "no_usage": 1, "malformed": 3}


def test_sniff() -> None:
    assert IMPORTER.sniff(head_of(log()))
    assert IMPORTER.sniff(head_of([log()]))
    assert not IMPORTER.sniff(head_of({"schemaType": "Other"}))
    assert not IMPORTER.sniff(head_of({"model": "x", "text": '"schemaType":"ModelInvocationLog"'}))
