"""Whatever the layout, whatever the chunks, the same values come out; and a damaged value takes no other with it."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thriftgate.audit import layout
from thriftgate.audit.layout import Piece, is_value, lines, split

FEW, SOME, MANY = (settings(max_examples=int(settings().max_examples * share)) for share in (0.15, 0.4, 6))
SCALARS = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.sampled_from('ab"\\/{}[],:\n\r\t\x00 é😀0-'), max_size=6)
JSON = st.recursive(
    SCALARS | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
OBJECTS = st.lists(st.dictionaries(TEXTS, JSON, max_size=3), min_size=1, max_size=5)
CUTS = st.lists(st.integers(1, 40), max_size=60)


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def pretty(value: object, indent: int | str = 2) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False)


def wrapped(texts: Iterable[str]) -> str:
    return "[\n" + ",\n".join(f"  {text}".replace("\n", "\n  ") for text in texts) + "\n]\n"


def joined(texts: list[str], end: str) -> str:
    return "".join(text + end for text in texts)


LAYOUTS: dict[str, Callable[[list[Any]], str]] = {
    "lines": lambda values: joined([*map(compact, values)], "\n"),
    "lines without an end": lambda values: "\n".join(map(compact, values)),
    "spaced lines": lambda values: joined([*map(json.dumps, values)], "\n"),
    "crlf": lambda values: joined([*map(compact, values)], "\r\n"),
    "cr": lambda values: joined([*map(compact, values)], "\r"),
    "blank lines": lambda values: "\n \n" + joined([*map(compact, values)], "\n\t\n\n"),
    "lines with commas": lambda values: joined([*map(compact, values)], ",\n"),
    "indented lines": lambda values: joined([f"   {compact(value)}" for value in values], "\n"),
    "sequence": lambda values: "".join(f"\x1e{compact(value)}\n" for value in values),
    "side by side": lambda values: joined([*map(compact, values)], ""),
    "side by side with blanks": lambda values: joined([*map(compact, values)], " \t"),
    "pretty": lambda values: joined([*map(pretty, values)], "\n"),
    "pretty crlf": lambda values: joined([pretty(value).replace("\n", "\r\n") for value in values], "\r\n"),
    "pretty without indent": lambda values: joined([pretty(value, 0) for value in values], "\n"),
    "pretty with tabs": lambda values: joined([pretty(value, "\t") for value in values], "\n\n"),
    "pretty, then lines": lambda values: pretty(values[0]) + "\n" + joined([*map(compact, values[1:])], "\n"),
    "lines, then pretty": lambda values: joined([*map(compact, values[:-1])], "\n") + pretty(values[-1]),
    "array": compact,
    "spaced array": json.dumps,
    "array with a comma too many": lambda values: "[" + joined([*map(compact, values)], ", ") + "]",
    "array of lines": lambda values: "[\n" + ",\n".join(map(compact, values)) + "\n]",
    "array beginning with a value": lambda values: "[" + ",\n".join(map(compact, values)) + "]\n",
    "pretty array": lambda values: wrapped(map(pretty, values)),
    "pretty array without indent": lambda values: pretty(values, 0),
    "array, then lines": lambda values: compact(values[:1]) + "\n" + joined([*map(compact, values[1:])], "\n"),
    "arrays": lambda values: joined([compact([value]) for value in values], "\n"),
}


def chunked(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """The data in pieces of these sizes, over and over."""
    at = index = 0
    while at < len(data):
        size = cuts[index % len(cuts)] if cuts else len(data)
        yield data[at : at + size]
        at, index = at + size, index + 1


def decoded(pieces: Iterable[Piece]) -> list[Any]:
    return [msgspec.json.decode(piece.data) for piece in pieces]


@pytest.mark.parametrize("name", LAYOUTS)
@FEW
@given(values=OBJECTS, cuts=CUTS)
def test_the_same_values_come_out(name: str, values: list[dict[str, Any]], cuts: list[int]) -> None:
    data = LAYOUTS[name](values).encode()
    pieces = [*split(chunked(data, cuts))]
    assert all(piece.whole for piece in pieces)
    assert decoded(pieces) == values


@SOME
@given(values=st.lists(JSON, min_size=1, max_size=5), cuts=CUTS)
def test_an_array_may_hold_anything(values: list[Any], cuts: list[int]) -> None:
    for data in (compact(values), json.dumps(values, indent=1), "[\n" + ",\n".join(map(compact, values)) + "\n]"):
        assert decoded(split(chunked(data.encode(), cuts))) == values


@SOME
@given(values=st.lists(JSON, min_size=1, max_size=5), cuts=CUTS)
def test_lines_may_hold_anything_behind_an_object(values: list[Any], cuts: list[int]) -> None:
    data = "".join(compact(value) + "\n" for value in [{}, *values]).encode()
    assert decoded(split(chunked(data, cuts))) == [{}, *values]
    assert [piece.position for piece in split(chunked(data, cuts))] == [*range(1, len(values) + 2)]


@pytest.mark.parametrize("name", ["lines", "crlf", "array of lines", "lines with commas", "pretty", "pretty with tabs"])
@SOME
@given(values=st.lists(st.dictionaries(TEXTS, JSON, min_size=1, max_size=3), min_size=2, max_size=6), data=st.data())
def test_a_value_that_is_cut_off_takes_no_other_along(name: str, values: list[dict[str, Any]], data: st.DataObject) -> None:
    marked = [value | {"number": number} for number, value in enumerate(values)]
    victim = data.draw(st.integers(0, len(values) - 1))
    styles = {"pretty": pretty, "pretty with tabs": lambda value: pretty(value, "\t")}
    written = [styles.get(name, compact)(value) for value in marked]
    cut = data.draw(st.integers(1, len(written[victim]) - 1))
    written[victim] = written[victim][:cut]
    end = {"crlf": "\r\n", "lines with commas": ",\n"}.get(name, "\n")
    text = "[\n" + ",\n".join(written) + "\n]" if name == "array of lines" else joined(written, end)
    pieces = [*split(chunked(text.encode(errors="surrogatepass"), data.draw(CUTS)))]
    came = [value for value in map(loose, pieces) if isinstance(value, dict) and "number" in value]
    assert came == [value for value in marked if value["number"] != victim]
    assert len(came) < len(pieces)


def loose(piece: Piece) -> object:
    return msgspec.json.decode(piece.data) if piece.whole and is_value(piece.data) else None


SOUP = st.lists(
    st.sampled_from([bytes([byte]) for byte in b'{}[]"\\,:\n\r 1x\x00\xff\x1e'])
    | st.sampled_from([b"\r\n", b'{"a":1}', b'{"a":[{"b":2}]}', b'"s"', b'{\n "a": {\n  "b": 1\n }\n}\n', b"true"]),
    max_size=30,
).map(b"".join)


def alone(data: bytes, pieces: Iterable[Piece]) -> list[tuple[int, bytes]]:
    """The values that have a line to themselves."""
    rows = [row.strip() for row in data.split(b"\n")]
    return [(at, value.strip()) for at, value, _ in pieces if is_value(value) and rows[at - 1] == value.strip()]


@MANY
@given(data=SOUP, cuts=CUTS)
def test_where_chunks_end_makes_no_difference(data: bytes, cuts: list[int]) -> None:
    assert [*lines(chunked(data, cuts))] == [*lines([data])]
    array = b"[" + data
    assert [*split(chunked(array, cuts))] == [*split([array])]
    listed = b"{}\n" + data
    assert alone(listed, split(chunked(listed, cuts))) == alone(listed, split([listed]))


@pytest.mark.parametrize(
    ("data", "values"),
    [
        (b'{\n{"a":1}\n{"a":2}\n', [b'{"a":1}', b'{"a":2}']),  # a first line that is broken
        (b'{"cut": {"of\n{"a":1}\n{"a":2}', [b'{"a":1}', b'{"a":2}']),
        (b'[\n{"a":1}\n{"a":2}\n', [b'{"a":1}', b'{"a":2}']),
        (b'words\n{"a":1}\n\xff\n{"a":2}', [b'{"a":1}', b'{"a":2}']),
        (b'{"a":1}\n\x00\x00\x00\x00{"a":2}\n', [b'{"a":1}', b'{"a":2}']),  # what a crash leaves in a file
        (b'{"a":1}}\n{"a":2}\n', [b'{"a":2}']),
        (b'[{"a":1}},{"a":2}]', [b'{"a":1}', b'{"a":2}']),  # on one line: a bracket too many, too few, a quote missing
        (b'[{"x":{"a":1},{"a":2},{"a":3}]', [b'{"a":2}', b'{"a":3}']),
        (b'[{"x":[1},{"a":2},{"a":3}]', [b'{"a":2}', b'{"a":3}']),
        (b'[{"x:1,"y":2},{"a":2},{"a":3}]', [b'{"a":2}', b'{"a":3}']),
        (b'{"data": [\n{"a":1},\n{"a":2}\n]}\n{"a":', [b'{"data": [\n{"a":1},\n{"a":2}\n]}']),
        (b'[{"a":1},{"a":2}', [b'{"a":1}', b'{"a":2}']),
        (b'{"data": [\n{"a":1},\n{"a":2}\n', [b'{"a":1}', b'{"a":2}']),  # cut off, but what is whole in it comes out
        (b'{"a":\n{"a":1}\n{"a":2}\n', [b'{"a":1}', b'{"a":2}']),
        (b'{"a":[\n' * 3 + b'{"a":2}\n', [b'{"a":2}']),
        (b"[" * 5000 + b'\n{"a":2}\n', [b'{"a":2}']),
        (b'{"a":1}\n' + b"[" * 5000 + b'\n{"a":2}\n', [b'{"a":1}', b'{"a":2}']),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 10_000])
def test_damage_is_told_and_the_others_come_out(data: bytes, values: list[bytes], size: int) -> None:
    pieces = [*split(chunked(data, [size]))]
    assert [piece.data.strip() for piece in pieces if piece.data[:1] == b"{" and is_value(piece.data)] == values
    assert len(pieces) > len(values)


def test_each_cut_off_line_counts() -> None:
    data = b'{"a":1}\n{"a":{"b":\n{"a":[\n{"a":"x\n{"a":2}\n{"a"'
    assert [(piece.position, is_value(piece.data)) for piece in split([data])] == [
        (1, True), (2, False), (3, False), (4, False), (5, True), (6, False),
    ]  # fmt: skip


def test_places_are_lines_and_in_an_array_numbers() -> None:
    assert [piece.position for piece in split([b'\n\n{"a":1}\n{\n"a":\n2}\n\n{"a":3} {"a":4}\n{"a"'])] == [3, 4, 8, 8, 9]
    assert [piece.position for piece in split([b'\n[{"a":1},\n\n{"a":2},{"a"'])] == [1, 2, 3]


@pytest.mark.parametrize(
    "data",
    [
        b'{"a":"' + b"x\\n" * 400_000 + b'"}\n',
        b'{\n "a": "' + b"x\\n" * 400_000 + b'"\n}\n',
        b'["' + b"x\\n" * 400_000 + b'"]',
        b"[" + b"x" * 1_200_000,
        b'{"a": ' + b" " * 1_200_000 + b"1}",
        b'{"a": 1}\n' + bytes(1_200_000),
        b'{"a":[\n"' + b'"' * 1_200_000,
    ],
    ids=range(7),
)
def test_every_byte_is_looked_at_a_fixed_number_of_times(data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted where bytes are looked at again and again if at all: at the ends of chunks."""
    looked = 0
    match = layout._match

    def counting(pattern: re.Pattern[bytes], at: bytearray, start: int) -> int:
        nonlocal looked
        end = match(pattern, at, start)
        looked += end - start
        return end

    monkeypatch.setattr(layout, "_match", counting)
    assert [*split(chunked(data, [4_000]))]
    assert looked <= 3 * len(data)


