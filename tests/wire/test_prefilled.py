"""An answer that was begun for the model: whole, and in any chunking of a stream."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest

from tests.scripted import MESSAGE, sse
from thriftgate.wire.prefilled import Beginning, with_beginning
from thriftgate.wire.sse import SseDecoder
from thriftgate.wire.whole_message import message_of

BEGUN = '{"größe": "'
START = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [],
    "usage": {"input_tokens": 9, "output_tokens": 1},
}
THOUGHT = [
    sse("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
    sse("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "hm"}),
    sse("content_block_stop", index=0),
]


def events(*texts: str, thought: bool = False) -> list[bytes]:
    """A whole stream with a text block of each."""
    found = [sse("message_start", message=START), sse("ping"), *(THOUGHT if thought else [])]
    for at, text in enumerate(texts, start=int(thought)):
        found.append(sse("content_block_start", index=at, content_block={"type": "text", "text": ""}))
        found += [sse("content_block_delta", index=at, delta={"type": "text_delta", "text": text})] if text else []
        found.append(sse("content_block_stop", index=at))
    return [*found, sse("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 5}), sse("message_stop")]


def passed(chunks: list[bytes], beginning: str = BEGUN) -> bytes:
    putting = Beginning(beginning)
    return b"".join([*map(putting.feed, chunks), putting.rest()])


def content(stream: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = msgspec.json.decode(message_of(stream))["content"]
    return found


# --- a whole message ------------------------------------------------------------------------------------------------------


def message(*blocks: dict[str, Any]) -> bytes:
    return msgspec.json.encode({"id": "msg_1", "content": list(blocks), "stop_reason": "end_turn"})


def test_the_beginning_stands_before_the_first_text() -> None:
    thinking, first, second = (
        {"type": "thinking", "thinking": "x"},
        {"type": "text", "text": 'a"}'},
        {"type": "text", "text": "b"},
    )
    got = msgspec.json.decode(with_beginning(message(thinking, first, second), BEGUN))
    assert got["content"] == [thinking, {"type": "text", "text": BEGUN + 'a"}'}, second]


def test_all_else_keeps_its_bytes() -> None:
    spaced = b'{ "id": "msg_1", "n": 1.0e2, "content": [ {"type":"text", "text": "\\u00e9 a", "x": null} ] }'
    assert with_beginning(spaced, "So ") == spaced.replace(b'"\\u00e9 a"', '"So é a"'.encode())


NO_TEXT = [
    message(),
    message({"type": "tool_use", "input": {}}),
    b"",
    b"<html>",
    b'{"content": 5}',
    b'{"content":[{"type":"text","text":5}]}',
    b"\xff",
]


@pytest.mark.parametrize("body", NO_TEXT)
def test_what_has_no_text_stays_as_it_came(body: bytes) -> None:
    assert with_beginning(body, BEGUN) is body


def test_nothing_begun_nothing_done() -> None:
    assert with_beginning(MESSAGE, "") is MESSAGE
    chunks = events("a")
    assert passed(chunks, "") == b"".join(chunks)


# --- a stream -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thought", [False, True])
def test_a_delta_of_ours_opens_the_first_text(thought: bool) -> None:
    got = content(passed(events("Größe", "second", thought=thought)))
    assert [block["text"] for block in got if block["type"] == "text"] == [BEGUN + "Größe", "second"]
    assert len(got) == 2 + thought


def test_an_empty_text_is_the_beginning_alone() -> None:
    assert content(passed(events(""))) == [{"type": "text", "text": BEGUN}]


@pytest.mark.parametrize("thought", [False, True])
@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
def test_any_chunking_gives_the_same(thought: bool, ends: bytes) -> None:
    stream = b"".join(events("Größe", "b", thought=thought)).replace(b"\n", ends)
    want = passed([stream])
    assert content(want)[-2]["text"] == BEGUN + "Größe"
    assert passed([stream[at : at + 1] for at in range(len(stream))]) == want
    random = Random(1)
    for _ in range(50):
        cuts = sorted(random.sample(range(len(stream)), 8))
        pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
        assert passed(pieces) == want


def test_the_other_events_pass_byte_for_byte() -> None:
    stream = events("a", thought=True)
    got = passed(stream)
    kept = [event for event in got.split(b"\n\n") if BEGUN.encode() not in event and b'{\\"gr' not in event]
    assert b"\n\n".join(kept) == b"".join(stream)
    assert len(got.split(b"\n\n")) == len(kept) + 1


def test_what_has_begun_is_not_held_back() -> None:
    """From the first text on every byte goes on at once; before it, every event that is whole."""
    stream, putting = events("abc"), Beginning("So: ")
    assert putting.feed(stream[0] + stream[1][:5]) == stream[0]
    assert putting.feed(stream[1][5:]) == stream[1]
    assert putting.feed(stream[2]).startswith(stream[2])
    assert putting.feed(stream[3][:9]) == stream[3][:9]
    assert putting.rest() == b""


@pytest.mark.parametrize(
    "last",
    [
        sse("error", error={"type": "overloaded_error", "message": "x"}),
        sse("message_delta", delta={"stop_reason": "refusal"}, usage={"output_tokens": 0}) + sse("message_stop"),
        b"event: content_block_start\ndata: {broken\n\n",
        b"event: content_block_start\ndata: {\"index\": 0}\n\n",
        b"event: message_stop\nda",
    ],
)  # fmt: skip
def test_a_stream_without_text_passes_as_it_came(last: bytes) -> None:
    stream = sse("message_start", message=START) + b": a comment\n\n" + last
    for step in (1, 7, len(stream)):
        assert passed([stream[at : at + step] for at in range(0, len(stream), step)]) == stream


def test_our_event_is_one_that_decoders_read() -> None:
    found = SseDecoder((b"content_block_delta",)).feed(passed(events("x"), 'a "quote"\nand a line'))
    deltas = [msgspec.json.decode(event.data) for event in found]
    assert [delta["delta"]["text"] for delta in deltas] == ['a "quote"\nand a line', "x"]
    assert all(delta["type"] == "content_block_delta" and delta["index"] == 0 for delta in deltas)


@pytest.mark.parametrize(
    "message",
    [
        b'{"content":[{"type":"text","text":"a","text":"b"}]}',
        b'{"\xb6":1,"content":[{"type":"text","text":"a"}]}',
        b'{"content":[{"type":"text","text":"\xb6"}]}',
    ],
)
def test_a_message_that_cannot_be_edited_stays_as_it_came(message: bytes) -> None:
    """It has been billed: an error now would be the client's loss."""
    assert with_beginning(message, BEGUN) is message
