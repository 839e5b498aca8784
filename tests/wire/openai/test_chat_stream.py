"""Streams as chunks: what the whole answer says, for any chunking."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types.chat import ChatCompletionChunk

from tests.wire import streams
from tests.wire.openai.answers import Answer, answers
from tests.wire.openai.completions import heard, seen
from thriftgate.wire.openai.chat_answer import chat_completion
from thriftgate.wire.openai.chat_stream import DONE, PING, ChatStream
from thriftgate.wire.sse import SseDecoder

NOW_S = 1_795_000_000


def told(*chunks: bytes, include_usage: bool = True) -> bytes:
    stream = ChatStream(NOW_S, include_usage=include_usage)
    return b"".join([*map(stream.feed, chunks), stream.end()])


@settings(max_examples=80, deadline=None)
@given(answers(), st.randoms(use_true_random=False))
def test_a_stream_says_what_the_whole_answer_says(answer: Answer, random: Random) -> None:
    whole = told(answer.stream)
    assert heard(whole) == seen(chat_completion(answer.whole, NOW_S))
    assert told(*streams.pieces(answer.stream, random)) == whole


@settings(max_examples=80, deadline=None)
@given(answers(), st.integers(0, 4000), st.binary(max_size=30))
def test_noise_in_a_stream_is_no_traceback_and_no_answer_out_of_order(answer: Answer, at: int, noise: bytes) -> None:
    found = told(answer.stream[:at] + noise + answer.stream[at:])
    assert found.count(DONE) <= 1
    assert (b'"error"' in found) or found.endswith(DONE)


@pytest.mark.parametrize("name", sorted(streams.ASKED))
def test_the_sdk_reads_each_chunk(name: str) -> None:
    events = [event.data for event in SseDecoder().feed(told(streams.simulated(name, stream=True)))]
    assert events.pop() == b"[DONE]"
    chunks = [ChatCompletionChunk.model_validate_json(event, strict=True) for event in events]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert [bool(chunk.choices) for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    finished = [chunk.choices[0].finish_reason for chunk in chunks[:-1]]
    assert finished[-1] is not None
    assert not any(finished[:-1])


def test_nothing_that_ends_an_answer_comes_before_its_last_event() -> None:
    stream = streams.simulated("plain", stream=True)
    before = stream[: stream.index(b"event: message_stop")]
    begun = ChatStream(NOW_S, include_usage=True)
    shown = begun.feed(before)
    assert b'"finish_reason":null' in shown
    assert b'"finish_reason":"' not in shown
    assert b"completion_tokens" not in shown
    assert begun.feed(stream[len(before) :]).endswith(DONE)


def test_usage_only_where_it_is_asked_for() -> None:
    assert b'"usage"' not in told(streams.simulated("plain", stream=True), include_usage=False)


def test_signs_of_life() -> None:
    stream = ChatStream(NOW_S, include_usage=False)
    assert stream.feed(streams.event("ping")) == PING
    assert stream.feed(streams.event("of_tomorrow", x=1)) == b""


def test_an_error_ends_it() -> None:
    error = {"type": "overloaded_error", "message": "Overloaded"}
    start = streams.simulated("plain", stream=True)
    found = told(start[: start.index(b"\n\n") + 2] + streams.event("error", error=error) + streams.event("message_stop"))
    last = found.rstrip().rpartition(b"data: ")[2]
    assert msgspec.json.decode(last)["error"] == {
        "message": "Overloaded",
        "type": "overloaded_error",
        "param": None,
        "code": "server_overloaded",
    }
    assert DONE not in found
