"""A stream that is ended where its answer is complete, well-formed for the client: `core/output/until.py` says where.

The bytes of an event go on as they came, once the event is whole and its text surely belongs to the answer. Where the
condition is met, the last delta is cut there and the message is closed as the API would have closed it (grammar:
platform.claude.com/docs/en/build-with-claude/streaming, 2026-08): the input side as `message_start` told it, the output
estimated from what was received. If the message ends first, or its end is not ours to tell (an error, or any block but
text and thinking has begun: a tool call that is cut off breaks the conversation), all bytes pass as they are from there on.

A text that comes before a tool call can meet the condition too: use it for calls without tools.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from thriftgate.core.output.until import Until
from thriftgate.core.tokens import Family, estimate_block, estimate_text
from thriftgate.wire.meter import Reading
from thriftgate.wire.sse import Event, SseDecoder

_READABLE = frozenset({"text", "thinking", "redacted_thinking"})
_LAST = frozenset({b"message_delta", b"message_stop", b"error"})
_OF_BLOCKS = frozenset({b"content_block_start", b"content_block_delta", b"content_block_stop"})
# Of the usage, what only the start of a stream tells.
_AT_START = frozenset({"cache_creation", "service_tier", "inference_geo", "speed"})


class _Message(Struct):
    usage: dict[str, Raw] | None = None


class _Start(Struct):
    message: _Message


_START = msgspec.json.Decoder(_Start)


class _Held(NamedTuple):
    """An event that may go on once the first `needs` characters of the text surely belong to the answer. `start` is where
    its own text begins; `block` the block that it opens, `closes` whether it closes one."""

    raw: bytes
    start: int
    needs: int = 0
    payload: dict[str, Any] | None = None
    block: int | None = None
    closes: bool = False


class _Received:
    """What of the answer has come, to be counted."""

    def __init__(self) -> None:
        self._text: list[str] = []
        self._thoughts: dict[int, list[str]] = {}
        self._sealed: dict[int, str] = {}

    def begin(self, index: int, block: dict[str, Any]) -> None:
        if block["type"] != "text":
            self._thoughts[index] = []
        if block["type"] == "redacted_thinking":
            self._sealed[index] = str(block.get("data", ""))

    def add(self, index: int, delta: dict[str, Any]) -> None:
        """Raises TypeError for what is no text: then nothing was sent yet that counts on it."""
        kind = delta["type"]
        if kind == "text_delta":
            self._text.append(_text_of(delta, "text"))
        elif kind == "thinking_delta":
            self._thoughts[index].append(_text_of(delta, "thinking"))
        elif kind == "signature_delta":
            self._sealed[index] = _text_of(delta, "signature")

    def tokens(self, family: Family) -> tuple[int, int]:
        """Of the output, and of the thinking in it. Thinking is billed at its full length even where little or nothing of
        it is shown (build-with-claude/adaptive-thinking, 2026-10): its signature tells of that length."""
        thinking = 0
        for index, pieces in self._thoughts.items():
            sealed = msgspec.json.encode({"type": "redacted_thinking", "data": self._sealed.get(index, "")})
            hidden = estimate_block("redacted_thinking", sealed, family).tokens if index in self._sealed else 0
            thinking += max(_tokens("".join(pieces), family), hidden)
        return thinking + _tokens("".join(self._text), family), thinking


def _text_of(delta: dict[str, Any], name: str) -> str:
    found = delta[name]
    if isinstance(found, str):
        return found
    raise TypeError(f"{name} is no text")


def _tokens(text: str, family: Family) -> int:
    return estimate_text(text.encode(), family).tokens


class EarlyEnd:
    """Feed it the chunks of a stream; it returns what goes on to the client, the same for any chunking. `met` says that
    the answer is complete: what was returned holds its end, and the stream is to be left. `family` is the tokenizer of the
    model that answers; `before` the text that was put into its mouth (a prefilled answer), which the answer goes on with."""

    def __init__(self, until: Until, family: Family, before: str = "") -> None:
        self.until = until
        self.met = False
        self._family = family
        self._matcher = until.matcher()
        self._decoder = SseDecoder()
        self._received = _Received()
        self._raw: list[bytes] = []  # of the event under way
        self._held: deque[_Held] = deque()
        self._out: list[bytes] = []
        self._passing = self._matcher.feed(before) is not None
        self._before = len(before)
        self._chars = len(before)  # of text so far
        self._gone = len(before)  # of them sent on
        self._open: int | None = None
        self._usage: dict[str, Raw] = {}

    def feed(self, chunk: bytes) -> bytes:
        """Take in a chunk; what goes on now, which may be nothing yet."""
        if self.met:
            return b""
        if self._passing:
            return chunk
        lines = chunk.splitlines(keepends=True)
        for at, line in enumerate(lines):
            if not self._take(line):
                self._out += lines[at + 1 :]
                break
        out = b"".join(self._out)
        self._out.clear()
        return out

    def rest(self) -> bytes:
        """What is held back still: the stream has come to an end, in its middle perhaps."""
        if not self.met:
            self._pass_on()
        out = b"".join(self._out)
        self._out.clear()
        return out

    def settled(self, reading: Reading) -> Reading:
        """What the books are to know, by what the meter read of the same stream: an exact end stays one."""
        if not self.met or reading.complete:
            return reading
        output, thinking = self._received.tokens(self._family)
        return replace(reading, stopped_early=True, received_tokens=output, received_thinking=thinking)

    def _take(self, line: bytes) -> bool:
        """Take in a line, with its end where that has come. False: from here on all is passed as it is."""
        self._raw.append(line)
        try:
            for event in self._decoder.feed(line):
                self._read(event)
        except (msgspec.DecodeError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._pass_on()
        if self._raw and not self._decoder.pending and not self.met and not self._passing:  # a comment, or an empty line
            self._hold(_Held(self._flushed(), self._chars))
        return not self._passing

    def _read(self, event: Event) -> None:
        held = None
        if event.type in _LAST:
            self._pass_on()
        elif event.type == b"message_start":
            self._usage = _START.decode(event.data).message.usage or {}
        elif event.type in _OF_BLOCKS:
            held = self._of_block(msgspec.json.decode(event.data, type=dict[str, Any]))
        if not self.met and not self._passing:
            raw = self._flushed()
            self._hold(held._replace(raw=raw) if held is not None else _Held(raw, self._chars))

    def _of_block(self, payload: dict[str, Any]) -> _Held | None:
        """An event of a content block, its bytes not yet with it; None where it needs no special treatment."""
        index: int = payload["index"]
        if payload["type"] == "content_block_start":
            return self._begin_block(index, payload["content_block"])
        if payload["type"] == "content_block_stop":
            return _Held(b"", self._chars, closes=True)
        delta = payload["delta"]
        self._received.add(index, delta)
        if delta["type"] != "text_delta" or self.met:
            return None
        held = _Held(b"", self._chars, self._chars + len(delta["text"]), payload)
        self._chars = held.needs
        end = self._matcher.feed(delta["text"])
        if end is not None:
            self._held.append(held._replace(raw=self._flushed()))
            self._finish(end)
        return held

    def _begin_block(self, index: int, block: dict[str, Any]) -> _Held | None:
        if block["type"] not in _READABLE or block.get("text"):
            self._pass_on()
            return None
        self._received.begin(index, block)
        # A further text block is not begun before it has a text: empty ones may not be sent back to the API.
        needs = self._chars + 1 if block["type"] == "text" and self._chars > self._before else 0
        return _Held(b"", self._chars, needs, block=index)

    def _hold(self, held: _Held) -> None:
        self._held.append(held)
        while self._held and self._held[0].needs <= self._matcher.sure:
            self._send(self._held.popleft())

    def _send(self, held: _Held) -> None:
        self._out.append(held.raw)
        self._gone = max(self._gone, held.needs if held.payload is not None else 0)
        self._open = None if held.closes else held.block if held.block is not None else self._open

    def _finish(self, end: int) -> None:
        """The answer is complete with its first `end` characters: send them, and close the message."""
        end = max(end, self._gone)
        for held in self._held:
            if held.needs > end:
                if held.payload is not None and held.start < end:
                    held.payload["delta"]["text"] = held.payload["delta"]["text"][: end - held.start]
                    self._out.append(_event(held.payload))
                break
            self._send(held)
        self._held.clear()
        if self._out and self._out[-1].endswith(b"\r\n\r"):  # the line feed that belongs to it has not come yet
            self._out.append(b"\n")
        self._out += self._closing()
        self.met = True

    def _closing(self) -> Iterable[bytes]:
        if self._open is not None:
            yield _event({"type": "content_block_stop", "index": self._open})
        output, thinking = self._received.tokens(self._family)
        usage: dict[str, Any] = {name: value for name, value in self._usage.items() if name not in _AT_START}
        usage["output_tokens"] = output
        if thinking:
            usage["output_tokens_details"] = {"thinking_tokens": thinking}
        stop = {"stop_reason": "end_turn", "stop_sequence": None, "stop_details": None}
        yield _event({"type": "message_delta", "delta": stop, "usage": usage})
        yield _event({"type": "message_stop"})

    def _pass_on(self) -> None:
        """From now on all is passed as it comes."""
        if self.met:
            return
        self._out += [held.raw for held in self._held]
        self._held.clear()
        self._out += self._raw
        self._raw.clear()
        self._passing = True

    def _flushed(self) -> bytes:
        raw = b"".join(self._raw)
        self._raw.clear()
        return raw


def _event(payload: dict[str, Any]) -> bytes:
    return b"event: " + str(payload["type"]).encode() + b"\ndata: " + msgspec.json.encode(payload) + b"\n\n"
