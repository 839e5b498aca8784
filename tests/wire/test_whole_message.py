"""A stream as the whole message: what the simulator says without a stream, and what it does not say by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.wire import streams
from tests.wire.streams import event, simulated, stream
from thriftgate.wire.whole_message import message_of
from thriftgate.wire.whole_stream import stream_of

START: tuple[str, dict[str, Any]] = (
    "message_start",
    {"message": {"id": "msg_1", "content": [], "stop_reason": None, "usage": {"input_tokens": 3, "output_tokens": 1}}},
)
END: tuple[str, dict[str, Any]] = (
    "message_delta",
    {
        "delta": {"stop_reason": "end_turn", "container": {"id": "c"}},
        "usage": {"input_tokens": None, "output_tokens": 9},
        "context_management": {"applied_edits": []},
    },
)
STOP: tuple[str, dict[str, Any]] = ("message_stop", {})


def begin(index: int, kind: str, **members: Any) -> tuple[str, dict[str, Any]]:
    return "content_block_start", {"index": index, "content_block": {"type": kind, **members}}


def delta(index: int, kind: str, **members: Any) -> tuple[str, dict[str, Any]]:
    return "content_block_delta", {"index": index, "delta": {"type": kind, **members}}


@pytest.mark.parametrize("name", streams.ASKED)
def test_it_says_what_the_whole_answer_says(name: str) -> None:
    whole = msgspec.json.decode(simulated(name, stream=False))
    assert msgspec.json.decode(message_of(simulated(name, stream=True))) == whole
    assert msgspec.json.decode(message_of(stream_of(simulated(name, stream=False)))) == whole


def test_each_kind_of_delta() -> None:
    said = stream(
        START,
        ("ping", {}),
        begin(0, "thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="I "),
        delta(0, "thinking_delta", thinking="see"),
        delta(0, "signature_delta", signature="c2ln"),
        begin(1, "text", text="", citations=None),
        delta(1, "text_delta", text="so"),
        delta(1, "citations_delta", citation={"at": 1}),
        delta(1, "citations_delta", citation={"at": 2}),
        begin(2, "compaction", content=None),
        delta(2, "compaction_delta", content="short"),
        begin(3, "novelty", shape="a", size=1),
        delta(3, "novelty_delta", shape="b", size=2, colour="red"),
        ("news", {}),
        END,
        STOP,
    )
    message = msgspec.json.decode(message_of(said))
    assert message == {
        "id": "msg_1",
        "content": [
            {"type": "thinking", "thinking": "I see", "signature": "c2ln"},
            {"type": "text", "text": "so", "citations": [{"at": 1}, {"at": 2}]},
            {"type": "compaction", "content": "short"},
            {"type": "novelty", "shape": "ab", "size": 2, "colour": "red"},
        ],
        "stop_reason": "end_turn",
        "container": {"id": "c"},
        "usage": {"input_tokens": 3, "output_tokens": 9},
        "context_management": {"applied_edits": []},
    }


def test_tool_inputs_keep_their_digits() -> None:
    tool = begin(0, "tool_use", id="t", input={})
    said = stream(
        START,
        tool,
        delta(0, "input_json_delta", partial_json='{"n": 1.0'),
        delta(0, "input_json_delta", partial_json="0e2}"),
    )
    assert b'"input":{"n": 1.00e2}' in message_of(said + stream(STOP))
    empty = stream(START, tool, delta(0, "input_json_delta", partial_json=""), STOP)
    assert b'"input":{}' in message_of(empty)


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        (b"", "ends without message_stop"),
        (stream(START, END), "ends without message_stop"),
        (stream(START, begin(1, "text"), STOP), "content block 1 comes where 0 should"),
        (stream(START, delta(0, "text_delta", text="x"), STOP), "a content_block_delta event cannot be read"),
        (stream(begin(0, "text"), STOP), "a content_block_start event cannot be read"),
        (event("message_start") + stream(STOP), "a message_start event cannot be read"),
        (b"event: message_start\ndata: {\n\n", "a message_start event cannot be read"),
        (
            stream(START, begin(0, "tool_use"), delta(0, "input_json_delta", partial_json='{"a"'), STOP),
            "the input of a tool call is no JSON",
        ),
    ],
)
def test_what_is_no_whole_message(said: bytes, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        message_of(said)


@pytest.mark.parametrize("block", ["look", None, 7, ["x"]])
def test_tool_input_for_what_is_no_block(block: object) -> None:
    delta = {"type": "input_json_delta", "partial_json": "{}"}
    told = (
        START,
        ("content_block_start", {"index": 0, "content_block": block}),
        ("content_block_delta", {"index": 0, "delta": delta}),
        END,
        STOP,
    )
    with pytest.raises(ValueError, match="belongs to no block"):
        message_of(stream(*told))


def test_content_that_a_delta_has_replaced() -> None:
    delta = {"type": "input_json_delta", "partial_json": "{}"}
    told = (
        START,
        begin(0, "tool_use", id="t", name="n", input={}),
        ("content_block_delta", {"index": 0, "delta": delta}),
        ("message_delta", {"delta": {"content": 5}}),
        STOP,
    )
    with pytest.raises(ValueError, match="belongs to no block"):
        message_of(stream(*told))
