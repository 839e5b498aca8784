"""A whole message as the stream a client has asked for: for answers that came some other way than as a stream.

Grammar: platform.claude.com/docs/en/build-with-claude/streaming, 2026-08. Each block comes in one delta; what has no delta
of its own is told whole at its start. Values go over as they were written: numbers keep their digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw

PING = b'event: ping\ndata: {"type":"ping"}\n\n'

_EMPTY = Raw(b'""')
_NULL = Raw(b"null")
_LATER = ("stop_reason", "stop_sequence", "stop_details", "container", "context_management")  # null at first
# Of the usage: what only the start of a stream tells, and what only its end.
_AT_START = frozenset({"cache_creation", "service_tier", "inference_geo", "speed"})
_AT_END = frozenset({"output_tokens_details", "server_tool_use", "iterations"})
_WITH_INPUT = frozenset({b'"tool_use"', b'"server_tool_use"', b'"mcp_tool_use"'})

Fields = dict[str, Raw]


class _Message(msgspec.Struct):
    content: list[Fields] = []
    usage: Fields = {}


_FIELDS = msgspec.json.Decoder(Fields)
_MESSAGE = msgspec.json.Decoder(_Message)
_LIST = msgspec.json.Decoder(list[Raw])


def stream_of(message: bytes) -> bytes:
    """The events of a message, in one piece. Raises msgspec's errors for what is no message."""
    return b"".join(_event(payload) for payload in _events(msgspec.json.format(message, indent=-1)))


def error_event(body: bytes) -> bytes:
    """An error answer as the event that ends a stream."""
    return b"event: error\ndata: " + body.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n\n"


def _events(message: bytes) -> Iterator[dict[str, Any]]:
    """The payloads. `message` holds no line breaks: what is a line of its own would end an event."""
    fields, known = _FIELDS.decode(message), _MESSAGE.decode(message)
    opening: dict[str, Any] = {name: _NULL if name in _LATER else value for name, value in fields.items()}
    opening |= {"type": "message", "content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    begun = {name: value for name, value in known.usage.items() if name not in _AT_END}
    opening["usage"] = begun | {"output_tokens": Raw(b"0") if begun.get("output_tokens") == Raw(b"0") else Raw(b"1")}
    yield {"type": "message_start", "message": opening}
    for index, block in enumerate(known.content):
        start, deltas = _split(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop = {name: fields.get(name, _NULL) for name in ("stop_reason", "stop_sequence", "stop_details")}
    stop |= {name: fields[name] for name in ("container",) if name in fields}
    edits = {name: fields[name] for name in ("context_management",) if name in fields}
    ended = {name: value for name, value in known.usage.items() if name not in _AT_START}
    yield {"type": "message_delta", "delta": stop, "usage": ended, **edits}
    yield {"type": "message_stop"}


def _split(block: Fields) -> tuple[Mapping[str, object], list[dict[str, Any]]]:
    """A block as it starts, and the deltas that complete it."""
    kind = bytes(block.get("type", _NULL))
    if kind == b'"text"':
        cited = _LIST.decode(block["citations"]) if block.get("citations", _NULL) != _NULL else []
        start: dict[str, object] = {**block, "text": _EMPTY}
        if cited:
            start["citations"] = []
        deltas = [{"type": "text_delta", "text": block.get("text", _EMPTY)}]
        return start, [*deltas, *({"type": "citations_delta", "citation": one} for one in cited)]
    if kind == b'"thinking"':
        deltas = [
            {"type": f"{name}_delta", name: block[name]}
            for name in ("thinking", "signature")
            if block.get(name, _EMPTY) != _EMPTY
        ]
        return {**block, "thinking": _EMPTY, "signature": _EMPTY}, deltas
    if kind in _WITH_INPUT and "input" in block:
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": bytes(block["input"]).decode()}]
    return block, []


def _event(payload: dict[str, Any]) -> bytes:
    return b"event: " + str(payload["type"]).encode() + b"\ndata: " + msgspec.json.encode(payload) + b"\n\n"
