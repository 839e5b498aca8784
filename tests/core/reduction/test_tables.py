"""`compress.tables`: the values come back exactly."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction import json_text
from thriftgate.core.reduction.adopt import tokens_of
from thriftgate.core.reduction.pieces import Kind, Piece
from thriftgate.core.reduction.recipe import Recipe, TableForm
from thriftgate.core.reduction.tables import restore, rewrite

CAPABILITY = Capabilities(id="any", source="", checked="")
ROWS: list[dict[str, Any]] = [
    {"id": each, "name": f"Name {each}", "price": each * 1.5, "open": each % 2 == 0, "note": None} for each in range(8)
]

texts = st.text() | st.sampled_from(
    [
        "",
        "007",
        "1",
        "-1.5e3",
        "null",
        "true",
        "False",
        "a,b",
        'say "hi"',
        "two\nlines",
        " padded ",
        "1,234",
        "+1",
        "{}",
        "[1]",
        "```",
    ]
)
cells = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts


def done(text: str, form: TableForm = "csv", kind: Kind = "document", tool: str = "") -> str:
    """The text after the rewrite."""
    return rewrite((Piece(kind, text, tool),), Recipe(table_form=form), CAPABILITY).get(0, text)


def test_an_array_becomes_csv() -> None:
    fresh = done(json.dumps(ROWS[:3]))
    assert fresh == (
        "```csv (JSON rows)\nid,name,price,open,note\n"
        "0,Name 0,0.0,true,null\n1,Name 1,1.5,false,null\n2,Name 2,3.0,true,null\n```"
    )
    assert json.loads(restore(fresh)) == ROWS[:3]


@pytest.mark.parametrize(
    "asked",
    ["Is the JSON complete?", "Which keys are there?", "Does it fit the schema?", "Write a jq filter.", "Reindent it."],
)
def test_who_speaks_of_the_json_gets_it(asked: str) -> None:
    rows = json.dumps(ROWS)
    assert rewrite((Piece("tool_result", rows, "fetch"), Piece("user", asked)), Recipe(), CAPABILITY) == {}
    assert done(f"Here you are:\n```json\n{rows}\n```\n{asked}", kind="user").count("```json") == 1
    assert "```csv" in done(f"Here you are:\n```json\n{rows}\n```\nWhich are open?", kind="user")


def test_what_cells_may_mean_is_told_where_needed() -> None:
    rows = [
        {"zip": "01234", "city": "Bonn, West", "old": 1},
        {"zip": "99", "city": 'x "y"', "old": 2},
        {"zip": "n/a", "city": ""},
    ]
    fresh = done(json.dumps(rows * 4))
    assert fresh.startswith("```csv (JSON rows; quoted = string; empty = absent)\nzip,city,old\n")
    assert '"01234","Bonn, West",1\n"99","x ""y""",2\nn/a,"",\n' in fresh
    assert json.loads(restore(fresh)) == rows * 4


def test_the_spelling_of_numbers_stays() -> None:
    text = "[" + ",".join('{"value":1.50E+3,"other":12345678901234567890123}' for _ in range(5)) + "]"
    assert restore(done(text)) == text


def test_a_member_of_an_object() -> None:
    value = {"total": 8, "items": ROWS, "next": None}
    fresh = done(json.dumps(value, indent=2))
    assert fresh.startswith('{"total":8,"next":null}\n```csv (JSON rows of "items")\n')
    assert json.loads(restore(fresh)) == value
    alone = {"items": ROWS}
    assert json.loads(restore(done(json.dumps(alone)))) == alone


def test_json_lines_fences_and_blocks() -> None:
    lines = "\n".join(json.dumps(row, separators=(",", ":")) for row in ROWS)
    assert restore(done(lines)) == lines
    fenced = done(f"Rows:\n```json\n{json.dumps(ROWS, indent=1)}\n```\nend", kind="system")
    assert fenced.startswith("Rows:\n```csv (JSON rows)\n")
    assert fenced.endswith("\n```\nend")
    block = done(f"Rows:\n{json.dumps(ROWS, indent=1)}\nend", kind="user")
    assert block == fenced
    assert json.loads(restore(block).removeprefix("Rows:\n").removesuffix("\nend")) == ROWS


@pytest.mark.parametrize(
    "value",
    [
        ROWS[:2],
        [{**row, "tags": ["a"]} for row in ROWS],
        [{**row, "inner": {"a": 1}} for row in ROWS],
        [{f"name {each}": each} for each in range(9)],
        [1, 2, 3],
        [{}, {}, {}],
        {"a": ROWS, "b": ROWS},
        {"a": ROWS, "b": {"c": [{"d": 1}]}},
        [{**row, "name": "x\n```\ny"} for row in ROWS],
        [*ROWS, 7],
    ],
)
def test_what_is_no_table_stays(value: Any) -> None:
    text = json.dumps(value)
    assert done(text, "best") == text


def test_repeated_names_stay() -> None:
    text = "[" + ",".join('{"a":1,"a":2,"long_name_of_a_column":3}' for _ in range(9)) + "]"
    assert done(text) == text
    text = '{"rows":1,"rows":' + json.dumps(ROWS, separators=(",", ":")) + "}"
    assert done(text) == text


def test_images_and_files_stay() -> None:
    text = json.dumps(ROWS)
    assert done(text, kind="image") == text
    assert done(text, kind="tool_result", tool="read_file") == text


@settings(max_examples=200, deadline=None)
@given(
    st.lists(texts, min_size=1, max_size=4, unique=True).flatmap(
        lambda names: st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(names, cells)), min_size=3, max_size=8)
    ),
    st.sampled_from(["csv", "toon", "best"]),
    st.sampled_from(["array", "member", "lines"]),
)
def test_every_table_comes_back(rows: list[dict[str, Any]], form: TableForm, where: str) -> None:
    value: Any = {"n": 1, "rows": rows} if where == "member" else rows
    text = "\n".join(map(json.dumps, rows)) if where == "lines" else json.dumps(value, ensure_ascii=False)
    fresh = done(text, form)
    if fresh != text:
        back = restore(fresh)
        assert ([json.loads(line) for line in back.split("\n")] if where == "lines" else json.loads(back)) == value
        assert tokens_of(fresh, "claude47") < tokens_of(text, "claude47")
    assert done(fresh, form) == fresh


def test_toon_is_taken_by_policy_and_comes_back() -> None:
    text = json.dumps({"total": 8, "items": ROWS})
    fresh = done(text, "toon")
    assert fresh.startswith("```toon (JSON)\ntotal: 8\nitems[8]{id,name,price,open,note}:\n")
    assert json.loads(restore(fresh)) == json.loads(text)


def test_the_best_is_the_shortest_and_shorter_than_minified_json() -> None:
    text = json.dumps(ROWS, indent=2)
    small = json_text.rewrite((Piece("document", text),), Recipe(), CAPABILITY)[0]
    forms = {form: tokens_of(done(text, form), "claude47") for form in ("best", "csv", "toon")}
    assert forms["best"] == min(forms.values()) < tokens_of(small, "claude47")


def test_a_block_that_is_not_ours_stays() -> None:
    text = "```csv\na,b\n1,2\n```\n```csv (JSON rows)\na,b\n1\n```"
    assert restore(text) == text


def test_long_tables_take_no_long_time() -> None:
    rows = ROWS * 2_000
    began = process_time()
    fresh = done(json.dumps(rows, indent=2), "best")
    assert json.loads(restore(fresh)) == rows
    assert process_time() - began < 4
