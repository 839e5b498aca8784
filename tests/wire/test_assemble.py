"""A streamed answer put together is the answer that would have come whole."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fixtures import HEADERS, message, simulator
from tests.scripted import sse, sse_events
from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.wire.assemble import Answer, Assembler, read_answer

TOOL = {
    "name": "look",
    "description": "Look up.",
    "input_schema": {"type": "object", "properties": {"at": {"type": "string"}, "deep": {"type": "object"}}},
}
SEARCH = {"type": "web_search_20250305", "name": "web_search"}
BODIES: dict[str, dict[str, Any]] = {
    "text": message("[[sim: out=300]]"),
    "unicode": message("[[sim: say=naïve “quotes” \\n and 漢字]]"),
    "tool": message('[[sim: tool=look input={"at": "x\\"y", "deep": {"n": [1, 2.50]}}]]', tools=[TOOL]),
    "two tools": message('[[sim: tool=look input={"at": "a"}]] [[sim: tool=look input={}]]', tools=[TOOL]),
    "thinking": message("[[sim: think=60]]", model="claude-opus-5-5", max_tokens=4000, thinking={"type": "adaptive"}),
    "search": message("[[sim: search=weather]]", tools=[SEARCH]),
    "stopped": message("[[sim: stop=max_tokens out=20]]"),
}


async def answer_of(body: dict[str, Any], *, stream: bool) -> bytes:
    """What a fresh simulator answers: the same to the same request, as a stream or whole."""
    headers = tuple((name.encode(), value.encode()) for name, value in HEADERS.items())
    transport = AsgiTransport(simulator(instance_id="a"))
    data = msgspec.json.encode(body | {"stream": stream})
    try:
        incoming = await transport.send(Outgoing("POST", "http://x/v1/messages", headers, data), Timeouts())
        answer = await incoming.read()
        assert incoming.status == 200, answer
        return answer
    finally:
        await transport.close()


def assembled(pieces: list[bytes], bytes_max: int = 10**7) -> Answer | None:
    assembler = Assembler(bytes_max)
    for piece in pieces:
        assembler.feed(piece)
    return assembler.answer()


@pytest.mark.parametrize("name", BODIES)
async def test_it_is_what_the_whole_answer_says(name: str) -> None:
    whole = read_answer(await answer_of(BODIES[name], stream=False))
    streamed = await answer_of(BODIES[name], stream=True)
    assert whole is not None
    assert whole.content
    for size in (1, 7, 1000, len(streamed)):
        pieces = [streamed[at : at + size] for at in range(0, len(streamed), size)]
        assert assembled(pieces) == whole
    if name == "thinking":
        assert whole.content[0]["signature"]
    if "tool" in name:
        assert whole.stop_reason == "tool_use"


@given(st.lists(st.integers(1, 400), max_size=6))
def test_chunks_do_not_matter(cuts: list[int]) -> None:
    data = b"".join(sse_events("some text é"))
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(data[at : at + cut])
        at += cut
    assert assembled([*pieces, data[at:]]) == Answer([{"type": "text", "text": "some text é"}], "end_turn")


def test_citations_are_kept() -> None:
    events = sse_events("cited")
    cited = sse("content_block_delta", index=0, delta={"type": "citations_delta", "citation": {"cited_text": "x"}})
    answer = assembled([*events[:3], cited, *events[3:]])
    assert answer is not None
    assert answer.content == [{"type": "text", "text": "cited", "citations": [{"cited_text": "x"}]}]


@pytest.mark.parametrize(
    "odd",
    [
        sse("content_block_delta", index=0, delta={"type": "brand_new_delta"}),
        sse("content_block_delta", index=7, delta={"type": "text_delta", "text": "x"}),
        sse("content_block_delta", index=0, delta={"type": "text_delta"}),
        sse("content_block_start", index=3, content_block={"type": "text", "text": ""}),
        sse("error", error={"type": "overloaded_error"}),
        b"event: content_block_delta\ndata: {broken\n\n",
        sse("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": "{"}),
    ],
)
def test_what_it_does_not_understand_it_gives_up(odd: bytes) -> None:
    events = sse_events()
    assert assembled([*events[:3], odd, *events[3:]]) is None


def test_what_does_not_end_is_no_answer() -> None:
    assert assembled(sse_events()[:-1]) is None
    assert assembled([]) is None


def test_too_much_is_given_up() -> None:
    events = sse_events("x" * 5_000)
    assert assembled(events, bytes_max=6_500) is not None
    assert assembled(events, bytes_max=5_000) is None


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"content": [1]}', b'{"content": {}}', b"\xff"])
def test_no_message_is_no_answer(body: bytes) -> None:
    assert read_answer(body) is None


def test_a_part_of_an_input_that_is_no_text_is_given_up() -> None:
    assembler = Assembler(10_000)
    block = {"type": "tool_use", "id": "t", "name": "n", "input": {}}
    for payload in (
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": 5}},
        {"type": "message_stop"},
    ):
        assembler.feed(b"event: %b\ndata: %b\n\n" % (str(payload["type"]).encode(), msgspec.json.encode(payload)))
    assert assembler.answer() is None


@pytest.mark.parametrize("block", ["look", None, 7, ["x"]])
def test_tool_input_for_what_is_no_block_gives_up(block: object) -> None:
    assembler = Assembler(10_000)
    assembler.feed(sse("content_block_start", index=0, content_block=block))
    assembler.feed(sse("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": "{}"}))
    assembler.feed(sse("message_stop"))
    assert assembler.answer() is None