def test_memory_follows_one_value_and_not_the_file() -> None:
    one = b'{"a": "' + b"x" * 1000 + b'"}'
    for head, glue, tail in ((b"", b"\n", b""), (b"[", b",", b"]"), (b"[\n  ", b",\n  ", b"\n]"), (b"{\n", b"\n", b"")):
        chunks = (head if at == 0 else tail if at == 5_001 else one + glue for at in range(5_002))
        tracemalloc.start()
        count = sum(1 for _ in split(chunks))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert count >= 5_000
        assert most < 300_000


def test_a_value_over_the_limit_is_told_and_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layout, "VALUE_BYTES_MAX", 1000)
    long = b'{"a": "' + b"x" * 5000 + b'"}'
    for data in (b'{"b":1}\n' + long + b'\n{"b":2}\n', b'{\n"b":1}\n{\n' + long[1:] + b'\n{"b":2}\n'):
        pieces = [*split(chunked(data, [100]))]
        assert [piece.whole for piece in pieces] == [True, False, True]
        assert [msgspec.json.decode(pieces[at].data) for at in (0, 2)] == [{"b": 1}, {"b": 2}]
    pieces = [*lines(chunked(b"a\n" + b"x" * 5000 + b"\nb", [100]))]
    assert [(piece.position, piece.whole) for piece in pieces] == [(1, True), (2, False), (3, True)]


@pytest.mark.parametrize("data", [b'[{"a":1},{', b'[{"a":1}, {"b":2},\n{', b'[{"a\\":3},{', b"[{", b"[[", b'{"a":[{'])
def test_a_file_that_ends_with_an_opening_bracket(data: bytes) -> None:
    whole = list(split([data]))
    assert whole
    assert not whole[-1].whole or not is_value(whole[-1].data)
