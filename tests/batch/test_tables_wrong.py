"""Tables and templates: everything that can be wrong with either, told where it stands."""

from __future__ import annotations

import gzip
import io
import os
import re
import tracemalloc
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.batch.desk import Desk
from thriftgate.batch.tables import write_jobs
from thriftgate.core.errors import InputError


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# --- what is wrong with a template -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("template", "words"),
    [
        (
            "Hi\n{{ txet }}\n{{ a }}",
            [r"ask\.j2, line 2: no column is called 'txet'", "did you mean 'text'", "--map txet=COLUMN"],
        ),
        ("{{ zzz }}", ["line 1: no column is called 'zzz'; map one", "Its columns are id, text$"]),
        ("Hi\n\n{% if %}", [r"ask\.j2, line 3: "]),
        ("a\n{{ text | shout }}", [r"line 2: No filter named 'shout'"]),
        ("a\n{{ text | random }}", [r"No filter named 'random'"]),
        ("{{ lipsum() }}", ["no column is called 'lipsum'"]),
        ("{{ text", ["line 1: unexpected end of template"]),
        ("\n {% fail %}", ["line 2: Encountered unknown tag 'fail'"]),
        (" \n", [r"ask\.j2 is empty"]),
        ("{% if id == '2' %} \n {% else %}{{ text }}{% endif %}", ["row 2: the template renders no text"]),
        (
            "a\nb {{ text.nothing.more }}",
            ["row 1: the template fails in its line 2: 'str object' has no attribute 'nothing'"],
        ),
        ("{{ text | tojson }}{{ text.nothing | tojson }}", ["row 1: the template fails in its line 1: 'str object' has no"]),
        ("a\n{{ 1 / (2 - id | int) }}", ["row 2: the template fails in its line 2: division by zero"]),
        ("{{ text + 1 }}", ["row 1: the template fails in its line 1: can only concatenate str"]),
        ("{{ text.__class__.__mro__ }}", ["row 1: the template fails in its line 1: access to attribute '__class__'"]),
        ("{% for i in range(10000000) %}x{% endfor %}", ["row 1: the template fails in its line 1: Range too big"]),
        ("{% include 'other' %}", ["row 1: the template fails in its line 1: no loader"]),
        ("{{ range | tojson }}", ["row 1: the template fails in its line 1: Encoding objects of type"]),
        ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", ["row 1: the template fails in its line 1: maximum recursion"]),
        (r'{{ "\ud800" }}', ["row 1: the template fails: 'utf-8' codec"]),
    ],
)
def test_a_wrong_template_is_told_with_its_line(desk: Desk, template: str, words: list[str]) -> None:
    message = desk.refused("id,text\n1,x\n2,y\n", template)
    assert [word for word in words if not re.search(word, message)] == []


def test_templates_can_branch_loop_and_format(desk: Desk) -> None:
    template = (
        "{% set words = text.split(',') -%}{# nothing #}"
        "{% for word in words if word %}{{ loop.index }}.{{ word | upper }} {% endfor -%}"
        "{{ words | tojson(indent=1) }}{{ namespace(x=1).x }}{{ dict(a=1) | tojson }}{{ range(2) | list }}\n\n"
    )
    expected = '1.A 2.<B> [\n "a",\n "<b>"\n]1{"a":1}[0, 1]\n'
    assert desk.texts('text\n"a,<b>"\n', template) == [expected]
    assert desk.texts("range,text\n7,x\n", "{{ range }}") == ["7"]  # a column goes before what Jinja knows


def test_the_same_table_makes_the_same_jobs(desk: Desk) -> None:
    source = desk.source("id,text\n1,a\n2,b\n")
    first, second = io.BytesIO(), io.BytesIO()
    assert write_jobs(source, first) == write_jobs(source, second) == 2
    assert first.getvalue() == second.getvalue()


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ({"model": ""}, "model: missing; give --model"),
        ({"max_tokens": None}, "max_tokens: missing; give --max-tokens"),
        ({"max_tokens": 0}, "max_tokens: must be 1 or more, not 0"),
        ({"system": " \n"}, "system.txt is empty"),
        ({"columns": {"id": "key"}}, "--map id=key: "),
        ({"columns": {"who": "txt"}}, "no column 'txt' (did you mean 'text'?). Its columns are text, other"),
        ({"columns": {"who": "Text"}}, "did you mean 'text'?"),
        ({"columns": {"a b": "text"}}, "'a b' is no name that a template can use"),
    ],
)
def test_what_a_call_needs_is_asked_for_first(desk: Desk, named: dict[str, Any], words: str) -> None:
    assert words in desk.refused("text,other\nx,y\n", **named)


