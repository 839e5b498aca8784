"""Log files as importers see them: decompressed, without byte order mark, in pieces of bounded size.

What may be compressed (gzip, zstd) is told by its first bytes, not by its name. Where a compression is broken, the content
ends as far as it can be had, and the source says so (`Source.fault`).
"""

from __future__ import annotations

import io
import os
import re
import shutil
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import zstandard

from thriftgate.audit import layout
from thriftgate.audit.layout import BOM, Piece, is_value
from thriftgate.audit.records import Issue

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

CHUNK_BYTES = 2**20
HEAD_BYTES = 2**18
STDIN = "-"
TRUNCATED = "truncated"  # the compression breaks off or is damaged: what stands behind cannot be read
TRAILING = "trailing_bytes"  # bytes behind the compressed content that are no part of it
_GZIP, _ZSTD = b"\x1f\x8b", re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")  # or a frame to be skipped
_PACKED_BYTES = 2**9  # decompressed at once: of zstd, a block of 128 kB may be packed into four
_GLOB = frozenset("*?[")
_FIRST_ROWS = 4
_SUFFIXES = (".gz", ".zst", ".zstd")
_KEY = re.compile(rb'"((?:[^"\\]|\\.)*+)"(\s*:)?|[{}\[\]]')
_LINE = re.compile(r"[\r\n]")
SQLITE = b"SQLite format 3\x00"
PARQUET = b"PAR1"


class Head:
    """Name and first bytes of a file: what `sniff` may look at."""

    def __init__(self, name: str, data: bytes, path: str = "") -> None:
        self.name = name
        self.data = data.removeprefix(BOM)
        self.path = path

    @cached_property
    def text(self) -> str:
        """The first bytes as text; what is no UTF-8 is replaced."""
        return self.data.decode(errors="replace")

    @cached_property
    def encoding(self) -> str:
        """UTF-16 or UTF-32 where the file is text in one of these, which nothing here reads; else ""."""
        start = self.data[:4]
        if start.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
            return "UTF-32"
        even, odd = start[::2], start[1::2]
        nothing = b"\x00\x00"
        split = (even == nothing and 0 not in odd) or (odd == nothing and 0 not in even)
        return "UTF-16" if start.startswith((b"\xff\xfe", b"\xfe\xff")) or (len(start) == 4 and split) else ""

    @cached_property
    def first_line(self) -> str:
        """The first line that is not blank, as far as it is there."""
        return _LINE.split(self.text.lstrip(), 1)[0]

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """The header of a CSV file; () where the file begins as JSON does."""
        line = self.first_line
        if not line or line[0] in "{[" or "," not in line:
            return ()
        return tuple(name.strip().strip('"').strip() for name in line.split(","))

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of the first JSON object (in an array: of its first element), even if the object goes on behind these
        bytes."""
        return self._keys(1)

    @cached_property
    def inner_keys(self) -> frozenset[str]:
        """The keys one level further inside, of all members of the first object together."""
        return self._keys(2)

    def has(self, *needles: str) -> bool:
        """Whether each of these stands somewhere in the first bytes."""
        return all(needle.encode() in self.data for needle in needles)

    @cached_property
    def _begun(self) -> bytes:
        """The first bytes, without a first line that is broken where those behind it are values."""
        rows = self.data.split(b"\n", _FIRST_ROWS)
        if len(rows) > _FIRST_ROWS or len(self.data) >= HEAD_BYTES:
            rows.pop()  # the rest of the file, or a line that goes on
        first, *others = [row for row in rows if row.strip()] or [b""]
        if others and not is_value(first) and all(row[:1] == b"{" and is_value(row) for row in others):
            return self.data[self.data.index(others[0], len(first)) :]
        return self.data

    def _keys(self, wanted: int) -> frozenset[str]:
        found: set[str] = set()
        depth, objects = 0, []
        for token in _KEY.finditer(self._begun):
            byte = token[0][:1]
            if byte in b"{[":
                objects.append(byte == b"{")
                depth += byte == b"{"
            elif byte in b"}]":
                if not objects:
                    break
                depth -= objects.pop()
                if not depth:
                    break
            elif token[2] and depth == wanted and objects and objects[-1]:
                found.add(token[1].decode(errors="replace"))
        return frozenset(found)


class Source:
    """One log file, or standard input. `name` is what reports call it: printable, whatever the file is called. `fault` says
    that the content, as far as it has been read, did not end where it should."""

    def __init__(self, path: Path | None, name: str = "") -> None:
        self.path = path
        self.name = printable(name or (str(path) if path is not None else STDIN))
        self.fault: Issue | None = None
        self._small: bytes | None = None  # all of it, where the head is all there is

    @cached_property
    def head(self) -> Head:
        """Raises OSError where the file cannot be read."""
        if self.path is None:
            return Head(STDIN, self._piped.peek(HEAD_BYTES))
        name = self.path.name
        for suffix in _SUFFIXES:
            name = name.removesuffix(suffix)
        with self.open() as stream:
            data = stream.read(HEAD_BYTES)
        self._small = data if len(data) < HEAD_BYTES else None
        return Head(name, data, str(self.path))

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """The content, decompressed. Standard input can be read once."""
        if self.path is None:
            yield cast("BinaryIO", self._piped)
            return
        with self.path.open("rb") as raw:
            unpack = _unpacking(raw.peek(4)[:4])
            yield cast("BinaryIO", _stream(unpack(raw, self._end_early))) if unpack is not None else raw

    @cached_property
    def _piped(self) -> io.BufferedReader:
        if sys.stdin is None:
            raise OSError("standard input is closed")
        piped = cast("io.BufferedReader", sys.stdin.buffer)
        raw = _stream(iter(lambda: piped.read1(CHUNK_BYTES), b""))
        unpack = _unpacking(raw.peek(4)[:4])
        return _stream(unpack(raw, self._end_early)) if unpack is not None else raw

    def _end_early(self, reason: str, detail: str) -> None:
        self.fault = Issue(reason, self.name, detail)

    def chunks(self) -> Iterator[bytes]:
        """The content in chunks of about a megabyte, without byte order mark. What a broken compression hides ends it."""
        if self._small is not None:
            if self._small:
                yield self._small.removeprefix(BOM)
            return
        with self.open() as stream:
            first = True
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk.removeprefix(BOM) if first else chunk
                first = False

    def lines(self) -> Iterator[Piece]:
        """The lines that are not blank."""
        return layout.lines(self.chunks())

    def values(self) -> Iterator[Piece]:
        """The JSON values of the file, whether it has one a line, pretty-prints them, or wraps them in an array."""
        return layout.split(self.chunks())

    def where(self, position: int) -> str:
        """How issues name a place in this file."""
        return f"{self.name}:{position}"

    def beside(self) -> Iterator[Source]:
        """The other files of its folder, in order of name; none where the folder cannot be listed."""
        if self.path is None:
            return
        try:
            others = sorted(self.path.parent.iterdir())
        except OSError:
            return
        for other in others:
            if other != self.path and other.is_file():
                yield Source(other)

    @contextmanager
    def local(self) -> Iterator[Path]:
        """A plain file on disk with this content, for readers that need one (SQLite, Parquet), under a name that none of
        them takes for a pattern."""
        packed = self.path is None or _is_compressed(self.path)
        if (
            self.path is not None
            and not packed
            and printable(str(self.path)) == str(self.path)
            and not _GLOB & set(str(self.path))
        ):
            yield self.path
            return
        with tempfile.TemporaryDirectory(prefix="thriftgate-") as folder:
            copy = Path(folder) / "content"
            if self.path is not None and not packed:
                for end in ("", "-wal", "-shm"):  # SQLite keeps a part of a database beside it
                    part = self.path.with_name(self.path.name + end)
                    if part.exists():
                        copy.with_name(copy.name + end).symlink_to(part.absolute())
            else:
                with self.open() as stream, copy.open("wb") as target:
                    shutil.copyfileobj(stream, target, CHUNK_BYTES)
            yield copy


def printable(name: str) -> str:
    """A name as it can be shown and written as UTF-8: bytes that are no text and control characters as escapes."""
    if name.isprintable():
        return name
    text = os.fsencode(name).decode(errors="backslashreplace")
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


Fault = Callable[[str, str], None]
"""Told the reason and a sentence where a stream ends early."""


class _Pieces(io.RawIOBase):
    """Bytes as they come, as a stream that is read as far as it is asked for: the first piece of a pipe may be short."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        filled = 0
        while filled < len(view):
            if not self._rest:
                self._rest = next(self._pieces, b"")
                if not self._rest:
                    break
            part, self._rest = self._rest[: len(view) - filled], self._rest[len(view) - filled :]
            view[filled : filled + len(part)] = part
            filled += len(part)
        return filled


