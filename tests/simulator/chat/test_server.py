"""The fake chat servers, as their clients see them."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from tests.simulator.support import Answer, call, simulator
from thriftgate.simulator import Simulator
from thriftgate.simulator.faults import Faults

TEXT = "A long text that comes again. " * 300


def post(app: Simulator, path: str, key: str = "k", **body: Any) -> Answer:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return asyncio.run(call(app, "POST", f"{path}/chat/completions", body, headers=headers))


def ask(app: Simulator, style: str = "deepseek", model: str = "deepseek-flash", **members: Any) -> Answer:
    body = {"model": model, "messages": [{"role": "user", "content": f"{TEXT} [[sim: out=20]]"}]}
    return post(app, f"/{style}", **body | members)


def test_a_prefix_that_came_before_is_read_in_whole_units() -> None:
    app = simulator()
    first, second = (ask(app, thinking={"type": "disabled"}).json()["usage"] for _ in range(2))
    assert (first["prompt_cache_hit_tokens"], first["completion_tokens"]) == (0, 20)
    assert second["prompt_cache_hit_tokens"] == first["prompt_tokens"] // 64 * 64
    assert second["prompt_cache_hit_tokens"] + second["prompt_cache_miss_tokens"] == second["prompt_tokens"]
    assert ask(app, "vllm", "local").json()["usage"]["prompt_tokens_details"] is None


def test_the_bill_is_the_prices_times_the_tokens() -> None:
    app = simulator()
    usage = [ask(app, thinking={"type": "disabled"}).json()["usage"] for _ in range(2)]
    told = sum(
        one["prompt_cache_miss_tokens"] * Decimal("0.3")
        + one["prompt_cache_hit_tokens"] * Decimal("0.006")
        + one["completion_tokens"] * Decimal("1.2")
        for one in usage
    )
    assert app.bill.total == told / 1_000_000


def test_an_answer_in_chunks() -> None:
    app = simulator()
    asks = [{"role": "user", "content": "[[sim: think=30]] [[sim: out=20]]"}]
    found = ask(app, messages=asks, stream=True, stream_options={"include_usage": True})
    chunks = [msgspec.json.decode(line[6:]) for line in found.raw.decode().splitlines() if line.startswith("data: {")]
    assert found.raw.decode().endswith("data: [DONE]\n\n")
    assert any(chunk["choices"] and chunk["choices"][0]["delta"].get("reasoning_content") for chunk in chunks)  # unasked
    assert chunks[-1]["usage"]["completion_tokens"] >= 20
    assert "usage" not in ask(app, stream=True).raw.decode()


@pytest.mark.parametrize(
    ("style", "members", "status", "told"),
    [
        ("deepseek", {"reasoning": {}}, 400, "Unrecognized request argument supplied: reasoning"),
        ("openai", {"max_tokens": 5}, 400, "Unrecognized request argument supplied: max_tokens"),
        ("deepseek", {"model": "nobody"}, 404, "nobody"),
        ("deepseek", {"response_format": {"type": "json_schema"}}, 400, "response_format"),
        ("deepseek", {"messages": [{"role": "user", "content": [{"type": "text", "text": "x"}]}]}, 400, "sequence"),
    ],
)
def test_what_it_would_not_take(style: str, members: dict[str, Any], status: int, told: str) -> None:
    found = ask(simulator(), style, **members)
    assert found.status == status
    assert told in found.json()["error"]["message"]


def test_deepseek_wants_back_what_it_thought() -> None:
    called = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    tool = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    said = {"role": "assistant", "content": None, "tool_calls": [called]}
    messages = [{"role": "user", "content": "go"}, said, {"role": "tool", "tool_call_id": "c", "content": "x"}]
    refused = ask(simulator(), messages=messages, tools=[tool])
    assert refused.status == 400
    assert "reasoning_content" in refused.json()["error"]["message"]
    thought = [messages[0], said | {"reasoning_content": "hm"}, messages[2]]
    assert ask(simulator(), messages=thought, tools=[tool]).status == 200


def test_keys_balance_and_faults() -> None:
    app = simulator()
    body = {"model": "deepseek-flash", "messages": [{"role": "user", "content": "x"}]}
    assert post(app, "/deepseek", "", **body).status == 401
    assert post(app, "/vllm", "", **body).status == 200
    app.chat.balance = False
    poor = ask(app)
    assert (poor.status, poor.json()["error"]["code"]) == (402, "insufficient_quota")
    app.chat.balance = True
    app.chat.faults = Faults(rate_limit=1.0)
    slow = ask(app, "openrouter", "anthropic/claude-sonnet-4.6")
    assert (slow.status, slow.headers["retry-after"], slow.json()["error"]["code"]) == (429, "7", 429)
    app.chat.faults = Faults(overloaded=1.0)
    assert ask(app).status == 503


def test_forgetting() -> None:
    app = simulator()
    ask(app)
    assert app.chat.asked
    app.reset()
    assert not app.chat.asked
    assert ask(app).json()["usage"]["prompt_cache_hit_tokens"] == 0
