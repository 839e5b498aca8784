"""Items as turns: each kind of them, there and back, and a conversation that grows."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.openai.contents import NAMES, TEXTS, VALUES, contents, message
from tests.wire.openai.responses_asked import OLD, OPUS, body_of, call, lost, output, taken, text
from tests.wire.openai.test_responses_answer import FRAME
from thriftgate.core.errors import InputError
from thriftgate.core.request import parse_request
from thriftgate.wire.openai.responses_answer import whole_response


def turns(*items: Any, **asked: Any) -> list[tuple[str, list[Any]]]:
    return [(one["role"], one["content"]) for one in body_of(input=list(items), **asked)["messages"]]


def test_instructions_stand_first() -> None:
    made = body_of(instructions="One.", input=[{"role": "developer", "content": "Two."}, {"role": "user", "content": "Hi"}])
    assert made["system"] == [text("One."), text("Two.")]
    assert [one["role"] for one in made["messages"]] == ["user"]


def test_a_loop_of_tools() -> None:
    made = taken(
        input=[
            {"role": "user", "content": "?"},
            call(1),
            call(2),
            output(1),
            output(2, [{"type": "input_text", "text": "b"}]),
        ]
    )
    assert b'"input":{"city": "Paris"}' in made.body
    assert [(one["role"], one["content"]) for one in msgspec.json.decode(made.body)["messages"]] == [
        ("user", [text("?")]),
        (
            "assistant",
            [
                {"type": "tool_use", "id": f"call_{number}", "name": "get_weather", "input": {"city": "Paris"}}
                for number in (1, 2)
            ],
        ),
        (
            "user",
            [
                {"type": "tool_result", "tool_use_id": "call_1", "content": "sunny"},
                {"type": "tool_result", "tool_use_id": "call_2", "content": [text("b")]},
            ],
        ),
    ]


def test_what_is_said_between_a_call_and_its_output_stands_behind_it() -> None:
    """Messages takes results only at the beginning of a turn."""
    said = turns(
        {"role": "user", "content": "?"},
        call(1),
        {"role": "user", "content": "quick"},
        {"role": "developer", "content": "be kind"},
        output(1),
    )
    assert [(role, [block["type"] for block in blocks]) for role, blocks in said[-2:]] == [
        ("user", ["tool_result", "text"]),
        ("system", ["text"]),
    ]


def test_images_and_files() -> None:
    parts = [
        {"type": "input_text", "text": "see"},
        {"type": "input_image", "image_url": "https://a.example/x.png", "detail": "auto"},
        {"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "high"},
        {"type": "input_image", "file_id": "file_1", "detail": "auto"},
        {"type": "input_file", "file_data": "data:application/pdf;base64,AAAA", "filename": "a.pdf"},
        {"type": "input_file", "file_url": "https://a.example/x.pdf"},
    ]
    made = taken(input=[{"role": "user", "content": parts}])
    (message_made,) = msgspec.json.decode(made.body)["messages"]
    sources = [block.get("source") for block in message_made["content"]]
    assert sources == [
        None,
        {"type": "url", "url": "https://a.example/x.png"},
        {"type": "base64", "media_type": "image/png", "data": "AAAA"},
        {"type": "file", "file_id": "file_1"},
        {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
        {"type": "url", "url": "https://a.example/x.pdf"},
    ]
    assert made.report.fields == ("input[].content[].detail",)


@pytest.mark.parametrize(
    ("item", "where"),
    [
        ({"type": "item_reference", "id": "msg_1"}, "input[0].type"),
        ({"id": "msg_1"}, "input[0].type"),
        ({"type": "computer_call_output", "call_id": "a", "output": {}}, "input[0].type"),
        ({"role": "user", "content": [{"type": "input_audio"}]}, "input[0].content[0].type"),
        ({"role": "user"}, "input[0].content"),
        ({"role": "critic", "content": "x"}, "input[0].role"),
        ({"type": "function_call_output", "output": "x"}, "input[0].call_id"),
        ({"role": "system", "content": [{"type": "input_image", "image_url": "https://a.example"}]}, "input[0].content"),
        (7, "input[0]"),
    ],
)
def test_an_item_that_cannot_be_carried_is_refused_by_its_place(item: object, where: str) -> None:
    with pytest.raises(InputError, match=f"^{re.escape(where)}: "):
        taken(input=[item])


marked = st.fixed_dictionaries(
    {},
    optional={
        "id": st.just("msg_0"),
        "status": st.just("completed"),
        "phase": st.just("commentary"),
        "namespace": st.just("n"),
        "caller": st.just({"type": "program", "caller_id": "x"}),
        "async": st.just(False),
        "mood": st.just("good"),
    },
)


@given(st.lists(st.tuples(st.integers(0, 5), marked), min_size=1, max_size=6))
def test_each_part_of_an_item_survives_or_is_told(drawn: list[tuple[int, dict[str, Any]]]) -> None:
    """Marks in all that an item can say stand in the body, in their order; any other member is named in the report."""
    listed, marks, extra = [], [], set()
    for at, (kind, members) in enumerate(drawn):
        item, said = _marked(kind, at)
        listed.append({**members, **item})
        marks += said
        extra |= members.keys() - {"id", "status", "async"}  # which ask for nothing
    made = taken(input=listed)
    places = [made.body.find(mark.encode()) for mark in marks]
    assert -1 not in places
    assert set(made.report.fields) == {f"input[].{name}" for name in extra}


def _marked(kind: int, at: int) -> tuple[dict[str, Any], list[str]]:
    """An item whose every text is a mark of its own."""
    marks = [f"mark-{at}-{number}" for number in range(3)]
    parts = [
        {"type": "input_text", "text": marks[0]},
        {"type": "input_image", "image_url": f"https://a.example/{marks[1]}", "detail": "auto"},
        {"type": "input_file", "file_url": f"https://a.example/{marks[2]}.pdf", "filename": "a.pdf"},
    ]
    called = {"call_id": marks[0], "name": marks[1], "arguments": f'{{"at":"{marks[2]}"}}'}
    items: list[tuple[dict[str, Any], list[str]]] = [
        ({"role": "user", "content": marks[0]}, marks[:1]),
        ({"role": "user", "type": "message", "content": parts}, marks),
        ({"role": "assistant", "content": [{"type": "output_text", "text": marks[0], "annotations": []}]}, marks[:1]),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": marks[0]}]}, marks[:1]),
        ({"type": "function_call", **called}, marks),
        (
            {"type": "function_call_output", "call_id": marks[0], "output": [{"type": "input_text", "text": marks[1]}]},
            marks[:2],
        ),
    ]
    return items[kind]


@given(contents)
def test_answers_come_back_as_they_were(content: list[dict[str, Any]]) -> None:
    """There and back: the blocks of an answer, and of the next request that holds its items."""
    response = msgspec.json.decode(whole_response(msgspec.json.encode(message(content)), FRAME, 0))
    made = taken(input=[{"role": "user", "content": "?"}, *response["output"]])
    kept = [block for block in content if block["type"] != "text" or block["text"].strip()]
    answered = [one["content"] for one in msgspec.json.decode(made.body)["messages"] if one["role"] == "assistant"]
    assert answered == ([kept] if kept else [])
    assert made.report.fields == ()


def test_reasoning_of_others_is_reported() -> None:
    asked = [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAAAB"},
        {"role": "user", "content": "Hi"},
    ]
    made = taken(input=asked)
    assert made.report.fields == ("input[].type=reasoning",)
    assert [one["role"] for one in msgspec.json.decode(made.body)["messages"]] == ["user"]


def test_a_search_without_its_blocks_is_reported() -> None:
    asked = [
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {}},
        {"role": "user", "content": "Hi"},
    ]
    assert lost(input=asked) == ("input[].type=web_search_call",)


said = TEXTS.map("said: {}".format)
items = st.one_of(
    st.builds(lambda role, text: {"role": role, "content": text}, st.sampled_from(["user", "assistant", "developer"]), said),
    st.builds(
        lambda number, given: call(number, msgspec.json.encode(given).decode()),
        st.integers(0, 9),
        st.dictionaries(NAMES, VALUES, max_size=2),
    ),
    st.builds(output, st.integers(0, 9), said),
)


@given(st.lists(items, max_size=7), st.sampled_from([OPUS, OLD]))
def test_a_conversation_that_grows_keeps_its_beginning(later: list[dict[str, Any]], model: str) -> None:
    """Turn by turn, as calls are made: whenever the model is to speak next."""
    grown = [{"role": "user", "content": "Hello"}, *later]
    ends = [at for at, item in enumerate(grown) if item.get("role") == "assistant" or item.get("type") == "function_call"]
    blocks = [_blocks(grown[:at], model) for at in [*ends, len(grown)]]
    for before, after in pairwise(blocks):
        assert after[: len(before)] == before


def _blocks(conversation: list[dict[str, Any]], model: str) -> list[tuple[str, bytes]]:
    """All blocks with their role, byte for byte."""
    made = msgspec.json.decode(
        taken(model=model, input=conversation, instructions="Be brief").body, type=dict[str, msgspec.Raw]
    )
    listed = [("system", bytes(block)) for block in msgspec.json.decode(made.get("system", b"[]"), type=list[msgspec.Raw])]
    for one in msgspec.json.decode(made["messages"], type=list[dict[str, msgspec.Raw]]):
        role = msgspec.json.decode(one["role"])
        listed += [(role, bytes(block)) for block in msgspec.json.decode(one["content"], type=list[msgspec.Raw])]
    return listed


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["type", "role", "content", "id", "call_id", "output", "arguments", "name"]),
            VALUES | st.sampled_from(["message", "user", "function_call"]),
            max_size=5,
        ),
        max_size=3,
    )
)
def test_garbage_among_items_is_an_input_error(listed: list[Any]) -> None:
    try:
        parse_request(taken(input=listed).body)
    except InputError:
        return
