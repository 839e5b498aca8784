"""Responses requests as Messages: every field that the SDK knows, and what becomes of it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import response_create_params

from tests.wire.openai.answers import NAMES, TEXTS, VALUES, contents, message
from tests.wire.openai.test_responses_answer import FRAME
from thriftgate.core.errors import InputError, ModelNotFound
from thriftgate.core.request import parse_request
from thriftgate.pricing.load import load_models
from thriftgate.wire.openai.chat_request import Terms
from thriftgate.wire.openai.responses_answer import whole_response
from thriftgate.wire.openai.responses_losses import RESPONSE_ROWS
from thriftgate.wire.openai.responses_request import TakenResponse, take_response

MODELS = load_models()
TERMS = Terms(models=MODELS, aliases={"gpt-*": "claude-opus-5-5"}, is_known=MODELS.__contains__, day=20_700)
OPUS, OLD = "claude-opus-5-5", "claude-haiku-4-5"
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": None,
}


def taken(**asked: Any) -> TakenResponse:
    return take_response(msgspec.json.encode({"model": OPUS, "input": "Hello", **asked}), TERMS)


def body_of(**asked: Any) -> dict[str, Any]:
    body = taken(**asked).body
    parse_request(body)
    document: dict[str, Any] = msgspec.json.decode(body)
    return document


def lost(**asked: Any) -> tuple[str, ...]:
    return taken(**asked).report.fields


def test_a_plain_text() -> None:
    assert body_of() == {
        "model": OPUS,
        "max_tokens": MODELS[OPUS].output_tokens_max,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
    }


def test_every_field_that_the_sdk_knows_is_declared() -> None:
    declared = {row.field.partition(".")[0].partition("[")[0].partition("=")[0] for row in RESPONSE_ROWS}
    known = set(get_type_hints(response_create_params.ResponseCreateParamsStreaming))
    assert known <= declared


# A value for each field that a client may set; none is what Claude would do anyway.
SET: dict[str, Any] = {
    "instructions": "Be brief",
    "stream": True,
    "stream_options": {"include_obfuscation": True},
    "max_output_tokens": 100,
    "temperature": 0.5,
    "top_p": 0.99,
    "reasoning": {"effort": "low", "summary": "auto"},
    "text": {"format": {"type": "json_object"}, "verbosity": "low"},
    "tools": [WEATHER, {"type": "web_search", "search_context_size": "low"}],
    "tool_choice": "required",
    "parallel_tool_calls": False,
    "max_tool_calls": 3,
    "include": ["web_search_call.action.sources", "message.output_text.logprobs"],
    "user": "u1",
    "safety_identifier": "s1",
    "metadata": {"a": "b"},
    "service_tier": "default",
    "prompt_cache_key": "k",
    "prompt_cache_options": {"mode": "explicit"},
    "prompt_cache_retention": "24h",
    "store": True,
    "truncation": "auto",
    "context_management": [{"type": "compaction"}],
    "access_programs": {"cyber": "standard"},
    "background_options": {"completion_window": "2h"},
    "image": {"context_compression": "auto"},
    "top_logprobs": 3,
    "moderation": {"model": "m"},
    "background": True,
    "conversation": "conv_1",
    "prompt": {"id": "p"},
    "previous_response_id": "resp_1",
}
FIELDS = {row.field: row for row in RESPONSE_ROWS}


@given(
    st.fixed_dictionaries({}, optional={name: st.just(value) for name, value in SET.items()}), st.sampled_from([OPUS, OLD])
)
def test_each_field_is_carried_or_reported_or_refused(asked: dict[str, Any], model: str) -> None:
    """What the table says is what happens: a reported field is reported, a refused one an error, any other one changes the
    body, the response, or nothing at all."""
    refused = [name for name in asked if name in FIELDS and FIELDS[name].fate == "refused"]
    if refused or (asked.get("tool_choice") == "required" and "tools" not in asked):
        with pytest.raises(InputError) as raised:
            taken(model=model, **asked)
        assert refused == [] or any(str(raised.value).startswith(name) for name in [*refused, "tool_choice"])
        return
    made = taken(model=model, **asked)
    for name in asked:
        row = FIELDS.get(name)
        if row is not None and row.fate == "reported":
            assert name in made.report.fields
        if row is not None and row.fate in ("carried", "translated"):
            without = taken(model=model, **{other: value for other, value in asked.items() if other != name})
            same = made.body == without.body and made.frame == without.frame
            assert not same or name in made.report.fields or f"{name}" in ("tool_choice", "parallel_tool_calls")
    for field in made.report.fields:
        assert field in FIELDS, field


@pytest.mark.parametrize("name", [name for name in SET if name in FIELDS and FIELDS[name].fate == "reported"])
def test_what_is_reported_is_named(name: str) -> None:
    assert lost(**{name: SET[name]}) == (name,)


def test_a_field_that_nobody_knows_is_reported() -> None:
    assert lost(brand_new=1, input=[{"role": "user", "content": "a", "mood": "good"}]) == ("input[].mood", "brand_new")


@pytest.mark.parametrize(
    ("asked", "harmless"),
    [
        ("store", False),
        ("truncation", "disabled"),
        ("background", False),
        ("top_logprobs", 0),
        ("text", {"verbosity": "medium"}),
        ("reasoning", {"context": "auto", "mode": "standard"}),
        ("stream", None),
        ("service_tier", "auto"),
        ("include", ["reasoning.encrypted_content"]),
    ],
)
def test_what_asks_for_nothing_is_not_reported(asked: str, harmless: object) -> None:
    assert lost(**{asked: harmless}) == ()


def test_names_of_models() -> None:
    assert body_of(model="gpt-6-astra")["model"] == OPUS
    with pytest.raises(ModelNotFound):
        taken(model="unheard-of")


# --- items ------


def turns(*items: Any, **asked: Any) -> list[tuple[str, list[Any]]]:
    return [(one["role"], one["content"]) for one in body_of(input=list(items), **asked)["messages"]]


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def call(number: int, arguments: str = '{"city": "Paris"}') -> dict[str, Any]:
    return {"type": "function_call", "call_id": f"call_{number}", "name": "get_weather", "arguments": arguments}


def output(number: int, value: object = "sunny") -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": f"call_{number}", "output": value}


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
    with pytest.raises(InputError, match=rf"^{where.replace('[', chr(92) + '[')}: "):
        taken(input=[item])


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


items = st.one_of(
    st.builds(
        lambda role, said: {"role": role, "content": said}, st.sampled_from(["user", "assistant", "developer"]), TEXTS
    ),
    st.builds(
        lambda number, given: call(number, msgspec.json.encode(given).decode()),
        st.integers(0, 9),
        st.dictionaries(NAMES, VALUES),
    ),
    st.builds(output, st.integers(0, 9), TEXTS),
)


@given(st.lists(items, min_size=1, max_size=8), st.sampled_from([OPUS, OLD]))
def test_a_conversation_that_grows_keeps_its_beginning(grown: list[dict[str, Any]], model: str) -> None:
    """Turn by turn, as calls are made: whenever the model is to speak next."""
    ends = [
        at for at in range(1, len(grown)) if grown[at].get("role") == "assistant" or grown[at].get("type") == "function_call"
    ]
    blocks = [_blocks(grown[:at], model) for at in [*ends, len(grown)]]
    for earlier, later in pairwise(blocks):
        assert later[: len(earlier)] == earlier


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


@given(st.binary(max_size=60) | st.dictionaries(st.sampled_from([*SET, "model", "input"]), VALUES).map(msgspec.json.encode))
def test_garbage_is_an_input_error(garbage: bytes) -> None:
    try:
        made = take_response(garbage, TERMS)
    except (InputError, ModelNotFound):
        return
    parse_request(made.body)


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["type", "role", "content", "id", "call_id", "output", "arguments", "name"]),
            VALUES | st.sampled_from(["message", "user", "function_call"]),
        )
    )
)
def test_garbage_among_items_is_an_input_error(listed: list[Any]) -> None:
    try:
        parse_request(taken(input=listed).body)
    except InputError:
        return


# --- tools, formats, thinking ----


def test_tools() -> None:
    search = {
        "type": "web_search",
        "filters": {"allowed_domains": ["a.example"]},
        "user_location": {"type": "approximate", "city": "Bern", "country": None},
        "search_context_size": "medium",
        "external_web_access": True,
    }
    made = body_of(tools=[WEATHER, search], max_tool_calls=2, tool_choice="auto", parallel_tool_calls=False)
    assert made["tools"] == [
        {"name": "get_weather", "description": WEATHER["description"], "input_schema": WEATHER["parameters"]},
        {
            "type": "web_search_20250305",
            "name": "web_search",
            "max_uses": 2,
            "allowed_domains": ["a.example"],
            "user_location": {"type": "approximate", "city": "Bern"},
        },
    ]
    assert made["tool_choice"] == {"type": "auto", "disable_parallel_tool_use": True}


@pytest.mark.parametrize("kind", ["file_search", "computer_use_preview", "code_interpreter", "mcp", "custom", "local_shell"])
def test_other_tools_are_refused_by_name(kind: str) -> None:
    with pytest.raises(InputError, match=kind):
        taken(tools=[{"type": kind}])


@pytest.mark.parametrize(
    ("choice", "made"),
    [
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "name": "get_weather"}, {"type": "tool", "name": "get_weather"}),
        ({"type": "web_search_preview"}, {"type": "tool", "name": "web_search"}),
        ({"type": "allowed_tools", "mode": "required", "tools": []}, {"type": "any"}),
    ],
)
def test_the_choice_of_tools(choice: object, made: dict[str, Any]) -> None:
    asked = {"model": "claude-haiku-4-5", "tools": [WEATHER, {"type": "web_search"}], "tool_choice": choice}
    assert body_of(**asked)["tool_choice"] == made


def test_structured_outputs() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False}
    asked = {"format": {"type": "json_schema", "name": "A", "schema": schema, "strict": True}}
    made = body_of(text=asked, reasoning={"effort": "low"})
    assert made["output_config"] == {"effort": "low", "format": {"type": "json_schema", "schema": schema}}


def test_thinking_that_is_to_be_shown() -> None:
    made = taken(reasoning={"effort": "high", "summary": "auto"})
    assert msgspec.json.decode(made.body)["thinking"] == {"type": "adaptive", "display": "summarized"}
    assert made.frame.told.summary
    assert lost(model="claude-haiku-5-5", reasoning={"effort": "none", "summary": "auto"}) == ("reasoning.summary",)
