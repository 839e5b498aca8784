"""Whole-request counts, with the error bars they promise, and one request whose real usage is public."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from tests.counting.support import COUNTERS
from thriftgate.core.errors import InputError
from thriftgate.core.models import Capabilities
from thriftgate.core.tokens import TextCounter
from thriftgate.counting import count_request

NEW = Capabilities(
    id="claude-sonnet-5-5", source="test", checked="2026-11-21", tool_prompt_tokens=286, tool_prompt_forced_tokens=406
)
OLD = Capabilities(
    id="claude-3-5-sonnet-20241022",
    source="test",
    checked="2026-11-21",
    tokenizer="claude3",
    image_tier="standard",
    tool_prompt_tokens=346,  # the figure of the pricing page for this model, since retired
    tool_prompt_forced_tokens=313,
)


def body(**members: object) -> bytes:
    return msgspec.json.encode(
        {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "Hello"}]} | members
    )


@pytest.mark.parametrize("counter", COUNTERS)
class TestRequest:
    def test_range_holds_the_count(self, counter: TextCounter) -> None:
        result = count_request(
            body(system="Be brief.", tools=[{"name": "f", "input_schema": {"type": "object"}}]), NEW, counter
        )
        assert 270 < result.low <= result.tokens <= result.high < 400
        assert result.method == counter.method

    def test_breakpoints_cost_nothing(self, counter: TextCounter) -> None:
        def request(**mark: object) -> bytes:
            return body(
                system=[{"type": "text", "text": "Be brief."} | mark],
                tools=[{"name": "f", "description": "d", "input_schema": {"type": "object"}} | mark],
                messages=[{"role": "user", "content": [{"type": "text", "text": "Hello"} | mark]}],
            )

        marked = request(cache_control={"type": "ephemeral", "ttl": "1h"})
        assert count_request(marked, NEW, counter) == count_request(request(), NEW, counter)

    def test_a_string_is_one_block_of_text(self, counter: TextCounter) -> None:
        blocks = body(messages=[{"role": "user", "content": [{"type": "text", "text": "Hello"}]}], system=None)
        assert count_request(blocks, NEW, counter) == count_request(body(), NEW, counter)

    def test_forced_tools_bring_their_own_prompt(self, counter: TextCounter) -> None:
        tools = [{"name": "f", "input_schema": {"type": "object"}}]
        free = count_request(body(tools=tools), NEW, counter)
        forced = count_request(body(tools=tools, tool_choice={"type": "any"}), NEW, counter)
        assert forced.tokens - free.tokens == 406 - 286
        assert count_request(body(tools=[], tool_choice={"type": "any"}), NEW, counter).tokens < 20

    def test_more_messages_are_more_tokens(self, counter: TextCounter) -> None:
        turns = [{"role": role, "content": "Hello"} for role in ("user", "assistant", "user")]
        assert count_request(body(messages=turns), NEW, counter).tokens > count_request(body(), NEW, counter).tokens

    @pytest.mark.parametrize(
        "broken",
        [b"", b"{", b"[]", b'"x"', b'{"messages": 7}', b'{"messages": [7]}', b'{"messages": [{"content": [}]}', b"\xff"],
    )
    def test_what_is_no_request_is_refused(self, counter: TextCounter, broken: bytes) -> None:
        with pytest.raises(InputError):
            count_request(broken, NEW, counter)


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("name", ["input.json", "expected.json"])
def test_recorded_usage(counter: TextCounter, name: str) -> None:
    """18 tools, a system prompt and a question: 239 + 7,105 input tokens in the recorded answer."""
    traces = os.environ.get("THRIFTGATE_TRACES")
    if traces is None:
        pytest.skip("THRIFTGATE_TRACES does not name a folder of public traces")
    request = Path(traces, "anthropic-requests", "test_data", "scenarios", "n8n_agent_workflow", name)
    result = count_request(request.read_bytes(), OLD, counter)
    assert result.tokens == pytest.approx(7_344, rel=0.01 if counter.exact else 0.15)
    assert result.low <= 7_344 <= result.high
