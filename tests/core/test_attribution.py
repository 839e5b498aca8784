"""Baseline = paid + saved by each lever, exactly, for any usage and whatever the levers are."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace

from tests.core.planning import BOOK
from thriftgate.core.attribution import settle
from thriftgate.core.cost import price_usage
from thriftgate.core.errors import UnknownPrice
from thriftgate.core.levers import LEVERS
from thriftgate.core.levers.cache_breakpoints import CacheBreakpoints
from thriftgate.core.money import pico_from_usd
from thriftgate.core.plan import NOTHING_ELSE, Draft, Lever, Policy, Skip, Without
from thriftgate.core.prices import Mode, Terms, day_from_iso
from thriftgate.core.request import Request
from thriftgate.core.routing.choice import Asked
from thriftgate.core.state import State
from thriftgate.core.usage import Iteration, Tokens, Usage

TODAY = day_from_iso("2026-11-20")
COUNT = st.integers(0, 300_000)
TOKENS = st.builds(Tokens, COUNT, COUNT, COUNT, COUNT, COUNT)
MODEL_IDS = sorted({row.model for row in BOOK.rows})
ITERATIONS = st.lists(
    st.builds(
        Iteration,
        st.sampled_from(("message", "compaction", "advisor_message")),
        TOKENS,
        st.sampled_from(("", "claude-opus-5")),
    ),
    max_size=3,
).map(tuple)
USAGES = st.builds(Usage, TOKENS, st.integers(0, 5), ITERATIONS)
TERMS = st.builds(
    Terms, st.sampled_from(MODEL_IDS), st.just(TODAY), st.sampled_from(get_args(Mode)), st.sampled_from(("global", "us"))
)


class Booked(Struct, frozen=True):
    """A lever that only knows how to be undone."""

    id: str
    extra: Tokens = Tokens()
    model: str = ""
    safe: bool = False

    def propose(self, request: Request, draft: Draft, state: State, policy: Policy) -> Skip:
        raise AssertionError("nothing is planned here")

    def undo(self, usage: Usage, terms: Terms, without: Without = NOTHING_ELSE) -> tuple[Usage, Terms]:
        return replace(usage, total=usage.total + self.extra), replace(terms, model=self.model or terms.model)


def priced(usage: Usage, terms: Terms) -> int:
    """The price; discards the example where the book rightly has none."""
    try:
        return price_usage(usage, terms, BOOK).pico
    except UnknownPrice:
        assume(False)
        raise


@given(USAGES, TERMS, st.lists(st.sampled_from([lever.id for lever in LEVERS]), unique=True))
def test_the_levers_there_are_balance(usage: Usage, terms: Terms, applied: list[str]) -> None:
    paid = priced(usage, terms)
    settlement = settle(usage, terms, applied, BOOK)
    assert settlement.cost.pico == paid
    assert settlement.baseline == paid + sum(settlement.saved.values())
    assert settlement.saved.keys() == set(applied)
    assert settlement.cost.price_book == BOOK.id


@given(USAGES, TERMS, st.lists(TOKENS, min_size=1, max_size=4))
def test_any_levers_telescope(usage: Usage, terms: Terms, extras: list[Tokens]) -> None:
    """Undoing lever by lever from the last one gives the price of each stage, and the shares are the steps between."""
    priced(usage, terms)
    levers: tuple[Lever, ...] = tuple(Booked(f"lever.{at}", extra) for at, extra in enumerate(extras))
    settlement = settle(usage, terms, [lever.id for lever in levers], BOOK, levers)
    stage, price = usage, settlement.cost.pico
    for lever in reversed(levers):
        stage, _ = lever.undo(stage, terms)
        before = priced(stage, terms)
        assert settlement.saved[lever.id] == before - price
        price = before
    assert settlement.baseline == price


def test_a_lever_that_changed_the_model() -> None:
    usage, terms = Usage(Tokens(input=1_000_000)), Terms("claude-haiku-5-5", TODAY)
    settlement = settle(usage, terms, ["route"], BOOK, (Booked("route", model="claude-opus-4-8"),))
    assert settlement.baseline == pico_from_usd("5")
    assert settlement.saved["route"] == pico_from_usd("5") - settlement.cost.pico


def test_the_last_lever_is_undone_first() -> None:
    """A million more tokens at the price of the model that the call had before it was routed, not after."""
    usage, terms = Usage(Tokens()), Terms("claude-haiku-5-5", TODAY)
    levers = (Booked("compress", extra=Tokens(input=1_000_000)), Booked("route", model="claude-opus-4-8"))
    settlement = settle(usage, terms, ["compress", "route"], BOOK, levers)
    assert settlement.saved == {"route": 0, "compress": pico_from_usd("5")}


def test_a_rewritten_prompt_is_booked_at_nothing_and_its_saving_with_the_breakpoints() -> None:
    usage, terms = Usage(Tokens(read=1_000_000)), Terms("claude-opus-4-8", TODAY)
    alone = settle(usage, terms, ["cache.breakpoints"], BOOK)
    both = settle(usage, terms, ["cache.stabilise", "cache.breakpoints"], BOOK)
    assert both.saved == {"cache.stabilise": 0, **alone.saved}
    assert (both.baseline, both.cost) == (alone.baseline, alone.cost)
    assert settle(usage, terms, ["cache.stabilise"], BOOK).baseline == alone.cost.pico


SPLITS: list[tuple[str, Tokens, str]] = [
    ("read", Tokens(read=1_000_000), "4.5"),
    ("write 5m", Tokens(write_5m=1_000_000), "-1.25"),
    ("write 1h", Tokens(write_1h=1_000_000), "-5"),
    ("nothing cached", Tokens(input=1_000_000, output=1_000), "0"),
    ("mixed", Tokens(input=10, write_5m=1_000_000, read=1_000_000, output=7), "3.25"),
]


@pytest.mark.parametrize(("tokens", "usd"), [row[1:] for row in SPLITS], ids=[row[0] for row in SPLITS])
def test_what_breakpoints_saved(tokens: Tokens, usd: str) -> None:
    """At Opus 4.8's $5: a read saves nine tenths, a write costs a quarter (5m) or the whole (1h) on top."""
    settlement = settle(Usage(tokens), Terms("claude-opus-4-8", TODAY), ["cache.breakpoints"], BOOK)
    assert settlement.saved == {"cache.breakpoints": pico_from_usd(usd)}


