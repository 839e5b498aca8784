"""The reference that the splicer is held against reads JSON as Python's own parser does."""

from __future__ import annotations

import json

import pytest
from fuzz.seeds import documents
from fuzz.splicer import Node, tree


def value(node: Node, data: bytes) -> object:
    """What a node stands for, put together from the spans of the scalars alone."""
    if node.kind == "object":
        return {key: value(inner, data) for key, inner in node.members}
    if node.kind == "array":
        return [value(inner, data) for inner in node.items]
    return json.loads(data[node.start : node.end])


@pytest.mark.parametrize("data", tuple(documents()))
def test_it_reads_what_python_reads(data: bytes) -> None:
    root = tree(data)
    assert root is not None
    assert value(root, data) == json.loads(data)


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b'{"a":1,}', b"[1,]", b"[1 2]", b'{"a" 1}', b"{1:2}", b"NaN", b"[-Infinity]", b'"\xff"', b"{} x", b'"\n"'],
)
def test_what_is_no_json_is_none(data: bytes) -> None:
    assert tree(data) is None


def test_a_key_that_stands_twice_is_ambiguous() -> None:
    root = tree(b'{"a":1,"\\u0061":2}')
    assert root is not None
    assert root.ambiguous
