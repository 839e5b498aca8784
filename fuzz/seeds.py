"""Inputs to begin with, made when needed: golden files of the tests, answers of the simulator, small ones by hand."""

from __future__ import annotations

import asyncio
import struct
import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from thriftgate.providers.asgi_transport import AsgiTransport
from thriftgate.providers.transport import Outgoing, Timeouts
from thriftgate.simulator import SimClock, Simulator, SimulatorConfig

TESTS = Path(__file__).parents[1] / "tests"
LEVERS = TESTS / "golden" / "levers"
LOGS = TESTS / "audit" / "importers" / "golden"
_EXPECTED = "expected.json"
_BYTES_MAX = 6_000
_HEADERS = ((b"x-api-key", b"sk-ant-sim-test-1"), (b"anthropic-version", b"2023-06-01"))
_TOOLS = [{"name": "look", "input_schema": {"type": "object", "properties": {"at": {"type": "string"}}}}]
_ASKED: tuple[dict[str, Any], ...] = (
    {},
    {"system": [{"type": "text", "text": "word " * 300, "cache_control": {"type": "ephemeral"}}]},
    {"thinking": {"type": "adaptive"}, "messages": [{"role": "user", "content": "[[sim: think=20]] why?"}]},
    {"tools": _TOOLS, "messages": [{"role": "user", "content": "[[sim: tool=look]] look"}]},
    {
        "tools": [{"type": "web_search_20250305", "name": "web_search"}],
        "messages": [{"role": "user", "content": "[[sim: search=x]]"}],
    },
    {"messages": [{"role": "user", "content": "[[sim: refuse=bio]] no"}]},
    {"model": "no-such-model"},
)


@cache
def requests() -> tuple[bytes, ...]:
    """The requests of the levers' golden cases, and those of `_ASKED`."""
    found = [_body(asked, stream=False) for asked in _ASKED]
    for case in sorted(LEVERS.rglob("*.toml")):
        text = tomllib.loads(case.read_text(encoding="utf-8")).get("request")
        if isinstance(text, str) and len(text) < _BYTES_MAX:
            found.append(text.encode())
    return tuple(found)


def _body(asked: dict[str, Any], *, stream: bool) -> bytes:
    plain = {"model": "claude-opus-4-8", "max_tokens": 60, "messages": [{"role": "user", "content": "hello there"}]}
    return msgspec.json.encode(plain | asked | ({"stream": True} if stream else {}))


@cache
def _answered(*, stream: bool) -> tuple[bytes, ...]:
    async def ask() -> list[bytes]:
        transport = AsgiTransport(
            Simulator(SimulatorConfig(clock=SimClock.frozen(), tokenizer="estimate", instance_id="fuzz"))
        )
        found = []
        for asked in _ASKED:
            outgoing = Outgoing("POST", "http://simulator.invalid/v1/messages", _HEADERS, _body(asked, stream=stream))
            found.append(await (await transport.send(outgoing, Timeouts())).read())
        await transport.close()
        return found

    return tuple(asyncio.run(ask()))


def answers() -> tuple[bytes, ...]:
    """Whole answers and an error, as the simulator gives them."""
    return (*_answered(stream=False), b'{"input_tokens":7}')


def streams() -> tuple[bytes, ...]:
    """The same as streams, one of them with other ends of lines."""
    found = _answered(stream=True)
    return (*found, found[0].replace(b"\n", b"\r\n"), found[0].replace(b"\n", b"\r"), b": a comment\n\n")


def documents() -> Iterable[bytes]:
    """JSON documents: requests, answers, and small ones with white space in odd places."""
    yield from (
        b'{ "a": 1.0e2, "b": {"c": 1} }', b'{"a" :[ 1 , {"b":null} ] ,"\\u0062": "x" }', b" [ ] ", b'{"a":1,"a":2}',
        b'{"":{"\\"":[[],{}]},"\xc3\xa9":"\\ud83d\\ude00"}\n', b'{\n "a": true ,\n "b": -0,\n "c": "\\\\"\n}', b"1", b'"x"',
    )  # fmt: skip
    yield from requests()
    yield from answers()


