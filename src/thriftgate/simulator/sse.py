"""A reply as server-sent events.

Grammar: platform.claude.com/docs/en/build-with-claude/streaming, 2026-08: message_start (input side final, output a
placeholder), a ping after the first content_block_start, deltas, message_delta with cumulative usage, message_stop.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from thriftgate.simulator.call import Reply
from thriftgate.simulator.draws import below
from thriftgate.simulator.usage import delta_usage, start_usage

CHUNK = 24
MAX_DELTAS = 200


@dataclass(frozen=True, slots=True)
class Event:
    """One event as bytes; `output_tokens` = how much of the answer's output has been sent once it is out."""

    name: str
    raw: bytes
    output_tokens: int


def encode(payload: dict[str, Any]) -> bytes:
    """An event named after its payload's type."""
    return b"event: " + str(payload["type"]).encode() + b"\ndata: " + msgspec.json.encode(payload) + b"\n\n"


def events(reply: Reply) -> Iterator[Event]:
    """All events of a reply, in order."""
    sent = 0
    yield _event(_message_start(reply), sent)
    for index, piece in enumerate(reply.pieces):
        yield _event({"type": "content_block_start", "index": index, "content_block": _opening(reply, piece.block)}, sent)
        if index == 0:
            yield _event({"type": "ping"}, sent)
        deltas = list(_deltas(reply, piece.block))
        for number, delta in enumerate(deltas, 1):
            done = sent + piece.tokens * number // len(deltas)
            yield _event({"type": "content_block_delta", "index": index, "delta": delta}, done)
        sent += piece.tokens
        yield _event({"type": "content_block_stop", "index": index}, sent)
    yield _event(_message_delta(reply), sent)
    yield _event({"type": "message_stop"}, sent)


def error_event(kind: str = "overloaded_error", message: str = "Overloaded") -> bytes:
    """The `error` event that may come after HTTP 200."""
    return encode({"type": "error", "error": {"type": kind, "message": message}})


def _event(payload: dict[str, Any], sent: int) -> Event:
    return Event(payload["type"], encode(payload), sent)


def _message_start(reply: Reply) -> dict[str, Any]:
    message = reply.message
    opening = {name: message[name] for name in ("id", "type", "role", "model")}
    opening |= {"content": [], "stop_reason": None, "stop_sequence": None, "stop_details": None}
    placeholder = 1 + below(5, "placeholder", message["id"])
    opening["usage"] = start_usage(reply.start, reply.call.envelope, placeholder)
    opening["diagnostics"] = message["diagnostics"]
    if "input_transformations" in reply.extra:
        opening["input_transformations"] = reply.extra["input_transformations"]
    return {"type": "message_start", "message": opening}


def _message_delta(reply: Reply) -> dict[str, Any]:
    message = reply.message
    payload: dict[str, Any] = {
        "type": "message_delta",
        "delta": {name: message[name] for name in ("stop_reason", "stop_sequence", "stop_details")},
        "usage": delta_usage(reply.usage, reply.shown_steps),
    }
    if "context_management" in reply.extra:
        payload["context_management"] = reply.extra["context_management"]
    return payload


def _opening(reply: Reply, block: dict[str, Any]) -> dict[str, Any]:
    kind = block["type"]
    if kind == "text":
        return {**block, "text": ""}
    if kind == "thinking":
        return {**block, "thinking": "", "signature": ""}
    if kind in {"tool_use", "server_tool_use"}:
        return {**block, "input": {}}
    if kind == "compaction" and not _on_demand(reply):
        return {**block, "content": None}
    return block


def _deltas(reply: Reply, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    kind = block["type"]
    if kind == "text":
        for part in _chunks(block["text"]):
            yield {"type": "text_delta", "text": part}
    elif kind == "thinking":
        for part in _chunks(block["thinking"]):
            yield {"type": "thinking_delta", "thinking": part}
        yield {"type": "signature_delta", "signature": block["signature"]}
    elif kind in {"tool_use", "server_tool_use"}:
        yield {"type": "input_json_delta", "partial_json": ""}
        for part in _chunks(msgspec.json.encode(block["input"]).decode()):
            yield {"type": "input_json_delta", "partial_json": part}
    elif kind == "compaction" and not _on_demand(reply):
        yield {"type": "compaction_delta", "content": block["content"]}


def _on_demand(reply: Reply) -> bool:
    """On-demand compaction sends its block whole, in the start event (build-with-claude/compaction, 2026-09)."""
    return bool((reply.call.body.get("compaction") or {}).get("type") == "summarize")


def _chunks(text: str) -> Iterator[str]:
    size = max(CHUNK, -(-len(text) // MAX_DELTAS))
    for at in range(0, len(text), size):
        yield text[at : at + size]
