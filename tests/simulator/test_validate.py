from typing import Any

import pytest

from thriftgate.simulator.errors import ApiError
from thriftgate.simulator.validate import check_body, check_version

from .support import VERSION, body, text

USE = {"type": "tool_use", "id": "t1", "name": "n", "input": {}}
RESULT = {"type": "tool_result", "tool_use_id": "t1", "content": "x"}


def turns(*pairs: tuple[str, Any]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in pairs]


def refusal(content: Any, version: str = VERSION) -> str:
    with pytest.raises(ApiError) as problem:
        check_body(content, version)
    assert (problem.value.status, problem.value.kind) == (400, "invalid_request_error")
    return problem.value.message


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "Request body must be a JSON object"),
        (body(surprise=1), "surprise: Extra inputs are not permitted"),
        (body(thread={"type": "create"}), "thread: message threads are not supported by this simulation"),
        ({"max_tokens": 1, "messages": []}, "model: Field required"),
        (body(model=4), "model: Input should be a valid string"),
        ({"model": "m", "messages": []}, "max_tokens: Field required"),
        (body(max_tokens="x"), "max_tokens: Input should be a valid integer"),
        (body(max_tokens=True), "max_tokens: Input should be a valid integer"),
        (body(max_tokens=-1), "max_tokens: Input should be greater than or equal to 0"),
        (body(system=5), "system: Input should be a valid string or list"),
        (body(system=[{"type": "image"}]), "system.0: Input should be a text block"),
        (body(system=[text("")]), "system: text content blocks must be non-empty"),
        (body(tools={}), "tools: Input should be a valid list"),
        (body(tools=[5]), "tools.0: Input should be a valid dictionary"),
        (body(tools=[{"input_schema": {}}]), "tools.0.custom.name: Field required"),
        (body(tools=[{"name": "a"}]), "tools.0.custom.input_schema: Field required"),
        (body(tools=[{"name": "a", "input_schema": {}}] * 2), "tools: Tool names must be unique."),
        (body(messages=[]), "messages: at least one message is required"),
        (body(messages="x"), "messages: Input should be a valid list"),
        (body(messages=[{"role": "robot"}]), "messages.0.role: Input should be 'user' or 'assistant'"),
        (body(messages=turns(("user", None))), "messages.0.content: Field required"),
        (body(messages=turns(("user", 5))), "messages.0.content: Input should be a valid list"),
        (body(messages=turns(("user", [5]))), "messages.0.content.0: Input should be a valid dictionary"),
        (body(messages=turns(("user", [text("")]))), "messages: text content blocks must be non-empty"),
        (body(messages=turns(("user", [{"type": "text"}]))), "messages.0.content.0.text.text: Field required"),
        (body(messages=turns(("assistant", "x"))), 'messages: first message must use the "user" role'),
        (body(temperature="warm"), "temperature: Input should be a valid number"),
        (body(temperature=1.5), "temperature: range: 0..1"),
        (body(thinking="on"), "thinking: Input should be a valid dictionary"),
        (body(stop_sequences=[" "]), "stop_sequences: each stop sequence must contain non-whitespace"),
        (body(stop_sequences="x"), "stop_sequences: Input should be a valid list of strings"),
        (body(tool_choice={"type": "maybe"}), "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'"),
        (body(tool_choice={"type": "any"}), "tool_choice: may only be specified while providing tools"),
        (
            body(tools=[{"name": "a", "input_schema": {}}], tool_choice={"type": "tool", "name": "b"}),
            "Tool 'b' not found in provided tools",
        ),
        (body(service_tier="gold"), "service_tier: Input should be 'auto' or 'standard_only'"),
        (
            body(messages=turns(("user", [{"type": "thinking"}]))),
            ("messages.0.content.0: Input tag 'thinking' found using 'type' does not match any of the expected tags for "
             "role user"),
        ),
        (
            body(messages=turns(("user", ""), ("user", "x"))),
            "messages.0: all messages must have non-empty content except for the optional final assistant message",
        ),
        (
            body(messages=turns(("user", "x"), ("user", [{"type": "tool_result", "tool_use_id": "t1", "content": 5}]))),
            "messages.1.content.0.tool_result.content: Input should be a valid string or list",
        ),
        (
            body(messages=turns(("user", "x"), ("user", [RESULT]))),
            ("messages.1.content.0: unexpected `tool_use_id` found in `tool_result` blocks: t1. Each `tool_result` block "
             "must have a corresponding `tool_use` block in the previous message."),
        ),
        (
            body(messages=turns(("user", "x"), ("assistant", [USE]), ("user", "go on"))),
            ("messages.1: `tool_use` ids were found without `tool_result` blocks immediately after: t1. Each `tool_use` "
             "block must have a corresponding `tool_result` block in the next message."),
        ),
    ],
)  # fmt: skip
def test_refusals(content: Any, said: str) -> None:
    assert refusal(content) == said


@pytest.mark.parametrize(
    "content",
    [
        body(),
        body(messages=turns(("user", "x"), ("assistant", [USE]), ("user", [RESULT, text("and?")]))),
        body(messages=turns(("user", "x"), ("assistant", [USE]), ("system", "note"), ("user", [RESULT]))),
        body(messages=turns(("user", "x"), ("assistant", ""))),
        body(system="", tools=[{"type": "bash_20250124", "name": "bash"}, {"type": "mcp_toolset"}]),
        body(temperature=0.5, top_k=4, stop_sequences=["\n\nEND"]),
        body(metadata={"user_id": '{"device_id":"d"}'}, stream=True, context_management={"edits": []}),
    ],
)
def test_accepted(content: dict[str, Any]) -> None:
    assert check_body(content, VERSION) is content


def test_counting_needs_no_max_tokens() -> None:
    check_body({"model": "m", "messages": turns(("user", "x"))}, VERSION, counting=True)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (body(temperature=1), "temperature: Extra inputs are not permitted"),
        (body(top_p=1), "top_p: Extra inputs are not permitted"),
        (
            body(messages=turns(("user", [text("a") | {"citations": [{}]}]))),
            "messages.0.content.0.text.citations: Extra inputs are not permitted",
        ),
        (
            body(messages=turns(("user", "x"), ("assistant", [{"type": "document", "source": {}}]))),
            "messages.1.content.0: Input tag 'document' is not permitted in assistant messages",
        ),
    ],
)
def test_version_of_october_2026_refuses_more(content: dict[str, Any], said: str) -> None:
    check_body(content, VERSION)
    assert refusal(content, "2026-10-21") == said


def test_versions() -> None:
    assert check_version({"anthropic-version": "2026-10-21"}) == "2026-10-21"
    for headers in ({}, {"anthropic-version": "2030-01-01"}):
        with pytest.raises(ApiError, match="anthropic-version"):
            check_version(headers)
