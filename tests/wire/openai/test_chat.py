"""Chat completions as a dialect; what every dialect must do is checked in tests/contracts."""

from __future__ import annotations

import msgspec

from tests.wire import streams
from thriftgate.core.errors import ModelNotFound
from thriftgate.wire.openai.chat import OpenaiChat


def test_a_teller_tells_one_answer() -> None:
    dialect = OpenaiChat(include_usage=True)
    stream = streams.simulated("plain", stream=True)
    one, two = dialect.teller(7), dialect.teller(7)
    assert one is not None
    assert two is not None
    assert one.feed(stream) == two.feed(stream) != b""
    assert one.feed(stream) == b""
    status, whole = two.whole(200, streams.simulated("plain", stream=False))
    assert (status, msgspec.json.decode(whole)["created"]) == (200, 7)


def test_errors_are_told_in_openais_shape() -> None:
    assert msgspec.json.decode(OpenaiChat().error(ModelNotFound("no")))["error"]["code"] == "model_not_found"
    teller = OpenaiChat().teller(0)
    assert teller is not None
    status, told = teller.whole(404, b'{"type":"error","error":{"type":"not_found_error","message":"model: x"}}')
    assert (status, msgspec.json.decode(told)["error"]["message"]) == (404, "model: x")
    assert teller.whole(200, b"<html>")[0] == 502


def test_an_answer_that_is_no_utf_8_is_an_error() -> None:
    """What goes on raw, such as the result of a search, is not decoded on its way."""
    teller = OpenaiChat().teller(0)
    assert teller is not None
    searched = streams.simulated("search", stream=False)
    assert teller.whole(200, searched)[0] == 200
    status, told = teller.whole(200, searched.replace(b"Simulated result", b"Simulated \xffesult"))
    assert status == 502
    assert "error" in msgspec.json.decode(told)
    streamed = streams.simulated("search", stream=True).replace(b"Simulated result", b"Simulated \xffesult")
    assert b'"error"' in teller.feed(streamed)
    assert teller.end() == b""


def test_garbage_behind_the_end_of_a_stream_is_not_looked_at() -> None:
    whole, plain = OpenaiChat().teller(0), streams.simulated("plain", stream=True)
    assert whole is not None
    parts = OpenaiChat().teller(0)
    assert parts is not None
    assert whole.feed(plain + b"data: \xff\n\n") == parts.feed(plain) + parts.feed(b"data: \xff\n\n")
