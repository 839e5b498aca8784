"""Chunks of a chat answer as the events of a Messages stream, whatever the pieces in which they come.

Thinking and text go out as they come. Of tool calls the first does; others wait until the answer ends, since servers may
tell several of them at once, and Messages tells one block after the other. What comes behind the first call waits with them.
The input side is told at the end: until then an estimate stands in for it, and says so.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw

from thriftgate.wire.openai_out.answer import (
    COMPLETION,
    Choice,
    Completion,
    Said,
    Thought,
    ToolCall,
    opening,
    signature_of,
    stop_of,
    tool_id,
)
from thriftgate.wire.openai_out.errors import failure_in
from thriftgate.wire.openai_out.request import BYTES_PER_TOKEN, Asked
from thriftgate.wire.openai_out.usage import estimated_usage, messages_usage
from thriftgate.wire.sse import SseDecoder
from thriftgate.wire.whole_stream import error_event

_NULL = Raw(b"null")
_DONE = b"[DONE]"


class ChatStream:
    """Feed it chunks as they come, and end it. `over`: nothing more will come of it."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._decoder = SseDecoder()
        self._id = ""
        self._begun = False
        self.over = False
        self._index = -1
        self._open = ""  # the kind of the block that is open
        self._signature: str | None = None  # of the thinking that is open
        self._calls: dict[int, list[str]] = {}  # by place: id, name and what has come of the arguments of each call
        self._live: int | None = None  # the call that goes out as it comes
        self._late = ""  # text behind a call
        self._choice = Choice()
        self._refused = False
        self._usage: dict[str, Any] | None = None
        self._said = 0

    def feed(self, chunk: bytes) -> bytes:
        """The events that this piece completes."""
        out: list[bytes] = []
        for event in self._decoder.feed(chunk):
            if self.over:
                break
            if event.data.strip() == _DONE:
                out.append(self._ended())
            else:
                out.append(self._read(event.data))
        return b"".join(out)

    def end(self) -> bytes:
        """The events that are left when nothing more comes; none where the answer has broken off."""
        if self.over or self._choice.finish_reason is None:
            return b""
        return self._ended()

    def _read(self, data: bytes) -> bytes:
        try:
            told = COMPLETION.decode(data)
            found = next((one for one in (told.error, *(choice.error for choice in told.choices)) if one != _NULL), _NULL)
            error = msgspec.json.decode(found)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return self._failed({"message": "a chunk of the stream cannot be read", "code": 502})
        if error is not None:
            return self._failed(error)
        out = [self._start(told)]
        self._usage = messages_usage(told.usage) or self._usage
        for choice in told.choices[:1]:
            if choice.delta is not None:
                out.append(self._add(choice.delta))
            if choice.finish_reason is not None:
                self._choice = choice
        return b"".join(out)

    def _failed(self, error: Any) -> bytes:
        self.over = True
        return error_event(failure_in(error, self._asked.server.name).body)

    def _start(self, told: Completion) -> bytes:
        if self._begun:
            return b""
        self._begun = True
        self._id = told.id or ""
        usage = estimated_usage(self._asked.prompt_tokens, 0, BYTES_PER_TOKEN)
        return _event("message_start", message=opening(self._id, self._asked.model, usage))

    def _add(self, said: Said) -> bytes:
        out = [self._think(thought) for thought in said.thoughts()]
        text = (said.content or "") + (said.refusal or "")
        self._refused = self._refused or said.refusal is not None
        if text and self._calls:
            self._late += text
        elif text:
            out.append(self._block("text", {"type": "text", "text": ""}))
            out.append(self._delta(type="text_delta", text=text))
        out += [self._call(call) for call in said.tool_calls or ()]
        self._said += len(text.encode())
        return b"".join(out)

    def _think(self, thought: Thought) -> bytes:
        text = thought.text or thought.thinking or thought.summary or ""
        self._said += len(text.encode())
        if not self._asked.thinks or self._calls:
            return b""
        if thought.data is not None and thought.type in ("reasoning.encrypted", "redacted_thinking"):
            return (
                self._close() + self._block("redacted", {"type": "redacted_thinking", "data": thought.data}) + self._close()
            )
        if not text and thought.signature is None:
            return b""
        out = self._block("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if text:
            out += self._delta(type="thinking_delta", thinking=text)
        if thought.signature:
            self._signature = signature_of(thought)
            out += self._close()
        return out

    def _call(self, call: ToolCall) -> bytes:
        at = call.index if call.index is not None else len(self._calls)
        piece = call.function.arguments or ""
        self._said += len(piece.encode())
        out = b""
        if at not in self._calls:
            self._calls[at] = [tool_id(call.id, at, self._id), call.function.name or "", ""]
            if self._live is None:
                self._live = at
                out = self._tool(at)
        if at == self._live:
            return out + (self._delta(type="input_json_delta", partial_json=piece) if piece else b"")
        self._calls[at][2] += piece
        return out

    def _tool(self, at: int) -> bytes:
        call_id, name, _ = self._calls[at]
        return self._close() + self._block("tool", {"type": "tool_use", "id": call_id, "name": name, "input": {}})

    def _ended(self) -> bytes:
        self.over = True
        out = [] if self._begun else [self._start(Completion())]
        for at in sorted(self._calls):
            if at != self._live:
                out.append(self._tool(at))
                if self._calls[at][2]:
                    out.append(self._delta(type="input_json_delta", partial_json=self._calls[at][2]))
        if self._late:
            out.append(self._close() + self._block("text", {"type": "text", "text": ""}))
            out.append(self._delta(type="text_delta", text=self._late))
        out.append(self._close())
        reason, sequence = stop_of(self._choice, self._asked, calls=bool(self._calls), refused=self._refused)
        usage = {**self._usage, "estimated": False} if self._usage is not None else self._estimated()
        out.append(_event("message_delta", delta={"stop_reason": reason, "stop_sequence": sequence}, usage=usage))
        out.append(_event("message_stop"))
        return b"".join(out)

    def _estimated(self) -> dict[str, Any]:
        return estimated_usage(self._asked.prompt_tokens, self._said, BYTES_PER_TOKEN)

    def _block(self, kind: str, start: dict[str, Any]) -> bytes:
        """Open a block, unless one of that kind is open."""
        if self._open == kind:
            return b""
        closed = self._close()
        self._open = kind
        self._index += 1
        return closed + _event("content_block_start", index=self._index, content_block=start)

    def _close(self) -> bytes:
        if not self._open:
            return b""
        signed = b""
        if self._open == "thinking":
            signed = self._delta(type="signature_delta", signature=self._signature or signature_of(Thought()))
            self._signature = None
        self._open = ""
        return signed + _event("content_block_stop", index=self._index)

    def _delta(self, **delta: Any) -> bytes:
        return _event("content_block_delta", index=self._index, delta=delta)


def _event(kind: str, **members: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, **members}))
