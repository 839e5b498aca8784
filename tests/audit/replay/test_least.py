"""The bound over an audit's calls: of no policy, and what none can stay below."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.audit.replay.asks import Asked
from thriftgate.audit.replay.least import Least
from thriftgate.audit.replay.policies import client_candidates
from thriftgate.audit.replay.run import run
from thriftgate.core.blocks import Block, Part
from thriftgate.core.cost import day_of, pico_at
from thriftgate.core.prefix import Prefix
from thriftgate.core.prices import Terms
from thriftgate.core.request import Request
from thriftgate.core.usage import Tokens
from thriftgate.engine.replay import Logged
from thriftgate.engine.snapshot import KnownPrompt
from thriftgate.pricing.load import load_book, load_models
from thriftgate.wire.usage import ApiUsage

BOOK, MODELS = load_book(), load_models()
MODEL = "claude-opus-5-5"
START_S = 1_795_262_400.0


def call(number: int, names: str, at_s: float, model: str = MODEL, size: int = 2_000) -> Asked:
    """A call with a prompt of blocks of `size` tokens each; those that begin alike share prefixes."""
    ends = tuple(size * (at + 1) for at in range(len(names)))
    blocks = tuple(Block(Part("text", name.encode(), size, size), "messages", at) for at, name in enumerate(names))
    chain = tuple(names[: at + 1].encode().rjust(16, b"\0") for at in range(len(names)))
    billed = Tokens(input=ends[-1], output=10)
    return Asked(
        logged=Logged(
            id=str(number),
            at_s=START_S + at_s,
            began_s=START_S + at_s + 1,
            key="k",
            usage=ApiUsage(input_tokens=billed.input, output_tokens=billed.output),
            request=Request(b"", {}, model, 100, False, "standard", "global", None, False),
            prompt=KnownPrompt(Prefix(blocks, chain), ends),
        ),
        model=model,
        mode="standard",
        geo="global",
        billed=billed,
        searches=0,
        conversation=number,
        untold=True,
        placed=(),
    )


def bound(calls: Sequence[Asked]) -> int:
    least = Least(MODELS)
    for one in calls:
        terms = Terms(one.model, day_of(one.logged.at_s), one.mode, one.geo)
        least.take(one, BOOK.rates(terms, one.billed.prompt))
    return least.pico()


def test_one_call_costs_what_it_costs() -> None:
    one = call(0, "abc", 0)
    rates = BOOK.rates(Terms(MODEL, day_of(START_S)), 6_000)
    assert bound([one]) == pico_at(one.billed, rates)


def test_the_second_use_is_written_once_and_read_once() -> None:
    rates = BOOK.rates(Terms(MODEL, day_of(START_S)), 6_000)
    calls = [call(0, "abc", 0), call(1, "abc", 60)]
    assert bound(calls) == pico_at(Tokens(write_5m=6_000, read=6_000, output=20), rates)
    late = [call(0, "abc", 0), call(1, "abc", 4_000)]
    assert bound(late) == pico_at(Tokens(input=12_000, output=20), rates)


def test_models_are_caches_of_their_own() -> None:
    two = [call(0, "abc", 0), call(1, "abc", 60, "claude-sonnet-5-5")]
    assert bound(two) == bound(two[:1]) + bound(two[1:])


@given(
    st.lists(
        st.tuples(st.text("ab", min_size=1, max_size=5), st.sampled_from([1, 40, 299, 301, 1_500, 3_700])),
        min_size=1,
        max_size=14,
    )
)
def test_no_client_stays_below(steps: list[tuple[str, int]]) -> None:
    at_s, calls = 0.0, []
    for number, (names, pause_s) in enumerate(steps):
        at_s += pause_s
        calls.append(call(number, names, at_s))
    done = run(calls, client_candidates(), BOOK, MODELS, explain=False)
    least = bound(calls)
    assert all(least <= tally.pico for tally in done.tallies.values())
    assert least <= done.plain.pico


@pytest.mark.parametrize("size", [90_000, 40_000])
def test_a_call_in_a_dearer_step_counts_at_its_own_price(size: int) -> None:
    """Two prompts of one conversation on both sides of Haiku 5.5's step share a cache, not a price."""
    calls = [call(0, "a", 0, "claude-haiku-5-5", size), call(1, "abc", 60, "claude-haiku-5-5", size)]
    low, high = (BOOK.rates(Terms("claude-haiku-5-5", day_of(START_S)), one.billed.prompt) for one in calls)
    # Written at the price of the first, read at that of the second; what is new in the second is sent plain.
    expected = pico_at(Tokens(write_5m=size, output=10), low) + pico_at(Tokens(read=size, input=2 * size, output=10), high)
    plain = pico_at(calls[0].billed, low) + pico_at(calls[1].billed, high)
    assert bound(calls) == min(expected, plain)
