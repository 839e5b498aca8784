"""A file of jobs, one a line (JSONL): read in order with flat memory, and again by place.

Each line comes with its place, so that a job which has to be sent again is read from the file once more: nothing needs to
hold a million of them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from thriftgate.core.errors import InputError

LINE_BYTES_MAX = 32 * 1024 * 1024

_BUFFER_BYTES = 2**18
_BOM = b"\xef\xbb\xbf"
# How a file begins that is no text in UTF-8 -> what it is, and what to do.
_NO_JOBS = {
    b"\x1f\x8b": "is compressed (gzip): decompress it first (gunzip), jobs are read again by their place in it",
    b"\x28\xb5\x2f\xfd": "is compressed (zstd): decompress it first (unzstd), jobs are read again by their place in it",
    b"\xfd7zXZ": "is compressed (xz): decompress it first (unxz), jobs are read again by their place in it",
    b"BZh": "is compressed (bzip2): decompress it first (bunzip2), jobs are read again by their place in it",
    b"PK\x03\x04": "is compressed (zip): unzip it first, jobs are read again by their place in it",
    b"PAR1": "is a Parquet table: give a template that makes calls of its rows",
    b"\xff\xfe": "is text in UTF-16: save it as UTF-8",
    b"\xfe\xff": "is text in UTF-16: save it as UTF-8",
}


class Located(Struct, frozen=True, gc=False):
    """A line and its place. `number` counts from 1, blank lines included; `offset` and `length` are bytes, without what ends
    the line."""

    number: int
    offset: int
    length: int
    line: bytes


def lines_of(path: Path) -> Iterator[Located]:
    """The lines that are not blank, read as they are asked for. Raises InputError, at the first line asked for, where the
    file cannot be read, and where it holds no jobs or a line above LINE_BYTES_MAX."""
    require_file(path)
    try:
        with path.open("rb", buffering=_BUFFER_BYTES) as file:
            yield from _lines(file, path, _start(file, path))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def read_at(file: BinaryIO, offset: int, length: int) -> bytes:
    """The line that `lines_of` found there. Raises InputError where the file has become shorter since."""
    file.seek(offset)
    line = file.read(length)
    if len(line) != length:
        raise InputError(f"the jobs file has changed: it ends before byte {offset + length}, where a line of it ended")
    return line


def fingerprint(path: Path) -> str:
    """Names the content of a file, as 64 hex digits: it differs wherever the size or any byte does. Reads all of it, a
    gigabyte in about a second. Raises InputError where it cannot be read."""
    require_file(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            return hashlib.file_digest(file, lambda: hashlib.sha256(b"%d\n" % size)).hexdigest()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def require_file(path: Path) -> None:
    """Raises InputError for what is no plain file, before opening it could block."""
    try:
        if path.is_dir():
            raise InputError(f"{path} is a folder: name a file in it")
        if not path.exists():
            raise InputError(f"there is no file {path}")
        if not path.is_file():
            raise InputError(f"{path} is no plain file: write what it gives into one first, it is read more than once")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None


def _start(file: BinaryIO, path: Path) -> int:
    """Where the first line begins: behind the byte order mark, if there is one."""
    head = file.read(8)
    for magic, what in _NO_JOBS.items():
        if head.startswith(magic):
            raise InputError(f"{path} {what}")
    start = len(_BOM) if head.startswith(_BOM) else 0
    file.seek(start)
    return start


def _lines(file: BinaryIO, path: Path, offset: int) -> Iterator[Located]:
    number, found = 0, False
    while raw := file.readline(LINE_BYTES_MAX + len(b"\r\n") + 1):
        number += 1
        start, offset = offset, offset + len(raw)
        if raw.isspace():
            continue
        found = True
        line = raw[:-1] if raw.endswith(b"\n") else raw
        if line.endswith(b"\r"):
            line = line[:-1]
        if len(line) > LINE_BYTES_MAX:
            raise InputError(
                f"{path}, line {number}: longer than {LINE_BYTES_MAX:,} bytes, more than the API takes in one call;"
                " one job stands on each line"
            )
        yield Located(number, start, len(line), line)
    if not found:
        raise InputError(f"{path} holds no jobs: write one a line")
