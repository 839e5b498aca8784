"""Requests that are recognised are what parsing would have made of them, byte for byte; what is not alike is not."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.alike import REST_MAX, SIBLINGS_MAX, Alike
from thriftgate.core.errors import InputError
from thriftgate.core.request import Request, parse_request

SYSTEM = "You are a careful reader of reviews. " * 20


def body(text: str = "It was fine.", **members: Any) -> bytes:
    """A call with one question; members behind it, too."""
    document: dict[str, Any] = {"model": "claude-opus-4-8", "max_tokens": 64, "system": SYSTEM}
    document["messages"] = [{"role": "user", "content": text}]
    return msgspec.json.encode(document | members)


def knowing(*bodies: bytes) -> Alike:
    """One that has learned these."""
    alike = Alike()
    for one in bodies:
        alike.learn(parse_request(one))
    return alike


def parsed(data: bytes) -> Request | None:
    try:
        return parse_request(data)
    except InputError:
        return None


TEXTS = st.one_of(
    st.text(max_size=40).map(lambda text: msgspec.json.encode(text)[1:-1]),
    st.binary(max_size=20),
    st.sampled_from(
        [b"", b'"', b"\\", b'\\"', b'a"}],"x":1,"messages":[{"role":"user","content":"b', b"\n", b"\xff", b"\\u12"]
    ),
)


@given(text=TEXTS, head=st.sampled_from([b"", b" ", b"{"]), tail=st.sampled_from([b"", b" ", b"}"]))
def test_what_is_cast_is_what_would_have_been_parsed(text: bytes, head: bytes, tail: bytes) -> None:
    for template in (body("", temperature=0.5), body(""), body("", stream=False, metadata={"user_id": "u"})):
        empty = b'"content":""'
        data = head + template.replace(empty, b'"content":"' + text + b'"') + tail
        found = knowing(template).cast(data)
        assert found is None or found == parsed(data)


def test_a_call_with_another_text_is_cast() -> None:
    alike = knowing(body(temperature=0.5))
    for text in ("", "Another one.", 'with "quotes", a \\ and \u00fc', "long " * 500):
        data = body(text, temperature=0.5)
        assert alike.cast(data) == parse_request(data)


def test_the_last_message_is_the_one_that_differs() -> None:
    def talk(last: str) -> bytes:
        turns = [{"role": "user", "content": "Is it good?"}, {"role": "assistant", "content": "Yes."}]
        return body(messages=[*turns, {"role": "user", "content": last}])

    alike = knowing(talk("Why?"))
    assert alike.cast(talk("How so?")) == parse_request(talk("How so?"))
    assert alike.cast(talk("Why?").replace(b"Is it good?", b"Is it bad?")) is None


@pytest.mark.parametrize(
    "other",
    [
        body(system="You are another one."),
        body(max_tokens=65),
        body(stream=True),
        body(messages=[{"role": "user", "content": [{"type": "text", "text": "It was fine."}]}]),
        body().replace(b"It was fine.", b'It was "fine".'),
        body().replace(b"It was fine.", b"It was \xff."),
        body()[:-1],
        b"",
    ],
)
def test_what_is_not_alike_is_not_cast(other: bytes) -> None:
    assert knowing(body()).cast(other) is None


@pytest.mark.parametrize(
    "messages", [[], [{"role": "user", "content": [{"type": "text", "text": "a"}]}], [{"role": "user"}], [1], 2]
)
def test_what_ends_in_no_plain_text_makes_no_mould(messages: Any) -> None:
    alike = knowing(body(messages=messages))
    assert alike.cast(body(messages=messages)) is None


def test_short_heads_and_many_kinds_stand_side_by_side() -> None:
    short = b'{"messages":[{"role":"user","content":"a"}],"model":"m","max_tokens":1}'
    alike = knowing(short)
    assert alike.cast(short.replace(b'"a"', b'"b"')) == parse_request(short.replace(b'"a"', b'"b"'))
    kinds = [body(max_tokens=number) for number in range(1, 5)]
    alike = Alike()
    for one in kinds * REST_MAX:  # learned less and less often, but learned
        if alike.cast(one) is None:
            alike.learn(parse_request(one))
    assert all(alike.cast(one) == parse_request(one) for one in kinds)


def test_memory_is_bounded() -> None:
    alike = Alike(bytes_max=20_000)
    for number in range(200 * SIBLINGS_MAX):
        data = body(system=f"{number} " + SYSTEM)
        if alike.cast(data) is None:
            alike.learn(parse_request(data))
    assert 0 < alike.bytes_held <= 20_000
    assert knowing(body(system=SYSTEM * 10_000)).bytes_held == 0


def test_where_nothing_is_alike_few_moulds_are_made() -> None:
    alike = Alike()
    for number in range(1_000):
        alike.learn(parse_request(body(system=f"{number} " + SYSTEM)))
    assert alike.bytes_held < 30 * len(body()) * 3
