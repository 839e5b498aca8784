"""A Messages stream as chat completion chunks, event by event (openai-python v3.54 `types/chat/chat_completion_chunk.py`).

The reason why the model stopped, the usage and `[DONE]` come with `message_stop` and not before: a client takes any of them
for the end, and the end of an answer waits for the books (docs/adr/0008).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw, Struct

from thriftgate.wire.openai.chat_answer import StopDetails, called, refusal_of
from thriftgate.wire.openai.errors import error_event
from thriftgate.wire.openai.thoughts import kept
from thriftgate.wire.openai.usage import chat_usage, finish_reason, tier_of
from thriftgate.wire.sse import Event, SseDecoder
from thriftgate.wire.usage import ApiUsage

DONE = b"data: [DONE]\n\n"
PING = b": ping\n\n"
_BROKEN = b'{"error":{"type":"api_error","message":"the answer broke off, or cannot be read"}}'
_UNREADABLE = (msgspec.DecodeError, ValueError, LookupError, TypeError, RecursionError)


class _Start(Struct):
    id: str
    model: str
    usage: ApiUsage | None = None


class _MessageStart(Struct):
    message: _Start


class _BlockStart(Struct):
    index: int
    content_block: dict[str, Raw]


class _BlockDelta(Struct):
    index: int
    delta: dict[str, Raw]


class _BlockStop(Struct):
    index: int


class _Stop(Struct):
    stop_reason: str | None = None
    stop_details: StopDetails | None = None


class _MessageDelta(Struct):
    delta: _Stop = msgspec.field(default_factory=_Stop)
    usage: ApiUsage | None = None


class _Block:
    """A block on its way: its members as they began, and what was added to each."""

    __slots__ = ("added", "call", "fields", "kind", "lists")

    def __init__(self, fields: dict[str, Raw], call: int) -> None:
        self.fields = fields
        self.kind = _text(fields.get("type", Raw(b'""')))
        self.call = call  # its number among the calls of tools
        self.added: dict[str, list[str]] = {}
        self.lists: dict[str, list[Raw]] = {}

    def whole(self, index: int) -> dict[str, Any]:
        """The block as an answer would have shown it, numbered as a stream must."""
        made: dict[str, Any] = {"index": index, **self.fields}
        for name, pieces in self.added.items():
            begun = _text(self.fields[name]) if name in self.fields and name != "input" else ""
            text = begun + "".join(pieces)
            made[name] = Raw(text.encode() or b"{}") if name == "input" else text
        return made | self.lists


class ChatStream:
    """Feed it the provider's stream; it returns the client's. Equal for any chunking."""

    def __init__(self, created_s: int, *, include_usage: bool) -> None:
        self._decoder = SseDecoder()
        self._created_s = created_s
        self._include_usage = include_usage
        self._frame: dict[str, Any] = {}
        self._blocks: list[_Block] = []
        self._usage: ApiUsage | None = None
        self._stop = _Stop()
        self._over = False
        self._readers: dict[bytes, Callable[[bytes], bytes]] = {
            b"message_start": self._begin,
            b"content_block_start": self._block,
            b"content_block_delta": self._delta,
            b"content_block_stop": self._block_end,
            b"message_delta": self._message_delta,
            b"message_stop": self._end,
            b"error": self._error,
            b"ping": self._ping,
        }

    def feed(self, chunk: bytes) -> bytes:
        """What the client is told of this piece, maybe nothing."""
        if self._over:
            return b""
        told = bytearray()
        try:
            for event in self._decoder.feed(chunk):
                told += self._told(event)
        except _UNREADABLE:
            self._over = True
            told += error_event(_BROKEN)
        return bytes(told)

    def end(self) -> bytes:
        """The provider's stream has ended: b"" where the answer had, else an error that says so."""
        if self._over:
            return b""
        self._over = True
        return error_event(_BROKEN)

    def _told(self, event: Event) -> bytes:
        """One event; nothing of one that is not known. Raises what odd ones raise."""
        reader = self._readers.get(event.type)
        if reader is None or self._over:
            return b""
        event.data.decode()  # what goes on raw is not looked at otherwise, and JSON is UTF-8
        return reader(event.data)

    def _begin(self, data: bytes) -> bytes:
        message = msgspec.json.decode(data, type=_MessageStart).message
        self._frame = {
            "id": message.id,
            "object": "chat.completion.chunk",
            "created": self._created_s,
            "model": message.model,
        }
        self._usage = message.usage
        return self._chunk({"role": "assistant"})

    def _error(self, data: bytes) -> bytes:
        self._over = True
        return error_event(data)

    def _ping(self, _data: bytes) -> bytes:
        return PING

    def _block(self, data: bytes) -> bytes:
        start = msgspec.json.decode(data, type=_BlockStart)
        if start.index != len(self._blocks):
            raise ValueError("blocks out of order")
        block = _Block(start.content_block, sum(one.kind == "tool_use" for one in self._blocks))
        self._blocks.append(block)
        if block.kind == "tool_use":
            begun = called(_text(block.fields["id"]), _text(block.fields["name"]), "")
            return self._chunk({"tool_calls": [{"index": block.call, **begun}]})
        text = _text(block.fields["text"]) if block.kind == "text" and "text" in block.fields else ""
        return self._chunk({"content": text}) if text else b""

    def _delta(self, data: bytes) -> bytes:
        event = msgspec.json.decode(data, type=_BlockDelta)
        block, delta = self._blocks[event.index], event.delta
        kind = _text(delta["type"])
        if kind == "input_json_delta":
            piece = _text(delta["partial_json"])
            block.added.setdefault("input", []).append(piece)
            if block.kind != "tool_use" or not piece:
                return b""
            return self._chunk({"tool_calls": [{"index": block.call, "function": {"arguments": piece}}]})
        if kind == "citations_delta":
            block.lists.setdefault("citations", []).append(delta["citation"])
            return b""
        told = b""
        for name, value in delta.items():
            if name == "type":
                continue
            piece = _text(value)
            block.added.setdefault(name, []).append(piece)
            if piece and (block.kind, name) in _TOLD:
                told += self._chunk({_TOLD[block.kind, name]: piece})
        return told

    def _block_end(self, data: bytes) -> bytes:
        """A call without pieces of input: all of it stood at its start, or there is none."""
        block = self._blocks[msgspec.json.decode(data, type=_BlockStop).index]
        if block.kind != "tool_use" or any(block.added.get("input", ())):
            return b""
        arguments = bytes(block.fields.get("input", Raw(b"{}"))).decode()
        return self._chunk({"tool_calls": [{"index": block.call, "function": {"arguments": arguments}}]})

    def _message_delta(self, data: bytes) -> bytes:
        event = msgspec.json.decode(data, type=_MessageDelta)
        if event.delta.stop_reason is not None:
            self._stop = event.delta
        if event.usage is not None:
            self._usage = self._usage.merged(event.usage) if self._usage is not None else event.usage
        return b""

    def _end(self, _data: bytes) -> bytes:
        """The last chunks."""
        self._over = True
        delta: dict[str, Any] = {}
        refusal = refusal_of(self._stop.stop_reason, self._stop.stop_details)
        if refusal is not None:
            delta["refusal"] = refusal
        told = kept([block.kind for block in self._blocks], cites=any(block.lists for block in self._blocks))
        if told:
            delta["thinking_blocks"] = [self._blocks[at].whole(number) for number, at in enumerate(told)]
        last = self._chunk(delta, finish_reason(self._stop.stop_reason or ""))
        usage = self._usage or ApiUsage()
        if self._include_usage:
            counted = self._frame | {"choices": [], "usage": chat_usage(usage), "service_tier": tier_of(usage)}
            last += b"data: " + msgspec.json.encode(counted) + b"\n\n"
        return last + DONE

    def _chunk(self, delta: dict[str, Any], finish: str | None = None) -> bytes:
        if not self._frame:
            raise ValueError("no message_start")
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        document = {**self._frame, "choices": [choice]}
        if self._include_usage:
            document["usage"] = None
        return b"data: " + msgspec.json.encode(document) + b"\n\n"


_TOLD = {("text", "text"): "content", ("thinking", "thinking"): "reasoning_content"}


def _text(raw: Raw) -> str:
    """A JSON string. Raises msgspec's errors."""
    return msgspec.json.decode(raw, type=str)
