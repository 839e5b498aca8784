from typing import Any

import pytest

from .support import ask, body, simulator

TOOL = {"name": "look", "input_schema": {}}


async def reason(change: dict[str, Any], *, asked_before: bool = True) -> Any:
    app = simulator()
    before = body(system="s", tools=[TOOL], messages=[{"role": "user", "content": "a"}])
    if asked_before:
        before["diagnostics"] = {"previous_message_id": None}
    first = (await ask(app, before)).json()
    assert first["diagnostics"] is None
    now = before | change | {"diagnostics": {"previous_message_id": first["id"]}}
    return (await ask(app, now)).json()["diagnostics"]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"model": "claude-opus-4-7"}, "model_changed"),
        ({"tools": [TOOL, {**TOOL, "name": "b"}]}, "tools_changed"),
        ({"system": "other"}, "system_changed"),
        ({"messages": [{"role": "user", "content": "b"}]}, "messages_changed"),
    ],
)
async def test_reasons_with_an_estimate(change: dict[str, Any], kind: str) -> None:
    found = (await reason(change))["cache_miss_reason"]
    assert found["type"] == kind
    assert found["cache_missed_input_tokens"] > 0


async def test_other_answers() -> None:
    longer = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "x"}, {"role": "user", "content": "b"}]
    assert await reason({"messages": longer}) is None
    assert (await reason({"tool_choice": {"type": "none"}}))["cache_miss_reason"] == {"type": "unavailable"}
    assert (await reason({}, asked_before=False))["cache_miss_reason"] == {"type": "previous_message_not_found"}


async def test_in_a_stream_it_sits_on_message_start() -> None:
    content = body(stream=True, diagnostics={"previous_message_id": "msg_unknown"})
    events = (await ask(simulator(), content)).events()
    assert events[0]["message"]["diagnostics"]["cache_miss_reason"]["type"] == "previous_message_not_found"
