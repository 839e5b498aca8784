"""Server-sent events, sans-I/O: bytes in as they come, whole events out. Fed whole or byte by byte, the result is equal.

The gateway forwards the bytes as they are; this decoder only reads a copy. Unknown events are events like any other
(platform.claude.com/docs/en/build-with-claude/streaming, 2026-08; the format: html.spec.whatwg.org/multipage/server-sent-
events.html, 2026-08).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

EVENT_BYTES_MAX = 64 * 1024 * 1024  # a body of 32 MB can come back in one event; more is a broken peer

# Two line ends in a row, in any spelling. One that may turn out to be half of \r\n ends the event all the same: what is left
# of it is an empty line, and means nothing.
_END = re.compile(rb"\r\n(?:\n|\r\n?)|\n(?:\n|\r\n?)|\r\r\n?")
_BLANKS = ((b"\n\n", 2), (b"\r\n\r\n", 4), (b"\n\r", 2), (b"\r\r", 2))
_LINE = re.compile(rb"\r\n|\n|\r")
_OVERLAP = 64  # bytes that are looked at again with the next chunk: longer than any line end, or line that names a type


class Event(NamedTuple):
    """One event: its type ("message" where the stream names none) and its data lines joined."""

    type: bytes
    data: bytes


class SseDecoder:
    """Feed it chunks; it returns the events completed by each.

    `only` names the event types to return: the others are skipped at the speed of a substring search, since a biller needs
    three events of a thousand. Raises ValueError past EVENT_BYTES_MAX without an end of event.
    """

    __slots__ = ("_begun", "_blank", "_looked", "_only", "_start", "_tail")

    def __init__(self, only: Iterable[bytes] | None = None) -> None:
        self._tail = bytearray()
        self._begun = False  # whether the tail begins with an event that is wanted
        self._looked = 0  # bytes of the tail that were looked at before
        self._blank = True
        self._only = tuple(only) if only is not None else None
        # "message" is also the type of an event that names none, so it cannot be searched for.
        self._start = _starts(self._only) if self._only is not None and b"message" not in self._only else None

    def feed(self, chunk: bytes) -> list[Event]:
        data = self._taken(chunk)
        events: list[Event] = []
        position, looked = 0, max(0, self._looked - _OVERLAP)
        while True:
            start = position if self._begun else self._next_start(data, position, looked)
            if start is None:
                position = _last_end(data, max(position, looked), len(data), position)
                break
            self._begun = True
            end = _END.search(data, max(start, looked))
            if end is None:
                position = start
                break
            event = _read_event(bytes(data[start : end.start()]))
            if event is not None and (self._only is None or event.type in self._only):
                events.append(event)
            self._begun = False
            position = looked = end.end()
        self._keep(data, position, chunk)
        if len(self._tail) > EVENT_BYTES_MAX:
            raise ValueError(f"no end of event within {EVENT_BYTES_MAX} bytes")
        return events

    def _taken(self, chunk: bytes) -> bytes | bytearray:
        """The tail with the chunk behind it, without copying either more than once."""
        if not self._tail:
            return chunk
        self._tail += chunk
        return self._tail

    def _keep(self, data: bytes | bytearray, position: int, chunk: bytes) -> None:
        """What begins at `position` has not ended yet."""
        if data is not self._tail:
            self._tail[:] = data[position:]
        elif position:
            del self._tail[:position]
        self._looked = len(self._tail)
        rest = chunk[-len(self._tail) :] if self._tail else b""
        self._blank = (self._blank or position > 0) and (not rest or rest.isspace())

    @property
    def pending(self) -> bool:
        """Whether an event has begun and not ended."""
        return not self._blank

    def _next_start(self, data: bytes | bytearray, position: int, looked: int) -> int | None:
        """Where the next wanted event begins, from its first line on; None when none has begun. None that is wanted has
        begun before `looked`."""
        if self._start is None:
            return position if position < len(data) else None
        for found in self._start.finditer(data, max(position, looked)):
            # A newline inside JSON data is escaped: "event:" at the start of a line is never part of somebody's text.
            if not found.start() or data[found.start() - 1] in b"\r\n":
                return _last_end(data, max(position, looked), found.start(), position)
        return None


@lru_cache
def _starts(only: tuple[bytes, ...]) -> re.Pattern[bytes]:
    return re.compile(rb"event: ?(?:" + b"|".join(re.escape(name) for name in only) + rb")[\r\n]")


def _last_end(data: bytes | bytearray, position: int, before: int, otherwise: int) -> int:
    """Just behind the last end of an event in data[position:before], `otherwise` when there is none."""
    at = data.rfind(b"\n\n", position, before)
    best = at + 2 if at >= 0 else otherwise
    if data.find(b"\r", position, before) >= 0:  # rare, and a search that finds nothing reads everything
        found = ((data.rfind(blank, position, before), length) for blank, length in _BLANKS)
        best = max([best, *(at + length for at, length in found if at >= 0)])
    return best


def _read_event(block: bytes) -> Event | None:
    kind = b""
    data: list[bytes] = []
    for line in _LINE.split(block):
        name, _, value = line.partition(b":")
        if name == b"data":
            data.append(value.removeprefix(b" "))
        elif name == b"event":
            kind = value.removeprefix(b" ")
    return Event(kind or b"message", b"\n".join(data)) if data else None
