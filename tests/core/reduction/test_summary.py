"""What the model that sums up is asked, and what it is given to read."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from thriftgate.core.reduction.summary import THINKS_TOKENS, by_another, in_conversation, transcript


def raw(role: str, content: Any) -> bytes:
    return msgspec.json.encode({"role": role, "content": content})


def asked_of(last: bytes) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = msgspec.json.decode(in_conversation(last, 1_500))["content"]
    return content


def test_the_request_stands_behind_what_was_said() -> None:
    spoken, asked = asked_of(raw("user", 'and "now"?'))
    assert spoken == {"type": "text", "text": 'and "now"?'}
    assert asked["type"] == "text"
    assert "Sum up the conversation up to here" in asked["text"]
    assert "at most 900 words" in asked["text"]
    assert asked["text"].endswith("Answer with the summary alone; call no tools.")


def test_what_was_said_keeps_its_bytes() -> None:
    """Results stand first, as they must; a breakpoint of the client's, odd numbers and white space stay."""
    last = b'{"content": [ {"type":"tool_result","tool_use_id":"t","content":"1.0e2","cache_control":{"type":"ephemeral"}} ]'
    last += b', "role":"user"}'
    asked = in_conversation(last, 200)
    assert asked.startswith(last[: last.index(b" ]")])
    assert asked.endswith(b', "role":"user"}')
    assert [block["type"] for block in msgspec.json.decode(asked)["content"]] == ["tool_result", "text"]


@pytest.mark.parametrize("empty", [[], ""])
def test_an_empty_message_takes_it_too(empty: Any) -> None:
    assert asked_of(raw("user", empty))[-1]["text"].startswith("Sum up")


def test_another_model_is_given_a_transcript() -> None:
    body = msgspec.json.decode(by_another([raw("user", "hello"), raw("assistant", "hi")], "claude-haiku-5-5", 400))
    (message,) = body.pop("messages")
    assert body == {"model": "claude-haiku-5-5", "max_tokens": 2 * 400 + THINKS_TOKENS}
    assert message["role"] == "user"
    assert message["content"].startswith("<conversation>\n[user]\nhello\n\n[assistant]\nhi\n</conversation>\n\nSum up")
    assert message["content"].endswith("Answer with the summary alone.")


def test_a_transcript_tells_calls_and_results_but_no_thinking() -> None:
    messages = [
        raw("user", [{"type": "text", "text": "look"}, {"type": "image", "source": {}}]),
        raw("assistant", [{"type": "thinking", "thinking": "hm", "signature": "s"}]),
        raw("assistant", [{"type": "tool_use", "id": "t", "name": "ls", "input": {"path": "/a"}}]),
        raw("user", [{"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "b.txt"}]}]),
        raw("user", [{"type": "tool_result", "tool_use_id": "u", "content": "c.txt"}]),
        raw("user", [{"type": "tool_result", "tool_use_id": "v"}, 7]),
        b"[]",
    ]
    assert transcript(messages).split("\n\n") == [
        "[user]\nlook\n(image)",
        '[assistant]\n(calls ls: {"path":"/a"})',
        "[user]\n(result: b.txt)",
        "[user]\n(result: c.txt)",
        "[user]\n(result: )",
    ]
