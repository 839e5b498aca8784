"""The agent loop."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec

from tests.demo.traffic import entries_of
from thriftgate.demo.agent import MODEL, ROUNDS_MAX, TASKS, run
from thriftgate.demo.stage import Stage


def test_tools_are_called_and_every_task_ends() -> None:
    entries = entries_of("agent")
    reasons = [entry.stop_reason for entry in entries]
    assert reasons.count("end_turn") == len(TASKS)
    assert reasons.count("tool_use") == len(entries) - len(TASKS) > 0
    assert {entry.model for entry in entries} == {MODEL}
    assert {entry.stream for entry in entries} == {True, False}
    assert all(entry.outcome == "answered" for entry in entries)  # thinking that was sent back was accepted each time


def test_a_model_that_never_ends_is_stopped() -> None:
    block = SimpleNamespace(type="tool_use", id="toolu_1", name="check_stock", input={"article": "MAT-R"})
    answer = SimpleNamespace(stop_reason="tool_use", content=[block])
    sent: list[Any] = []

    class Events:
        def __enter__(self) -> Any:
            return SimpleNamespace(get_final_message=lambda: answer)

        def __exit__(self, *_: object) -> None: ...

    def note(**members: Any) -> Any:
        sent.append(list(members["messages"]))
        return answer

    def stream(**members: Any) -> Events:
        note(**members)
        return Events()

    client: Any = SimpleNamespace(messages=SimpleNamespace(create=note, stream=stream))
    run(Stage(client=client, async_client=lambda: client, pause=lambda _: None, tick=lambda: None))
    assert len(sent) == ROUNDS_MAX * len(TASKS)
    (result,) = sent[1][-1]["content"]
    assert (result["type"], result["tool_use_id"], result["is_error"]) == ("tool_result", "toolu_1", False)
    assert msgspec.json.decode(result["content"]) == {"article": "MAT-R", "pieces": 61}
