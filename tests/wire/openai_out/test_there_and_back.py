"""A chat request that was taken in as Messages goes out as the chat request that it was, but for what is declared."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.openai_out.samples import BY_NAME
from thriftgate.pricing.load import load_models
from thriftgate.wire.openai.chat_request import Terms, take
from thriftgate.wire.openai_out.losses import loss
from thriftgate.wire.openai_out.request import chat_request

MODEL = "claude-haiku-4-5"
TERMS = Terms(load_models(), {}, lambda _model: True)
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"], "additionalProperties": False}
TOOL = {"type": "function", "function": {"name": "find", "description": "finds", "parameters": SCHEMA}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
TEXTS = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=12)
VALUES = st.one_of(TEXTS, st.integers(-9, 9), st.booleans())
ARGUMENTS = st.dictionaries(TEXTS, VALUES, max_size=2).map(lambda value: msgspec.json.encode(value).decode())


@st.composite
def talks(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A conversation: what users say, what is answered, with tools called and heard."""
    said: list[dict[str, Any]] = [{"role": "system", "content": draw(TEXTS)}] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(1, 4))):
        text = draw(TEXTS)
        parts = [{"type": "text", "text": text}, *([IMAGE] if draw(st.booleans()) else []), {"type": "text", "text": "so"}]
        said.append({"role": "user", "content": draw(st.sampled_from([text, parts]))})
        calls = [
            {
                "id": f"call_{turn}_{at}",
                "type": "function",
                "function": {"name": "find", "arguments": draw(ARGUMENTS)},
            }
            for at in range(draw(st.integers(0, 2)))
        ]
        if calls:
            said.append({"role": "assistant", "content": draw(st.one_of(st.none(), TEXTS)), "tool_calls": calls})
            said += [{"role": "tool", "tool_call_id": call["id"], "content": draw(TEXTS)} for call in calls]
        said.append({"role": "assistant", "content": draw(TEXTS)})
    return [*said, {"role": "user", "content": draw(TEXTS)}]


@given(
    talks(),
    st.sampled_from([None, 0.25, 0.5]),
    st.sampled_from([None, "required", "none", {"type": "function", "function": {"name": "find"}}]),
    st.sampled_from([None, ["END"], ["a", "b"]]),
    st.booleans(),
)
@settings(max_examples=60)
def test_what_went_in_comes_out(
    said: list[dict[str, Any]],
    warmth: float | None,
    choice: Any,
    stop: Any,
    stream: bool,
) -> None:
    chat: dict[str, Any] = {"model": MODEL, "messages": said, "max_completion_tokens": 99, "tools": [TOOL]}
    chat |= {"temperature": warmth} if warmth is not None else {}
    chat |= {"tool_choice": choice} if choice is not None else {}
    chat |= {"stop": stop} if stop is not None else {}
    chat |= {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    taken = take(msgspec.json.encode(chat), TERMS)
    assert loss(taken.body, BY_NAME["openai"]) == ""
    out, asked = chat_request(taken.body, BY_NAME["openai"], {taken.model: MODEL})
    assert msgspec.json.decode(out) == chat
    assert (asked.stream, asked.model) == (stream, taken.model)


@given(talks())
@settings(max_examples=30)
def test_and_back_again(said: list[dict[str, Any]]) -> None:
    once = take(_encoded(said), TERMS).body
    again = take(chat_request(once, BY_NAME["openai"], {})[0], TERMS).body
    assert again == once


@given(talks())
@settings(max_examples=20)
def test_a_grown_conversation_begins_with_the_bytes_it_had(said: list[dict[str, Any]]) -> None:
    before: list[Any] = []
    users = [at for at, message in enumerate(said) if message["role"] == "user"]
    for at in users:
        chat, _ = chat_request(take(_encoded(said[: at + 1]), TERMS).body, BY_NAME["deepseek"], {})
        messages = msgspec.json.decode(chat)["messages"]
        assert messages[: len(before)] == before
        before = messages


def _encoded(said: list[dict[str, Any]]) -> bytes:
    return msgspec.json.encode({"model": MODEL, "messages": said, "max_completion_tokens": 99, "tools": [TOOL]})
