"""Chunks as Messages events, for any chunking."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.openai_out.samples import asked
from thriftgate.wire.meter import Reading, StreamMeter
from thriftgate.wire.openai_out.losses import OURS
from thriftgate.wire.openai_out.request import Asked
from thriftgate.wire.openai_out.stream import ChatStream
from thriftgate.wire.whole_message import message_of

USAGE = {"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107, "prompt_tokens_details": {"cached_tokens": 64}}
DONE = b"data: [DONE]\n\n"


def chunk(delta: dict[str, Any] | None = None, reason: str | None = None, **members: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": reason}]
    return b"data: " + msgspec.json.encode({"id": "chatcmpl-1", "choices": choices, **members}) + b"\n\n"


def call(at: int, name: str | None = None, arguments: str = "") -> dict[str, Any]:
    function: dict[str, Any] = {"arguments": arguments} | ({"name": name} if name else {})
    return {"tool_calls": [{"index": at, "function": function} | ({"id": f"call_{at}"} if name else {})]}


def told(chunks: bytes, wanted: Asked | None = None, cuts: tuple[int, ...] = ()) -> bytes:
    stream = ChatStream(wanted or asked(stream=True))
    edges = [0, *sorted(cuts), len(chunks)]
    return b"".join(stream.feed(chunks[a:b]) for a, b in pairwise(edges)) + stream.end()


def metered(events: bytes) -> Reading:
    meter = StreamMeter()
    meter.feed(events)
    return meter.reading()


def whole(chunks: bytes, wanted: Asked | None = None) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(message_of(told(chunks, wanted)))
    return found


PLAIN = (
    chunk({"role": "assistant", "content": ""}) + b": a comment\n\n" + chunk({"content": "hel"}) + chunk({"content": "lo"})
)
CALLS = (
    chunk({"content": "so"}) + chunk(call(0, "f")) + chunk(call(0, arguments='{"x"')) + chunk(call(1, "g"))
    + chunk(call(1, arguments='{"y":')) + chunk(call(0, arguments=":1}")) + chunk({"content": " late"})
    + chunk(call(1, arguments="2}")) + chunk({}, "tool_calls") + chunk(None, usage=USAGE) + DONE
)  # fmt: skip
THOUGHT = (
    chunk({"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h", "signature": None}]})
    + chunk({"reasoning": "m", "reasoning_details": [{"type": "reasoning.text", "text": "m"}]})
    + chunk({"reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "sig"}]})
    + chunk({"reasoning_details": [{"type": "reasoning.encrypted", "data": "xyz"}]})
    + chunk({"content": "x"}) + chunk({}, "stop", usage=USAGE) + DONE
)  # fmt: skip


def test_a_plain_answer() -> None:
    found = whole(PLAIN + chunk({}, "stop") + chunk(None, usage=USAGE) + DONE)
    assert found["content"] == [{"type": "text", "text": "hello"}]
    assert (found["model"], found["stop_reason"]) == ("m", "end_turn")
    assert found["usage"] | {"estimated": False} == {
        "input_tokens": 36, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 64, "output_tokens": 7,
        "estimated": False,
    }  # fmt: skip


def test_the_meter_takes_the_end_for_exact_and_the_beginning_for_a_guess() -> None:
    complete = metered(told(PLAIN + chunk({}, "stop") + chunk(None, usage=USAGE) + DONE))
    assert complete.complete
    assert complete.usage is not None
    assert (complete.usage.estimated, complete.usage.cache_read_input_tokens) == (False, 64)
    cut = metered(told(PLAIN))
    assert not cut.complete
    assert cut.usage is not None
    assert cut.usage.estimated is True


def test_interleaved_calls_become_one_block_after_the_other() -> None:
    found = whole(CALLS)
    assert found["stop_reason"] == "tool_use"
    assert [(one["type"], one.get("id"), one.get("input"), one.get("text")) for one in found["content"]] == [
        ("text", None, None, "so"),
        ("tool_use", "call_0", {"x": 1}, None),
        ("tool_use", "call_1", {"y": 2}, None),
        ("text", None, None, " late"),
    ]


def test_the_first_call_goes_out_as_it_comes() -> None:
    stream = ChatStream(asked(stream=True))
    stream.feed(chunk(call(0, "f")))
    assert b"input_json_delta" in stream.feed(chunk(call(0, arguments='{"x":1}')))


def test_thinking_with_its_signature() -> None:
    found = whole(THOUGHT, asked(stream=True, thinks=True))["content"]
    assert found[:2] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
    ]
    assert [one["type"] for one in whole(THOUGHT)["content"]] == ["text"]


def test_plain_thinking_is_signed_as_ours() -> None:
    chunks = chunk({"reasoning_content": "hm"}) + chunk({"content": "x"}) + chunk({}, "stop", usage=USAGE) + DONE
    first = whole(chunks, asked(stream=True, thinks=True))["content"][0]
    assert first == {"type": "thinking", "thinking": "hm", "signature": OURS}


def test_no_usage_is_an_estimate_that_says_so() -> None:
    reading = metered(told(PLAIN + chunk({}, "stop") + DONE, asked(prompt_tokens=40)))
    assert reading.complete
    assert reading.usage is not None
    assert (reading.usage.estimated, reading.usage.input_tokens) == (True, 40)
    assert reading.usage.output_tokens == 2


def test_an_end_without_the_last_line_is_one_where_a_reason_came() -> None:
    assert metered(told(PLAIN + chunk({}, "stop", usage=USAGE))).complete
    assert not metered(told(PLAIN)).complete
    assert b"message_stop" not in told(PLAIN)


def test_an_empty_stream_that_is_done_is_an_empty_message() -> None:
    assert whole(DONE)["content"] == []
    assert told(b"") == b""


def test_errors_end_it() -> None:
    error = b'data: {"error":{"code":502,"message":"Provider disconnected"},"choices":[]}\n\n'
    events = told(PLAIN + error + chunk({"content": "more"}) + DONE)
    assert events.endswith(b'"message":"openai_compatible: Provider disconnected"}}\n\n')
    assert metered(events).error == "overloaded_error"
    inner = chunk({"content": ""}, "error").replace(b'"delta"', b'"error":{"code":429,"message":"slow"},"delta"')
    assert metered(told(PLAIN + inner)).error == "rate_limit_error"
    assert metered(told(PLAIN + b"data: {broken\n\n")).error == "overloaded_error"


@pytest.mark.parametrize("chunks", [PLAIN + chunk({}, "stop", usage=USAGE) + DONE, CALLS, THOUGHT])
@given(data=st.data())
@settings(max_examples=25)
def test_any_chunking_gives_the_same(chunks: bytes, data: st.DataObject) -> None:
    wanted = asked(stream=True, thinks=True)
    cuts = tuple(data.draw(st.lists(st.integers(0, len(chunks)), max_size=12)))
    assert told(chunks, wanted, cuts) == told(chunks, wanted)


def test_an_error_that_is_no_utf_8_is_an_error_all_the_same() -> None:
    told = ChatStream(asked(stream=True)).feed(b'data: {"error":{"messag\x80":"overloaded"}}\n\n')
    assert told.startswith(b"event: error\n")
    assert b"cannot be read" in told
