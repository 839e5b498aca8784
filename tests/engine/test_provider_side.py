"""Compaction by the provider itself, against the simulator."""

from __future__ import annotations

from typing import Any

import pytest

from tests.core.planning import BOOK, MODELS
from tests.engine.test_reducing import BOUND, PLAIN, Scene, scene
from tests.fixtures import assert_sound, call_of, told
from thriftgate.core.prices import Terms
from thriftgate.engine.provider_side import BETA, LEAST_TOKENS, trigger_tokens, with_betas

ON: dict[str, Any] = {
    "policy": {"levers": ["cache.breakpoints", "context.compact"]},
    "context": {"compact_by": "provider"},
}
LONG = "what was found out about it " * 900  # tokens: about 7,000


async def talk(one: Scene, turns: int, *, forgets: bool = False, model: str = BOUND) -> list[int]:
    """Tokens of the prompts, as they were billed last of each call."""
    prompts = []
    for turn in range(turns):
        entry = await one.say(f"{turn} [[sim: out=100]] {LONG}", model=model, max_tokens=3_000)
        prompts.append(entry.usage.billed()[-1].tokens.prompt)
        if forgets:
            last = one.messages[-1]
            last["content"] = [block for block in last["content"] if block["type"] != "compaction"]
    return prompts


@pytest.mark.parametrize("model", [PLAIN, BOUND])
async def test_a_client_that_sends_the_summary_back_has_short_prompts(model: str) -> None:
    async with scene(**ON) as one:
        prompts = await talk(one, 14, model=model)
        entries = await one.engine.ledger.entries(limit=100)
    compacted = [entry for entry in entries if any(one.kind == "compaction" for one in entry.usage.iterations)]
    assert 1 <= len(compacted) <= 3
    assert max(prompts[8:]) < max(prompts) + 1
    assert min(prompts[8:]) < LEAST_TOKENS / 2


async def test_one_that_does_not_is_left_alone_after_the_first_time() -> None:
    async with scene(**ON) as one:
        await talk(one, 12, forgets=True)
        entries = await one.engine.ledger.entries(limit=100)
        assert sum(any(it.kind == "compaction" for it in entry.usage.iterations) for entry in entries) == 1
        (line,) = [line for line in max(entries, key=lambda one: one.id).decisions if line.lever == "context.compact"]
        assert line.reason == "the client does not send summaries of the provider back"
        await assert_sound(one.engine.ledger)


async def test_the_clients_own_settings_go_first() -> None:
    async with scene(**ON) as one:
        await one.say("hi", context_management={"edits": []}, model=BOUND)
        assert one.sent()["context_management"] == {"edits": []}


async def test_nothing_is_asked_unless_it_is_wanted() -> None:
    async with scene(policy=ON["policy"]) as one:
        await one.say("hi", model=BOUND)
        assert "context_management" not in one.sent()
    async with scene(context=ON["context"]) as one:
        await one.say("hi", model=BOUND)
        assert "context_management" not in one.sent()
    async with scene(**ON) as one:
        await one.say("hi", model="claude-haiku-4-5")
        assert "context_management" not in one.sent()
        reply = await one.engine.messages(call_of({"model": BOUND, "max_tokens": 5, "messages": one.messages[:1]}))
        assert told(reply.headers, "thriftgate-plan") == "context.compact"


def test_the_threshold_is_where_it_pays_and_the_provider_takes_it() -> None:
    opus, fable = (MODELS[model] for model in ("claude-opus-4-8", "claude-fable-5-2"))
    rates = [BOOK.rates(Terms(model.id, 20_780), 50_000) for model in (opus, fable)]
    assert trigger_tokens(rates[0], 15_000, opus) == LEAST_TOKENS
    assert trigger_tokens(rates[1], 40_000, fable) > trigger_tokens(rates[0], 40_000, opus)


def test_betas_stand_beside_the_clients_own() -> None:
    plain = call_of({})
    assert with_betas(plain, ()) is plain
    (value,) = [value for name, value in with_betas(plain, (BETA,)).headers if name == b"anthropic-beta"]
    assert value == BETA.encode()
    own = call_of({}, headers={"anthropic-beta": "a-2026-01-01, b-2026-01-01"})
    (value,) = [value for name, value in with_betas(own, (BETA,)).headers if name == b"anthropic-beta"]
    assert value == b"a-2026-01-01, b-2026-01-01," + BETA.encode()
    assert with_betas(with_betas(own, (BETA,)), (BETA,)).headers == with_betas(own, (BETA,)).headers