def test_breakpoints_are_undone_in_every_step_that_sent_the_prompt_again() -> None:
    cached = Tokens(input=1, write_5m=10, read=100, output=5)
    kinds = ("message", "compaction", "fallback_message", "advisor_message")
    usage = Usage(cached, iterations=tuple(Iteration(kind, cached) for kind in kinds))
    undone, _ = CacheBreakpoints().undo(usage, Terms("claude-opus-5", TODAY))
    assert [(one.kind, one.tokens.read) for one in undone.iterations] == [
        ("message", 0),
        ("compaction", 0),
        ("fallback_message", 0),
        ("advisor_message", 100),
    ]
    assert undone.total == Tokens(input=111, output=5)


def test_an_unknown_price_is_an_error() -> None:
    with pytest.raises(UnknownPrice):
        settle(Usage(), Terms("claude-of-tomorrow", TODAY), [], BOOK)


def test_a_client_that_marks_is_compared_with_its_own_breakpoints() -> None:
    """Read for an hour what the client would have written again: that is the saving, not all that caching saves."""
    terms = Terms("claude-opus-4-8", TODAY)
    usage = Usage(Tokens(input=100, read=10_000, output=50))
    as_sent = Tokens(input=100, write_5m=10_000)
    settlement = settle(usage, terms, ("cache.breakpoints",), BOOK, without=Without(as_sent))
    assert settlement.baseline == priced(Usage(Tokens(input=100, write_5m=10_000, output=50)), terms)
    assert settlement.saved == {"cache.breakpoints": settlement.baseline - settlement.cost.pico}
    same = settle(usage, terms, ("cache.breakpoints",), BOOK, without=Without(usage.total))
    assert same.saved == {"cache.breakpoints": 0}


