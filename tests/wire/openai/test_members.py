"""JSON objects read member by member."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from thriftgate.core.errors import InputError
from thriftgate.wire.openai.losses import Report
from thriftgate.wire.openai.members import Members


def test_what_nobody_asked_for_is_lost() -> None:
    report = Report()
    members = Members(b'{"a":1,"b":null,"c":[{"d":"x","e":2}],"f":3}', "turns[4]", "turns[]")
    assert members.whole("a") == 1
    assert "b" not in members
    (inner,) = members.each("c")
    assert (inner.place, inner.kind) == ("turns[4].c[0]", "turns[].c[]")
    assert inner.needed("d") == "x"
    assert members.is_left("f")
    members.lose_rest(report)
    inner.lose_rest(report)
    assert report.fields == ("turns[].f", "turns[].c[].e")


def test_values_keep_their_bytes() -> None:
    members = Members(b'{"schema": {"minimum":1.0e2}}')
    assert members.raw("schema") == b'{"minimum":1.0e2}'
    assert members.raw("nothing") == b""
    assert members.items("nothing") == []
    assert members.inner("nothing") is None
    assert members.value("schema") == {"minimum": 100.0}


@pytest.mark.parametrize(
    ("read", "told"),
    [
        (lambda one: one.text("a"), "a: Input should be a string"),
        (lambda one: one.flag("a"), "a: Input should be true or false"),
        (lambda one: one.whole("b"), "b: Input should be an integer"),
        (lambda one: one.number("b"), "b: Input should be a number"),
        (lambda one: one.items("a"), "a: Input should be a list"),
        (lambda one: one.inner("a"), "a: Input should be an object"),
        (lambda one: one.needed("c"), "c: Field required"),
    ],
)
def test_a_wrong_type_is_told_with_its_place(read: Callable[[Members], object], told: str) -> None:
    with pytest.raises(InputError, match=f"^{told}$"):
        read(Members(b'{"a":1,"b":"x"}'))


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"1", b"\xff", b'{"a":"\xff"}', b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_no_object_is_an_input_error(body: bytes) -> None:
    with pytest.raises(InputError, match="the request body"):
        Members(body)