def test_many_columns_are_not_all_listed(desk: Desk) -> None:
    message = desk.refused(",".join(f"c{n}" for n in range(30)) + "\n", "{{ z }}")
    assert message.endswith("c18, c19 and 10 more")


# --- what is wrong with a table ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("", "holds no rows: its first line must name the columns"),
        ("\n\n", "holds no rows"),
        ("id,text\n", "rows.csv holds no rows"),
        ("id,text,id\n1,x,y\n", "two columns are called 'id'"),
        ("id,text\n1,x\n2,y,z\n", "line 3: 3 cells where the header has 2"),
        ('id,text\n1,"x\ny"\n2\n', "line 4: 1 cells where the header has 2"),
        ('id,text\n1,"x\n\n', "line 2: unexpected end of data"),
        ('id,text\n1,"x"y\n', "line 2: ',' expected after '\"'"),
        ("id,text\n1,x\n,y\n", "row 2: the id is empty"),
        ("id,text\n1,x\n" + "a" * 600 + ",y\n", "row 2: id: must be a text of 1 to 512 characters"),
    ],
)
def test_a_wrong_csv_is_told_with_its_place(desk: Desk, table: str, words: str) -> None:
    assert words in desk.refused(table)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.csv", "id,text\n1,é\n".encode("latin-1"), "is not text in UTF-8"),
        ("a.csv", "id,text\n1,é\n".encode("utf-16"), "is not text in UTF-8"),
        ("a.csv.gz", b"id,text\n1,x\n", "cannot read"),
        ("a.csv.gz", gzip.compress(b"id,text\n" + os.urandom(4000).hex().encode())[:-400], "the gzip data is damaged"),
        ("a.parquet", b"id,text\n1,x\n", "cannot read"),
        ("a.parquet", b"", "too small to be a Parquet file"),
        ("a.xlsx", b"PK", "a table is a file whose name ends with .csv, .csv.gz, .tsv, .tsv.gz or .parquet"),
        ("a.json", b"[]", "a table is a file whose name ends with"),
    ],
)
def test_an_unreadable_table_is_told_in_one_line(desk: Desk, name: str, data: bytes, words: str) -> None:
    message = desk.refused(desk.file(name, data))
    assert words in message
    assert name in message


@pytest.mark.parametrize(
    ("select", "words"),
    [
        ("select 1 as id, 'x' as text limit 0", "rows.parquet holds no rows"),
        ("select 'x' as text, null::varchar as id", "row 1: the id is empty"),
        ("select 'x' as text, '' as id", "row 1: the id is empty"),
        ("select 'x' as text, 1.0::double as id", "row 1: the id must be text or an integer, not 1.0"),
        ("select 'x' as text, true as id", "row 1: the id must be text or an integer, not True"),
        ("select 'x' as text, [1] as id", "row 1: the id must be text or an integer, not [1]"),
    ],
)
def test_a_wrong_parquet_is_told(desk: Desk, select: str, words: str) -> None:
    assert words in desk.refused(desk.parquet(select))


def test_a_column_that_stands_twice_in_parquet_is_told(desk: Desk) -> None:
    path = desk.parquet("select 'x' as text, {'text': 1} as s, 'y' as more")
    path.write_bytes(path.read_bytes().replace(b"more", b"text"))  # the database itself would not write it
    assert "two columns are called 'text'" in desk.refused(path)


def test_files_that_are_not_there_are_told(desk: Desk) -> None:
    source = desk.source("text\nx\n")
    absent = desk.folder / "absent.csv"
    for one in (
        msgspec.structs.replace(source, path=absent),
        msgspec.structs.replace(source, template=absent),
        msgspec.structs.replace(source, system=absent),
    ):
        with pytest.raises(InputError, match=r"there is no file .*absent\.csv"):
            write_jobs(one, io.BytesIO())
    with pytest.raises(InputError, match="is a folder"):
        write_jobs(msgspec.structs.replace(source, path=desk.folder), io.BytesIO())
    desk.file("ask.j2", b"\xff")
    with pytest.raises(InputError, match=r"ask\.j2 is not text in UTF-8"):
        write_jobs(source, io.BytesIO())


def test_errors_of_the_output_are_not_taken_for_the_tables(desk: Desk) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_jobs(desk.source("text\nx\n"), Full())


def test_memory_stays_flat(desk: Desk) -> None:
    class Nowhere(io.RawIOBase):
        def write(self, data: Any) -> int:
            return len(data)

    path = desk.file("rows.csv", "text\n" + "".join(f"{n} {'x' * 200}\n" for n in range(20_000)))
    source = desk.source(path)
    tracemalloc.start()
    try:
        assert write_jobs(source, Nowhere()) == 20_000  # type: ignore[arg-type]  # only written to
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()
