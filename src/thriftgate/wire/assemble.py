"""A streamed answer put together again: the content blocks as the whole answer would have shown them.

Needed where a later call must repeat the answer. Fed a copy of the stream; where it meets what it does not know it gives up.
Deltas: platform.claude.com/docs/en/build-with-claude/streaming, 2026-08; anthropic-sdk-python v0.121.0
`raw_content_block_delta.py`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from thriftgate.wire.sse import Event, SseDecoder

_WANTED = (b"content_block_start", b"content_block_delta", b"message_delta", b"message_stop", b"error")
# Delta type -> (where its value stands, which member of the block it continues).
_APPENDED = {
    "text_delta": ("text", "text"),
    "thinking_delta": ("thinking", "thinking"),
    "compaction_delta": ("content",) * 2,
}
_INPUT = "input_json_delta"


class _Answer(msgspec.Struct):
    content: list[Any]
    stop_reason: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What was answered: the content blocks in order, and why the model stopped."""

    content: list[dict[str, Any]]
    stop_reason: str


def read_answer(body: bytes) -> Answer | None:
    """The content of a whole answer; None where it is no message."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    blocks = [block for block in answer.content if isinstance(block, dict)]
    return Answer(blocks, answer.stop_reason or "") if len(blocks) == len(answer.content) else None


class Assembler:
    """Feed it chunks; equal for any chunking. More than `bytes_max` of stream is given up."""

    __slots__ = ("_blocks", "_broken", "_bytes_left", "_decoder", "_ended", "_inputs", "_stop_reason", "_texts")

    def __init__(self, bytes_max: int) -> None:
        self._decoder = SseDecoder(_WANTED)
        self._bytes_left = bytes_max
        self._blocks: list[dict[str, Any]] = []
        self._inputs: dict[int, list[str]] = {}
        self._texts: dict[tuple[int, str], list[str]] = {}  # block and member, with what continues it
        self._stop_reason = ""
        self._ended = False
        self._broken = False

    def feed(self, chunk: bytes) -> None:
        if self._broken:
            return
        self._bytes_left -= len(chunk)
        self._broken = self._bytes_left < 0
        try:
            for event in self._decoder.feed(chunk):
                self._read(event)
        except (msgspec.DecodeError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._broken = True
            self._blocks.clear()
            self._inputs.clear()
            self._texts.clear()

    def answer(self) -> Answer | None:
        """The answer, once it has ended and was understood."""
        if self._broken or not self._ended:
            return None
        try:
            for at, pieces in self._inputs.items():
                self._blocks[at]["input"] = msgspec.json.decode("".join(pieces) or "{}")
        except (msgspec.DecodeError, LookupError, TypeError):
            return None
        for (at, member), pieces in self._texts.items():
            self._blocks[at][member] = "".join(pieces)
        return Answer(self._blocks, self._stop_reason)

    def _read(self, event: Event) -> None:
        data: dict[str, Any] = msgspec.json.decode(event.data, type=dict[str, Any])
        if event.type == b"message_stop":
            self._ended = True
        elif event.type == b"message_delta":
            self._stop_reason = data["delta"].get("stop_reason") or self._stop_reason
        elif event.type == b"content_block_start":
            if data["index"] != len(self._blocks):
                raise ValueError("blocks out of order")
            self._blocks.append(data["content_block"])
        elif event.type == b"content_block_delta":
            self._continue(data["index"], data["delta"])
        else:
            raise ValueError("the stream reported an error")

    def _continue(self, at: int, delta: dict[str, Any]) -> None:
        block, kind = self._blocks[at], delta["type"]
        if kind in _APPENDED:
            source, member = _APPENDED[kind]
            self._texts.setdefault((at, member), [_string(block.get(member) or "")]).append(_string(delta[source]))
        elif kind == _INPUT:
            self._inputs.setdefault(at, []).append(_string(delta["partial_json"]))
        elif kind == "signature_delta":
            block["signature"] = delta["signature"]
        elif kind == "citations_delta":
            block["citations"] = cited = block.get("citations") or []
            cited.append(delta["citation"])
        else:
            raise ValueError(f"unknown delta {kind}")


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} where a text should be")
    return value
