"""A stream ended where its answer is complete: byte for byte up to there, well-formed behind, alike for any chunking."""

from __future__ import annotations

from random import Random
from typing import Any

import anthropic
import httpx2
import msgspec
import pytest
from anthropic.types import Message
from hypothesis import given
from hypothesis import strategies as st

from tests.wire import streams
from tests.wire.streams import event, metered, pieces, simulated, single_bytes, stream
from thriftgate.core.output.until import parse_until
from thriftgate.core.tokens import estimate_text
from thriftgate.wire.early_end import EarlyEnd
from thriftgate.wire.meter import Reading, StreamMeter
from thriftgate.wire.sse import SseDecoder
from thriftgate.wire.whole_message import message_of

USAGE = {
    "input_tokens": 10,
    "cache_creation_input_tokens": 30,
    "cache_read_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 10, "ephemeral_1h_input_tokens": 20},
    "output_tokens": 1,
    "service_tier": "standard",
}
Named = tuple[str, dict[str, Any]]
START: Named = (
    "message_start",
    {
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-opus-4-8",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": USAGE,
        }
    },
)
END: Named = ("message_delta", {"delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 42}})
STOP: Named = ("message_stop", {})
PING: Named = ("ping", {})
NEWS: Named = ("news", {"index": "none", "what": "an event of later years"})


def begin(index: int, kind: str = "text", **members: Any) -> Named:
    return "content_block_start", {
        "index": index,
        "content_block": {"type": kind, **({"text": ""} if kind == "text" else members)},
    }


def says(index: int, text: str, **members: Any) -> Named:
    return "content_block_delta", {"index": index, "delta": {"type": "text_delta", "text": text}, **members}


def delta(index: int, kind: str, **members: Any) -> Named:
    return "content_block_delta", {"index": index, "delta": {"type": kind, **members}}


def close(index: int) -> Named:
    return "content_block_stop", {"index": index}


def ended(until: str, chunks: Any) -> tuple[bytes, EarlyEnd]:
    """What goes on to the client of such a stream, and who said so."""
    early = EarlyEnd(parse_until(until), "claude47")
    out = []
    for chunk in chunks:
        out.append(early.feed(chunk))
        if early.met:
            break
    return b"".join([*out, early.rest()]), early


def told(data: bytes) -> list[tuple[str, Any]]:
    """Type and payload of each event; the type stands in the payload too."""
    found = [(one.type.decode(), msgspec.json.decode(one.data)) for one in SseDecoder().feed(data)]
    assert all(name == payload["type"] for name, payload in found)
    return found


def closing(index: int, output: int, **usage: Any) -> list[tuple[str, Any]]:
    side = {"input_tokens": 10, "cache_creation_input_tokens": 30, "cache_read_input_tokens": 5}
    reason = {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None}
    return [
        ("content_block_stop", {"type": "content_block_stop", "index": index}),
        ("message_delta", {"type": "message_delta", "delta": reason, "usage": {**side, "output_tokens": output, **usage}}),
        ("message_stop", {"type": "message_stop"}),
    ]


def tokens(text: str) -> int:
    return estimate_text(text.encode(), "claude47").tokens


OPENING = stream(START, begin(0), PING)


def test_the_delta_is_cut_and_the_message_closed() -> None:
    rest = stream(says(0, "mmy\nBecause it", more="x"), says(0, " says so"), close(0), END, STOP)
    begun = OPENING + stream(says(0, "spa"))
    got, early = ended("first_line", [begun + rest])
    assert early.met
    assert got.startswith(begun)
    cut = ("content_block_delta", {"type": "content_block_delta", **says(0, "mmy", more="x")[1]})
    assert told(got[len(begun) :]) == [cut, *closing(0, tokens("spammy\nBecause it"))]
    assert early.feed(b"anything") == early.rest() == b""


def test_a_whole_last_delta_keeps_its_bytes_and_an_empty_one_is_left_out() -> None:
    begun = OPENING + stream(says(0, "{"), says(0, "}"))
    got, _ = ended("json", [begun, stream(close(0), END, STOP)])
    assert got.startswith(begun)
    assert told(got[len(begun) :]) == closing(0, tokens("{}"))
    begun = OPENING + stream(says(0, "spam"))
    got, _ = ended("first_line", [begun + stream(says(0, "\nBecause"))])
    assert told(got[len(begun) :]) == closing(0, tokens("spam\nBecause"))


def test_bytes_go_on_as_soon_as_they_may() -> None:
    early = EarlyEnd(parse_until("items:1"), "claude47")
    for one in (START, begin(0), PING, says(0, "- one"), NEWS, says(0, " and"), says(0, "")):
        assert early.feed(stream(one)) == stream(one)
    held = stream(says(0, "\n"), PING, says(0, " "))
    assert early.feed(held) == b""
    assert early.feed(b": still there\n\n") == b""
    more = stream(says(0, " more of it"))
    assert early.feed(more) == held + b": still there\n\n" + more
    assert early.feed(stream(says(0, "\n"))) == early.feed(stream(says(0, "-"))) == b""
    assert told(early.feed(stream(says(0, " two")))) == closing(0, tokens("- one and\n  more of it\n- two"))


def test_the_end_may_lie_in_what_was_held_back() -> None:
    begun = OPENING + stream(says(0, "- one"))
    got, _ = ended("items:1", [begun, stream(says(0, " is\n")), stream(PING), stream(says(0, "- two"))])
    cut = ("content_block_delta", {"type": "content_block_delta", **says(0, " is")[1]})
    assert told(got[len(begun) :]) == [cut, *closing(0, tokens("- one is\n- two"))]


def test_no_empty_block_is_begun_where_the_answer_ends_between_two() -> None:
    cited = delta(0, "citations_delta", citation={"type": "char_location"})
    begun = OPENING + stream(says(0, "- one"), cited, close(0))
    got, early = ended("first_line", [begun, stream(begin(1)), stream(says(1, "\nmore"))])
    assert early.met
    assert got.startswith(begun)
    assert told(got[len(begun) :]) == closing(0, tokens("- one\nmore"))[1:]
    went_on = stream(begin(1), says(1, " more"), close(1), END, STOP)
    assert ended("first_line", [begun, went_on])[0] == begun + went_on


def test_an_answer_goes_on_with_what_was_put_into_its_mouth() -> None:
    early = EarlyEnd(parse_until("json"), "claude47", '{"a": [')
    assert early.feed(OPENING) == OPENING
    got = early.feed(stream(says(0, "1]}\nAnd")))
    assert early.met
    assert told(got)[0][1]["delta"]["text"] == "1]}"
    assert told(got)[1:] == closing(0, tokens("1]}\nAnd"))
    early = EarlyEnd(parse_until("json"), "claude47", "{}")  # complete before it began: there is nothing to end
    whole = OPENING + stream(says(0, "{}"), close(0), END, STOP)
    assert early.feed(whole) == whole


def test_thinking_is_counted_and_never_looked_at() -> None:
    thought = stream(
        START,
        begin(0, "thinking", thinking="", signature=""),
        delta(0, "thinking_delta", thinking="First\nI think, \n" * 20),
        delta(0, "signature_delta", signature="c2ln"),
        close(0),
        begin(1, "redacted_thinking", data="x" * 500),
        close(1),
        begin(2),
    )
    got, early = ended("first_line", [thought, stream(says(2, "Yes\n"))])
    assert got.startswith(thought)
    usage = told(got)[-2][1]["usage"]
    thinking = usage["output_tokens_details"]["thinking_tokens"]
    assert thinking == tokens("First\nI think, \n" * 20) + 104
    assert usage["output_tokens"] == thinking + tokens("Yes\n")
    reading = early.settled(Reading(complete=False))
    assert (reading.received_tokens, reading.received_thinking) == (usage["output_tokens"], thinking)


def test_thinking_that_is_not_shown_counts_by_its_signature() -> None:
    unseen = stream(
        START, begin(0, "thinking", thinking="", signature=""), delta(0, "signature_delta", signature="c" * 5_000)
    )
    got, _ = ended("first_line", [unseen, stream(close(0), begin(1), says(1, "Yes\n"))])
    assert told(got)[-2][1]["usage"]["output_tokens_details"]["thinking_tokens"] > 900


PASSED: dict[str, bytes] = {
    "the end comes first": OPENING + stream(says(0, "spam"), close(0), END, STOP),
    "the end comes while something is held": OPENING + stream(says(0, "- one\n"), close(0), END, STOP),
    "cut off": OPENING + stream(says(0, "- one\n")) + b"event: content_block_de",
    "a tool is called": OPENING
    + stream(close(0), begin(1, "tool_use", id="t", name="look", input={}), says(2, "line\n- a\n- b"), END, STOP),
    "the server's tool": stream(START, begin(0, "server_tool_use", id="s"), close(0), begin(1), says(1, "- a\n- b\n"), STOP),
    "compaction": stream(START, begin(0, "compaction", content=None), close(0), begin(1), says(1, "- a\n- b\n"), STOP),
    "an error": OPENING + stream(("error", {"error": {"type": "overloaded_error"}}), says(0, "- a\n- b\n")),
    "garbage": OPENING + b"event: content_block_delta\ndata: {not json\n\n" + stream(says(0, "- a\n- b\n")),
    "odd members": OPENING + stream(("content_block_delta", {"index": 0})) + stream(says(0, "- a\n- b\n")),
    "no block of that number": stream(START, delta(7, "thinking_delta", thinking="x"), begin(0), says(0, "- a\n- b\n")),
    "a block that begins with text": stream(
        START,
        ("content_block_start", {"index": 0, "content_block": {"type": "text", "text": "- x\n"}}),
        says(0, "- b\n- c\n"),
    ),
    "no stream": b'{"type": "message"}',
    "nothing": b"",
}


@pytest.mark.parametrize("name", PASSED)
@pytest.mark.parametrize("until", ["first_line", "items:1", "regex:- b"])
def test_all_else_passes_byte_for_byte(name: str, until: str) -> None:
    if (name, until[:5]) in (("the end comes while something is held", "first"), ("cut off", "first")):
        return  # the condition is met there
    for chunks in ([PASSED[name]], single_bytes(PASSED[name])):
        got, early = ended(until, chunks)
        assert got == PASSED[name]
        assert not early.met
        assert early.settled(Reading(complete=False)) == Reading(complete=False)


@pytest.mark.parametrize("name", streams.ASKED)
def test_what_the_simulator_says_passes_where_no_condition_is_met(name: str) -> None:
    data = simulated(name, stream=True)
    assert ended("regex:\x00", [data])[0] == ended("json", single_bytes(data))[0] == data


WORDS = ["a", " ", "\n", "- ", "\n\n", '{"x":', "1}", "```json\n", "[", "é🔵", "]\n"]


@given(
    st.lists(st.one_of(st.sampled_from(WORDS), st.sampled_from([PING, NEWS, "next block"])), max_size=30),
    st.sampled_from(["first_line", "json", "items:1", "items:2", r"regex:\n- "]),
    st.sampled_from(streams.LINE_ENDS),
    st.integers(0, 2**32),
)
def test_any_chunking_ends_the_same(parts: list[Any], until: str, end: bytes, seed: int) -> None:
    events, index = [START, begin(0)], 0
    for part in parts:
        if part == "next block":
            events += [close(index), begin(index + 1)]
            index += 1
        else:
            events.append(says(index, part) if isinstance(part, str) else part)
    data = stream(*events, close(index), END, STOP, end=end)
    got, early = ended(until, [data])
    for chunks in (single_bytes(data), pieces(data, Random(seed))):
        again, other = ended(until, chunks)
        assert again == got
        assert other.met == early.met
    if not early.met:
        assert got == data
        return
    text = "".join(part for part in parts if isinstance(part, str) and part != "next block")
    length = parse_until(until).matcher().feed(text)
    message = msgspec.json.decode(message_of(got))
    assert "".join(block["text"] for block in message["content"]) == text[:length]
    assert all(block["text"] for block in message["content"][1:])


@pytest.mark.parametrize("until", ["first_line", r"regex:[.]"])
def test_the_official_sdk_reads_what_was_ended(until: str) -> None:
    data = simulated("long", stream=True)
    got, early = ended(until if until != "first_line" else "regex:a", [data])
    assert early.met

    def answer(_request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=got)

    client = anthropic.Anthropic(
        api_key="sk-ant-sim-test-1", http_client=httpx2.Client(transport=httpx2.MockTransport(answer)), max_retries=0
    )
    with client.messages.stream(
        model="claude-opus-4-8", max_tokens=10, messages=[{"role": "user", "content": "hi"}]
    ) as answered:
        message: Message = answered.get_final_message()
    assert message.stop_reason == "end_turn"
    assert message.content[0].type == "text"
    assert message.content[0].text.endswith("a" if until == "first_line" else ".")
    assert message.usage.output_tokens < 300


def test_the_books_learn_what_came_and_an_exact_end_stays_exact() -> None:
    data = OPENING + stream(says(0, "spam\n"), says(0, "Because"))
    _, early = ended("first_line", [data])
    begun = metered([data])
    reading = early.settled(begun)
    assert reading.stopped_early
    assert reading.received_tokens == tokens("spam\nBecause")  # all that came counts, also behind the end
    assert (reading.complete, reading.usage, reading.stop_reason) == (False, begun.usage, "")
    whole = data + stream(close(0), END, STOP)
    _, early = ended("first_line", [whole])
    exact = metered([whole], StreamMeter())
    assert early.met
    assert early.settled(exact) is exact


def test_a_stream_without_usage_is_ended_too() -> None:
    start: Named = ("message_start", {"message": {"id": "msg_1", "usage": None}})
    got, early = ended("first_line", [stream(start, begin(0), says(0, "Yes\n"))])
    assert early.met
    assert told(got)[-2][1]["usage"] == {"output_tokens": tokens("Yes\n")}
    assert event("message_stop") in got
