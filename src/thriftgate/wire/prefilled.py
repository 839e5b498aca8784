"""An answer that was begun for the model, as the client is to see it: with its beginning.

The provider answers with what comes behind a prefill and does not repeat it
(platform.claude.com/docs/en/build-with-claude/prompt-engineering/prefill-claudes-response, 2026-08).
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Raw, Struct

from thriftgate.core.errors import InputError
from thriftgate.core.splice import Edit, apply
from thriftgate.wire.sse import SseDecoder

_END = re.compile(rb"\n\n|\r\n\r\n|\r\r")
_END_BYTES = 4
_WANTED = (b"content_block_start", b"message_delta", b"message_stop", b"error")


class _Block(Struct):
    type: str = ""
    text: Raw = Raw(b'""')


class _Message(Struct):
    content: list[_Block] = []


class _Start(Struct):
    index: int
    content_block: _Block


def with_beginning(message: bytes, beginning: str) -> bytes:
    """The whole message with `beginning` in front of its first text; as it came where it has none or cannot be read."""
    if not beginning:
        return message
    try:
        blocks = msgspec.json.decode(message, type=_Message).content
        at = next((at for at, block in enumerate(blocks) if block.type == "text"), None)
        if at is None:
            return message
        text = beginning + msgspec.json.decode(blocks[at].text, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return message
    try:
        return apply(message, [Edit(("content", at, "text"), msgspec.json.encode(text))])
    except InputError:  # a key that stands twice, or is no text
        return message


class Beginning:
    """Puts it into a stream: behind the event that opens the first text goes a delta of our own; all else passes as it came.
    An event is passed on once it is whole, until that is done."""

    def __init__(self, beginning: str) -> None:
        self._delta = beginning
        self._carry = bytearray()
        self._done = not beginning

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to send on."""
        if self._done:
            return chunk
        held = self._carry
        looked = max(0, len(held) - _END_BYTES)
        held += chunk
        passed: list[bytes] = []
        position = 0
        while not self._done and (end := _END.search(held, looked)) is not None:
            event = bytes(held[position : end.end()])
            position = looked = end.end()
            added, self._done = self._behind(event)
            passed += [event, added]
        if self._done:
            passed.append(bytes(held[position:]))
            position = len(held)
        del held[:position]
        return b"".join(passed)

    def rest(self) -> bytes:
        """What is held back when the stream ends in the middle of an event."""
        rest = bytes(self._carry)
        self._carry.clear()
        return rest

    def _behind(self, event: bytes) -> tuple[bytes, bool]:
        """What goes behind the event, and whether that was all."""
        for found in SseDecoder(_WANTED).feed(event):
            if found.type != b"content_block_start":
                return b"", True  # an answer without text
            try:
                start = msgspec.json.decode(found.data, type=_Start)
            except (msgspec.MsgspecError, UnicodeDecodeError):
                return b"", True
            if start.content_block.type == "text":
                delta = {"type": "text_delta", "text": self._delta}
                payload = {"type": "content_block_delta", "index": start.index, "delta": delta}
                return b"event: content_block_delta\ndata: " + msgspec.json.encode(payload) + b"\n\n", True
        return b"", False
