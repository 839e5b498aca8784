from typing import Any

import pytest

from .support import ask, body, exact, simulator, text

BIG = "x" * 1000


def tool_history(count: int) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = [{"role": "user", "content": "start"}]
    for number in range(count):
        call = {"type": "tool_use", "id": f"t{number}", "name": "look" if number % 2 else "read", "input": {"n": number}}
        result = {"type": "tool_result", "tool_use_id": f"t{number}", "content": BIG}
        messages += [{"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}]
    return messages


async def edits(*wanted: dict[str, Any], messages: Any = None, **members: Any) -> Any:
    content = body(messages=messages or tool_history(6), context_management={"edits": list(wanted)}, **members)
    return await ask(simulator(tokenizer=exact), content)


async def test_clearing_old_tool_results() -> None:
    trigger = {"type": "input_tokens", "value": 3000}
    reply = await edits({"type": "clear_tool_uses_20250919", "trigger": trigger, "keep": {"type": "tool_uses", "value": 2}})
    [edit] = reply.json()["context_management"]["applied_edits"]
    assert edit["cleared_tool_uses"] == 4
    assert edit["cleared_input_tokens"] == 4 * (1000 - len("[Old tool result content cleared]"))
    assert reply.json()["usage"]["input_tokens"] < 3000


@pytest.mark.parametrize(
    ("setting", "cleared"),
    [
        ({"trigger": {"type": "input_tokens", "value": 100_000}}, None),
        ({"trigger": {"type": "tool_uses", "value": 5}}, 3),
        ({"trigger": {"type": "tool_uses", "value": 5}, "exclude_tools": ["read"]}, 1),
        ({"trigger": {"type": "tool_uses", "value": 5}, "clear_at_least": {"type": "input_tokens", "value": 9000}}, None),
        ({"trigger": {"type": "tool_uses", "value": 5}, "clear_tool_inputs": True}, 3),
    ],
)
async def test_settings(setting: dict[str, Any], cleared: int | None) -> None:
    reply = await edits({"type": "clear_tool_uses_20250919", **setting})
    applied = reply.json()["context_management"]["applied_edits"]
    assert [edit["cleared_tool_uses"] for edit in applied] == ([] if cleared is None else [cleared])


async def test_clearing_thinking() -> None:
    app = simulator()
    content = body(model="claude-opus-5-5", messages=[])
    for number in range(3):
        content["messages"].append({"role": "user", "content": f"{number} [[sim: think=50]]"})
        content["messages"].append({"role": "assistant", "content": (await ask(app, content)).json()["content"]})
    content["messages"].append({"role": "user", "content": "end"})
    for keep, turns in (("all", []), ({"type": "thinking_turns", "value": 1}, [2])):
        content["context_management"] = {"edits": [{"type": "clear_thinking_20251015", "keep": keep}]}
        reply = (await ask(app, content)).json()
        assert [edit["cleared_thinking_turns"] for edit in reply["context_management"]["applied_edits"]] == turns


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ([{"type": "magic"}], "context_management.edits.0.type"),
        (
            [{"type": "clear_tool_uses_20250919"}, {"type": "clear_thinking_20251015"}],
            "context_management.edits.1: clear_thinking_20251015 must be the first edit",
        ),
        (
            [{"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 10}}],
            "context_management.edits.0.trigger.value: Input should be greater than or equal to 50000",
        ),
    ],
)
async def test_wrong_edits(wanted: list[dict[str, Any]], said: str) -> None:
    reply = await edits(*wanted)
    assert reply.status == 400
    assert reply.json()["error"]["message"].startswith(said)


async def test_a_compaction_block_replaces_what_was_before() -> None:
    app = simulator(tokenizer=exact)
    block = {"type": "compaction", "content": "sum"}
    messages = [
        {"role": "user", "content": BIG},
        {"role": "assistant", "content": [block, text("ok")]},
        {"role": "user", "content": "go"},
    ]
    labels = [label for label, _ in app.count_blocks(body(messages=messages))]
    assert labels == ["messages.1.content.0", "messages.1.content.1", "messages.2.content.0", "tail"]
