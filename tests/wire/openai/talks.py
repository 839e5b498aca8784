"""Conversations in OpenAI's words, made up by hypothesis: every text, address and argument in them is a mark of its own, so
that it can be found again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from hypothesis import strategies as st

from tests.wire.openai.completions import WEATHER, assistant, called, result, system, user

NAMES = ("claude-opus-5-5", "claude-opus-4-8", "claude-sonnet-5-5", "claude-haiku-4-5", "claude-opus-4-7")


class Talk(NamedTuple):
    """Turns, the marks in them in the order in which they must stand in what becomes of them, and where the client has
    called: numbers of turns, each larger than the one before."""

    model: str
    turns: list[dict[str, Any]]
    marks: list[str]
    ends: list[int]


class Field(NamedTuple):
    """A field of the request: values to try, and whether one of them has its place in a Messages body."""

    values: tuple[Any, ...]
    carried: Callable[[dict[str, Any], Any], bool]


def _never(_made: dict[str, Any], _value: Any) -> bool:
    return False


def _always(_made: dict[str, Any], _value: Any) -> bool:
    return True


FIELDS: dict[str, Field] = {
    "temperature": Field((0.0, 0.5, 1, 1.5), lambda made, value: value == 1 or made.get("temperature") == value),
    "top_p": Field((0.2, 0.99, 1), lambda made, value: value == 1 or made.get("top_p") == value),
    "stop": Field(("END", ["a", "b"], "  "), lambda made, value: made.get("stop_sequences") in ([value], value)),
    "user": Field(("u1",), lambda made, value: made["metadata"]["user_id"] == value),
    "safety_identifier": Field(("s1",), lambda made, value: made["metadata"]["user_id"] == value),
    "max_tokens": Field((7, 999_999), lambda made, value: made["max_tokens"] == value),
    "stream": Field((True, False), lambda made, value: made.get("stream", False) is value),
    "tools": Field(([WEATHER],), lambda made, value: made["tools"][0]["name"] == value[0]["function"]["name"]),
    "parallel_tool_calls": Field((True,), _always),
    "reasoning_effort": Field(
        ("none", "minimal", "high", "max"),
        lambda made, value: "thinking" in made or "output_config" in made or value == "none",
    ),
    "response_format": Field(
        ({"type": "text"}, {"type": "json_object"}, {"type": "json_schema", "json_schema": {"schema": {}}}),
        lambda made, value: value["type"] == "text" or "JSON" in made["system"][-1]["text"],
    ),
    "service_tier": Field(
        ("auto", "default", "fast", "flex"),
        lambda made, value: value == "auto" or made.get("service_tier") == "standard_only" or made.get("speed") == "fast",
    ),
    "thinking": Field(({"type": "adaptive"},), lambda made, value: made["thinking"] == value),
    "seed": Field((1,), _never),
    "verbosity": Field(("low", "medium"), lambda _, value: value == "medium"),
    "frequency_penalty": Field((0, 1.5), lambda _, value: value == 0),
    "presence_penalty": Field((0.5,), _never),
    "logit_bias": Field(({"1": 2},), _never),
    "metadata": Field(({"a": "b"},), _never),
    "prediction": Field(({"type": "content", "content": "x"},), _never),
    "prompt_cache_key": Field(("k",), _always),
    "of_tomorrow": Field((1, "x", {"y": [1]}), _never),
}


@st.composite
def talks(draw: st.DrawFn) -> Talk:
    """A conversation of a few rounds: instructions, parts, parallel calls, thinking that is sent back."""
    marks: list[str] = []

    def mark(kind: str) -> str:
        marks.append(f"{kind}-{len(marks)}.")
        return marks[-1]

    turns = [
        {"role": draw(st.sampled_from(["system", "developer"])), "content": mark("rule")}
        for _ in range(draw(st.integers(0, 2)))
    ]
    ends = []
    for number in range(draw(st.integers(1, 4))):
        turns.append(user(_content(draw, mark)))
        if draw(st.booleans()):
            turns.append(system([{"type": "text", "text": mark("later")}]))
        ends.append(len(turns))
        thoughts = _thoughts(draw, mark)
        if draw(st.booleans()):
            ids = [f"call_{number}_{at}" for at in range(draw(st.integers(1, 3)))]
            calls = called(*((id_, f'{{"city": "{mark("city")}"}}') for id_ in ids), **thoughts)
            turns.append(calls)
            turns += [result(id_, mark("result")) for id_ in ids]
            ends.append(len(turns))
            thoughts = {}
        turns.append(assistant(mark("answer"), **thoughts))
    turns.append(user(mark("last")))
    ends.append(len(turns))
    return Talk(draw(st.sampled_from(NAMES)), turns, marks, ends)


def _content(draw: st.DrawFn, mark: Callable[[str], str]) -> Any:
    if draw(st.booleans()):
        return mark("text")
    parts: list[dict[str, Any]] = [{"type": "text", "text": mark("part")}]
    if draw(st.booleans()):
        parts.append({"type": "image_url", "image_url": {"url": f"https://images/{mark('image')}png"}})
    if draw(st.booleans()):
        parts.append({"type": "file", "file": {"file_id": mark("file")}})
    return parts


def _thoughts(draw: st.DrawFn, mark: Callable[[str], str]) -> dict[str, Any]:
    if not draw(st.booleans()):
        return {}
    return {"thinking_blocks": [{"type": "thinking", "thinking": mark("thought"), "signature": mark("signed")}]}
