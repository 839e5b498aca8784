"""The inside of a worker: a function, called line by line."""

from __future__ import annotations

import io

import pytest

from thriftgate.quality.judges.called import load, serve


def answers(target: str, arguments: bytes = b"") -> list[bytes]:
    out = io.BytesIO()
    serve(target, io.BytesIO(arguments), out)
    return out.getvalue().splitlines()


def test_each_line_is_answered() -> None:
    assert answers("operator:add", b"[1, 2]\n[1]\n[3, 4]\n") == [
        b'{"value":"ready"}',
        b'{"value":3}',
        b'{"error":"TypeError: add expected 2 arguments, got 1"}',
        b'{"value":7}',
    ]


def test_what_cannot_be_loaded_is_told() -> None:
    assert answers("no_such_module:f") == [b'{"error":"ModuleNotFoundError: No module named \'no_such_module\'"}']
    with pytest.raises(AttributeError):
        load("operator:no_such_function")
    with pytest.raises(TypeError, match="is no function"):
        load("math:pi")
    assert load("os:path.join")("a", "b").startswith("a")