# --- another model than the one asked for ---------------------------------------------------------------------------------


BESIDE = st.sampled_from(([], ["cache.breakpoints"], ["batch.defer"], ["cache.breakpoints", "batch.defer"]))


@given(USAGES, TERMS, st.builds(Asked, st.sampled_from(MODEL_IDS), st.sampled_from((0.7, 1.0, 1.37))), BESIDE)
def test_a_routed_call_balances(usage: Usage, terms: Terms, asked: Asked, beside: list[str]) -> None:
    """Whatever else was done to it, the baseline is the whole of it on the model that was asked for."""
    applied = ["route.rules", *beside]
    stages = [(usage, terms)]
    for name in reversed(applied):
        stages.append(by_id(name).undo(*stages[-1], Without(asked=asked)))
    prices = [priced(*stage) for stage in stages]
    settlement = settle(usage, terms, applied, BOOK, without=Without(asked=asked))
    assert settlement.cost.pico == prices[0]
    assert settlement.baseline == prices[-1] == prices[0] + sum(settlement.saved.values())
    assert settlement.saved == {
        name: after - before for name, before, after in zip(reversed(applied), prices, prices[1:], strict=False)
    }
    assert stages[-1][1].model == asked.model


def by_id(name: str) -> Lever:
    return next(lever for lever in LEVERS if lever.id == name)


def test_a_routed_call_by_hand() -> None:
    """1,000 tokens in and 100 out on Haiku 4.5, of which Opus 4.8 would have made 1,300 and 130."""
    usage, terms = Usage(Tokens(input=1_000, output=100)), Terms("claude-haiku-4-5", TODAY)
    settlement = settle(usage, terms, ["route.rules"], BOOK, without=Without(asked=Asked("claude-opus-4-8", 1.3)))
    assert settlement.cost.pico == pico_from_usd("0.0015")
    assert settlement.baseline == pico_from_usd("0.00975")
    assert settlement.saved == {"route.rules": pico_from_usd("0.00825")}


def test_what_the_cache_saved_is_at_the_price_of_the_model_that_served() -> None:
    usage, terms = Usage(Tokens(read=100_000, output=10)), Terms("claude-haiku-4-5", TODAY)
    settlement = settle(
        usage, terms, ["route.rules", "cache.breakpoints"], BOOK, without=Without(asked=Asked("claude-opus-4-8"))
    )
    assert settlement.saved == {"cache.breakpoints": pico_from_usd("0.09"), "route.rules": pico_from_usd("0.4002")}
    assert settlement.baseline == pico_from_usd("0.50025")


def test_a_batch_of_routed_calls_is_half_price_on_both() -> None:
    usage, terms = Usage(Tokens(input=1_000)), Terms("claude-haiku-4-5", TODAY, "batch")
    settlement = settle(usage, terms, ["route.rules", "batch.defer"], BOOK, without=Without(asked=Asked("claude-opus-4-8")))
    assert settlement.saved == {"batch.defer": pico_from_usd("0.0005"), "route.rules": pico_from_usd("0.004")}


def test_haiku_55_above_its_step_may_cost_more_than_what_was_asked_for() -> None:
    """$0.50 and $2.50 from 100,000 prompt tokens on: the books say what it was, saving or not."""
    usage, terms = Usage(Tokens(input=100_001)), Terms("claude-haiku-5-5", TODAY)
    settlement = settle(usage, terms, ["route.rules"], BOOK, without=Without(asked=Asked("claude-haiku-4-5")))
    assert settlement.cost.pico == pico_from_usd("0.0500005")
    assert settlement.saved == {"route.rules": pico_from_usd("0.100001") - pico_from_usd("0.0500005")}
