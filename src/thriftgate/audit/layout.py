"""Where one JSON value of a file ends and the next begins: one a line, pretty-printed one after the other, or in an array.

    [*split([b'{"a": 1}\\n{"a": 2}\\n'])]  ->  [(1, b'{"a": 1}', True), (2, b'{"a": 2}', True)]

A value that was cut off or damaged does not take those behind it along: it ends at the latest where a line begins as its own
did, with a bracket that JSON does not allow there. Every byte is looked at a fixed number of times, and no more is held than
the value at hand and a piece of the file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import chain, pairwise
from typing import NamedTuple

import msgspec

VALUE_BYTES_MAX = 512 * 2**20  # one JSON value; more is no log line
SHOWN_BYTES = 200  # of what is broken
BOM = b"\xef\xbb\xbf"
_DEPTH_MAX = 1000  # no decoder follows deeper
_INSIDE_MAX = 100_000  # lines that are values inside of a value, kept in case that it is broken
_MARGIN = 256  # bytes looked back from a bracket to the start of its line
_OPEN, _OPEN_LIST, _CLOSE, _CLOSE_LIST, _QUOTE, _NUL, _COMMA = b'{[}]"\x00,'
_CLOSES = {_CLOSE: _OPEN, _CLOSE_LIST: _OPEN_LIST}
_BEFORE = {_OPEN: frozenset(b":"), _OPEN_LIST: frozenset(b",[")}  # what stands before a value in an object, and in an array
_SPACE, _BLANK, _LINE_END = frozenset(b" \t\r\n"), frozenset(b" \t"), frozenset(b"\r\n")
_AFTER_STRING = frozenset(b" \t\r\n,:]}")
_STRING = rb'"[^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+"'
_NEXT = re.compile(rb"(?:[\s,:0-9a-zA-Z+.\-]++|" + _STRING + rb"(?=[ \t\r\n,:\]}]))*+([{}\[\]])?")
_IN_STRING = re.compile(rb'[^"\\\r\n]*+(?:\\[^\r\n][^"\\\r\n]*+)*+')
_BETWEEN = re.compile(rb"[\s,\x1e]*+")  # a record separator stands before each value of a JSON text sequence
_NO_VALUE = {_NUL: re.compile(rb"\x00*+"), _CLOSE: re.compile(rb"\}*+"), _CLOSE_LIST: re.compile(rb"\]*+")}
_BESIDE = re.compile(rb"\}[ \t]*+\{")  # two values on one line
_REST_OF_LINE = re.compile(rb"[^\n]*+")
_SCALAR = re.compile(rb"[^,\]\r\n]*+")
_BRACKETS = (b"{", b"[", b",", b"]", b"}", b"\x1e", b"\x00")


_ENDS = (b"}", b"}\r")


class Piece(NamedTuple):
    """A JSON value, or a part of the file that is none (`whole` False), with the line it begins on or, in a file that is an
    array, its number."""

    position: int
    data: bytes
    whole: bool = True


def _piece(number: int, line: bytes) -> Piece:
    """A whole one, made in half the time: there are millions."""
    return tuple.__new__(Piece, (number, line, True))


_NEW = tuple.__new__


def lines(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """Lines without their ends, blank ones left out. One over the limit comes cut short and not `whole`."""
    number, held, size = 0, [], 0
    for chunk in chunks:
        first, *rest = chunk.split(b"\n")
        size += len(first)
        if size <= VALUE_BYTES_MAX:
            held.append(first)
        if not rest:
            continue
        number += 1
        yield from _line(number, b"".join(held), whole=size <= VALUE_BYTES_MAX)
        for line in rest[:-1]:
            number += 1
            if line and not line.isspace():
                yield Piece(number, line)
        held, size = [rest[-1]], len(rest[-1])
    yield from _line(number + 1, b"".join(held), whole=size <= VALUE_BYTES_MAX)


def _line(number: int, line: bytes, *, whole: bool) -> Iterator[Piece]:
    if line and not line.isspace():
        yield Piece(number, line, whole)


def split(chunks: Iterable[bytes]) -> Iterator[Piece]:
    """The values of a file, however they are laid out. Where the file begins with an array, its elements are the values.
    Raises nothing for any content."""
    feed = _Feed(chunks)
    array = feed.first() == b"["
    while not feed.over:
        if not array:
            yield from _by_line(feed)
        yield from _Nested(feed, array=array).values()


def is_value(data: bytes) -> bool:
    """Whether these bytes are one JSON value and nothing else."""
    try:
        msgspec.json.decode(data, type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


class _Feed:
    """The chunks of a file, and what was read too far put back. `line` is the number of the line that comes next."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._back = b""
        self.line = 1
        self.over = False

    def next(self) -> bytes:
        """b"" at the end."""
        if self._back:
            back, self._back = self._back, b""
            return back
        chunk = next((chunk for chunk in self._chunks if chunk), b"")
        self.over = not chunk
        return chunk

    def put_back(self, data: bytes, line: int) -> None:
        self._back, self.line = data, line
        self.over = False

    def first(self) -> bytes:
        """The first byte that is no blank; blanks before it are taken off."""
        while chunk := self.next():
            solid = chunk.lstrip()
            self.line += chunk.count(b"\n", 0, len(chunk) - len(solid))
            if solid:
                self.put_back(solid, self.line)
                return solid[:1]
        return b""


