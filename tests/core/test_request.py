"""Reading a request: what is looked at, what is refused and how it is worded, and that nothing is copied or changed."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.errors import InputError
from thriftgate.core.request import Ttl, parse_request, read_mark

LEAST = b'{"model":"claude-opus-5-5","max_tokens":10,"messages":[]}'


def with_members(**members: Any) -> bytes:
    return msgspec.json.encode({"model": "m", "max_tokens": 1, "messages": []} | members)


def test_the_least_there_can_be() -> None:
    request = parse_request(LEAST)
    assert request.body is LEAST
    assert (request.model, request.max_tokens, request.stream) == ("claude-opus-5-5", 10, False)
    assert (request.mode, request.geo, request.automatic) == ("standard", "", None)
    assert (request.raw("messages"), request.raw("system")) == (b"[]", b"")


@pytest.mark.parametrize("name", ["model", "inference_geo"])
def test_a_name_has_an_end(name: str) -> None:
    parse_request(with_members(**{name: "n" * 256}))
    with pytest.raises(InputError, match=f"^{name}: String should have at most 256 characters$"):
        parse_request(with_members(**{name: "n" * 257}))


def test_members_stand_where_they_stand() -> None:
    body = b' {"messages" : [ 1 ] ,\n "model":"m", "weird": 1.0e2, "max_tokens" : 1 }\n'
    request = parse_request(body)
    assert list(request.members) == ["messages", "model", "weird", "max_tokens"]
    assert request.raw("messages") == b"[ 1 ]"
    assert request.raw("weird") == b"1.0e2"
    assert request.body[request.members["model"].key_start :].startswith(b'"model":"m"')


VIEWS: list[tuple[dict[str, Any], str, Any]] = [
    ({"stream": True}, "stream", True),
    ({"stream": None}, "stream", False),
    ({"max_tokens": 0}, "max_tokens", 0),
    ({"speed": "fast"}, "mode", "fast"),
    ({"speed": "standard"}, "mode", "standard"),
    ({"speed": None}, "mode", "standard"),
    ({"inference_geo": "us"}, "geo", "us"),
    ({"inference_geo": None}, "geo", ""),
    ({"cache_control": {"type": "ephemeral"}}, "automatic", "5m"),
    ({"cache_control": {"type": "ephemeral", "ttl": "1h"}}, "automatic", "1h"),
    ({"cache_control": None}, "automatic", None),
    ({"thread": {"type": "continue", "previous_message_id": "msg_1"}}, "in_thread", True),
    ({"thread": None}, "in_thread", False),
]


@pytest.mark.parametrize(("members", "name", "value"), VIEWS)
def test_what_is_looked_at(members: dict[str, Any], name: str, value: Any) -> None:
    assert getattr(parse_request(with_members(**members)), name) == value


REFUSED: list[tuple[bytes, str]] = [
    (b"", "not valid JSON"),
    (b"{", "not valid JSON"),
    (b'{"model":"m","max_tokens":01,"messages":[]}', "not valid JSON"),
    (b"[]", "must be a JSON object"),
    (b"null", "must be a JSON object"),
    (b'{"\xff":1}', "not valid UTF-8"),
    (b'{"a":' * 100_000, "nested too deeply"),
    (b'{"max_tokens":1,"messages":[]}', "model: Field required"),
    (b'{"model":null,"max_tokens":1,"messages":[]}', "model: Field required"),
    (b'{"model":"","max_tokens":1,"messages":[]}', "model: must not be empty"),
    (b'{"model":7,"max_tokens":1,"messages":[]}', "model: Input should be a valid string"),
    (b'{"model":"\xff","max_tokens":1,"messages":[]}', "model: Input should be a valid string"),
    (b'{"model":"m","messages":[]}', "max_tokens: Field required"),
    (b'{"model":"m","max_tokens":"9","messages":[]}', "max_tokens: Input should be a valid integer"),
    (b'{"model":"m","max_tokens":1.5,"messages":[]}', "max_tokens: Input should be a valid integer"),
    (b'{"model":"m","max_tokens":-1,"messages":[]}', "max_tokens: Input should be greater than or equal to 0"),
    (b'{"model":"m","max_tokens":1}', "messages: Field required"),
    (b'{"model":"m","max_tokens":1,"messages":[],"stream":"yes"}', "stream: Input should be a valid boolean"),
    (b'{"model":"m","max_tokens":1,"messages":[],"speed":1}', "speed: Input should be a valid string"),
    (b'{"model":"m","max_tokens":1,"messages":[],"model":"n"}', "a key stands twice"),
    (b'{"model":"m","max_tokens":1,"messages":[],"max_tokens":1}', "a key stands twice"),
]


@pytest.mark.parametrize(("body", "words"), REFUSED)
def test_what_cannot_be_planned_is_refused_in_the_apis_words(body: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        parse_request(body)
    assert caught.value.status_hint == 400


def test_count_tokens_needs_no_max_tokens() -> None:
    assert parse_request(b'{"model":"m","messages":[]}', needs_max_tokens=False).max_tokens == 0


@given(st.binary(max_size=60) | st.builds(lambda inner: LEAST[:-1] + b"," + inner + b"}", st.binary(max_size=30)))
def test_no_bytes_do_worse_than_an_input_error(body: bytes) -> None:
    try:
        request = parse_request(body)
    except InputError:
        return
    assert request.body is body


MARKS: list[tuple[bytes, Ttl | None]] = [
    (b'{"type":"ephemeral"}', "5m"),
    (b'{"type":"ephemeral","ttl":"5m"}', "5m"),
    (b'{"ttl":"1h","type":"ephemeral"}', "1h"),
    (b'{"type":"ephemeral","ttl":null}', "5m"),
    (b'{"type":"persistent"}', None),
    (b"{}", None),
    (b"null", None),
    (b"7", None),
    (b'{"type":"\xff"}', None),
]


@pytest.mark.parametrize(("raw", "ttl"), MARKS)
def test_breakpoints(raw: bytes, ttl: Ttl | None) -> None:
    assert read_mark(msgspec.Raw(raw)) == ttl
