from typing import Any

import msgspec
import pytest

from .support import ask, body, exact, simulator, text

WEATHER = {
    "name": "get_weather",
    "description": "Tells the weather of a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "unit": {"enum": ["C", "F"]}},
        "required": ["city", "unit"],
    },
}
OTHER = {"name": "send_invoice", "input_schema": {"type": "object", "properties": {}}}


async def said(content: str | list[dict[str, Any]], **members: Any) -> Any:
    settings = members.pop("settings", {})
    messages = [{"role": "user", "content": content}]
    reply = await ask(simulator(**settings), body(**({"messages": messages} | members)))
    assert reply.status == 200, reply.raw
    return reply.json()


async def test_the_answer_depends_only_on_what_is_visible() -> None:
    first = await said("tell me something")
    variants: list[dict[str, Any]] = [
        {"metadata": {"user_id": "u"}},
        {"cache_control": {"type": "ephemeral"}},
        {"messages": [{"role": "user", "content": [text("tell me something", "1h")]}]},
        {"max_tokens": 5000},
    ]
    for members in variants:
        assert (await said("tell me something", **members))["content"] == first["content"]
    assert (await said("tell me something", settings={"instance_id": "x"}))["content"] == first["content"]
    assert (await said("tell me something", settings={"seed": 2}))["content"] != first["content"]
    assert (await said("tell me something", model="claude-opus-4-7"))["content"] != first["content"]
    assert "simulated" in first["content"][0]["text"].lower()


async def test_directives_say_out_stop_and_think() -> None:
    assert (await said("[[sim: say=Good day.]]"))["content"] == [text("Good day.")]
    assert (await said("[[sim: out=123]]"))["usage"]["output_tokens"] == 123
    assert (await said("x [[sim: stop=pause_turn]]"))["stop_reason"] == "pause_turn"
    thought = await said("x [[sim: think=44]] [[sim: say=y]]", thinking={"type": "adaptive"})
    assert thought["usage"]["output_tokens_details"] == {"thinking_tokens": 44}
    assert [block["type"] for block in thought["content"]] == ["thinking", "text"]
    omitted = await said("x [[sim: think=44]]", thinking={"type": "adaptive", "display": "omitted"})
    assert omitted["content"][0]["thinking"] == ""
    assert omitted["usage"]["output_tokens_details"] == {"thinking_tokens": 44}


@pytest.mark.parametrize(("category", "shown"), [("cyber", "cyber"), ("none", None)])
async def test_refusals(category: str, shown: str | None) -> None:
    reply = await said(f"[[sim: refuse={category}]]")
    assert (reply["stop_reason"], reply["content"]) == ("refusal", [])
    assert reply["stop_details"]["category"] == shown


async def test_max_tokens_cuts_and_bills_what_was_written() -> None:
    reply = await said("[[sim: say=abcdefghij]]", max_tokens=4, settings={"tokenizer": exact})
    assert (reply["content"][0]["text"], reply["stop_reason"], reply["usage"]["output_tokens"]) == ("abcd", "max_tokens", 4)
    thought = await said("[[sim: think=50]]", max_tokens=20, thinking={"type": "adaptive"})
    assert [block["type"] for block in thought["content"]] == ["thinking"]
    assert thought["usage"]["output_tokens"] == thought["usage"]["output_tokens_details"]["thinking_tokens"] == 20


async def test_stop_sequences() -> None:
    reply = await said("[[sim: say=one END two]]", stop_sequences=["END", "two"], settings={"tokenizer": exact})
    assert (reply["stop_reason"], reply["stop_sequence"]) == ("stop_sequence", "END")
    assert reply["content"][0]["text"] == "one "
    assert reply["usage"]["output_tokens"] == 4


async def test_tool_is_called_when_the_user_asks_for_it_then_the_answer_comes() -> None:
    app = simulator()
    content = body(tools=[OTHER, WEATHER], messages=[{"role": "user", "content": "What is the weather in Paris?"}])
    calls = 0
    while True:
        reply = (await ask(app, content)).json()
        if reply["stop_reason"] != "tool_use":
            break
        [block] = reply["content"]
        assert block["name"] == "get_weather"
        assert block["id"].startswith("toolu_")
        assert block["input"]["city"] == "Paris"
        assert block["input"]["unit"] in {"C", "F"}
        result = {"type": "tool_result", "tool_use_id": block["id"], "content": "sunny"}
        calls += 1
        content["messages"] += [{"role": "assistant", "content": reply["content"]}, {"role": "user", "content": [result]}]
    assert 1 <= calls <= 3
    assert reply["stop_reason"] == "end_turn"


async def test_tool_directives_and_choices() -> None:
    parallel = await said('[[sim: tool=get_weather input={"city": "X"}]] [[sim: tool=send_invoice]]', tools=[WEATHER, OTHER])
    assert [block["input"] for block in parallel["content"]] == [{"city": "X"}, {}]
    assert len({block["id"] for block in parallel["content"]}) == 2
    none = await said("What is the weather in Paris?", tools=[WEATHER], tool_choice={"type": "none"})
    assert none["stop_reason"] == "end_turn"
    forced = await said("hello", tools=[WEATHER, OTHER], tool_choice={"type": "tool", "name": "send_invoice"})
    assert forced["content"][0]["name"] == "send_invoice"
    any_tool = await said("hello", tools=[WEATHER, OTHER], tool_choice={"type": "any"})
    assert any_tool["stop_reason"] == "tool_use"
    idle = await said("say hi", tools=[WEATHER, OTHER])
    assert idle["stop_reason"] == "end_turn"
    hidden = await said("<system-reminder>the weather in Paris</system-reminder>hi", tools=[WEATHER])
    assert hidden["stop_reason"] == "end_turn"


async def test_structured_outputs_fit_the_schema_and_take_a_tasks_answer() -> None:
    schema = {
        "type": "object",
        "properties": {"label": {"type": "string"}, "score": {"type": "integer", "minimum": 0}},
        "required": ["label", "score"],
    }
    config = {"format": {"type": "json_schema", "schema": schema}}
    value = msgspec.json.decode((await said("anything", output_config=config))["content"][0]["text"])
    assert isinstance(value["label"], str)
    assert value["score"] >= 0
    prompt = "Classify the sentiment.\n\nReview: it was superb."
    value = msgspec.json.decode(
        (await said(prompt, output_config=config, settings={"accuracy_shift": 1.0}))["content"][0]["text"]
    )
    assert value["label"] == "positive"
    note = "Note: Ada Moreau from Lyon ordered 5 units of part AX-100."
    schema["properties"] = {"city": {"type": "string"}}
    schema["required"] = ["city"]
    value = msgspec.json.decode(
        (await said(note, output_config=config, settings={"accuracy_shift": 1.0}))["content"][0]["text"]
    )
    assert value == {"city": "Lyon"}


async def test_context_window_ends_the_answer() -> None:
    model = {"model": "claude-haiku-4-5", "settings": {"tokenizer": exact}}
    nearly = "x" * 199_900
    reply = await said(nearly + "[[sim: out=500]]", max_tokens=1000, **model)
    assert reply["stop_reason"] == "model_context_window_exceeded"
    full = await ask(
        simulator(tokenizer=exact), body(model="claude-haiku-4-5", messages=[{"role": "user", "content": "x" * 200_000}])
    )
    assert full.json()["error"]["message"] == "prompt is too long: 200007 tokens > 200000 maximum"
