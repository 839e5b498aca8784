from datetime import UTC, datetime
from typing import Any

import pytest

from thriftgate.simulator import SimClock

from .support import ask, body, call, exact, simulator

OPUS = "claude-opus-5"
EDIT = {"type": "compact_20260112", "trigger": {"type": "input_tokens", "value": 50_000}}


def long_talk(**members: Any) -> dict[str, Any]:
    messages = [
        {"role": "user", "content": "x" * 60_000},
        {"role": "assistant", "content": "noted"},
        {"role": "user", "content": "[[sim: say=done]] [[sim: think=0]]"},
    ]
    return body(**({"model": OPUS, "messages": messages} | members))


async def test_compaction_is_an_iteration_outside_the_top_level() -> None:
    app = simulator(tokenizer=exact)
    reply = (await ask(app, long_talk(context_management={"edits": [EDIT]}))).json()
    assert [block["type"] for block in reply["content"]] == ["compaction", "text"]
    compaction, message = reply["usage"]["iterations"]
    assert (compaction["type"], message["type"]) == ("compaction", "message")
    assert "model" not in compaction
    assert compaction["input_tokens"] > 60_000
    assert message["input_tokens"] == reply["usage"]["input_tokens"] < 10_000
    [billed] = app.bill.calls
    usages = (compaction, message)
    tokens = sum(entry["input_tokens"] for entry in usages) * 5 + sum(entry["output_tokens"] for entry in usages) * 25
    assert float(billed.cost) == pytest.approx(tokens / 1_000_000)


async def test_compaction_may_pause_and_the_block_replaces_the_past() -> None:
    app = simulator(tokenizer=exact)
    content = long_talk(context_management={"edits": [EDIT | {"pause_after_compaction": True}]})
    reply = (await ask(app, content)).json()
    assert reply["stop_reason"] == "compaction"
    content["messages"] += [{"role": "assistant", "content": reply["content"]}, {"role": "user", "content": "go"}]
    after = (await ask(app, content)).json()
    assert after["usage"]["input_tokens"] < 10_000
    assert "iterations" not in after["usage"]


async def test_thinking_after_a_compaction_stays_valid() -> None:
    app = simulator(tokenizer=exact)
    content = long_talk(model="claude-opus-5-5", context_management={"edits": [EDIT]}, max_tokens=3000)
    content["messages"][-1]["content"] = "[[sim: think=20]]"
    reply = (await ask(app, content)).json()
    assert [block["type"] for block in reply["content"]][:2] == ["compaction", "thinking"]
    for keep_all in (True, False):
        messages = content["messages"] if keep_all else [{"role": "user", "content": "(compacted)"}]
        more = [{"role": "assistant", "content": reply["content"]}, {"role": "user", "content": "go on"}]
        assert (await ask(app, content | {"messages": messages + more})).status == 200


async def test_compaction_on_demand_has_zero_usage_at_the_top() -> None:
    app = simulator()
    reply = (await ask(app, body(model=OPUS, compaction={"type": "summarize"}))).json()
    assert reply["stop_reason"] == "compaction"
    assert (reply["usage"]["input_tokens"], reply["usage"]["output_tokens"]) == (0, 0)
    assert reply["usage"]["iterations"][0]["output_tokens"] > 0
    assert app.bill.total > 0
    stream = await ask(app, body(model=OPUS, compaction={"type": "summarize"}, stream=True))
    kinds = [event["type"] for event in stream.events()]
    assert "content_block_delta" not in kinds


@pytest.mark.parametrize(
    ("day", "category", "billed"),
    [
        ("2026-06-01", "cyber", True),
        ("2026-06-02", "bio", False),
        ("2026-09-23", "bio", False),
        ("2026-09-24", "bio", True),
        ("2026-09-24", "frontier_llm", True),
        ("2026-09-24", "reasoning_extraction", True),
        ("2026-09-24", "cyber", False),
        ("2026-09-24", "general_harms", False),
        ("2026-09-24", "none", False),
    ],
)
async def test_billing_of_refusals(day: str, category: str, billed: bool) -> None:
    clock = SimClock.frozen(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    app = simulator(clock=clock)
    content = body(model="claude-opus-4-7", messages=[{"role": "user", "content": f"[[sim: refuse={category}]]"}])
    reply = await ask(app, content)
    assert reply.status == 200
    assert reply.json()["usage"]["input_tokens"] > 0
    assert bool(app.bill.total) is billed
    assert app.bill.calls[0].outcome == ("refused" if billed else "refused_unbilled")


async def test_fallback_answers_with_another_model() -> None:
    app = simulator()
    content = body(
        model="claude-fable-5-2",
        messages=[{"role": "user", "content": "[[sim: refuse=bio]] and [[sim: say=fine]]"}],
        fallbacks=[{"model": "claude-opus-4-8"}],
    )
    reply = (await ask(app, content)).json()
    assert reply["model"] == "claude-opus-4-8"
    assert reply["content"][0] == {
        "type": "fallback",
        "from": {"model": "claude-fable-5-2"},
        "to": {"model": "claude-opus-4-8"},
    }
    refused, served = reply["usage"]["iterations"]
    assert (refused["model"], served["type"]) == ("claude-fable-5-2", "fallback_message")
    assert reply["usage"]["input_tokens"] == served["input_tokens"]
    default = (await ask(app, content | {"fallbacks": "default"})).json()
    assert default["model"] == "claude-opus-5"
    assert (await ask(app, content | {"fallbacks": [5]})).status == 400


async def test_other_routes_count_nothing_twice() -> None:
    app = simulator()
    await call(app, "POST", "/v1/messages/count_tokens", long_talk(model=OPUS))
    assert app.bill.calls == []
