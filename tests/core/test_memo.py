"""Recognising what was read before gives exactly what reading it again would give, and holds no more than it may."""

from __future__ import annotations

import contextlib
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.planning import body_of, prefix_of
from thriftgate.core.blocks import Run
from thriftgate.core.errors import InputError
from thriftgate.core.memo import HEADS_MAX, Head, Level, PartMemo
from thriftgate.core.prefix import Prefix
from thriftgate.core.request import parse_request
from thriftgate.core.splice import array_items

SPACINGS = (b"", b" ", b"\n  ")


def seen(prefix: Prefix) -> tuple[Any, ...]:
    return prefix.blocks, prefix.chain, prefix.message_spans()


def written(random: Random, messages: list[dict[str, Any]], **members: Any) -> bytes:
    """A body with white space of the client's own taste between its messages."""
    space = random.choice(SPACINGS)
    inner = (b"," + space).join(msgspec.json.encode(one) for one in messages)
    rest = msgspec.json.encode({"model": "claude-opus-4-8", "max_tokens": 5} | members)
    return rest[:-1] + b',"messages":[' + space + inner + space + b"]}"


@given(st.integers(0, 2**32))
def test_a_memo_changes_nothing(seed: int) -> None:
    """Conversations that grow, fork, shrink, change in the middle and share their beginnings."""
    random = Random(seed)
    memo = PartMemo(bytes_max=random.choice((200, 3_000, 10**6)))
    threads: list[list[dict[str, Any]]] = [[]]
    for _ in range(25):
        thread = random.choice(threads)
        if random.random() < 0.3 and thread:
            thread = thread[: random.randint(0, len(thread))]
            threads.append(thread)
        role = "user" if not thread or thread[-1]["role"] == "assistant" else "assistant"
        words = random.choice(
            ("hi", "hello there, this is a longer beginning than sixty-four bytes of message are", "x" * 90)
        )
        thread.append({"role": role, "content": random.choice((words, [{"type": "text", "text": words}]))})
        members = random.choice(({}, {"system": words}, {"tools": [{"name": "t", "description": words}]}))
        effort = {"output_config": {"effort": random.choice(("low", "high"))}}
        request = parse_request(written(random, thread, **members, **effort))
        prefix = prefix_of(request, memo=memo)
        assert seen(prefix) == seen(prefix_of(request))
        start, end = request.members["messages"][1:]
        assert prefix.message_spans() == array_items(request.body, start, end)
        assert memo.bytes_held <= max(memo.bytes_max, len(request.body))


def test_what_is_held_is_bounded() -> None:
    memo = PartMemo(bytes_max=10_000)
    for number in range(200):
        system = f"{number}" * 100
        messages = [{"role": "user", "content": f"{number} " * 50}]
        prefix_of(parse_request(msgspec.json.encode(body_of(system=system, messages=messages))), memo=memo)
        assert memo.bytes_held <= 10_000


def test_many_short_messages_weigh_more_than_their_text() -> None:
    memo = PartMemo()
    messages = [{"role": ("user", "assistant")[at % 2], "content": str(at)} for at in range(1_000)]
    body = msgspec.json.encode(body_of(messages=messages))
    prefix_of(parse_request(body), memo=memo)
    assert memo.bytes_held > 10 * len(body)


def test_what_cannot_be_read_leaves_nothing_behind() -> None:
    memo = PartMemo()
    wrongs: list[dict[str, Any]] = [
        {"messages": [{"role": "user", "content": 5}]},
        {"tools": [5]},
        {"system": 5},
        {"messages": []},
    ]
    for wrong in wrongs:
        with contextlib.suppress(InputError):
            prefix_of(parse_request(msgspec.json.encode(body_of(**wrong))), memo=memo)
    assert memo.bytes_held == 0
    assert not memo._conversations
    assert not memo._members


def test_a_turn_seen_before_is_the_same_object() -> None:
    memo = PartMemo()
    first = [{"role": "user", "content": "a question of some length, as they mostly are when people ask"}]
    second = [*first, {"role": "assistant", "content": "an answer"}, {"role": "user", "content": "another"}]
    one, two = (prefix_of(parse_request(msgspec.json.encode(body_of(messages=m))), memo=memo) for m in (first, second))
    assert two.blocks[0] is one.blocks[0]


@pytest.mark.parametrize("messages", [b"7", b'"x"', b"{}", b"null", b"[7]", b"[null]"])
def test_what_is_no_list_of_messages(messages: bytes) -> None:
    request = parse_request(b'{"model":"claude-opus-4-8","max_tokens":1,"messages":' + messages + b"}")
    with pytest.raises(InputError, match="messages"):
        prefix_of(request)


def test_a_conversation_of_nothing() -> None:
    prefix = prefix_of(parse_request(b'{"model":"claude-opus-4-8","max_tokens":1,"messages":[ ]}'))
    assert (prefix.blocks, prefix.chain, prefix.message_spans()) == ((), (), [])


def test_tools_and_system_are_rolled_up_once_for_each_scope() -> None:
    memo, made = PartMemo(), 0

    def make(tools: Run, system: Run, level: Level) -> Head:
        nonlocal made
        made += 1
        return Head((), (), level[0])

    tools, system = Run(), Run()
    for scope in (b"a", b"b") * 3:
        assert memo.head(tools, system, (scope, "m", "standard", False), make).rolling == scope
    assert made == 2
    memo.head(Run(), system, (b"a", "m", "standard", False), make)
    assert made == 3, "another one, though it is equal"
    for number in range(3 * HEADS_MAX):
        memo.head(tools, system, (str(number).encode(), "m", "standard", False), make)
    assert memo.head(tools, system, (b"a", "m", "standard", False), make).rolling == b"a"
