"""Answers as responses: whole and streamed alike, read by the official SDK's own accumulator."""

from __future__ import annotations

from random import Random
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai import omit
from openai._models import construct_type
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses import Response, ResponseStreamEvent

from tests.wire.openai.contents import Block, contents, message, streamed
from tests.wire.streams import ASKED, pieces, simulated, single_bytes, stream
from thriftgate.core.errors import BrokenReply
from thriftgate.wire.openai.responses_answer import Frame, ResponseStream, whole_response
from thriftgate.wire.openai.responses_output import Told
from thriftgate.wire.sse import SseDecoder

ASKED_TEXT: dict[str, Any] = {"model": "claude-opus-5-5", "instructions": "Be brief"}
FRAME = Frame(ASKED_TEXT, Told(summary=True, sources=True))
NOW_S = 1_700_000_000
REASONS = st.sampled_from(["end_turn", "stop_sequence", "tool_use", "max_tokens", "refusal", "pause_turn", "brand_new"])


def events_of(chunks: Any, frame: Frame = FRAME) -> list[dict[str, Any]]:
    """The events that a stream becomes."""
    told = ResponseStream(frame, NOW_S)
    data = b"".join([*(told.feed(chunk) for chunk in chunks), told.end()])
    events = [(event.type, msgspec.json.decode(event.data)) for event in SseDecoder().feed(data)]
    assert [kind.decode() for kind, _ in events] == [event["type"] for _, event in events]
    assert [event["sequence_number"] for _, event in events] == list(range(len(events)))
    return [event for _, event in events]


def whole(body: Block, frame: Frame = FRAME) -> dict[str, Any]:
    document: dict[str, Any] = msgspec.json.decode(whole_response(msgspec.json.encode(body), frame, NOW_S))
    Response.model_validate(document)
    return document


def accumulated(events: list[dict[str, Any]]) -> Response | None:
    """The final response as the SDK puts it together."""
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    last: Any = None
    for event in events:
        for fired in state.handle_event(cast("Any", construct_type(type_=ResponseStreamEvent, value=event))):
            last = fired
    return cast("Response | None", getattr(last, "response", None))


@given(contents, REASONS, st.integers(1, 9), st.randoms(use_true_random=False))
def test_a_stream_is_the_whole_answer(content: list[Block], reason: str, size: int, random: Random) -> None:
    """In any chunks, and read by the SDK's own accumulator."""
    answer = message(content, reason, "because")
    data, expected = streamed(answer, size), whole(answer)
    events = events_of([data])
    assert events_of(pieces(data, random)) == events
    final = accumulated(events)
    assert final is not None
    assert unparsed(msgspec.json.decode(final.to_json())) == msgspec.json.decode(construct(expected).to_json())
    assert events[-1]["response"] == expected
    assert events[-1]["type"] == f"response.{expected['status']}"


def unparsed(value: Any) -> Any:
    """Without what the SDK adds to an answer that it parses."""
    if isinstance(value, dict):
        return {name: unparsed(member) for name, member in value.items() if not name.startswith("parsed")}
    return [unparsed(member) for member in value] if isinstance(value, list) else value


def construct(document: dict[str, Any]) -> Response:
    return cast("Response", construct_type(type_=Response, value=document))


@given(contents, st.integers(1, 9))
def test_the_events_tell_what_the_items_say(content: list[Block], size: int) -> None:
    """Deltas make up the texts, every item is added once and done once, and in between it is what was told."""
    events = events_of([streamed(message(content), size)])
    items = events[-1]["response"]["output"]
    added = [event["output_index"] for event in events if event["type"] == "response.output_item.added"]
    assert added == list(range(len(items)))
    texts: dict[tuple[str, int, int], str] = {}
    done: dict[int, Any] = {}
    for event in events:
        kind = event["type"]
        if kind.endswith(".delta"):
            place = (kind, event["output_index"], event.get("content_index", event.get("summary_index", 0)))
            texts[place] = texts.get(place, "") + event["delta"]
        if kind == "response.output_item.done":
            assert event["output_index"] not in done
            done[event["output_index"]] = event["item"]
    assert [done[at] for at in range(len(items))] == items
    for (kind, item, part), text in texts.items():
        found = items[item]
        if kind == "response.output_text.delta":
            assert found["content"][part]["text"] == text
        elif kind == "response.function_call_arguments.delta":
            assert found["arguments"] == text
        else:
            assert found["summary"][part]["text"] == text


