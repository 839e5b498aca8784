"""`Replay.cost` is `Replay.call` without its books: the same plan, the same tokens, the same money, as long as no bill
changes what is believed of the provider's cache."""

from __future__ import annotations

import random
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.engine.test_replay import BOOK, MODELS, NOON_S, logged
from thriftgate.core.blocks import Block, Part
from thriftgate.core.cache import CacheRules
from thriftgate.core.errors import PolicyRefusal, UnknownPrice
from thriftgate.core.levers import LEVERS
from thriftgate.core.placement import CacheMode
from thriftgate.core.plan import Policy
from thriftgate.core.prefix import Prefix
from thriftgate.core.request import Request, Ttl
from thriftgate.core.usage import Tokens
from thriftgate.engine.replay import Logged, Replay
from thriftgate.engine.snapshot import Knowledge, KnownPrompt
from thriftgate.ledger.entries import BASELINE, UPSTREAM
from thriftgate.wire.usage import ApiUsage, CacheCreation

MODES: tuple[CacheMode, ...] = get_args(CacheMode)
GAPS_S = (2.0, 9.0, 40.0, 120.0, 299.0, 301.0, 1_500.0, 3_700.0)


def calls(seed: int, count: int = 60) -> list[Logged]:
    """Conversations behind two shared heads: they grow, pause, are cut, and are marked by one of three habits."""
    rng = random.Random(seed)
    habit = rng.choice((0, 1, 2))
    talks: list[list[tuple[int, int]]] = [[(talk % 2, 9_000 + talk % 2)] for talk in range(4)]
    names, at_s, found = 10, NOON_S, list[Logged]()
    for number in range(count):
        talk = rng.choice(talks)
        if len(talk) > 3 and rng.random() < 0.1:
            del talk[rng.randrange(1, len(talk)) :]
        talk.append((names, rng.randrange(50, 4_000)))
        names += 1
        at_s += rng.choice(GAPS_S)
        prompt = known(talk, habit)
        output = rng.randrange(1, 900)
        found.append(
            Logged(
                id=f"tg_{number}",
                at_s=at_s,
                began_s=at_s + rng.choice((0.5, 1.0, 4.0)),
                key=rng.choice(("key_a", "key_b")),
                usage=ApiUsage(input_tokens=prompt.cumulative[-1] + 5, output_tokens=output),
                request=Request(b"", {}, "claude-opus-4-8", 4_000, False, "standard", "global", None, False),
                prompt=prompt,
            )
        )
    return found


def known(talk: list[tuple[int, int]], habit: int) -> KnownPrompt:
    blocks, chain, ends, rolling, end = list[Block](), list[bytes](), list[int](), 0, 0
    for at, (name, size) in enumerate(talk):
        rolling = hash((rolling, name)) % 2**64
        end += size
        mark: Ttl | None = (
            "5m" if (habit == 1 and at == len(talk) - 1) or (habit == 2 and at in (0, len(talk) - 1)) else None
        )
        part = Part("text", name.to_bytes(16, "big"), size, size, mark)
        blocks.append(Block(part, "messages" if at else "system", 2 * max(0, at - 1)))
        chain.append(rolling.to_bytes(16, "big"))
        ends.append(end)
    marks = sum(block.part.mark is not None for block in blocks)
    return KnownPrompt(Prefix(tuple(blocks), tuple(chain), marks_count=marks), tuple(ends))


def new(policy: Policy, *, as_billed: bool = False) -> Replay:
    return Replay(Knowledge(BOOK, MODELS, cache_mode=policy.cache_mode, quiet=True), policy, as_billed=as_billed)


def assert_equal(log: list[Logged], policy: Policy) -> int:
    """Call by call. Returns the tokens read from the cache."""
    full, short, read = new(policy), new(policy), 0
    for one in log:
        plan, entry = full.call(one)
        done = short.cost(one, explain=True)
        assert done.plan == plan
        assert done.tokens == entry.usage.total
        assert done.settlement.cost.pico == -entry.posted(UPSTREAM)
        assert done.settlement.baseline == entry.posted(BASELINE)
        assert done.settlement.baseline - done.settlement.cost.pico == sum(done.settlement.saved.values())
        assert done.miss == entry.miss
        read += done.tokens.read
        assert full.knowledge.beliefs.rules("anthropic", plan.terms.model) == CacheRules()
    return read


@settings(max_examples=20)
@given(seed=st.integers(0, 2**32), mode=st.sampled_from(MODES))
def test_known_prompts(seed: int, mode: CacheMode) -> None:
    assert_equal(calls(seed), Policy(levers=tuple(lever.id for lever in LEVERS), cache_mode=mode))


