"""Rows of an export as JSON objects, however the platform wrote them: JSON of any layout, pages of an API, CSV, Parquet.

A row of CSV becomes an object of strings, so that one lenient decoder (`decoder`) reads all of them. Objects that stand as
text inside a string (a cell of CSV, a column of a database) are taken out by `embedded`.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec
from msgspec import Raw, Struct

from thriftgate.audit.layout import VALUE_BYTES_MAX, Piece
from thriftgate.audit.moments import micros
from thriftgate.audit.records import MALFORMED, Issue, Record
from thriftgate.audit.sources import PARQUET, Head, Source
from thriftgate.core.errors import InputError

_FOOTER_BYTES_MAX = 64 * 2**20
_BATCH = 1000

Row = TypeVar("Row", bound=Struct)

_encode = msgspec.json.Encoder().encode
_page = msgspec.json.Decoder(dict[str, Raw])
_elements = msgspec.json.Decoder(list[Raw])
_text = msgspec.json.Decoder(str)


def decoder(row: type[Row]) -> msgspec.json.Decoder[Row]:
    """Reads numbers also where they stand as text, as cells of CSV do."""
    return msgspec.json.Decoder(row, strict=False)


def imported(
    source: Source,
    pieces: Iterator[Piece],
    decode: Callable[[bytes], Row],
    told: Callable[[Row, Source, int], Record | Issue],
) -> Iterator[Record | Issue]:
    """What `told` makes of each row; an Issue for what is none. `told` may raise InputError for a count or a moment that can
    be none."""
    for position, data, whole in pieces:
        if not whole:
            yield Issue(MALFORMED, source.where(position), "cut off or broken")
            continue
        try:
            yield told(decode(data), source, position)
        except (msgspec.MsgspecError, InputError) as error:
            yield Issue(MALFORMED, source.where(position), str(error))
        except (ValueError, RecursionError):
            yield Issue(MALFORMED, source.where(position), "no text in UTF-8, or nested too deep")


def rows(source: Source, row: type[Row], *, page: str, mark: str) -> Iterator[Piece]:
    """The rows. `page` is the key that holds them where an answer of the platform's API was stored as it came, `mark` a key
    of each row itself. Of Parquet only the fields of `row` are read."""
    head = source.head
    if head.data.startswith(PARQUET):
        return _parquet_rows(source, row.__struct_encode_fields__)
    if head.columns:
        return _csv_rows(source)
    if page in head.keys and mark not in head.keys:
        return _paged(source, page)
    return source.values()


def row_keys(head: Head, page: str) -> frozenset[str]:
    """The keys of the first row, or the columns: of CSV, and of JSON in pages or not."""
    return frozenset(head.columns) or (head.inner_keys if page in head.keys else head.keys)


def parquet_has(head: Head, *names: str) -> bool:
    """Whether a Parquet file has these columns. They stand in clear at its end."""
    if not head.data.startswith(PARQUET):
        return False
    footer = _footer(head)
    return all(name.encode() in footer for name in names)


def unquoted(value: Raw) -> bytes:
    """What a field holds as JSON, or, of a text, what that holds; empty for null."""
    data = bytes(value)
    if data[:1] == b'"':
        return _text.decode(data).strip().encode()
    return b"" if data == b"null" else data


def embedded(value: Raw) -> bytes:
    """The JSON object that a field holds, or holds as text; empty where it holds anything else."""
    data = unquoted(value)
    return data if data[:1] == b"{" else b""


def inside(value: Raw, decode: Callable[[bytes], Row], empty: Row) -> Row:
    """The object that a field holds, or holds as text, decoded; `empty` where it holds none."""
    data = embedded(value)
    return decode(data) if data else empty


def moment(value: str | float | None) -> int:
    """Microseconds since 1970; 0 where the source does not tell. Raises InputError for what is no moment."""
    return 0 if value is None else micros(value)


def _footer(head: Head) -> bytes:
    """The end of the file, where its schema is. Its length stands before the last four bytes."""
    tail = b""
    if head.path:
        try:
            with open(head.path, "rb") as raw:  # noqa: PTH123  only a name here, maybe of no file any more
                raw.seek(0, io.SEEK_END)
                size = raw.tell()
                raw.seek(max(0, size - 8))
                end = raw.read(8)
                if end.endswith(PARQUET):
                    raw.seek(max(0, size - 8 - min(int.from_bytes(end[:4], "little"), _FOOTER_BYTES_MAX)))
                    tail = raw.read()
        except OSError:
            return b""
    return tail or head.data


def _paged(source: Source, page: str) -> Iterator[Piece]:
    number = 0
    for piece in source.values():
        try:
            inside = _elements.decode(_page.decode(piece.data)[page]) if piece.whole else None
        except (msgspec.MsgspecError, ValueError, KeyError, RecursionError):
            inside = None
        if inside is None:
            number += 1
            yield Piece(number, b"", whole=False)
            continue
        for one in inside:
            number += 1
            yield Piece(number, bytes(one))


def _csv_rows(source: Source) -> Iterator[Piece]:
    """Each row as an object of its cells that are not empty, with the line it begins on. One of another width is broken."""
    csv.field_size_limit(min(VALUE_BYTES_MAX, 2**31 - 1))
    with source.open() as stream:
        reader = csv.reader(io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline=""))
        names = [name.strip() for name in next(reader, [])]
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield Piece(line, b"", whole=False)
                continue
            if not cells:
                continue
            if len(cells) != len(names):
                yield Piece(line, b"", whole=False)
                continue
            yield Piece(line, _encode({name: cell for name, cell in zip(names, cells, strict=True) if cell}))


def _parquet_rows(source: Source, wanted: tuple[str, ...]) -> Iterator[Piece]:
    import duckdb  # noqa: PLC0415  slow to load, and needed for this alone

    number = 0
    with source.local() as path, duckdb.connect(config={"autoinstall_known_extensions": False, "threads": 1}) as database:
        try:
            there = {row[0] for row in database.execute("describe select * from read_parquet(?)", [str(path)]).fetchall()}
            chosen = ", ".join(f'"{name}"' for name in wanted if name in there)
            if not chosen:
                return
            query = f"select to_json(one)::varchar from (select {chosen} from read_parquet(?)) one"
            database.execute(query, [str(path)])
            while batch := database.fetchmany(_BATCH):
                for (text,) in batch:
                    number += 1
                    yield Piece(number, text.encode())
        except duckdb.Error:
            yield Piece(number + 1, b"", whole=False)
