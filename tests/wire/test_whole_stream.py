"""A whole message as a stream: the official SDK puts it together again to what the simulator streams for the same call, and
the meter reads the same."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import msgspec
import pytest
from anthropic.types.beta import BetaMessage

from tests.wire import streams
from tests.wire.streams import metered, simulated
from thriftgate.wire.assemble import Assembler, read_answer
from thriftgate.wire.meter import read_message
from thriftgate.wire.sse import SseDecoder
from thriftgate.wire.whole_stream import PING, error_event, stream_of

CITED = {
    "type": "char_location",
    "cited_text": "The sky\nis blue.",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 16,
    "file_id": None,
}
BY_HAND: dict[str, list[dict[str, Any]]] = {
    "nothing": [],
    "no words": [{"type": "text", "text": "", "citations": None}],
    "cited": [
        {"type": "text", "text": "It says: ", "citations": None},
        {"type": "text", "text": "the sky\nis \u2028 blue \U0001f535", "citations": [CITED, CITED | {"document_index": 1}]},
    ],
    "thoughts unseen": [
        {"type": "thinking", "thinking": "", "signature": "c2lnbmF0dXJl"},
        {"type": "redacted_thinking", "data": "aGlkZGVu"},
        {"type": "text", "text": "Yes.", "citations": None},
    ],
    "thoughts and tools": [
        {"type": "thinking", "thinking": "Which \"city\"?\n", "signature": "c2ln"},
        {"type": "text", "text": "I look.", "citations": None},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "Ås", "n": [1, 2.5, None]}, "caller": None},
        {"type": "tool_use", "id": "toolu_2", "name": "look", "input": {}, "caller": None},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}, "caller": None},
    ],
}  # fmt: skip
USAGE = {
    "input_tokens": 12,
    "output_tokens": 34,
    "cache_creation_input_tokens": 300,
    "cache_read_input_tokens": 5,
    "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
    "output_tokens_details": {"thinking_tokens": 7},
    "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 0},
    "service_tier": "batch",
    "inference_geo": "us",
}


def message_of(content: list[dict[str, Any]], **members: Any) -> bytes:
    base = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-opus-4-8",
        "content": content,
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "stop_details": None,
        "usage": USAGE,
    }
    return msgspec.json.encode(base | members)


class Serving(httpx2.BaseTransport):
    """Says one thing, whatever it is asked."""

    def __init__(self, body: bytes, kind: str) -> None:
        self._body = body
        self._kind = kind

    def handle_request(self, _request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": self._kind}, content=self._body)


def client_of(body: bytes, kind: str) -> anthropic.Anthropic:
    return anthropic.Anthropic(api_key="x", http_client=httpx2.Client(transport=Serving(body, kind)), max_retries=0)


def assembled(stream: bytes, *, beta: bool = False) -> Any:
    """What the SDK makes of a stream."""
    with client_of(stream, "text/event-stream") as client:
        face: Any = client.beta.messages if beta else client.messages
        with face.stream(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}]) as events:
            return events.get_final_message().to_dict(mode="json")


def parsed(body: bytes, *, beta: bool = False) -> Any:
    """What the SDK makes of a whole answer."""
    with client_of(body, "application/json") as client:
        face: Any = client.beta.messages if beta else client.messages
        return face.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "x"}]).to_dict(mode="json")


def comparable(message: dict[str, Any]) -> dict[str, Any]:
    """Without ids and signatures, which two answers to the same call do not share, and without the lifetimes of what was
    written, which a stream tells at its start only."""
    content = [{name: value for name, value in block.items() if name not in ("id", "signature", "tool_use_id")}
               for block in message["content"]]  # fmt: skip
    return message | {"content": content, "id": "", "usage": message["usage"] | {"cache_creation": None}}


@pytest.mark.parametrize("name", streams.ASKED)
def test_it_is_what_the_provider_streams(name: str) -> None:
    """The whole answer and the stream are two answers of the simulator to the same call."""
    whole, streamed = simulated(name, stream=False), simulated(name, stream=True)
    ours = stream_of(whole)
    assert comparable(assembled(ours)) == comparable(assembled(streamed))
    assert assembled(ours, beta=True) == parsed(whole, beta=True)


@pytest.mark.parametrize("name", streams.ASKED)
def test_the_meter_reads_the_same(name: str) -> None:
    whole = simulated(name, stream=False)
    told, read = read_message(whole), metered([stream_of(whole)])
    assert read.complete
    assert (read.usage, read.model, read.message_id) == (told.usage, told.model, told.message_id)
    assert (read.stop_reason, read.stop_category, read.error) == (told.stop_reason, told.stop_category, "")


@pytest.mark.parametrize("content", BY_HAND.values(), ids=BY_HAND)
def test_blocks_of_every_kind(content: list[dict[str, Any]]) -> None:
    whole = message_of(content)
    assert assembled(stream_of(whole)) == parsed(whole)
    told = metered([stream_of(whole)]).usage
    assert told is not None
    assert told.usage() == read_usage(whole)
    again = Assembler(1 << 20)
    again.feed(stream_of(whole))
    assert again.answer() == read_answer(whole)


def read_usage(whole: bytes) -> Any:
    usage = read_message(whole).usage
    assert usage is not None
    return usage.usage()


@pytest.mark.parametrize(
    "members",
    [
        {"stop_reason": "refusal", "stop_details": {"type": "refusal", "category": "cyber", "explanation": None}},
        {"stop_reason": "stop_sequence", "stop_sequence": "\n\nEnd"},
        {"stop_reason": "max_tokens"},
        {"container": {"id": "container_1", "expires_at": "2026-11-21T12:00:00Z"}},
        {"usage": USAGE | {"output_tokens": 0}},
        {"usage": {"input_tokens": 1, "output_tokens": 2}},
    ],
)
def test_ends_of_every_kind(members: dict[str, Any]) -> None:
    whole = message_of(BY_HAND["cited"], **members)
    ours = assembled(stream_of(whole))
    assert {name: ours.get(name) for name in members} == members
    assert ours == parsed(whole)


def test_what_only_the_beta_face_knows() -> None:
    edits = {"applied_edits": [{"type": "clear_tool_uses_20250919", "cleared_tool_uses": 2, "cleared_input_tokens": 50}]}
    each = {"type": "message", "model": "claude-opus-4-8", "input_tokens": 12, "output_tokens": 34,
            "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0, "cache_creation": None}  # fmt: skip
    content: list[dict[str, Any]] = [
        {"type": "mcp_tool_use", "id": "mcptoolu_1", "name": "find", "server_name": "docs", "input": {"q": 1}},
        {"type": "compaction", "content": "what was said", "encrypted_content": None},
    ]
    whole = message_of(
        content, context_management=edits, container=None, usage=USAGE | {"iterations": [each]}, diagnostics=None
    )
    ours = assembled(stream_of(whole), beta=True)
    assert BetaMessage.model_validate(ours).context_management is not None
    assert ours == parsed(whole, beta=True)


def test_values_go_over_as_they_were_written() -> None:
    """No number loses digits, no text its escapes; white space between values would end an event, and goes."""
    block = b'{"type":"tool_use","id":"t","name":"n",\r\n "input":{"big":123456789012345678901234567890,"small":1.50e-7}}'
    whole = b'{"id":"m","type":"message",\n "content":[%b],"usage":{"output_tokens":3}, "new":{"kept": 1.0}}' % block
    said = stream_of(whole)
    events = list(SseDecoder().feed(said))
    assert [event.type for event in events] == [
        b"message_start", b"content_block_start", b"content_block_delta", b"content_block_stop", b"message_delta",
        b"message_stop",
    ]  # fmt: skip
    assert b'{\\"big\\":123456789012345678901234567890,\\"small\\":1.50e-7}' in events[2].data
    assert b'"new":{"kept":1.0}' in events[0].data


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"content":5}', b'{"content":["text"]}', b"\xff"])
def test_what_is_no_message(body: bytes) -> None:
    with pytest.raises((msgspec.MsgspecError, UnicodeDecodeError)):
        stream_of(body)


def test_an_error_ends_a_stream() -> None:
    body = b'{"type":"error",\r\n"error":{"type":"overloaded_error",\n"message":"Overloaded"}}'
    (event,) = SseDecoder().feed(error_event(body))
    assert event.type == b"error"
    assert msgspec.json.decode(event.data) == msgspec.json.decode(body)
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        assembled(PING + PING + error_event(body))


def test_pings_before_a_message_are_passed_over() -> None:
    whole = message_of(BY_HAND["cited"])
    assert assembled(PING + PING + stream_of(whole)) == parsed(whole)
    assert metered([PING, stream_of(whole)]).complete