def chat_requests() -> Iterable[bytes]:
    """Chat completion requests."""
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": '{"at":"x"}'}}
    tool = {
        "type": "function",
        "function": {"name": "look", "description": "?", "parameters": {"type": "object"}, "strict": True},
    }
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo=", "detail": "low"}}
    turns = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Weather?"}, image]},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "rain"},
    ]
    file = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0="}}
    form = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": {"type": "object"}}}
    plain: dict[str, Any] = {"model": "claude-opus-4-8", "messages": [{"role": "user", "content": "hello"}]}
    for more in (
        {"stream": True, "stream_options": {"include_usage": True}, "max_completion_tokens": 9, "seed": 1, "n": 1},
        {"messages": turns, "tools": [tool], "tool_choice": {"type": "function", "function": {"name": "look"}}},
        {"messages": [{"role": "user", "content": [file]}], "response_format": form, "reasoning_effort": "high"},
        {
            "model": "gpt-5",
            "temperature": 0.5,
            "top_p": 0.9,
            "stop": ["a", "b"],
            "service_tier": "flex",
            "metadata": {"a": "b"},
        },
        {
            "model": "claude-haiku-4-5",
            "temperature": 1.5,
            "stop": "x",
            "thinking": {"type": "enabled", "budget_tokens": 1024},
        },
    ):
        yield msgspec.json.encode(plain | more)


def response_requests() -> Iterable[bytes]:
    """Responses requests."""
    call = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": '{"at":"x"}', "id": "fc_1"}
    given = {"type": "function_call_output", "call_id": "c1", "output": [{"type": "input_text", "text": "rain"}]}
    tool = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": None}
    parts = [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="},
    ]
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "dGc6W10="}
    form = {"type": "json_schema", "name": "a", "strict": True, "schema": {"type": "object"}}
    plain: dict[str, Any] = {"model": "claude-opus-5-5", "input": "Hello"}
    for more in (
        {"stream": True, "max_output_tokens": 9, "instructions": "Be brief.", "store": False},
        {"input": [{"role": "user", "content": parts}, thought, call, given], "tools": [tool], "tool_choice": "required"},
        {"text": {"format": form, "verbosity": "low"}, "reasoning": {"effort": "high", "summary": "auto"}},
        {
            "tools": [{"type": "web_search", "filters": {"allowed_domains": ["a.invalid"]}}],
            "include": ["reasoning.encrypted_content"],
        },
        {
            "input": [
                {
                    "type": "message",
                    "role": "assistant",
                    "content": [{"type": "output_text", "text": "x", "annotations": []}],
                }
            ]
        },
    ):
        yield msgspec.json.encode(plain | more)


_USED = {"prompt_tokens": 20, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 8}}


def chat_answers() -> Iterable[bytes]:
    """Answers of chat servers, and errors of theirs."""
    call = {"id": "call.1", "type": "function", "function": {"name": "look", "arguments": '{"at": "x"}'}}
    for message, reason in (
        ({"role": "assistant", "content": "Hi"}, "stop"),
        ({"content": None, "tool_calls": [call, call]}, "tool_calls"),
        ({"content": "x", "reasoning_content": "hm"}, "length"),
        ({"content": "x", "reasoning_details": [{"type": "reasoning.text", "text": "hm", "signature": "s"}]}, "stop"),
        ({"content": "x", "thinking_blocks": [{"type": "redacted_thinking", "data": "d"}]}, "stop"),
        ({"refusal": "no"}, "content_filter"),
    ):
        choice = {"index": 0, "message": message, "finish_reason": reason}
        yield msgspec.json.encode({"id": "c-1", "choices": [choice], "usage": _USED})
    yield b'{"error":{"message":"context length exceeded","code":400}}'
    yield b'{"error":"insufficient balance"}'


