"""Whole calls: caching and usage over the API, in-process."""

import asyncio
from typing import Any

import pytest

from thriftgate.simulator import CacheRules, Latency, Simulator

from .support import OPUS, advance, ask, body, exact, simulator, text

PREFIX = "stable text " * 500  # 6,000 characters


async def usage(app: Simulator, **members: Any) -> dict[str, int]:
    reply = await ask(app, body(**members))
    assert reply.status == 200, reply.raw
    shown = reply.json()["usage"]
    return {
        "in": shown["input_tokens"],
        "read": shown["cache_read_input_tokens"],
        "5m": shown["cache_creation"]["ephemeral_5m_input_tokens"],
        "1h": shown["cache_creation"]["ephemeral_1h_input_tokens"],
    }


async def test_write_then_read_then_expiry() -> None:
    app = simulator(tokenizer=exact)
    content = {"system": [text(PREFIX, "5m")]}
    rest = 11 + 11  # the frame and "hello there"
    assert await usage(app, **content) == {"in": rest, "read": 0, "5m": 6000, "1h": 0}
    assert await usage(app, **content) == {"in": rest, "read": 6000, "5m": 0, "1h": 0}
    advance(app, 299)
    assert (await usage(app, **content))["read"] == 6000
    advance(app, 300)
    assert (await usage(app, **content))["5m"] == 6000
    assert app.bill.calls[0].usage.write_5m == 6000


async def test_a_growing_conversation_with_automatic_caching() -> None:
    app = simulator(tokenizer=exact)
    content = body(cache_control={"type": "ephemeral"}, system=PREFIX)
    read_before = 0
    for turn in range(4):
        shown = (await ask(app, content)).json()
        assert shown["usage"]["input_tokens"] == 7  # only the tail behind the last block
        assert (shown["usage"]["cache_read_input_tokens"] > read_before) is (turn > 0)
        read_before = shown["usage"]["cache_read_input_tokens"]
        content["messages"] += [
            {"role": "assistant", "content": shown["content"]},
            {"role": "user", "content": f"go on {turn}"},
        ]


async def test_isolation_by_workspace_organization_and_model() -> None:
    app = simulator()
    content = body(system=[text(PREFIX, "5m")])
    await ask(app, content)
    for key in ("sk-ant-sim-other-1", "sk-ant-sim-acme.test-1", "anything"):
        reply = await ask(app, content, headers={"x-api-key": key, "anthropic-version": "2023-06-01"})
        assert reply.json()["usage"]["cache_read_input_tokens"] == 0
    assert (await usage(app, system=[text(PREFIX, "5m")], model="claude-opus-4-7"))["read"] == 0
    same = await ask(app, content, headers={"x-api-key": "sk-ant-sim-test-2", "anthropic-version": "2023-06-01"})
    assert same.json()["usage"]["cache_read_input_tokens"] > 0


async def test_fast_and_standard_share_nothing() -> None:
    app = simulator()
    system = [text(PREFIX, "5m")]
    await usage(app, model=OPUS, system=system)
    assert (await usage(app, model=OPUS, system=system, speed="fast"))["read"] == 0
    assert (await usage(app, model=OPUS, system=system, speed="standard"))["read"] > 0


@pytest.mark.parametrize(
    ("model", "minimum"),
    [("claude-opus-5-5", 512), ("claude-opus-4-8", 1024), ("claude-opus-4-7", 2048), ("claude-haiku-4-5", 4096)],
)
async def test_minimum_by_model(model: str, minimum: int) -> None:
    app = simulator(tokenizer=exact)
    assert (await usage(app, model=model, system=[text("x" * (minimum - 1), "5m")]))["5m"] == 0
    assert (await usage(app, model=model, system=[text("y" * minimum, "5m")]))["5m"] == minimum
    lowered = simulator(tokenizer=exact, rules=CacheRules(min_tokens=10))
    assert (await usage(lowered, model=model, system=[text("z" * 10, "5m")]))["5m"] == 10


async def test_1h_may_be_withheld_silently() -> None:
    app = simulator(rules=CacheRules(grant_1h=False))
    shown = await usage(app, system=[text(PREFIX, "1h")])
    assert shown["1h"] == 0 < shown["5m"]


async def test_a_parallel_burst_misses_until_the_first_response_begins() -> None:
    app = simulator(latency=Latency(first_byte_s=1.0))
    content = body(system=[text(PREFIX, "5m")])
    replies = await asyncio.gather(*(ask(app, content) for _ in range(3)))
    assert [reply.json()["usage"]["cache_read_input_tokens"] for reply in replies] == [0, 0, 0]
    assert (await ask(app, content)).json()["usage"]["cache_read_input_tokens"] > 0


async def test_readable_after_a_set_time() -> None:
    app = simulator(rules=CacheRules(readable_after_s=10))
    system = [text(PREFIX, "5m")]
    await usage(app, system=system)
    assert (await usage(app, system=system))["read"] == 0
    advance(app, 10)
    assert (await usage(app, system=system))["read"] > 0


async def test_prewarm_reads_or_writes_and_bills_no_output() -> None:
    app = simulator()
    system = [text(PREFIX, "5m")]
    reply = (await ask(app, body(system=system, max_tokens=0))).json()
    assert (reply["content"], reply["stop_reason"], reply["usage"]["output_tokens"]) == ([], "max_tokens", 0)
    [iteration] = reply["usage"]["iterations"]
    assert iteration["type"] == "message"
    assert iteration["cache_creation_input_tokens"] == reply["usage"]["cache_creation_input_tokens"] > 0
    assert (await usage(app, system=system))["read"] > 0
    assert app.bill.calls[0].outcome == "prewarm"


async def test_message_shape() -> None:
    reply = (await ask(simulator(), body())).json()
    assert list(reply) == [
        "id",
        "type",
        "role",
        "model",
        "content",
        "stop_reason",
        "stop_sequence",
        "stop_details",
        "usage",
        "diagnostics",
    ]
    assert reply["usage"]["service_tier"] == "standard"
    assert reply["usage"]["inference_geo"] == "global"
    aliased = (await ask(simulator(), body(model="claude-haiku-4-5"))).json()
    assert aliased["model"] == "claude-haiku-4-5-20251001"
    assert aliased["usage"]["inference_geo"] == "not_available"


async def test_the_true_bill_uses_list_prices_and_modifiers() -> None:
    app = simulator(tokenizer=exact)
    content = body(model=OPUS, messages=[{"role": "user", "content": "[[sim: out=1000]] [[sim: think=0]]"}], max_tokens=2000)
    await ask(app, content)
    await ask(app, content | {"speed": "fast"})
    await ask(app, content | {"inference_geo": "us"})
    plain, fast, us = (call.cost for call in app.bill.calls)
    tokens = app.bill.calls[0].usage
    assert float(plain) == (tokens.input * 4 + 20_000) / 1_000_000
    assert fast == 2 * plain
    assert us * 10 == 11 * plain
