"""Rows of files that people have written, and what can be wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.core.errors import InputError
from thriftgate.quality.rows import check_known, check_unique, read_rows


def test_jsonl(tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"a": 1}\r\n\n{"b": "x"}')
    rows = read_rows(path, "items")
    assert [(row.number, row.values) for row in rows.rows] == [(1, {"a": 1}), (3, {"b": "x"})]
    assert rows.columns == ()


def test_a_table(tmp_path: Path) -> None:
    path = tmp_path / "set.CSV"
    path.write_text('id, prompt ,note\n1,"two\nlines, yes",\n\n2,b,c\n', encoding="utf-8")
    rows = read_rows(path, "items")
    assert rows.columns == ("id", "prompt", "note")
    assert [(row.number, row.values) for row in rows.rows] == [
        (2, {"id": "1", "prompt": "two\nlines, yes"}),
        (5, {"id": "2", "prompt": "b", "note": "c"}),
    ]


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("set.jsonl", b"", "holds no items"),
        ("set.jsonl", b'{"a": 1}\n{"a": ', "line 2: not JSON"),
        ("set.jsonl", b'{"a": 1}\n[1]', "line 2: must be a JSON object"),
        ("set.jsonl", b"\xff\xfe\x00", "not text in UTF-8"),
        ("set.csv", b"a,b\n", "holds no items"),
        ("set.csv", b"a,b\n1,2,3\n", "line 2: 3 cells, but the head names 2 columns"),
        ("set.csv", b"a,a\n1,2\n", "'a' is named twice"),
        ("set.csv", b"a,\n1,2\n", "a column has no name"),
        ("set.csv", b'a,b\n1,"2\n', "line 2: not readable as a table"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, name: str, data: bytes, words: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(InputError) as told:
        read_rows(path, "items")
    assert words in str(told.value)


def test_no_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        read_rows(tmp_path / "nowhere.jsonl", "items")
    with pytest.raises(InputError, match="is a folder"):
        read_rows(tmp_path, "items")


def test_members_that_are_not_known() -> None:
    check_known(["expected"], ["expected"])
    with pytest.raises(InputError, match="unknown member 'expcted'; did you mean 'expected'"):
        check_known(["expcted"], ["expected"])


def test_ids_that_stand_twice() -> None:
    check_unique({"a": 1}, "b", 2)
    with pytest.raises(InputError, match="'a' stands in line 1 already, and in line 2"):
        check_unique({"a": 1}, "a", 2)
