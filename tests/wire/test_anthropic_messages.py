"""The Messages dialect: nothing is translated, so nothing may change; our own errors look like the API's."""

from __future__ import annotations

import msgspec
import pytest

from tests.core.planning import body_of, request_of
from thriftgate.core import errors
from thriftgate.core.errors import InputError, ThriftgateError
from thriftgate.wire.anthropic_messages import AnthropicMessages, count_body, read_count
from thriftgate.wire.meter import StreamMeter, read_message

DIALECT = AnthropicMessages()


def test_render_gives_the_very_bytes() -> None:
    body = b' { "model":"m", "max_tokens" : 1, "messages":[ ], "x": 1.0e2 } '
    assert DIALECT.render(DIALECT.parse(body)) is body
    assert DIALECT.cannot_carry == ()


def test_answers_are_read_by_the_meter() -> None:
    body = b'{"id":"m","usage":{"input_tokens":3}}'
    assert DIALECT.read(body) == read_message(body)
    assert isinstance(DIALECT.meter(), StreamMeter)


def test_a_body_without_max_tokens_is_refused() -> None:
    with pytest.raises(InputError, match="max_tokens"):
        DIALECT.parse(b'{"model":"m","messages":[]}')


ERRORS = [
    one
    for one in vars(errors).values()
    if isinstance(one, type) and issubclass(one, ThriftgateError) and one.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_our_errors_have_the_shape_of_the_apis_own(kind: type[ThriftgateError]) -> None:
    error = kind("what is wrong")
    error.call_id = "call_1"
    body = DIALECT.error(error)
    assert msgspec.json.decode(body) == {
        "type": "error",
        "error": {"type": kind.error_type, "message": "what is wrong"},
        "request_id": "call_1",
    }
    assert DIALECT.read(body).error == kind.error_type
    assert 400 <= kind.status_hint < 600


def test_an_error_before_there_is_a_call() -> None:
    assert msgspec.json.decode(DIALECT.error(InputError("x")))["request_id"] is None


def test_what_count_tokens_does_not_take_is_left_out() -> None:
    body = body_of(
        system="s", stream=True, temperature=1, metadata={"user_id": "u"}, tools=[], thinking={"type": "disabled"}
    )
    left = msgspec.json.decode(count_body(request_of(body)))
    assert left == {name: body[name] for name in ("model", "messages", "system", "tools", "thinking")}


def test_a_body_that_fits_is_asked_about_as_it_is() -> None:
    request = request_of(b'{"model":"m","messages": [ ],"max_tokens":1}')
    assert count_body(request) == b'{"model":"m","messages": [ ]}'


COUNTS = [(b'{"input_tokens":12}', 12), (b"{}", None), (b"<html>", None), (b'{"input_tokens":"x"}', None), (b'"\xff"', None)]


@pytest.mark.parametrize(("body", "count"), COUNTS)
def test_counts(body: bytes, count: int | None) -> None:
    assert read_count(body) == count