def chat_streams() -> Iterable[bytes]:
    """The same in chunks."""
    pieces: tuple[tuple[dict[str, Any], ...], ...] = (
        ({"role": "assistant", "content": ""}, {"content": "Hi"}, {"content": " there"}),
        ({"reasoning_content": "hm"}, {"reasoning_content": "m"}, {"content": "x"}),
        (
            {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "look", "arguments": ""}}]},
            {"tool_calls": [{"index": 1, "id": "b", "function": {"name": "look", "arguments": "{}"}}]},
            {"tool_calls": [{"index": 0, "function": {"arguments": '{"at":1}'}}]},
            {"content": "late"},
        ),
        ({"reasoning_details": [{"type": "reasoning.text", "text": "h", "signature": "s"}]}, {"refusal": "no"}),
    )
    for deltas in pieces:
        chunks: list[dict[str, Any]] = [
            {"id": "c-1", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas
        ]
        chunks.append({"id": "c-1", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        chunks.append({"id": "c-1", "choices": [], "usage": _USED})
        yield b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    yield b'data: {"error":{"message":"overloaded","code":"503"}}\n\n'


def _header(name: bytes, value: bytes) -> bytes:
    return bytes((len(name),)) + name + b"\x07" + struct.pack(">H", len(value)) + value


def event_frames() -> Iterator[bytes]:
    """Header blocks and payloads in turn, as `event_streams.check_frames` takes them."""
    said = _header(b":message-type", b"event") + _header(b":event-type", b"chunk") + _header(b":content-type", b"a/b")
    failed = _header(b":message-type", b"exception") + _header(b":exception-type", b"throttlingException")
    numbers = b"\x01a\x02\x01\x01b\x05\x00\x00\x00\x00\x00\x00\x00\x01\x01c\x09" + b"u" * 16 + b"\x01d\x00"
    chunk = msgspec.json.encode({"bytes": b'{"type":"message_stop"}', "p": "abc"})
    yield b"\n--\n".join((said, chunk, failed, b'{"message":"slow down"}'))
    yield b"\n--\n".join((numbers, b"", said, chunk, said, b"{}"))


def event_streams() -> Iterable[bytes]:
    """The same as the bytes of a stream."""
    from fuzz.event_streams import frame  # noqa: PLC0415  which takes its seeds from here

    for parts in (one.split(b"\n--\n") for one in event_frames()):
        yield b"".join(frame(headers, payload) for headers, payload in zip(parts[::2], parts[1::2], strict=True))


def aws_errors() -> Iterable[bytes]:
    """Error bodies of AWS."""
    yield b'{"message":"The provided model identifier is invalid."}'
    yield b'{"Message":"no","__type":"com.amazon#AccessDeniedException"}'
    yield b'{"type":"error","error":{"type":"overloaded_error","message":"x"}}'


def batch_bodies() -> Iterable[bytes]:
    """Bodies of `POST /v1/messages/batches`."""
    yield b'{"requests":[%b]}' % b",".join(
        b'{"custom_id":"r%d","params":%b}' % (at, body) for at, body in enumerate(requests()[:4])
    )
    yield b' { "of_tomorrow" : [ {"a":"]}"} ] , "requests" : [ {"params":{"model":1,"max_tokens":true},"custom_id":"x"} ] } '
    yield b'{"requests":[{"custom_id":"x","params":{}} , ]}'


def batch_results() -> Iterable[bytes]:
    """Lines of results."""
    lines = [b'{"custom_id":"a","result":{"type":"succeeded","message":%b}}' % answer for answer in answers()[:2]]
    lines.append(b'{"custom_id":"b","result":{"type":"errored","error":%b}}' % answers()[6])
    lines.append(b'{"custom_id":"c","result":{"type":"expired"}}')
    yield b"\n".join(lines) + b"\n"


def batch_objects() -> Iterable[bytes]:
    """The batch object, and a page of them."""
    url = "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results"
    counts = {"processing": 0, "succeeded": 2, "errored": 1, "canceled": 0, "expired": 0}
    batch = {"id": "msgbatch_1", "processing_status": "ended", "request_counts": counts, "results_url": url}
    batch |= {"created_at": "2026-11-10T12:00:00Z", "ended_at": "2026-11-10T13:00:00.5+00:00"}
    yield msgspec.json.encode(batch)
    yield msgspec.json.encode({"data": [batch, batch | {"results_url": None}], "has_more": True, "last_id": "msgbatch_1"})


def goldens(importer: str) -> Iterable[bytes]:
    """The golden files of an importer."""
    for file in sorted((LOGS / importer).rglob("*")):
        if file.is_file() and file.name != _EXPECTED:
            yield file.read_bytes()
