"""The calls of an evaluation, and what they will cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.fixtures import KEY
from tests.quality.evaluating import CHEAP, STRONG, arms, item, on_stage
from thriftgate.core.errors import InputError
from thriftgate.core.routing.features import Surroundings
from thriftgate.pricing.load import load_models
from thriftgate.quality.arms import Arm
from thriftgate.quality.asks import Ask, Estimate, Pricer, added, asks_of
from thriftgate.quality.rules import Llm


def test_every_item_is_asked_of_every_arm_so_often() -> None:
    items = [item(id="i1"), item(id="i2", recorded={CHEAP: "known"})]
    asks = asks_of(items, arms(), 2)
    assert [(one.item.id, one.arm.name, one.repeat) for one in asks] == [
        *(("i1", CHEAP, 0), ("i1", CHEAP, 1), ("i1", STRONG, 0), ("i1", STRONG, 1)),
        *(("i2", STRONG, 0), ("i2", STRONG, 1)),
    ]
    assert asks[0].key != asks[1].key
    assert asks[2].key == asks[4].key  # the same words: asked once


async def test_prices_at_once_and_in_batches(tmp_path: Path) -> None:
    asks = asks_of([item(id=str(at), prompt=f"What is {at}?") for at in range(3)], arms(), 1)
    async with on_stage(tmp_path) as (engine, _):
        batch, now = Pricer(engine, KEY, now=False).estimate(asks), Pricer(engine, KEY, now=True).estimate(asks)
        assert (batch.calls, batch.prompt_tokens, batch.output_tokens) == (now.calls, now.prompt_tokens, now.output_tokens)
        assert (now.pico, now.worst_pico) == (2 * batch.pico, 2 * batch.worst_pico)
        assert 0 < batch.pico < batch.worst_pico
        # 100 output tokens at most: 3 × 100 × ($5 + $25) per million, at once.
        assert now.worst_pico > 3 * 100 * (5 + 25) * 10**6
        assert Pricer(engine, KEY, now=True).worst_pico(asks[0].body) > 100 * 5 * 10**6


async def test_what_cannot_be_priced_names_its_line(tmp_path: Path) -> None:
    bad = item(request={"max_tokens": 0, "messages": [{"role": "user", "content": "x"}]})
    async with on_stage(tmp_path) as (engine, _):
        with pytest.raises(InputError, match="line 1, as asked of claude-haiku-4-5: max_tokens"):
            Pricer(engine, KEY, now=False).estimate(asks_of([bad], [Arm(CHEAP)], 1))


async def test_what_judges_will_take(tmp_path: Path) -> None:
    one = item("a long expected text " * 20)
    async with on_stage(tmp_path) as (engine, _):
        pricer = Pricer(engine, KEY, now=False)
        short, long = pricer.judging(Llm(CHEAP), one, 10), pricer.judging(Llm(CHEAP), one, 1_000)
        assert (short.calls, short.judging_pico) == (2, short.pico)
        assert long.prompt_tokens - short.prompt_tokens == 2 * 2 * 990
        thinks = pricer.judging(Llm("claude-opus-5-5"), one, 10)
        assert thinks.output_tokens > short.output_tokens
        expected = pricer.judging(Llm(CHEAP, against="expected"), one, 10)
        assert expected.prompt_tokens > short.prompt_tokens
        known = pricer.questions([arms()[0].body(one)])
        assert known.calls == 1
        assert known.pico > 0 == known.judging_pico  # whose it is, the caller knows


async def test_what_a_verifier_will_take(tmp_path: Path) -> None:
    quick, thinking = (load_models()[model] for model in ("claude-haiku-5-5", "claude-opus-5-5"))
    (ask,) = asks_of([item()], [Arm(CHEAP)], 1)
    (bare,) = asks_of([item(prompt="")], [Arm(CHEAP)], 1)
    async with on_stage(tmp_path) as (engine, _):
        batch, now = Pricer(engine, KEY, now=False), Pricer(engine, KEY, now=True)
        short, long = batch.verifying(quick, ask), batch.verifying(thinking, ask)
        assert (short.calls, short.verifying_pico, short.judging_pico) == (1, short.pico, 0)
        assert short.prompt_tokens > batch.worth(ask).output_tokens  # the answer will be shown
        assert 0 < short.pico < short.worst_pico
        assert long.worst_pico > 2_048 * 10 * 10**6
        assert long.output_tokens > short.output_tokens
        assert now.verifying(quick, ask).pico == 2 * short.pico
        assert batch.verifying(quick, bare) == Estimate()  # nothing to ask


async def test_what_a_call_looks_like_to_routing(tmp_path: Path) -> None:
    messages = [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "yes"},
        {"role": "user", "content": [{"type": "text", "text": "and then?"}]},
    ]
    tools = [{"name": "add", "input_schema": {"type": "object"}}]
    one = item(request={"max_tokens": 9, "tools": tools, "messages": messages}, task="chat")
    async with on_stage(tmp_path) as (engine, _):
        pricer = Pricer(engine, KEY, now=False)
        text, around, request = pricer.seen(one, arms()[0].body(one))
        assert "tools" in request.members
        assert text == "and then?"
        assert around == Surroundings("chat", 2, 1, 0, False, around.prompt_tokens)
        assert around.prompt_tokens > 300  # the tool's own prompt counts
        _, unnamed, _ = pricer.seen(replace(one, task=""), arms()[0].body(one))
        assert unnamed.task.startswith("fp:")


async def test_what_a_recorded_answer_would_cost(tmp_path: Path) -> None:
    async with on_stage(tmp_path) as (engine, _):
        pricer, body = Pricer(engine, KEY, now=False), arms()[0].body(item())
        short, long = pricer.recorded_pico(body, "Yes."), pricer.recorded_pico(body, "Yes, because. " * 100)
        assert 0 < short < long


def test_sums() -> None:
    assert added([]) == Estimate()
    assert added([Estimate(1, 2, 3, 4, 5, 6, 7)] * 2) == Estimate(2, 4, 6, 8, 10, 12, 14)
    assert Ask._fields == ("item", "arm", "repeat", "body", "key")