def _by_line(feed: _Feed) -> Iterator[Piece]:
    """The values of a file with one a line, up to a line that begins one and is none by itself: that is put back."""
    held: list[bytes] = []
    size, number = 0, feed.line
    while not feed.over:
        chunk = feed.next()
        held.append(chunk)
        size += len(chunk)
        if chunk and b"\n" not in chunk and b"\n" not in held[0]:
            if size > VALUE_BYTES_MAX:
                yield Piece(number, held[0][:SHOWN_BYTES], whole=False)
                number = _skip_line(feed, number)
                held, size = [], 0
            continue
        block = b"".join(held)
        held.clear()  # a long line would be there twice
        doubtful = _BESIDE.search(block) or (b"\r" in block and block.count(b"\r") != block.count(b"\r\n"))
        rows = block.split(b"\n")
        del block
        if chunk:  # what follows a line tells whether it is over, so the last one waits
            held.append(rows.pop() or rows.pop() + b"\n")
        rows.append(held[0][:1] if held else b"{")
        for index in range(len(rows) - 1):
            line = rows[index]
            plain = line[:1] == b"{" == rows[index + 1][:1] and (line[-1:] == b"}" or line[-2:] == b"}\r")
            if plain and not doubtful:
                yield _NEW(Piece, (number, line, True))  # in half the time: there are millions
            elif not line or line.isspace():
                pass
            elif not line.lstrip().startswith(_BRACKETS) or is_value(line):
                yield Piece(number, line)
            else:
                feed.put_back(b"\n".join((*rows[index:-1], *held)), number)
                return
            number += 1
        size = len(held[0]) if held else 0
    feed.line = number


def _skip_line(feed: _Feed, number: int) -> int:
    """Passes over the rest of a line that is too long, up to its end. Returns its number."""
    while chunk := feed.next():
        end = chunk.find(b"\n")
        if end >= 0:
            feed.put_back(chunk[end:], number)
            break
    return number


