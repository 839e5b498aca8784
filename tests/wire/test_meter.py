"""What an answer says about its own cost, whole or in any pieces, from the simulator and in the shapes it does not make."""

from __future__ import annotations

from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import streams
from tests.wire.streams import event, metered, stream
from thriftgate.core.misses import Told
from thriftgate.core.usage import Iteration, Tokens, Usage
from thriftgate.wire.meter import DELTA_FRAME_BYTES, Reading, StreamMeter, read_message
from thriftgate.wire.usage import ApiUsage

START = {
    "id": "msg_1",
    "type": "message",
    "model": "claude-opus-4-8",
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 5,
        "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
        "output_tokens": 1,
        "service_tier": "standard",
        "inference_geo": "us",
    },
}
TEXT = ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "hello"}})
END = ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 42}})
STOP: tuple[str, dict[str, Any]] = ("message_stop", {})
PING: tuple[str, dict[str, Any]] = ("ping", {})
BEGIN = ("message_start", {"message": START})

WHOLE = stream(BEGIN, PING, TEXT, END, STOP)
GROWN = ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {
    "input_tokens": 15, "cache_creation_input_tokens": 70, "cache_read_input_tokens": 45, "output_tokens": 42,
    "server_tool_use": {"web_search_requests": 2}}})  # fmt: skip
ITERATED = ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 42, "iterations": [
    {"type": "compaction", "input_tokens": 100, "output_tokens": 9},
    {"type": "message", "model": "claude-opus-4-8", "input_tokens": 10, "output_tokens": 42}]}})  # fmt: skip
REFUSED = ("message_delta", {"delta": {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "bio"}}})
ERROR = ("error", {"error": {"type": "overloaded_error", "message": "Overloaded"}})
BUCKETS = Tokens(10, 10, 20, 5, 42)
BEGUN = Usage(Tokens(10, 10, 20, 5, 1))

READINGS: list[tuple[str, bytes, Usage | None, dict[str, Any]]] = [
    (
        "start and delta merged",
        WHOLE,
        Usage(BUCKETS),
        {"complete": True, "model": "claude-opus-4-8", "message_id": "msg_1", "stop_reason": "end_turn"},
    ),
    ("no placeholder counts", stream(BEGIN, STOP), BEGUN, {"complete": True, "stop_reason": ""}),
    (
        "server tools grow the input side",
        stream(BEGIN, GROWN, STOP),
        Usage(Tokens(15, 50, 20, 45, 42), web_searches=2),
        {"complete": True},
    ),
    (
        "iterations",
        stream(BEGIN, ITERATED, STOP),
        Usage(
            BUCKETS,
            iterations=(
                Iteration("compaction", Tokens(100, output=9)),
                Iteration("message", Tokens(10, output=42), "claude-opus-4-8"),
            ),
        ),
        {"complete": True},
    ),
    (
        "several deltas",
        stream(BEGIN, END, ("message_delta", {"delta": {}, "usage": {"output_tokens": 50}}), STOP),
        Usage(Tokens(10, 10, 20, 5, 50)),
        {"stop_reason": "end_turn"},
    ),
    (
        "a refusal",
        stream(BEGIN, REFUSED, STOP),
        BEGUN,
        {"complete": True, "stop_reason": "refusal", "stop_category": "bio"},
    ),
    (
        "cut before the totals",
        stream(BEGIN, TEXT),
        BEGUN,
        {"complete": False, "output_bytes": len(stream(TEXT)) - DELTA_FRAME_BYTES},
    ),
    ("cut behind the totals", stream(BEGIN, TEXT, END), Usage(BUCKETS), {"complete": False}),
    ("an error in the middle", stream(BEGIN, TEXT, ERROR), BEGUN, {"complete": False, "error": "overloaded_error"}),
    ("an error without a type", stream(BEGIN, ("error", {})), BEGUN, {"error": "unknown"}),
    (
        "no usage anywhere",
        stream(("message_start", {"message": {"id": "m"}}), STOP),
        None,
        {"complete": False, "message_id": "m"},
    ),
    (
        "usage only at the end",
        stream(("message_start", {"message": {"id": "m"}}), END, STOP),
        Usage(Tokens(output=42)),
        {"complete": True},
    ),
    (
        "a null usage",
        stream(BEGIN, ("message_delta", {"delta": {"stop_reason": "end_turn"}, "usage": None}), STOP),
        BEGUN,
        {"complete": True},
    ),
    (
        "an event that is no JSON",
        stream(BEGIN) + b"event: message_delta\ndata: {\n\n" + stream(STOP),
        BEGUN,
        {"complete": True, "error": "unreadable_event"},
    ),
    (
        "counts that cannot be",
        stream(BEGIN, ("message_delta", {"usage": {"output_tokens": -7}})),
        BEGUN,
        {"complete": False, "error": "unreadable_event"},
    ),
    (
        "bytes that are no text",
        b'event: message_start\ndata: {"message":{"id":"\xff"}}\n\n',
        None,
        {"error": "unreadable_event"},
    ),
    (
        "events of tomorrow",
        stream(BEGIN, ("hologram", {"message": {}}), END, STOP),
        Usage(BUCKETS),
        {"complete": True, "error": ""},
    ),
    ("garbage", b"\x00\xff<html>" * 50, None, {"complete": False, "output_bytes": 0, "error": ""}),
    ("nothing", b"", None, {"complete": False, "error": ""}),
    ("CRLF", stream(BEGIN, TEXT, END, STOP, end=b"\r\n"), Usage(BUCKETS), {"complete": True}),
]


