"""Splicing against Python's own JSON parser, an independent reading: an edit changes what it names and not one byte more."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.errors import InputError
from thriftgate.core.splice import Edit, Known, apply, array_items, object_members, without_member

# --- JSON as people really write it: white space anywhere, odd numbers, escapes, nesting --------------------------------

SPACE = st.text(" \t\n\r", max_size=2)
NUMBERS = st.sampled_from(("0", "-0", "1.0e2", "1E+2", "0.1", "10000000000000000000000", "-1.5e-7", "3.14"))
CHARACTERS = st.one_of(
    st.characters(blacklist_categories=["Cs"], blacklist_characters='"\\', min_codepoint=32),
    st.sampled_from((r"\n", r"\"", r"\\", r"\/", r"\u00e9", r"\ud83d\ude00", r"\b", "{", "}", "[", "]", ",", ":")),
)
STRINGS = st.lists(CHARACTERS, max_size=6).map(lambda pieces: '"' + "".join(pieces) + '"')
LITERALS = st.sampled_from(("true", "false", "null"))
KEYS = st.sampled_from(("a", "b", "c", "é", "cache_control", "a b", 'q"', "", "\\", "messages"))


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    names = [json.dumps(key, ensure_ascii=draw(st.booleans())) for key in draw(st.lists(KEYS, unique=True, max_size=5))]
    members = [f"{draw(SPACE)}{name}{draw(SPACE)}:{draw(SPACE)}{draw(values)}{draw(SPACE)}" for name in names]
    return "{" + (",".join(members) or draw(SPACE)) + "}"


@st.composite
def arrays(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    items = [f"{draw(SPACE)}{draw(values)}{draw(SPACE)}" for _ in range(draw(st.integers(0, 3)))]
    return "[" + (",".join(items) or draw(SPACE)) + "]"


VALUES = st.recursive(NUMBERS | STRINGS | LITERALS, lambda inner: objects(inner) | arrays(inner), max_leaves=12)
DOCUMENTS = st.builds(lambda before, text, after: (before + text + after).encode(), SPACE, objects(VALUES), SPACE)
NEW = st.sampled_from((b"1.50", b'"new \\u00e9"', b'{"x":[1, 2]}', b"[ ]", b"null"))


def spelled(text: bytes) -> Any:
    """The document with every number and string as it is spelled: objects as lists of (key, value), in order."""
    scanner = json.JSONDecoder(
        object_pairs_hook=lambda pairs: ("object", pairs), parse_float=lambda raw: ("number", raw), parse_int=lambda raw: raw
    )
    return scanner.decode(text.decode().strip())


def members_of(text: bytes) -> dict[str, bytes]:
    """Raw top-level members, found without the code under test."""
    return {key: bytes(raw) for key, raw in msgspec.json.decode(text, type=dict[str, msgspec.Raw]).items()}


# --- laws ---------------------------------------------------------------------------------------------------------------


@given(DOCUMENTS)
def test_no_edits_give_the_very_same_object(document: bytes) -> None:
    assert apply(document, []) is document


@given(DOCUMENTS, st.dictionaries(KEYS, st.none() | NEW, max_size=4))
def test_untouched_members_keep_their_bytes(document: bytes, changes: dict[str, bytes | None]) -> None:
    edited = apply(document, [Edit((key,), value) for key, value in changes.items()])
    before, after = members_of(document), members_of(edited)
    expected = {key: raw for key, raw in before.items() if key not in changes}
    expected |= {key: value for key, value in changes.items() if value is not None}
    assert after == expected
    kept = [key for key in before if changes.get(key, b"") is not None]
    added = [key for key, value in changes.items() if value is not None and key not in before]
    assert list(after) == kept + added
    assert [key for key, _ in spelled(edited)[1]] == kept + added  # and no key twice, which a dict would hide


@given(DOCUMENTS, st.data())
def test_what_stands_around_an_edit_does_not_move(document: bytes, data: st.DataObject) -> None:
    """Replacing a value leaves everything before and after it, white space included."""
    before = members_of(document)
    if not before:
        return
    key = data.draw(st.sampled_from(sorted(before)))
    new = data.draw(NEW)
    start, end = object_members(document, document.index(b"{"), len(document.rstrip()))[key][1:]
    assert document[start:end] == before[key]
    assert apply(document, [Edit((key,), new)]) == document[:start] + new + document[end:]


@given(objects(VALUES), objects(VALUES), NEW)
def test_nested_edits_touch_one_member(inner: str, other: str, new: bytes) -> None:
    document = f'{{"messages": [ {other} , {inner}], "z":{other} }}'.encode()
    edited = apply(document, [Edit(("messages", 1, "added"), new)])
    was, now = members_of(document), members_of(edited)
    assert now["z"] == was["z"]
    first, second = msgspec.json.decode(now["messages"], type=list[msgspec.Raw])
    assert bytes(first) == other.encode()
    assert members_of(bytes(second)) == members_of(inner.encode()) | {"added": new}


@given(objects(VALUES))
def test_adding_and_taking_out_again_gives_the_bytes_back(text: str) -> None:
    document = text.encode()
    if "new" not in members_of(document):
        assert without_member(apply(document, [Edit(("new",), b"1")]), "new") == document


@given(DOCUMENTS, st.dictionaries(KEYS, NEW, max_size=3))
def test_what_is_known_already_changes_nothing(document: bytes, changes: dict[str, bytes]) -> None:
    edits = [Edit((key,), value) for key, value in changes.items()]
    start, end = document.index(b"{"), len(document.rstrip())
    known = Known(object_members(document, start, end), {})
    assert apply(document, edits, known) == apply(document, edits)


@given(arrays(VALUES))
def test_items_of_an_array(text: str) -> None:
    data = text.encode()
    spans = array_items(data, 0, len(data))
    assert [data[start:end] for start, end in spans] == [
        bytes(raw) for raw in msgspec.json.decode(data, type=list[msgspec.Raw])
    ]


# --- examples -----------------------------------------------------------------------------------------------------------

EXAMPLES: list[tuple[str, list[tuple[tuple[str | int, ...], bytes | None]], str]] = [
    ('{ "a": 1.0e2, "b": {"c": 1} }', [(("b", "d"), b"true")], '{ "a": 1.0e2, "b": {"c": 1,"d":true} }'),
    ("{}", [(("a",), b"1")], '{"a":1}'),
    ("{ }", [(("a",), b"1"), (("b",), b"2")], '{ "a":1,"b":2}'),
    ('{"a":1, "b":2, "c":3}', [(("a",), None)], '{"b":2, "c":3}'),
    ('{"a":1, "b":2, "c":3}', [(("b",), None)], '{"a":1, "c":3}'),
    ('{"a":1, "b":2, "c":3}', [(("c",), None)], '{"a":1, "b":2}'),
    ('{"a":1, "b":2, "c":3}', [(("a",), None), (("b",), None)], '{"c":3}'),
    ('{"a":1, "b":2, "c":3}', [(("b",), None), (("c",), None), (("d",), b"4")], '{"a":1,"d":4}'),
    ('{ "a":1 }', [(("a",), None), (("b",), b"2")], '{  "b":2}'),
    ('{"a":1}', [(("missing",), None)], '{"a":1}'),
    ('{"a":[1, 2,3]}', [(("a", 1), b'"x"')], '{"a":[1, "x",3]}'),
    ('{"a":[{"t":"x"}]}', [(("a", 0, "m"), b"{}"), (("b",), b"1")], '{"a":[{"t":"x","m":{}}],"b":1}'),
]


@pytest.mark.parametrize(("document", "edits", "expected"), EXAMPLES)
def test_examples(document: str, edits: list[tuple[tuple[str | int, ...], bytes | None]], expected: str) -> None:
    assert apply(document.encode(), [Edit(*edit) for edit in edits]).decode() == expected


AMBIGUOUS = (
    b'{"a":1,"a":2}',
    b'{"a":1,"b":2,"a":3}',
    b'{"b":2,"a":1,"a":1}',
    b'{"a":1,"\\u0061":2}',
    b'{"a":1,"a":"..}....."}',  # the end of the object seems to stand inside the folded member
    b'{"a":1,"b":12,"a":{"j":0,"b"           :1}}',  # every length adds up, the values do not
    b'{"a":1,"bbbbbb":12,"a":{"j":0,"bbbbbb"     :1}}',
)


@pytest.mark.parametrize("document", AMBIGUOUS)
def test_a_key_that_stands_twice_is_refused(document: bytes) -> None:
    with pytest.raises(InputError, match="stands twice"):
        apply(document, [Edit(("z",), b"1")])
    with pytest.raises(InputError, match="stands twice"):
        apply(b'{"x": ' + document + b"}", [Edit(("x", "z"), b"1")])


@pytest.mark.parametrize("digits", [1, 2, 3])
@pytest.mark.parametrize("blanks", range(12))
def test_no_spacing_hides_a_key_that_stands_twice(blanks: int, digits: int) -> None:
    """Six blanks and two digits make all lengths add up as if the object had two members."""
    document = b'{"a":1,"b":' + b"7" * digits + b',"a":{"j":0,"b"' + b" " * blanks + b":1}}"
    with pytest.raises(InputError):
        apply(document, [Edit(("b",), b"2")])


UNEDITABLE: list[tuple[bytes, tuple[str | int, ...]]] = [
    (b'{"a":1}', ("b", "c")),
    (b'{"a":1}', ("a", "c")),
    (b'{"a":[1]}', ("a", 3, "c")),
    (b'{"a":[1]}', ("a", "c")),
    (b'{"a":{}}', ("a", 0, "c")),
    (b"[1]", ("a",)),
    (b'{"a":{"\xff":1}}', ("a", "c")),
]


@pytest.mark.parametrize(("document", "path"), UNEDITABLE)
def test_a_path_that_leads_nowhere(document: bytes, path: tuple[str | int, ...]) -> None:
    with pytest.raises(InputError):
        apply(document, [Edit(path, b"1")])


def test_a_document_nested_beyond_reason() -> None:
    with pytest.raises(InputError):
        apply(b'{"a":' * 200_000 + b"1" + b"}" * 200_000, [Edit(("b",), b"1")])


CONTRADICTIONS: list[list[Edit]] = [
    [Edit(("a",), b"1"), Edit(("a",), b"2")],
    [Edit(("new",), b"1"), Edit(("new",), b"2")],
    [Edit(("a",), None), Edit(("a",), b"2")],
    [Edit(("o",), b"{}"), Edit(("o", "x"), b"2")],
    [Edit(("l", 0), b"{}"), Edit(("l", 0), b"2")],
    [Edit(("l", 0), None)],
]


@pytest.mark.parametrize("edits", CONTRADICTIONS)
def test_edits_that_contradict_each_other_are_a_programmers_error(edits: list[Edit]) -> None:
    with pytest.raises(ValueError, match=r"edits? |array"):
        apply(b'{"a":0,"o":{"x":1},"l":[1]}', edits)


# --- real bodies --------------------------------------------------------------------------------------------------------

TRACES = os.environ.get("THRIFTGATE_TRACES")


def _marked(body: Any) -> list[Edit]:
    """An edit for each block and tool that is a JSON object."""
    edits = [Edit(("tools", at, "cache_control"), b"{}") for at, _ in enumerate(body.get("tools") or ())]
    for at, message in enumerate(body.get("messages") or ()):
        content = message.get("content")
        items = range(len(content)) if isinstance(content, list) else ()
        edits += [Edit(("messages", at, "content", item, "cache_control"), b"{}") for item in items]
    return edits


def _without_marks(value: Any) -> Any:
    if isinstance(value, tuple):
        return (
            ("object", [(key, _without_marks(inner)) for key, inner in value[1] if key != "cache_control"])
            if (value[0] == "object")
            else value
        )
    return [_without_marks(inner) for inner in value] if isinstance(value, list) else value


@pytest.mark.skipif(TRACES is None, reason="THRIFTGATE_TRACES names no folder of recorded requests")
def test_recorded_requests_keep_their_bytes() -> None:
    assert TRACES is not None
    files = sorted(Path(TRACES, "anthropic-requests").rglob("*.json"))
    edited = 0
    for file in files:
        data = file.read_bytes()
        body = json.loads(data)
        if not isinstance(body, dict) or "messages" not in body:
            continue
        assert apply(data, []) is data
        edits = _marked(body)
        result = apply(data, edits)
        before, after = members_of(data), members_of(result)
        assert all(after[key] == raw for key, raw in before.items() if key not in {"tools", "messages"})
        assert _without_marks(spelled(result)) == _without_marks(spelled(data))
        edited += bool(edits)
    assert edited > 5
