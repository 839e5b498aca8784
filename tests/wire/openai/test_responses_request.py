"""Responses requests as Messages: every field that the SDK knows, and what becomes of it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.openai.contents import VALUES
from tests.wire.openai.responses_asked import FIELDS, MODELS, OLD, OPUS, TERMS, WEATHER, body_of, lost, taken
from thriftgate.core.errors import InputError, ModelNotFound
from thriftgate.core.request import parse_request
from thriftgate.wire.openai.responses_request import take_response


def test_a_plain_text() -> None:
    assert body_of() == {
        "model": OPUS,
        "max_tokens": MODELS[OPUS].output_tokens_max,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
    }


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


@given(st.binary(max_size=60) | st.dictionaries(st.sampled_from([*SET, "model", "input"]), VALUES).map(msgspec.json.encode))
def test_garbage_is_an_input_error(garbage: bytes) -> None:
    try:
        made = take_response(garbage, TERMS)
    except (InputError, ModelNotFound):
        return
    parse_request(made.body)


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
