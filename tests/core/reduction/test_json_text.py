"""`compress.json`: whitespace goes, nothing else does."""

from __future__ import annotations

import json
from time import process_time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thriftgate.core.models import Capabilities
from thriftgate.core.reduction.json_text import rewrite, without_nulls
from thriftgate.core.reduction.pieces import Kind, Piece
from thriftgate.core.reduction.recipe import Recipe

CAPABILITY = Capabilities(id="any", source="", checked="")
PRETTY = '{\n    "id": 7,\n    "tags": [\n        "a b",\n        null\n    ],\n    "price": 1.50\n}'
SMALL = '{"id":7,"tags":["a b",null],"price":1.50}'

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)


def done(text: str, kind: Kind = "document", recipe: Recipe | None = None, tool: str = "") -> str:
    """The text after the rewrite."""
    return rewrite((Piece(kind, text, tool),), recipe or Recipe(), CAPABILITY).get(0, text)


@pytest.mark.parametrize("kind", ["user", "tool_result", "document"])
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PRETTY, SMALL),
        (f"\n {PRETTY}\r\n", SMALL),
        (f"Result:\n{PRETTY}\n\nDone.", f"Result:\n{SMALL}\n\nDone."),
        (f"<output>\n{PRETTY}\n</output>", f"<output>\n{SMALL}\n</output>"),
        (f"Two:\n{PRETTY}\n{PRETTY}\n", f"Two:\n{SMALL}\n{SMALL}\n"),
        (f"See\n```json\n{PRETTY}\n```\nok", f"See\n```json\n{SMALL}\n```\nok"),
        ('{"a": 1, "b": [1, 2]}\n{"a": 2, "b": []}\n', '{"a":1,"b":[1,2]}\n{"a":2,"b":[]}'),
        ('Rows:\n{"a": 1, "b": 2}\nand\n[{"c": 3}, {"d": 4}]', 'Rows:\n{"a":1,"b":2}\nand\n[{"c":3},{"d":4}]'),
    ],
)
def test_json_is_found_and_minified(text: str, expected: str, kind: Kind) -> None:
    assert done(text, kind) == expected
    assert done(expected, kind) == expected


@pytest.mark.parametrize(
    "text",
    [
        "no JSON at all",
        SMALL,
        PRETTY.replace("1.50", "NaN"),
        PRETTY.replace('"a b",', "'a b',"),
        PRETTY + " // and a comment",
        f"```python\nx = {PRETTY}\n```",
        f"```python\n{PRETTY}\n```",
        "[INFO] started\n[INFO] done [ok]",
        "{\n" * 50,
        "[" * 100_000 + "]" * 100_000,
        "[\n" * 100_000,
        PRETTY.replace("a b", "\ud800"),
    ],
)
def test_what_is_not_json_stays(text: str) -> None:
    assert done(text) == text


def test_spelling_order_and_repeated_names_stay() -> None:
    text = '{ "b" : 1.0E+400 , "a" : -0.0, "b" : "\\u0041\\/  x" , "n" : 123456789012345678901234567890 }'
    assert done(text) == '{"b":1.0E+400,"a":-0.0,"b":"\\u0041\\/  x","n":123456789012345678901234567890}'


def test_a_system_prompt_only_within_fences() -> None:
    assert done(PRETTY, "system") == PRETTY
    assert done(f"Answer like\n```json\n{PRETTY}\n```", "system") == f"Answer like\n```json\n{SMALL}\n```"


def test_images_and_files_stay() -> None:
    assert done(PRETTY, "image") == PRETTY
    assert done(PRETTY, "tool_result", tool="Read") == PRETTY
    assert done(PRETTY, "tool_result", tool="get_weather") == SMALL


def test_a_message_that_asks_about_layout_is_left() -> None:
    assert done(f"Why is this not indented right?\n```json\n{PRETTY}\n```", "user").count("\n    ") > 1
    pieces = (Piece("document", PRETTY), Piece("user", "Pretty-print it with two spaces, please."))
    assert rewrite(pieces, Recipe(), CAPABILITY) == {}
    assert rewrite((pieces[0], Piece("user", "What does it cost?")), Recipe(), CAPABILITY) == {0: SMALL}
    within = json.dumps({"note": "pretty please", "more": [1, 2]}, indent=4)  # no words of the user's own
    assert done(within, "user") != within


