"""A message that is given again is what it was, but for its usage."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from thriftgate.core.errors import InputError
from thriftgate.wire.given_again import as_given_again, used_by
from thriftgate.wire.meter import read_message
from thriftgate.wire.whole_message import message_of
from thriftgate.wire.whole_stream import stream_of

HEAD = b'{"id":"msg_1","type":"message","content":[{"type":"tool_use","id":"t","name":"n","input":{"x": 1.50e0}}], "usage": '
USAGE = b"""{"input_tokens": 14, "cache_creation": {"ephemeral_5m_input_tokens": 3}, "cache_read_input_tokens": null,
  "output_tokens":82,"service_tier":"standard","inference_geo":"us","iterations":[{"type":"message","input_tokens":14}],
  "server_tool_use":{"web_search_requests":2},"of_tomorrow":true}"""
TAIL = b', "stop_reason":"tool_use","model":"claude-opus-4-8"}'


def test_all_but_the_usage_keeps_its_bytes() -> None:
    given = as_given_again(HEAD + USAGE + TAIL)
    assert given.startswith(HEAD)
    assert given.endswith(TAIL)
    told: dict[str, Any] = msgspec.json.decode(given)["usage"]
    assert told == {
        "input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0},
        "cache_read_input_tokens": None,
        "output_tokens": 0,
        "service_tier": "standard",
        "inference_geo": "us",
        "iterations": [],
        "server_tool_use": {"web_search_requests": 0},
        "of_tomorrow": True,
    }
    reading = read_message(given)
    assert reading.usage is not None
    assert (reading.complete, reading.usage.usage().total.prompt, reading.usage.usage().total.output) == (True, 0, 0)


def test_the_usage_of_the_first_call_on_one_line() -> None:
    told = used_by(HEAD + USAGE + TAIL)
    assert b"\n" not in told
    assert msgspec.json.decode(told) == msgspec.json.decode(USAGE)


def test_its_stream_tells_that_nothing_was_used() -> None:
    again = msgspec.json.decode(message_of(stream_of(as_given_again(HEAD + USAGE + TAIL))))
    assert (again["usage"]["input_tokens"], again["usage"]["output_tokens"]) == (0, 0)
    assert again["content"] == msgspec.json.decode(HEAD + USAGE + TAIL)["content"]


def test_what_is_no_message() -> None:
    for body in (b"", b"{}", b'{"usage": 1}', b"[]"):
        with pytest.raises((msgspec.MsgspecError, InputError, TypeError)):
            as_given_again(body)
