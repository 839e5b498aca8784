"""Chat answers: chunks put together are the whole answer."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from thriftgate.simulator.chat.reply import chunks, completion
from thriftgate.simulator.chat.styles import STYLES

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "stop_reason": "tool_use",
    "content": [
        {"type": "thinking", "thinking": "a thought of some length", "signature": "sig"},
        {"type": "text", "text": "a text of some length"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": "an argument of some length"}},
        {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
    ],
}


@pytest.mark.parametrize("style", STYLES)
def test_the_pieces_are_the_whole(style: str) -> None:
    whole = completion(MESSAGE, "m", STYLES[style], {"n": 1})
    events = b"".join(chunks(MESSAGE, "m", STYLES[style], {"n": 1}, tells=True)).decode()
    read = [msgspec.json.decode(line[6:]) for line in events.splitlines() if line.startswith("data: ")]
    deltas = [chunk["choices"][0]["delta"] for chunk in read if chunk["choices"]]
    said = whole["choices"][0]["message"]
    assert "".join(delta.get("content") or "" for delta in deltas) == said["content"] == "a text of some length"
    arguments: dict[int, str] = {}
    for delta in deltas:
        for call in delta.get("tool_calls") or []:
            arguments[call["index"]] = arguments.get(call["index"], "") + call["function"]["arguments"]
    assert list(arguments.values()) == [call["function"]["arguments"] for call in said["tool_calls"]]
    assert read[-1]["usage"] == whole["usage"] == {"n": 1}
    assert read[-2]["choices"][0]["finish_reason"] == "tool_calls"
    thought = "".join(delta.get("reasoning") or delta.get("reasoning_content") or "" for delta in deltas)
    assert thought == (said.get("reasoning") or said["reasoning_content"])