class _Nested:
    """Values that go on over several lines, stand beside each other, or are elements of an array: their brackets are
    followed. Hands back to the reader of lines where a line begins that is not all there yet."""

    def __init__(self, feed: _Feed, *, array: bool) -> None:
        self._feed = feed
        self._array = array
        self._data = bytearray(b"\n" + feed.next())  # so that what begins a line stands behind the end of one
        self._at = 1
        self._resume = 0  # how far a string or the like that goes on has been followed
        self._line, self._counted = feed.line - 1, 0
        self._number = 0
        self._level = 0  # 1 inside the array that the file is
        self._lost = False
        self._done = False
        self._start = 0
        self._indent, self._inline = 0, False
        self._stack = bytearray()
        self._opened: list[tuple[int, int]] = []
        self._closed: list[tuple[int, int]] = []

    def values(self) -> Iterator[Piece]:
        """All of them, up to where lines can be read again."""
        while not self._done:
            if self._lost:
                self._find()
                continue
            self._at = _match(_BETWEEN, self._data, self._at)
            if self._at == len(self._data):
                self._done = not self._more(self._at)
                if self._done and self._level:  # the array was not closed: more may have been in it
                    yield self._piece(self._at, self._at, whole=False)
                continue
            byte = self._data[self._at]
            if self._array and byte in (_OPEN_LIST, _CLOSE_LIST) and self._level == (byte == _CLOSE_LIST):
                self._level = 1 - self._level
                self._at += 1
            elif byte in _BEFORE:
                yield from self._value()
            elif byte == _QUOTE and self._level:
                yield from self._text()
            else:
                kind = _SCALAR if self._level else _REST_OF_LINE
                yield from self._other(_NO_VALUE.get(byte, kind), whole=byte not in _NO_VALUE)

    def _value(self) -> Iterator[Piece]:
        """The object or array that opens here."""
        self._start = self._at
        indent = self._line_indent(self._at)
        self._indent, self._inline = max(0, indent), indent < 0
        self._stack.clear()
        self._opened.clear()
        self._closed.clear()
        while (whole := self._scan()) is None:
            if not self._more(self._start):
                whole = False
                break
        if self._done:
            return
        if whole:
            yield self._piece(self._start, self._at)
            return
        yield from self._broken()
        self._lost = not self._begins_element()

    def _broken(self) -> Iterator[Piece]:
        """The value at hand cannot be JSON from here on: it was cut off, and lines behind it taken for parts of it. What of
        them is a value by itself comes out."""
        first, data = self._start, self._data
        ends = dict(self._closed)
        begun = (found.end() for found in _line_start(self._indent, in_array=False).finditer(data, first, self._at))
        past = 0
        for start, following in pairwise(chain((first,), begun, (self._at,))):
            if start < past:
                continue
            end = ends.get(start - first, 0)
            if end:
                past = first + end
                yield self._piece(start, past)
                continue
            line_end = min(_match(_REST_OF_LINE, data, start), following)
            alone = not self._array and not data[line_end:following].strip()
            yield self._piece(start, line_end, whole=alone)

    def _text(self) -> Iterator[Piece]:
        """An element that is a string."""
        start = self._at
        while (whole := self._string()) is None:
            if not self._more(self._at):
                whole = False
                break
            start = self._at
        if not whole:
            yield from self._other(_REST_OF_LINE, whole=False)
        elif not self._done:
            yield self._piece(start, self._at)

    def _other(self, kind: re.Pattern[bytes], *, whole: bool) -> Iterator[Piece]:
        """What is no value, or a word or number alone: the decoder will tell."""
        while (end := _match(kind, self._data, max(self._at, self._resume))) == len(self._data):
            self._resume = end
            if not self._more(self._at):
                break
        if self._done:
            return
        self._resume = 0
        if end - self._at > VALUE_BYTES_MAX:
            whole = False
        yield self._piece(self._at, end, whole=whole)
        self._at = end

    def _scan(self) -> bool | None:
        """Follow brackets. True where the value is over, False where it cannot be JSON any more, None where all there is
        has been seen."""
        if self._resume and not self._string():
            return None if self._resume else False
        data, stack = self._data, self._stack
        for found in _NEXT.finditer(data, self._at):
            end = found.end()
            if found.lastindex is None:
                self._at = end
                break
            byte = data[end - 1]
            if byte in _BEFORE:
                if (
                    stack
                    and (data[end - 2] not in _BEFORE[stack[-1]] or len(stack) >= _DEPTH_MAX)
                    and not self._opens(end - 1)
                ):
                    self._at = end - 1
                    return False
                stack.append(byte)
                continue
            if stack[-1] != _CLOSES[byte]:
                self._at = end - 1
                return False
            if self._opened and self._opened[-1][0] == len(stack):
                self._closes(end)
            stack.pop()
            if not stack:
                self._at = end
                return True
        unfinished = self._at == len(data) or (data[self._at] == _QUOTE and self._string() is None)
        return None if unfinished else False

    def _string(self) -> bool | None:
        """Whether the string that begins here ends as one must, and to its end; None where that is not there yet."""
        data = self._data
        end = self._resume = _match(_IN_STRING, data, max(self._resume, self._at + 1))
        tail = bytes(data[end : end + 2])
        if tail in (b"", b"\\", b'"'):
            return None
        self._resume = 0
        if tail[0] != _QUOTE or tail[1] not in _AFTER_STRING:
            return False
        self._at = end + 1
        return True

    def _opens(self, at: int) -> bool:
        """Whether JSON allows a bracket here, behind blanks. One that begins a line as the value at hand did is kept in
        mind: it may be the next value, if this one turns out to be broken."""
        stack = self._stack
        if self._data[at - 1] not in _SPACE or len(stack) >= _DEPTH_MAX:
            return False
        if self._solid_before(at) not in _BEFORE[stack[-1]]:
            return False
        if 0 <= self._line_indent(at) <= self._indent:
            self._opened.append((len(stack) + 1, at - self._start))
        return True

    def _closes(self, end: int) -> None:
        """A value on lines of its own, inside of the one at hand, is over."""
        _, start = self._opened.pop()
        while self._closed and self._closed[-1][0] > start:
            self._closed.pop()
        if len(self._closed) < _INSIDE_MAX:
            self._closed.append((start, end - self._start))

    def _solid_before(self, at: int) -> int:
        """The last byte before that is no blank."""
        at -= 1
        while self._data[at] in _SPACE and at:
            at -= 1
        return self._data[at]

    def _line_indent(self, at: int) -> int:
        """How far what stands here is indented; -1 where it is not the first on its line."""
        start = at
        while start and at - start < _MARGIN and self._data[start - 1] in _BLANK:
            start -= 1
        return at - start if self._data[start - 1] in _LINE_END else -1

    def _begins_element(self) -> bool:
        """Whether the bracket that broke an element is where the next one begins: after a comma no object holds one."""
        at, data, stack = self._at, self._data, self._stack
        if self._level != 1 or at >= len(data) or not stack:  # no bracket was read of a value that the file breaks off in
            return False
        return data[at] in _BEFORE and stack[-1] == _OPEN and self._solid_before(at) == _COMMA

    def _find(self) -> None:
        """Go on to where a value may begin again: a line that begins as the broken one did; in an array on one line, behind
        the end of an object."""
        data, indent = self._data, self._line_indent(self._at)
        start = self._at - indent - 1 if 0 <= indent <= self._indent else self._at
        found = _line_start(self._indent, in_array=self._level == 1, inline=self._inline).search(data, start)
        self._lost = found is None
        if found is not None:
            self._at = found.end()
            return
        self._at = max(self._at, len(data) - _MARGIN)
        self._done = not self._more(self._at)

    def _more(self, needed: int) -> bool:
        """Read on; what stands before `needed` is not looked at again. False at the end, over the limit, and where the rest
        was handed back: then all is done here."""
        data = self._data
        if len(data) - needed > VALUE_BYTES_MAX:
            return False
        chunk = self._feed.next()
        if not chunk:
            return False
        if not self._array and not self._lost and data.find(b"\n", needed) < 0:
            self._count(needed)
            self._feed.put_back(bytes(data[needed:]) + chunk, self._line)
            self._done = True
            return False
        cut = max(0, needed - _MARGIN)
        self._count(cut)
        del data[:cut]
        self._counted -= cut
        self._at -= cut
        self._start -= cut
        self._resume = max(0, self._resume - cut)
        data += chunk
        return True

    def _count(self, end: int) -> None:
        """Lines up to there."""
        if end > self._counted:
            self._line += self._data.count(b"\n", self._counted, end)
            self._counted = end

    def _piece(self, start: int, end: int, *, whole: bool = True) -> Piece:
        self._count(start)
        self._number += 1
        data = bytes(memoryview(self._data)[start : end if whole else min(end, start + SHOWN_BYTES)])
        return Piece(self._number if self._array else self._line, data, whole)


def _match(pattern: re.Pattern[bytes], data: bytearray, start: int) -> int:
    """Where what the pattern describes ends; it always matches, if only nothing."""
    found = pattern.match(data, start)
    return found.end() if found is not None else start


@cache
def _line_start(indent: int, *, in_array: bool, inline: bool = False) -> re.Pattern[bytes]:
    """Matches up to what is no part of a value of this indentation any more: a bracket, a string alone, or no JSON, at the
    beginning of a line."""
    line = rb"[\r\n][ \t]{0,%d}(?=[^\s},\-0-9\"%b]|%b[ \t]*[\r\n])" % (indent, b"" if in_array else rb"\]", _STRING)
    return re.compile(line + rb"|\}\s*+,\s*+(?=\{)" if in_array and inline else line)
