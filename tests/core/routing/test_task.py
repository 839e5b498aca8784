"""The fingerprint of a call site, and what is read of a conversation."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.core.planning import prefix_of, request_of
from thriftgate.core.routing.task import (
    PREFIX,
    asked_text,
    conversation_of,
    fingerprint,
    in_tool_loop,
    schema_of,
    surroundings,
    system_text,
)

SYSTEM = "You sort letters by sender. Today is {date}. Ticket {ticket}."
TOOL = {"name": "look", "description": "looks", "input_schema": {"type": "object"}}
SCHEMA = {"format": {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}}


def site(**members: Any) -> str:
    return fingerprint(request_of(**members))


def says(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize(
    "members",
    [
        {"system": SYSTEM.format(date="Monday, 7 December 2026", ticket="#77-A")},
        {"system": SYSTEM.format(date="friday,  21 november 2025", ticket="id=5f3c-99")},
        {"system": [{"type": "text", "text": SYSTEM.format(date="12/31/2026", ticket="9")}]},
        {"system": SYSTEM.format(date="2026-01-01T10:00:00Z", ticket="a8"), "messages": says("something else altogether")},
        {
            "system": SYSTEM.format(date="1", ticket="2"),
            "model": "claude-haiku-4-5",
            "max_tokens": 9,
            "metadata": {"user_id": "x"},
        },
    ],
)
def test_one_call_site_whoever_asks_and_whenever(members: dict[str, Any]) -> None:
    assert site(**members) == site(system=SYSTEM.format(date="2026-11-21", ticket="4711"))


def test_other_prompts_tools_and_schemas_are_other_call_sites() -> None:
    found = [
        site(system="You sort letters by sender."),
        site(system="You sort letters by colour."),
        site(system="You sort letters by sender.", tools=[TOOL]),
        site(system="You sort letters by sender.", tools=[TOOL | {"name": "find"}]),
        site(system="You sort letters by sender.", output_config=SCHEMA),
        site(system="You sort letters by sender.", output_format=SCHEMA["format"] | {"x": 1}),
        site(tools=[TOOL]),
        site(messages=says("Translate into French: good morning")),
        site(messages=says("Summarise the letter below")),
    ]
    assert len(set(found)) == len(found)
    assert all(one.startswith(PREFIX) and len(one) == len(PREFIX) + 12 for one in found)


def test_tools_are_told_by_name_in_any_order() -> None:
    other = TOOL | {"name": "find"}
    assert site(tools=[TOOL, other]) == site(tools=[other, TOOL | {"description": "other words"}])


def test_a_program_without_a_system_prompt_is_told_by_its_first_words() -> None:
    assert site(messages=says("Translate this letter into French: good morning, 3 times")) == site(
        messages=says("Translate this letter into French: good night to all of you")
    )


def test_an_attribution_block_is_no_part_of_it() -> None:
    block = {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.0; cch=abc"}
    plain = [{"type": "text", "text": "You write code."}]
    assert site(system=[block, *plain]) == site(system=plain)


@pytest.mark.parametrize("system", [7, {"a": 1}, [1, 2], None, "\ud83d"[:0], ""])
def test_what_cannot_be_read_is_left_out(system: Any) -> None:
    assert site(system=system) == site()


def test_scripts_without_spaces_are_told_apart_by_their_words_not_by_their_numbers() -> None:
    one, other = "你是客服。订单{n}号已发货，请回答。", "你是律师。订单{n}号已发货，请回答。"
    assert site(system=one.format(n=1)) == site(system=one.format(n=99812))
    assert site(system=one.format(n=1)) != site(system=other.format(n=1))


@pytest.mark.parametrize("text", ["-" * 8_000, "中" * 8_000, "a1" * 4_000, " 1" * 4_000])
def test_a_long_word_takes_no_long_time(text: str) -> None:
    request = request_of(system=text)
    before = time.perf_counter()
    fingerprint(request)
    assert time.perf_counter() - before < 0.05  # 4 s where each letter of it is looked at from each other


# --- conversations ----------------------------------------------------------------------------------------------------


def test_a_conversation_stays_the_same_over_its_turns() -> None:
    first = says("hello")
    later = [*first, {"role": "assistant", "content": "hi"}, *says("and now?")]
    told = conversation_of(request_of(messages=first, system="It is 10:01 on Monday."), "key_a")
    assert conversation_of(request_of(messages=later, system="It is 10:59 on Tuesday."), "key_a") == told
    blocks = [{"role": "user", "content": [{"type": "text", "text": "hello", "cache_control": {"type": "ephemeral"}}]}]
    assert conversation_of(request_of(messages=blocks, system="It is 10:01 on Monday."), "key_a") == told
    assert conversation_of(request_of(messages=first, system="It is 10:01 on Monday."), "key_b") != told
    assert conversation_of(request_of(messages=says("hey"), system="It is 10:01 on Monday."), "key_a") != told


@pytest.mark.parametrize("messages", [[], [7], "x", [{"role": "user"}]])
def test_a_conversation_without_a_readable_beginning_is_one_all_the_same(messages: Any) -> None:
    assert len(conversation_of(request_of(messages=messages), "key_a")) == 32


RESULT = {"type": "tool_result", "tool_use_id": "t", "content": "42"}
USE = {"type": "tool_use", "id": "t", "name": "look", "input": {}}
LOOP = [*says("look"), {"role": "assistant", "content": [USE]}, {"role": "user", "content": [RESULT]}]


def test_a_tool_loop_is_a_turn_of_nothing_but_results() -> None:
    turns = prefix_of(request_of(messages=LOOP)).turns
    assert in_tool_loop(turns)
    assert asked_text(turns) == "look"
    with_words = [*LOOP[:2], {"role": "user", "content": [RESULT, {"type": "text", "text": "and hurry"}]}]
    turns = prefix_of(request_of(messages=with_words)).turns
    assert not in_tool_loop(turns)
    assert asked_text(turns) == "and hurry"
    assert not in_tool_loop(prefix_of(request_of()).turns)
    assert not in_tool_loop(())
    assert asked_text(()) == ""


def test_what_stands_around_the_question() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    messages = [*says("one"), {"role": "assistant", "content": "1"}, {"role": "user", "content": [image]}, *LOOP[1:]]
    request = request_of(messages=messages, tools=[TOOL], output_config=SCHEMA)
    found = surroundings(request, prefix_of(request).turns, "t", 123)
    assert (found.task, found.turns, found.tools, found.images, found.schema, found.prompt_tokens) == (
        "t",
        2,
        1,
        1,
        True,
        123,
    )
    plain = surroundings(request_of(), prefix_of(request_of()).turns, "", 0)
    assert (plain.turns, plain.tools, plain.images, plain.schema) == (1, 0, 0, False)


def test_the_schema_in_its_newer_and_its_older_place() -> None:
    assert schema_of(request_of()) == b""
    assert schema_of(request_of(output_config={"effort": "low"})) == b""
    assert b"json_schema" in schema_of(request_of(output_config=SCHEMA))
    assert b"json_schema" in schema_of(request_of(output_format=SCHEMA["format"]))
    assert schema_of(request_of(output_config=7)) == b""


def test_the_system_prompt_is_read_up_to_a_length() -> None:
    assert system_text(request_of(system="word " * 9_000)) == ("word " * 9_000)[:4_000]