@pytest.mark.parametrize(("data", "usage", "seen"), [row[1:] for row in READINGS], ids=[row[0] for row in READINGS])
def test_streams_by_hand(data: bytes, usage: Usage | None, seen: dict[str, Any]) -> None:
    reading = metered([data])
    assert (reading.usage.usage() if reading.usage is not None else None) == usage
    assert {name: getattr(reading, name) for name in seen} == seen
    assert metered(streams.single_bytes(data)) == reading


@given(st.sampled_from([row[1] for row in READINGS]), st.randoms(use_true_random=False))
def test_a_reading_is_the_same_for_any_pieces(data: bytes, random: Random) -> None:
    assert metered(streams.pieces(data, random)) == metered([data])


@given(st.binary(max_size=80), st.integers(0, len(WHOLE)), st.randoms(use_true_random=False))
def test_garbage_anywhere_is_read_alike_and_never_raises(garbage: bytes, at: int, random: Random) -> None:
    data = WHOLE[:at] + garbage + WHOLE[at:]
    assert metered(streams.pieces(data, random)) == metered([data])


@pytest.mark.parametrize("name", streams.ASKED)
def test_a_stream_says_what_the_whole_message_says(name: str) -> None:
    whole = read_message(streams.simulated(name, stream=False))
    data = streams.simulated(name, stream=True)
    streamed = metered([data])
    assert streamed.complete
    assert whole.complete
    assert whole.usage is not None
    assert streamed.usage is not None
    assert streamed.usage.usage() == whole.usage.usage()
    assert whole.usage.usage().total.prompt > 0
    assert (streamed.model, streamed.stop_reason, streamed.stop_category) == (
        whole.model,
        whole.stop_reason,
        whole.stop_category,
    )
    assert metered(streams.single_bytes(data)) == streamed


def test_the_simulators_answers_have_what_they_are_here_for() -> None:
    def usage(name: str) -> Usage:
        told = read_message(streams.simulated(name, stream=False)).usage
        assert told is not None
        return told.usage()

    assert usage("cached").total.write_5m > 0
    assert usage("an hour").total.write_1h > 0
    assert usage("thinking").total.thinking == 40
    assert usage("search").web_searches == 1
    assert read_message(streams.simulated("refusal", stream=False)).stop_category == "bio"


def test_it_says_when_the_answer_has_ended() -> None:
    meter = StreamMeter()
    ended = [meter.feed(one) for one in (stream(BEGIN), stream(TEXT), stream(END), stream(STOP)[:-1], b"\n")]
    assert ended == [False, False, False, False, True]


@given(st.lists(st.integers(1, 2_000), min_size=1, max_size=12))
def test_the_length_of_an_answer_is_told_by_its_bytes(sizes: list[int]) -> None:
    """Short of the final usage this is all there is; it must grow with the text and not with the number of events."""
    texts = b"".join(
        event("content_block_delta", index=0, delta={"type": "text_delta", "text": "x" * size}) for size in sizes
    )
    told = metered([texts]).output_bytes
    assert abs(told - sum(sizes)) <= 10 * len(sizes)


WHOLES: list[tuple[bytes, Reading]] = [
    (b"", Reading(complete=False)),
    (b"<html>no", Reading(complete=False, output_bytes=8)),
    (b"[]", Reading(complete=False, output_bytes=2)),
    (b'{"id":"\xff"}', Reading(complete=False, output_bytes=10)),
    (b'{"usage":{"input_tokens":-1}}', Reading(complete=False, output_bytes=29)),
    (b"[" * 9_000, Reading(complete=False, output_bytes=9_000)),
    (b'{"type":"error","error":{"type":"api_error"}}', Reading(complete=False, error="api_error")),
    (b'{"id":"m"}', Reading(complete=False, message_id="m", output_bytes=10)),
    (
        b'{"id":"m","model":"x","usage":{"input_tokens":1},"stop_reason":null}',
        Reading(complete=True, usage=ApiUsage(input_tokens=1), model="x", message_id="m", output_bytes=68),
    ),
]


@pytest.mark.parametrize(("body", "reading"), WHOLES)
def test_whole_answers(body: bytes, reading: Reading) -> None:
    assert read_message(body) == reading


@given(
    st.binary(max_size=100)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=4).map(msgspec.json.encode)
)
def test_no_body_makes_it_raise(body: bytes) -> None:
    assert read_message(body).complete is False


# --- the provider's diagnosis -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("diagnostics", "told"),
    [
        (None, None),
        ({"cache_miss_reason": None}, None),
        (
            {"cache_miss_reason": {"type": "tools_changed", "cache_missed_input_tokens": 4500}},
            Told("tools_changed", 4500),
        ),
        ({"cache_miss_reason": {"type": "unavailable"}}, Told("unavailable")),
        ({"cache_miss_reason": {"type": "system_changed", "cache_missed_input_tokens": None}}, Told("system_changed")),
        ({"cache_miss_reason": {"type": "system_changed", "cache_missed_input_tokens": -1}}, None),
        ({"cache_miss_reason": "of another form"}, None),
        ("of another form", None),
    ],
)
def test_why_the_cache_missed_by_the_providers_word(diagnostics: object, told: Told | None) -> None:
    message = START | {"diagnostics": diagnostics}
    whole = read_message(msgspec.json.encode(message | {"content": [], "stop_reason": "end_turn"}))
    assert (whole.complete, whole.cache_miss) == (True, told)
    streamed = metered([stream(("message_start", {"message": message}), END, STOP)])
    assert (streamed.complete, streamed.error, streamed.cache_miss) == (True, "", told)