@pytest.mark.parametrize("mode", MODES)
def test_the_cache_is_used(mode: CacheMode) -> None:
    read = sum(assert_equal(calls(seed), Policy(cache_mode=mode)) for seed in range(3))
    assert read > (100_000 if mode == "observe" else 500_000)


def test_bodies() -> None:
    """There the estimates of tokens are not corrected by the bill, so forecasts differ; what is marked and billed not."""
    full, short = new(Policy()), new(Policy())
    for gap_s in (0.0, 0.5, 60.0, 200.0, 700.0, 4_000.0):
        (plan, entry), done = full.call(logged(gap_s)), short.cost(logged(gap_s))
        assert done.plan.body == plan.body
        assert done.plan.breakpoints == plan.breakpoints
        assert done.tokens == entry.usage.total
        assert done.settlement.cost.pico == -entry.posted(UPSTREAM)


def test_no_policy_no_saving() -> None:
    replay = new(Policy(levers=()))
    for one in calls(4):
        done = replay.cost(one)
        assert done.settlement.saved == {}
        assert done.settlement.cost.pico == done.settlement.baseline
        assert done.miss is None


def test_as_billed_is_the_bill_of_the_log() -> None:
    """Whatever the plan would have had cached."""
    replay = new(Policy(cache_mode="observe"), as_billed=True)
    one = calls(5)[0]
    told = ApiUsage(
        input_tokens=7,
        output_tokens=11,
        cache_creation_input_tokens=500,
        cache_read_input_tokens=3_000,
        cache_creation=CacheCreation(200, 300),
    )
    done = replay.cost(replace(one, usage=told))
    assert done.tokens == told.usage().total
    # Opus 4.8: $5 input, $6.25 and $10 written, $0.50 read, $25 output per million.
    assert (
        done.settlement.cost.pico == 7 * 5_000_000 + 200 * 6_250_000 + 300 * 10_000_000 + 3_000 * 500_000 + 11 * 25_000_000
    )


def test_as_billed_explains_what_the_log_missed() -> None:
    replay = new(Policy(levers=(), cache_mode="observe"), as_billed=True)
    prompt = known([(1, 9_000), (2, 3_000)], habit=1)
    first = replace(calls(1)[0], prompt=prompt)
    total = prompt.cumulative[-1]
    wrote = ApiUsage(5, 9, cache_creation_input_tokens=total, cache_creation=CacheCreation(total, 0))
    late = replace(first, at_s=first.at_s + 900.0, began_s=first.began_s + 900.0)
    cold = replay.cost(replace(first, usage=wrote), explain=True).miss
    assert cold is not None
    assert (cold.cause, cold.avoidable) == ("cold", False)
    miss = replay.cost(replace(late, usage=wrote), explain=True).miss
    assert miss is not None
    assert (miss.cause, miss.tokens) == ("expired", total)


def test_what_is_refused_teaches_nothing() -> None:
    replay = new(Policy(levers=("count.guard",), cost_limit_pico=1))
    first, second = logged(), logged(1.0)
    with pytest.raises(PolicyRefusal):
        replay.cost(first)
    replay.policy = Policy()
    assert replay.cost(second).tokens.read == 0


def test_without_a_price_there_is_no_cost() -> None:
    one = calls(6)[0]
    assert one.request is not None
    with pytest.raises(UnknownPrice):
        new(Policy()).cost(replace(one, request=replace(one.request, geo="the moon")))


def test_quiet_knowledge_warns_of_nothing(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """A brake that takes hold somewhere in an old log is no event of today."""

    def braked(*, quiet: bool) -> str:
        capsys.readouterr()
        replay = Replay(Knowledge(BOOK, MODELS, cache_mode="full", quiet=quiet), Policy(cache_mode="full"))
        one = calls(7)[0]
        request = one.request
        assert request is not None
        snapshot = replay.knowledge.snapshot(request, one.key, one.at_s, one.prompt)
        rates = BOOK.rates(replay.cost(one).plan.terms, 1_000)
        for number in range(400):
            state = replace(snapshot.state, now_s=one.at_s + 30.0 * number)
            replay.knowledge.learn_cost(
                replace(snapshot, state=state), (), Tokens(input=1_000), Tokens(write_1h=1_000), rates
            )
        said = capsys.readouterr()
        return said.out + said.err + caplog.text

    assert "brake" not in braked(quiet=True)
    assert "brake" in braked(quiet=False)
