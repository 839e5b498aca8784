"""Rows come out the same from JSON, pages, CSV and Parquet, and what is broken is named and passed over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from msgspec import Raw, Struct

from thriftgate.audit.importers.rows import decoder, embedded, imported, inside, moment, parquet_has, row_keys, rows
from thriftgate.audit.records import MALFORMED, Issue, Record
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError


class Row(Struct):
    id: str | None = None
    count: int | None = None
    inner: Raw = Raw(b"")


DECODE = decoder(Row).decode
ONE, TWO = '{"id":"a","count":1,"inner":{"x":"y"}}', '{"id":"b","count":2}'


def told(row: Row, source: Source, position: int) -> Record | Issue:
    if row.count == 13:
        raise InputError("thirteen is no count")
    return Record(source=source.name, position=position, at_us=0, model=row.id or "", input=row.count or 0)


def read(path: Path) -> Iterator[Record | Issue]:
    source = Source(path, "f")
    return imported(source, rows(source, Row, page="data", mark="id"), DECODE, told)


def counts(path: Path) -> list[tuple[str, int] | str]:
    return [(one.model, one.input) if isinstance(one, Record) else one.reason for one in read(path)]


@pytest.mark.parametrize(
    "text",
    [
        f"{ONE}\n{TWO}\n",
        f"[{ONE},\r\n {TWO}]",
        f'{{"meta":{{"page":1}},"data":[{ONE},{TWO}]}}',
        f'{{"data":[{ONE}]}}\n{{"data":[{TWO}]}}',
        'id,count,inner,more\r\na,1,"{""x"": ""y""}",\r\nb,2,,z\r\n',
        '\ufeff"id","count"\n"a","1"\n\n"b","2"\n',
    ],
)
def test_every_layout_gives_the_same_rows(tmp_path: Path, text: str) -> None:
    path = tmp_path / "f"
    path.write_bytes(text.encode())
    assert counts(path) == [("a", 1), ("b", 2)]


def test_parquet_gives_the_same_rows_and_reads_only_known_columns(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    with duckdb.connect() as database:
        database.execute("create table t as select 'a' as id, 1 as count, {'x': 'y', 'count': 9} as inner, 7 as more")
        database.execute(f"insert into t values ('b', 2, null, 8); copy t to '{path}' (format parquet)")
    assert counts(path) == [("a", 1), ("b", 2)]
    head = Source(path).head
    assert parquet_has(head, "id", "more")
    assert not parquet_has(head, "id", "run_type")


def test_parquet_without_one_known_column_or_cut_off_raises_nothing(tmp_path: Path) -> None:
    path = tmp_path / "f.parquet"
    with duckdb.connect() as database:
        database.execute(f"copy (select 1 as other) to '{path}' (format parquet)")
    assert counts(path) == []
    path.write_bytes(path.read_bytes()[:-20])
    assert counts(path) == [MALFORMED]
    assert not parquet_has(Head("gone", b"PAR1", str(tmp_path / "none")), "id")


def test_what_is_broken_is_named_with_its_place_and_reading_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(
        f'{ONE}\n{{"id":"c"\n{{"count":13}}\n{{"count":"x"}}\n{{"id":"\\ud800\xff"}}\n7\n{TWO}\n'.encode("latin-1")
    )
    found = list(read(path))
    assert [type(one) for one in found] == [Record, *[Issue] * 5, Record]
    issues = [one for one in found if isinstance(one, Issue)]
    assert [issue.where for issue in issues] == ["f:2", "f:3", "f:4", "f:5", "f:6"]
    assert issues[1].detail == "thirteen is no count"


def test_a_page_that_is_none_and_a_row_of_another_width_are_broken(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text(f'{{"data":[{ONE}]}}\n{{"data":7}}\n{{"error":"x"}}\n{{"data":[{TWO}]}}\n')
    assert counts(path) == [("a", 1), MALFORMED, MALFORMED, ("b", 2)]
    path.write_text("id,count\na,1\nc\nb,2\nd,3,4\n")
    assert counts(path) == [("a", 1), MALFORMED, ("b", 2), MALFORMED]


def test_a_cell_over_the_limit_of_the_csv_module_and_one_of_many_lines_are_read(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text('id,count,inner\na,1,"{""x"":""' + "y" * 200_000 + '\n""}"\nb,2,\n')
    assert counts(path) == [("a", 1), ("b", 2)]
    assert [one.position for one in read(path) if isinstance(one, Record)] == [2, 4]


def test_keys_of_rows_whatever_holds_them() -> None:
    assert row_keys(Head("f", b'{"id":1,"inner":{"x":2}}'), "data") == {"id", "inner"}
    assert row_keys(Head("f", b'{"data":[{"id":1}],"meta":{"page":1}}'), "data") == {"id", "page"}
    assert row_keys(Head("f", b'id,"count"\n1,2\n'), "data") == {"id", "count"}


@pytest.mark.parametrize(
    ("raw", "data"),
    [(b'{"a":1}', b'{"a":1}'), (b'" {\\"a\\":1}"', b'{"a":1}'), (b"null", b""), (b'"text"', b""), (b"[1]", b""), (b"", b"")],
)
def test_objects_are_taken_out_of_text(raw: bytes, data: bytes) -> None:
    assert embedded(Raw(raw)) == data
    assert inside(Raw(raw), DECODE, Row("none")).id == (None if data else "none")


def test_a_moment_may_be_untold_and_must_be_one() -> None:
    assert moment(None) == 0
    assert moment("1970-01-01 00:00:01") == 1_000_000
    with pytest.raises(InputError):
        moment("yesterday")
