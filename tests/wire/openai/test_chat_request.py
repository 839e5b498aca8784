"""Chat completion requests as Messages bodies."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.openai import completions
from tests.wire.openai.completions import MODELS, TERMS, WEATHER, lost, messages_of, request, taken, user
from tests.wire.openai.talks import FIELDS, Talk, talks
from thriftgate.core.errors import InputError, ModelNotFound
from thriftgate.wire.openai.chat_losses import CHAT_ROWS

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
DECLARED = {row.field: row for row in CHAT_ROWS}


def test_a_whole_request() -> None:
    document = request(
        completions.system("Be brief."),
        user("Weather?"),
        max_completion_tokens=50,
        stream=True,
        stream_options={"include_usage": True},
        stop="END",
        user="u1",
        tools=[WEATHER],
        tool_choice="required",
        parallel_tool_calls=False,
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
        service_tier="default",
    )
    assert messages_of(document) == {
        "model": "claude-opus-4-8",
        "max_tokens": 50,
        "stream": True,
        "metadata": {"user_id": "u1"},
        "service_tier": "standard_only",
        "thinking": {"type": "adaptive"},
        "stop_sequences": ["END"],
        "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "tools": [
            {
                "name": "get_weather",
                "description": "The weather in a city.",
                "input_schema": WEATHER["function"]["parameters"],
            }
        ],
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Weather?"}]}],
    }
    assert taken(document).include_usage
    assert lost(document) == ""


def test_what_says_nothing_is_not_lost() -> None:
    quiet = {row.field: row.harmless[0] for row in CHAT_ROWS if row.harmless and row.field.isidentifier()}
    quiet |= {row.field: {} for row in CHAT_ROWS if row.fate == "needless" and row.field.isidentifier()}
    quiet |= {"temperature": 1, "top_p": 1.0, "stop": None, "tools": [], "tool_choice": "auto", "service_tier": "auto"}
    assert len(quiet) > 15
    assert messages_of(request(**quiet)) == messages_of(request())
    assert lost(request(**quiet)) == ""


@pytest.mark.parametrize(
    ("members", "most"),
    [
        ({}, 128_000),
        ({"max_tokens": 9}, 9),
        ({"max_tokens": 9, "max_completion_tokens": 10}, 10),
        ({"max_completion_tokens": 999_999}, 128_000),
    ],
)
def test_how_long_an_answer_may_become(members: dict[str, Any], most: int) -> None:
    assert messages_of(request(**members))["max_tokens"] == most


def test_the_settings_say_how_long_where_a_call_does_not() -> None:
    terms = msgspec.structs.replace(TERMS, max_tokens=4_000)
    assert msgspec.json.decode(taken(request(), terms).body)["max_tokens"] == 4_000
    assert msgspec.json.decode(taken(request(max_tokens=5), terms).body)["max_tokens"] == 5


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"seed": 1}, "seed"),
        ({"of_tomorrow": {"x": 1}}, "of_tomorrow"),
        ({"temperature": 0.3}, "temperature (not taken by claude-opus-4-8)"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"service_tier": "fast"}, "service_tier (claude-opus-4-8 has no fast mode)"),
        ({"user": "a", "safety_identifier": "b"}, "user (safety_identifier goes first)"),
        ({"max_tokens": 999_999}, "max_tokens (as 128000, the most of claude-opus-4-8)"),
        (
            {"tools": [WEATHER], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
            "tool_choice.allowed_tools",
        ),
        ({"stream_options": {"of_tomorrow": 1}}, "stream_options.of_tomorrow"),
        ({"logit_bias": {"50256": -100}, "verbosity": "low"}, "verbosity; logit_bias"),
    ],
)
def test_what_is_lost_is_told(members: dict[str, Any], told: str) -> None:
    assert lost(request(**members)) == told


@pytest.mark.parametrize(
    ("members", "told"),
    [
        ({"n": 2}, "^n: one answer"),
        ({"logprobs": True}, "^logprobs: "),
        ({"store": True}, "^store: "),
        ({"audio": {"voice": "x"}}, "^audio: "),
        ({"modalities": ["text", "audio"]}, "^modalities: "),
        ({"functions": [{"name": "f"}]}, "^functions: "),
        ({"web_search_options": {}}, "^web_search_options: "),
        ({"max_tokens": 0}, "^max_tokens: Input should be greater"),
        ({"max_tokens": "x"}, "^max_tokens: Input should be an integer"),
        ({"messages": []}, "^messages: "),
        ({"messages": "x"}, "^messages: Input should be a list"),
        ({"tools": [{"type": "custom", "custom": {"name": "f"}}]}, r"^tools\[0\].type: custom tools"),
        ({"tool_choice": "must"}, "^tool_choice: "),
        ({"tool_choice": {"type": "custom", "custom": {"name": "f"}}}, "^tool_choice: "),
        ({"tool_choice": "required"}, "^tool_choice: a call is asked for"),
        ({"response_format": {"type": "yaml"}}, "^response_format: "),
        ({"response_format": {"type": "json_schema"}}, "^response_format: "),
        ({"reasoning_effort": "much"}, "^reasoning_effort: "),
    ],
)
def test_what_cannot_be_carried_at_all_is_refused(members: dict[str, Any], told: str) -> None:
    with pytest.raises(InputError, match=told):
        taken(request(**members))


def test_a_tool_by_name() -> None:
    document = request(tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "get_weather"}})
    assert messages_of(document)["tool_choice"] == {"type": "tool", "name": "get_weather"}


def test_json_mode_is_asked_for_in_words() -> None:
    made = messages_of(request(completions.system("S"), user("x"), response_format={"type": "json_object"}))
    assert made["system"][0] == {"type": "text", "text": "S"}
    assert "JSON object" in made["system"][1]["text"]
    assert "output_config" not in made


def test_fast_where_the_model_has_it() -> None:
    document = request(model="claude-opus-5-5", service_tier="priority")
    assert messages_of(document)["speed"] == "fast"
    assert lost(document) == ""


def test_names_that_are_mapped() -> None:
    assert messages_of(request(model="gpt-5"))["model"] == "claude-opus-5-5"
    with pytest.raises(ModelNotFound):
        taken(request(model="o7"))


# --- whatever is said --------------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(talks(), st.dictionaries(st.sampled_from(sorted(FIELDS)), st.integers(0, 9), max_size=6))
def test_everything_survives_or_is_told(talk: Talk, wanted: dict[str, int]) -> None:
    """Every text, image, call and result stands in the body, in order; every field has its place there or in the report."""
    members = {name: FIELDS[name].values[number % len(FIELDS[name].values)] for name, number in wanted.items()}
    found = taken(request(*talk.turns, **members, model=talk.model))
    body = found.body.decode()
    places = [body.find(mark) for mark in talk.marks]
    assert -1 not in places, talk.marks[places.index(-1)]
    assert places == sorted(places)
    made = msgspec.json.decode(found.body)
    for name, value in members.items():
        is_told = any(field.partition(".")[0] == name for field in found.report.fields)
        assert is_told or FIELDS[name].carried(made, value), name
        declared = DECLARED.get(name)
        if declared is None or declared.fate == "reported":
            assert is_told or (declared is not None and value in declared.harmless), name


@settings(max_examples=60, deadline=None)
@given(talks(), st.booleans())
def test_a_conversation_that_has_grown_begins_with_the_same_bytes(talk: Talk, strict: bool) -> None:
    members: dict[str, Any] = {"model": talk.model, "tools": [WEATHER], "reasoning_effort": "low"}
    if strict:
        members["response_format"] = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}
    bodies = [taken(request(*talk.turns[:end], **members)).body for end in talk.ends]
    for shorter, longer in pairwise(bodies):
        assert shorter.endswith(b"]}")
        assert longer.startswith(shorter[:-2] + b",")


NAMES = st.text(max_size=5) | st.sampled_from(["type", "role"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)
FIELD_NAMES = sorted(name for name in DECLARED if name.isidentifier())
MEMBER_NAMES = ["role", "content", "tool_calls", "tool_call_id", "thinking_blocks", "refusal", "name"]


def translated_or_refused(body: dict[str, Any] | bytes) -> None:
    """Nothing else may come of it: not another exception."""
    with suppress(InputError, ModelNotFound):
        msgspec.json.decode(taken(body).body)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(FIELD_NAMES), JSON)
def test_garbage_in_a_field_is_an_error_in_words(name: str, value: Any) -> None:
    translated_or_refused(request(tools=[WEATHER]) | {name: value})


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(MEMBER_NAMES), JSON)
def test_garbage_in_a_turn_is_an_error_in_words(name: str, value: Any) -> None:
    for turn in (user("x"), completions.called(("a", "{}")), completions.result("a", "x")):
        translated_or_refused(request(turn | {name: value}))


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=40), st.integers(0, 400), st.integers(0, 20))
def test_garbage_bytes_are_an_error_in_words(noise: bytes, at: int, cut: int) -> None:
    whole = msgspec.json.encode(request(user([{"type": "text", "text": "x"}]), tools=[WEATHER], thinking={"type": "x"}))
    translated_or_refused(noise)
    translated_or_refused(whole[:at] + noise + whole[at + cut :])


def test_every_model_of_the_table_is_served() -> None:
    for row in MODELS.rows:
        assert messages_of(request(model=row.id))["max_tokens"] == row.output_tokens_max