@pytest.mark.parametrize("name", ASKED)
def test_what_the_simulator_answers(name: str) -> None:
    data = simulated(name, stream=True)
    events = events_of([data])
    assert events_of(single_bytes(data)) == events
    told = msgspec.json.decode(whole_response(simulated(name, stream=False), FRAME, NOW_S))
    assert [item["type"] for item in events[-1]["response"]["output"]] == [item["type"] for item in told["output"]]
    assert events[-1]["response"]["usage"] == told["usage"]
    Response.model_validate(told)


def test_usage_counts_the_cache_as_input() -> None:
    assert whole(message([]))["usage"] == {
        "input_tokens": 3_211,
        "input_tokens_details": {"cached_tokens": 3_000, "cache_write_tokens": 200},
        "output_tokens": 70,
        "output_tokens_details": {"reasoning_tokens": 30},
        "total_tokens": 3_281,
    }


@pytest.mark.parametrize(
    ("kind", "code"),
    [("overloaded_error", "server_error"), ("rate_limit_error", "rate_limit_exceeded"), ("", "server_error")],
)
def test_an_error_in_the_middle_fails_the_response(kind: str, code: str) -> None:
    data = streamed(message([{"type": "text", "text": "so far so good"}]))
    cut = data.index(b"event: content_block_stop")
    events = events_of([data[:cut] + stream(("error", {"error": {"type": kind, "message": "Overloaded"}}))])
    last = events[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"] == {"code": code, "message": "Overloaded"}
    (item,) = last["response"]["output"]
    assert (item["status"], item["content"][0]["text"]) == ("incomplete", "so far so good")
    assert accumulated(events) is not None


def test_an_error_before_the_answer_begins() -> None:
    events = events_of([stream(("error", {"error": {"type": "api_error", "message": "No"}}))])
    assert [event["type"] for event in events] == ["response.created", "response.in_progress", "response.failed"]
    assert events[-1]["response"]["id"] == "resp_unnamed"


@given(contents, st.data())
def test_a_stream_that_breaks_off_is_a_failed_response(content: list[Block], data: st.DataObject) -> None:
    whole_stream = streamed(message(content))
    cut = data.draw(st.integers(0, whole_stream.index(b"event: message_stop") - 1))
    events = events_of([whole_stream[:cut]])
    assert events[-1]["type"] == "response.failed"
    assert not any(event["type"] == "response.completed" for event in events)


@given(st.binary(max_size=200) | st.builds(lambda inner: b"event: message_start\ndata: " + inner + b"\n\n", st.binary()))
def test_garbage_is_a_failed_response(garbage: bytes) -> None:
    assert events_of([garbage])[-1]["type"] == "response.failed"
    with pytest.raises(BrokenReply):
        whole_response(garbage, FRAME, NOW_S)


@pytest.mark.parametrize(
    "event",
    [
        ("content_block_delta", {"index": 0, "delta": {"type": "text_delta", "text": "x"}}),
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": 1}}),
        ("content_block_start", {"index": 0, "content_block": {"type": "tool_use"}}),
        ("content_block_stop", {"index": 0}),
        ("message_delta", {"delta": 7}),
    ],
)
def test_events_out_of_place_fail_the_response(event: tuple[str, dict[str, Any]]) -> None:
    begun = streamed(message([]))
    begun = begun[: begun.index(b"event: message_delta")]
    assert events_of([begun + stream(event)])[-1]["type"] == "response.failed"


def test_no_summary_where_none_was_asked() -> None:
    answer = message([{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "a"}])
    quiet = Frame(ASKED_TEXT)
    reasoning, _ = whole(answer, quiet)["output"]
    assert reasoning["summary"] == []
    assert reasoning["encrypted_content"]
    assert not [event for event in events_of([streamed(answer)], quiet) if "summary" in event["type"]]


def test_thinking_that_was_cut_off_cannot_go_back() -> None:
    (item,) = whole(message([{"type": "thinking", "thinking": "hm", "signature": ""}], "max_tokens"))["output"]
    assert (item["status"], item["encrypted_content"]) == ("incomplete", None)
