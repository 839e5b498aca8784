"""Tables and templates: the jobs they make."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.batch.desk import MODEL, Desk
from thriftgate.batch.job_line import read_job_line
from thriftgate.batch.jobs_file import lines_of
from thriftgate.core.request import parse_request


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


# --- what is written ---------------------------------------------------------------------------------------------------


def test_a_row_is_a_call_with_one_message(desk: Desk) -> None:
    desk.jobs("id,text\n007,It broke\n8,\n", "Sort this: {{ text }}!\n", system="Answer\nbriefly.\n")
    assert (desk.folder / "jobs.jsonl").read_bytes() == (
        b'{"id":"007","params":{"model":"claude-haiku-4-5","max_tokens":64,"system":"Answer\\nbriefly.",'
        b'"messages":[{"role":"user","content":"Sort this: It broke!"}]}}\n'
        b'{"id":"8","params":{"model":"claude-haiku-4-5","max_tokens":64,"system":"Answer\\nbriefly.",'
        b'"messages":[{"role":"user","content":"Sort this: !"}]}}\n'
    )
    for one in lines_of(desk.folder / "jobs.jsonl"):
        assert parse_request(read_job_line(one.line).params).max_tokens == 64


@pytest.mark.parametrize(
    ("table", "columns", "names"),
    [
        ("id,text\na,x\nb,y\n", {}, ["a", "b"]),
        ("id,text\na,x\nb,y\n", {"id": "text"}, ["x", "y"]),
        ("key,text\na b/é,x\n001,y\n", {"id": "key"}, ["a b/é", "001"]),
        ("ID,text\na,x\nb,y\n", {}, ["row-1", "row-2"]),
    ],
)
def test_names_of_jobs(desk: Desk, table: str, columns: dict[str, str], names: list[str]) -> None:
    assert [name for name, _ in desk.jobs(table, columns=columns)] == names


def test_variables_are_columns_by_name_and_by_map(desk: Desk) -> None:
    table = "id,Customer Name,text\n1,Ann,hi\n"
    template = "{{ id }} {{ who }} {{ body }} {{ text }}"
    assert desk.texts(table, template, {"who": "Customer Name", "body": "text"}) == ["1 Ann hi hi"]
    assert desk.texts(table, "{{ text }} {{ id }}", {"text": "id", "id": "Customer Name"}) == ["1 Ann"]  # swapped at once


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("name", "mark"), [("t.csv", ","), ("t.csv", ";"), ("t.csv", "|"), ("t.csv", "\t"), ("t.TSV", "\t")]
)
@pytest.mark.parametrize("packed", [False, True])
def test_delimited_tables_of_every_kind(desk: Desk, name: str, mark: str, end: str, packed: bool) -> None:
    rows = [["id", " text ", "n"], ["007", f'a "b"{mark}, c\r\n\nd', "1e5"], ["x", "", "NULL"], ["y", " é ", "true"]]
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=mark, lineterminator=end).writerows(rows)
    data = ("\ufeff" + out.getvalue() + end + end).encode()
    path = desk.file(name + ".gz" if packed else name, gzip.compress(data) if packed else data)
    assert desk.jobs(path, "{{ text }}|{{ n }}")[0][0] == "007"
    assert desk.texts(path, "{{ text }}|{{ n }}") == [f'a "b"{mark}, c\r\n\nd|1e5', "|NULL", " é |true"]


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=6))
def test_any_cell_comes_through(desk: Desk, rows: list[tuple[str, str]]) -> None:
    out = io.StringIO(newline="")
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("a", "b"), *rows])
    assert desk.texts(out.getvalue(), ">{{ a }}<{{ b }}") == [f">{a}<{b}" for a, b in rows]
    assert desk.texts(out.getvalue(), ">{{ [a, b] | tojson }}") == [">" + msgspec.json.encode(row).decode() for row in rows]


def test_one_column_and_no_last_line_break(desk: Desk) -> None:
    assert desk.texts("text\nfirst\n\nsecond") == ["Sort this ticket: first", "Sort this ticket: second"]


def test_parquet_keeps_types(desk: Desk) -> None:
    path = desk.parquet(
        "select 7 as id, 'x' t, 12345678901234567890::uint64 big, 0.1::double f, true b, null::int n,"
        " 1.50::decimal(9,2) dec, 0.000000001::decimal(18,9) tiny, date '2024-01-02' d, "
        " timestamp '2024-01-02 03:04:05.25' ts, [1, 2] l, timestamptz '2024-01-02 03:04:05+01' tz, "
        " [timestamptz '2024-01-02 03:04:05+01'] tzs, time '01:02:03' tm,"
        " {'day': date '2024-01-02', 'zone': timestamptz '2024-01-02 03:04:05+01', 'n': [null]} s,"
        " map {'k': 1.5::decimal(3,1)} m"
        " union all select 8, 'é', 1::uint64, 1e300, false, 2, 2, 2, null, null, null, null, null, null, null, null"
        " order by id"
    )
    names = ["t", "big", "f", "b", "n", "dec", "tiny", "d", "ts", "l", "tz", "tzs", "tm", "s", "m"]
    first, second = desk.texts(path, "{{ [" + ", ".join(names) + "] | tojson }}")
    assert msgspec.json.decode(first) == [
        *(
            "x",
            12345678901234567890,
            0.1,
            True,
            None,
            "1.50",
            "0.000000001",
            "2024-01-02",
            "2024-01-02T03:04:05.25",
            [1, 2],
        ),
        *("2024-01-02T02:04:05+00", ["2024-01-02 02:04:05+00"], "01:02:03"),
        {"day": "2024-01-02", "zone": "2024-01-02 02:04:05+00", "n": [None]},
        {"k": "1.5"},
    ]
    assert msgspec.json.decode(second) == ["é", 1, 1e300, False, 2, "2.00", "2.000000000", *[None] * 8]
    assert desk.texts(path, "-{{ n }}/{{ d }}/{{ b }}/{{ dec }}") == ["-/2024-01-02/True/1.50", "-2//False/2.00"]
    assert [name for name, _ in desk.jobs(path, "{{ t }}")] == ["7", "8"]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("'é/1'", "é/1"),
        ("date '2024-01-02'", "2024-01-02"),
        ("timestamp_ns '2024-01-02 03:04:05.123456789'", "2024-01-02T03:04:05.123456789"),
        ("1.5::decimal(2,1)", "1.5"),
        ("9::bigint", "9"),
    ],
)
def test_names_from_typed_columns(desk: Desk, kind: str, name: str) -> None:
    assert [one for one, _ in desk.jobs(desk.parquet(f"select {kind} as id, 'x' as text"))] == [name]


@pytest.mark.parametrize("name", ["a[b].parquet", "a*?.parquet", "it's.parquet", "day=1/x.PARQUET", "{a,b}.parquet"])
def test_a_name_is_a_name_and_no_pattern(desk: Desk, name: str) -> None:
    desk.parquet("select 'wrong' as text", "aZZ.parquet")
    assert desk.texts(desk.parquet("select 'right' as text", name)) == ["Sort this ticket: right"]
    assert "no column is called 'day'" in desk.refused(desk.folder / name, "{{ day }}")


def test_columns_that_differ_in_case_are_apart(desk: Desk) -> None:
    path = desk.parquet("select 1 as a, {'a': 2, 'b': [{'c': 3}]} as s, map {'k': 5} as m, 4 as Z")
    path.write_bytes(path.read_bytes().replace(b"\x18\x01Z", b"\x18\x01A"))  # the database itself would not write it
    assert desk.texts(path, "{{ a }} {{ A }} {{ s.b[0].c }} {{ m.k }}") == ["1 4 3 5"]


def test_only_what_is_used_must_be_readable(desk: Desk) -> None:
    path = desk.parquet("select 'x' as text, 'ab'::blob as raw")
    assert desk.texts(path) == ["Sort this ticket: x"]
    message = desk.refused(path, "{{ raw }}")
    assert "row 1: a value of type bytes cannot be written into a prompt" in message


# --- JSON templates ----------------------------------------------------------------------------------------------------

WHOLE = """
{
  "max_tokens": {{ n }},
  "temperature": 1.0e-1,
  "messages": [
    {"role": "user", "content": [{"type": "text", "text": {{ text | tojson }}}]}
  ]
}
"""


@pytest.mark.parametrize("name", ["call.json.j2", "call.json.jinja", "call.JSON.jinja2"])
def test_a_json_template_is_the_whole_call(desk: Desk, name: str) -> None:
    desk.jobs('text,n\n"a ""b""\n<é>",5\n', WHOLE, template_name=name, system="Be brief.")
    assert (desk.folder / "jobs.jsonl").read_text(encoding="utf-8") == (
        '{"id":"row-1","params":{"max_tokens":5,"temperature":1.0e-1,'
        '"messages":[{"role":"user","content":[{"type":"text","text":"a \\"b\\"\\n<é>"}]}],'
        '"model":"claude-haiku-4-5","system":"Be brief."}}\n'
    )


def test_a_json_template_may_give_all_itself(desk: Desk) -> None:
    template = '{"model": "m", "max_tokens": 1, "system": "s", "messages": []}'
    ((_, params),) = desk.jobs("a\nx\n", template, template_name="a.json.j2", model="", max_tokens=None, system="not this")
    assert params == {"model": "m", "max_tokens": 1, "system": "s", "messages": []}


def test_an_empty_object_is_filled(desk: Desk) -> None:
    assert "model: missing" in desk.refused("a\nx\n", "{}", template_name="a.json.j2", model="", max_tokens=None)
    ((_, params),) = desk.jobs("a\nx\n", " { } ", template_name="a.json.j2")
    assert params == {"model": MODEL, "max_tokens": 64}


@pytest.mark.parametrize(
    ("template", "words"),
    [
        ('{"messages": "{{ a }}"}', ["row 1: the template renders no valid JSON", "near", "tojson"]),
        ('{"messages": [{{ a | tojson }}, ]}', ["row 1: the template renders no valid JSON"]),
        ('{"messages": [', ["row 1", "truncated"]),
        ("[1]", ["row 1: the template must render a JSON object"]),
        ('{"model": "a", "model": "b"}', ["row 1: the template renders a member of the call twice"]),
        ('{"a": ' + "[" * 100_000 + "]" * 100_000 + "}", ["row 1: the template renders JSON that is nested too deeply"]),
        ("{% if false %}x{% endif %}", ["row 1: the template renders no valid JSON"]),
    ],
)
def test_what_is_no_call_is_told_with_its_row(desk: Desk, template: str, words: list[str]) -> None:
    message = desk.refused('a\n"line\nbreak"\n', template, template_name="a.json.j2")
    assert [word for word in words if word not in message] == []