def _stream(pieces: Iterator[bytes]) -> io.BufferedReader:
    return io.BufferedReader(_Pieces(pieces), HEAD_BYTES)


def _unpacking(start: bytes) -> Callable[[io.BufferedReader, Fault], Iterator[bytes]] | None:
    """What decompresses a stream that begins so; None for a plain one."""
    if start.startswith(_GZIP):
        return _gunzipped
    return _unzstd if _ZSTD.match(start) else None


def _gunzipped(raw: io.BufferedReader, fault: Fault) -> Iterator[bytes]:
    """The content of all members."""
    size, data = 0, raw.read(_PACKED_BYTES)
    while data:
        if not data.startswith(_GZIP):
            fault(TRAILING, f"what stands behind the first {size:,} bytes of content is no gzip")
            return
        member = zlib.decompressobj(wbits=31)
        while True:
            try:
                piece = member.decompress(data, CHUNK_BYTES)
            except zlib.error:
                fault(TRUNCATED, f"the gzip data is damaged behind the first {size:,} bytes of content")
                return
            size += len(piece)
            if piece:
                yield piece
            if member.eof:
                break
            data = member.unconsumed_tail
            if not data and len(piece) < CHUNK_BYTES and not (data := raw.read(_PACKED_BYTES)):
                fault(TRUNCATED, f"the gzip data breaks off behind the first {size:,} bytes of content")
                return
        data = (member.unused_data + (raw.read(2) if len(member.unused_data) < 2 else b"")).lstrip(b"\x00")
        data = data or raw.read(_PACKED_BYTES).lstrip(b"\x00")  # zeros may fill it up


def _unzstd(raw: io.BufferedReader, fault: Fault) -> Iterator[bytes]:
    """The content of all frames."""
    size, data = 0, raw.read(_PACKED_BYTES)
    while data:
        if not _ZSTD.match(data):
            fault(TRAILING, f"what stands behind the first {size:,} bytes of content is no zstd")
            return
        frame = zstandard.ZstdDecompressor().decompressobj()
        while True:
            try:
                piece = frame.decompress(data)
            except zstandard.ZstdError as error:
                fault(TRUNCATED, f"the zstd data is damaged behind the first {size:,} bytes of content ({error})")
                return
            size += len(piece)
            if piece:
                yield piece
            if frame.eof:
                break
            if not (data := raw.read(_PACKED_BYTES)):
                fault(TRUNCATED, f"the zstd data breaks off behind the first {size:,} bytes of content")
                return
        data = frame.unused_data
        if len(data) < 4:
            data += raw.read(_PACKED_BYTES)


def _is_compressed(path: Path) -> bool:
    with path.open("rb") as raw:
        return _unpacking(raw.read(4)) is not None
