"""What an answer tells, whole, broken off, or not an answer at all."""

from __future__ import annotations

import msgspec
import pytest

from thriftgate.audit.importers.anthropic_answers import record_of
from thriftgate.audit.records import Issue, Record

BASE = Record(source="log", position=3, at_us=1_793_610_000_000_000, model="")
ANSWER: dict[str, object] = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-opus-5-5"}
START: dict[str, object] = {"type": "message_start", "message": ANSWER | {"usage": {"input_tokens": 5, "output_tokens": 1}}}
DELTA: dict[str, object] = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 70}}


def told(answer: object, base: Record = BASE) -> Record | Issue:
    return record_of(base, answer if isinstance(answer, bytes) else msgspec.json.encode(answer), "log:3")


def record(answer: object, base: Record = BASE) -> Record:
    found = told(answer, base)
    assert isinstance(found, Record), found
    return found


def reason(answer: object, base: Record = BASE) -> str:
    found = told(answer, base)
    assert isinstance(found, Issue), found
    assert found.where == "log:3"
    return found.reason


def sse(*events: dict[str, object]) -> bytes:
    return b"".join(b"event: %b\ndata: %b\n\n" % (str(one["type"]).encode(), msgspec.json.encode(one)) for one in events)


def test_writes_without_a_split_are_five_minute_writes() -> None:
    usage = {"input_tokens": 3, "cache_creation_input_tokens": 900, "cache_read_input_tokens": 50, "output_tokens": 4}
    found = record(ANSWER | {"usage": usage})
    assert (found.input, found.write_5m, found.write_1h, found.read, found.output) == (3, 900, 0, 50, 4)
    assert found.write_unsplit == 0


def test_what_a_split_leaves_over_is_five_minute_writes() -> None:
    split = {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 300}
    found = record(ANSWER | {"usage": {"cache_creation_input_tokens": 900, "cache_creation": split, "output_tokens": 4}})
    assert (found.write_5m, found.write_1h) == (600, 300)


def test_the_input_excludes_the_cache() -> None:
    found = record(ANSWER | {"usage": {"input_tokens": 3, "cache_read_input_tokens": 50_000, "output_tokens": 4}})
    assert found.input == 3
    assert found.prompt_tokens == 50_003


def test_a_stream_ends_with_its_own_counts() -> None:
    whole = record(sse(START, DELTA, {"type": "message_stop"}))
    assert (whole.output, whole.stop_reason, whole.output_is_floor, whole.streamed) == (70, "end_turn", False, True)
    assert record([START, DELTA, {"type": "message_stop"}]) == whole


def test_a_stream_that_broke_off_tells_a_floor() -> None:
    broken = record(sse(START) + b'event: content_block_delta\ndata: {"ty')
    assert (broken.output, broken.output_is_floor) == (1, True)


def test_a_message_still_being_written_tells_a_floor() -> None:
    usage = {"input_tokens": 3, "output_tokens": 1}
    assert record(ANSWER | {"usage": usage, "stop_reason": None}).output_is_floor
    assert not record(ANSWER | {"usage": usage}).output_is_floor


def test_a_stream_of_an_error_is_one() -> None:
    assert reason(sse({"type": "error", "error": {"type": "overloaded_error"}})) == "api_error"


def test_the_model_asked_for_stands_in_for_one_not_told() -> None:
    base = msgspec.structs.replace(BASE, body=b'{"model":"claude-haiku-4-5","max_tokens":7,"messages":[]}')
    found = record({"id": "msg_1", "type": "message", "usage": {"input_tokens": 1, "output_tokens": 1}}, base)
    assert (found.model, found.max_tokens) == ("claude-haiku-4-5", 7)
    assert record(ANSWER | {"usage": {"output_tokens": 1}}, base).model == "claude-opus-5-5"


def test_a_body_that_cannot_be_read_costs_no_record() -> None:
    base = msgspec.structs.replace(BASE, body=b'{"max_tokens":"many"')
    assert record(ANSWER | {"usage": {"output_tokens": 1}}, base).max_tokens == 0


def test_the_batch_mode_of_the_base_stays() -> None:
    base = msgspec.structs.replace(BASE, mode="batch")
    usage = {"output_tokens": 1, "speed": "fast"}
    assert record(ANSWER | {"usage": usage}, base).mode == "batch"
    assert record(ANSWER | {"usage": usage}).mode == "fast"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"type": "error", "error": {"type": "rate_limit_error"}}, "api_error"),
        ({"error": {"type": "invalid_request_error"}}, "api_error"),
        ({"input_tokens": 14}, "not_a_call"),
        (ANSWER, "no_usage"),
        (ANSWER | {"usage": None}, "no_usage"),
        (ANSWER | {"usage": {}}, "no_usage"),
        (ANSWER | {"usage": {"input_tokens": -1}}, "malformed"),
        (ANSWER | {"usage": {"input_tokens": 2**41}}, "malformed"),
        (ANSWER | {"usage": {"input_tokens": 1.5}}, "malformed"),
        (ANSWER | {"usage": "none"}, "malformed"),
        ({"type": "message", "usage": {"input_tokens": 1}}, "malformed"),
        ({"model": "gpt-9", "usage": {"prompt_tokens": 4}}, "other_provider"),
        (b"<html>", "malformed"),
        (b'{"a": 1', "malformed"),
        (b"[1, 2]", "malformed"),
        (b"\xff\xfe", "malformed"),
    ],
)
def test_no_records(answer: object, expected: str) -> None:
    assert reason(answer) == expected