@pytest.mark.parametrize(
    "asked",
    [
        "Reindent this with tabs.",
        "Format this JSON.",
        "Is this valid JSON?",
        "Is the JSON valid?",
        "Convert to YAML, please.",
        "Write a JSON schema for it.",
        "Which jq filter gives the ids?",
        "Sort the keys by name.",
        "On which line is the mistake?",
        "Return the JSON with the tags filled in.",
        "Give me back the corrected JSON.",
    ],
)
def test_who_asks_for_the_text_itself_gets_it(asked: str) -> None:
    assert rewrite((Piece("document", PRETTY), Piece("user", asked)), Recipe(), CAPABILITY) == {}
    assert done(f"{asked}\n```json\n{PRETTY}\n```", "user") == f"{asked}\n```json\n{PRETTY}\n```"


@pytest.mark.parametrize(
    "asked", ["What does it cost?", "Return your answer as JSON.", "Here is the JSON of it. Is it late?"]
)
def test_other_questions_do_not_hold_it_back(asked: str) -> None:
    assert rewrite((Piece("document", PRETTY), Piece("user", asked)), Recipe(), CAPABILITY) == {0: SMALL}


@settings(max_examples=150, deadline=None)
@given(values, st.sampled_from([None, 0, 1, 4, "\t"]), st.booleans())
def test_values_stay_to_the_byte(value: Any, indent: int | str | None, escaped: bool) -> None:
    text = json.dumps([value], indent=indent, ensure_ascii=escaped)
    fresh = done(text)
    assert fresh in (text, json.dumps([value], separators=(",", ":"), ensure_ascii=escaped))
    assert done(fresh) == fresh


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["{\n", '  "a": 1\n', "}\n", "[\n", "]", "}]", "```json\n", "```\n", "words\n", '{"a": 2}\n', "[{\n"]
        ),
        max_size=14,
    )
)
def test_any_mixture_is_survived_and_settles(parts: list[str]) -> None:
    text = "".join(parts)
    fresh = done(text, "user")
    assert done(fresh, "user") == fresh
    assert fresh.split() == fresh.split()
    assert "".join(fresh.split()) == "".join(text.split())


def _bare(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _bare(inner) for name, inner in value.items() if inner is not None}
    return [_bare(inner) for inner in value] if isinstance(value, list) else value


@settings(max_examples=200, deadline=None)
@given(values)
def test_nulls_are_dropped_from_objects_only(value: Any) -> None:
    small = json.dumps(value, separators=(",", ":")).encode()
    fresh = without_nulls(small)
    assert json.loads(fresh) == _bare(value)
    assert without_nulls(fresh) == fresh


@pytest.mark.parametrize(
    ("small", "expected"),
    [
        ('{"a":null,"b":1,"c":null,"d":null,"e":[null,"x"],"f":null}', '{"b":1,"e":[null,"x"]}'),
        ('{"a":null,"b":null}', "{}"),
        ('{"a":"\\":null,","b":null}', '{"a":"\\":null,"}'),
        ('[{"a":null},{"b":{"c":null}}]', '[{},{"b":{}}]'),
    ],
)
def test_nulls_by_hand(small: str, expected: str) -> None:
    assert without_nulls(small.encode()).decode() == expected
    assert done(json.dumps(json.loads(small), indent=2), recipe=Recipe(json_drop_nulls=True)) == expected


def test_long_texts_take_no_long_time() -> None:
    rows = [{"id": each, "name": f"name {each}", "note": None} for each in range(10_000)]
    pretty = json.dumps(rows, indent=2)
    began = process_time()
    for text in (
        pretty,
        f"See:\n{pretty}\n",
        f"```json\n{pretty}\n```",
        "{\n" * 200_000 + "}",
        '{"a": \n' * 100_000,
        "[1\n" * 200_000,
    ):
        done(text)
    done(pretty, recipe=Recipe(json_drop_nulls=True))
    assert process_time() - began < 4
