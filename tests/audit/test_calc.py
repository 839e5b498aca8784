"""The cost model as a calculator, against sums worked out by hand and against the price of single calls."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from thriftgate.audit.calc import BATCH_HITS, Calculation, Scenario, calculate
from thriftgate.core.cost import price_usage
from thriftgate.core.errors import InputError, UnknownPrice
from thriftgate.core.money import pico_from_usd
from thriftgate.core.prices import Terms, day_from_iso
from thriftgate.core.usage import Tokens, Usage
from thriftgate.pricing.load import load_book, load_models

BOOK = load_book()
MODELS = load_models()
DAY = day_from_iso("2026-11-21")
SONNET, HAIKU, OPUS = "claude-sonnet-4-6", "claude-haiku-5-5", "claude-opus-5-5"


def share(text: str) -> Fraction:
    return Fraction(text)


def month(model: str = SONNET, **changed: Any) -> Calculation:
    """A million requests of 8,000 tokens in and 500 out, in November 2026."""
    plan: dict[str, Any] = {"requests": 1_000_000, "tokens_in": 8_000, "tokens_out": 500, "mix": ((model, Fraction(1)),)}
    return calculate(Scenario(**plan | {"day": DAY} | changed), BOOK, MODELS)


def usd(pico: int, expected: str) -> bool:
    return pico == pico_from_usd(expected)


# --- by hand -----------------------------------------------------------------------------------------------------------


def test_all_four_steps() -> None:
    found = month(cached=share("0.8"), route=share("0.4"), route_to=HAIKU, batch=share("0.3"), out_saved=share("0.2"))
    # Sonnet 4.6 costs 3, writes 3.75, reads 0.30, output 15 a million: 8,000 M × 3 + 500 M × 15.
    assert usd(found.before_pico, "31500")
    caching, routing, batch, output = found.steps
    # Of 6,400 M cached 5,760 M are read (1,728) and 640 M written (2,400); 1,600 M stay plain (4,800); output 7,500.
    assert usd(caching.cost.pico, "16428")
    assert caching.cost.low == caching.cost.high == caching.cost.pico
    # 60 % of that is 9,856.80. Haiku 5.5 costs 0.10, 0.125, 0.01, 0.50, for 1.3 × 3,200 M prompt = 4,160 M: 2,995.2 M read
    # (29.952), 332.8 M written (41.60), 832 M plain (83.20), and 260 M output (130): 284.752.
    assert usd(routing.cost.pico, "10141.552")
    # 284.752 / 1.3 = 219.04; × 1.1 = 240.944, × 1.5 = 328.56.
    assert usd(routing.cost.low, "10097.744")
    assert usd(routing.cost.high, "10185.36")
    # 30 % at half: × 0.85.
    assert usd(batch.cost.pico, "8620.3192")
    # Low, 98 % hits in batches: Sonnet's 1,152 M cached cost 169.344 + 43.20 instead of 155.52 + 216, so 158.976 less;
    # Haiku's 844.8 M cost 4.13952 + 1.056 instead of 3.8016 + 5.28, so 3.88608 less; 0.85 × 10,097.744 = 8,583.0824.
    assert usd(batch.cost.low, "8420.22032")
    # High, 30 %: Sonnet's 51.84 + 1,512 instead of 371.52; Haiku's 1,152 M 1.728 + 50.40 instead of 12.384;
    # 0.85 × 10,185.36 = 8,657.556.
    assert usd(batch.cost.high, "9889.62")
    # A fifth of 0.85 × (4,500 + 130).
    assert usd(output.saved_pico, "787.1")
    assert usd(found.after.pico, "7833.2192")
    # 9,856.80 × 0.85 − 765 and 284.752 × 0.85 − 22.1.
    assert [(one.model, one.requests) for one in found.by_model] == [(SONNET, 600_000), (HAIKU, 400_000)]
    assert [usd(one.pico, sum_) for one, sum_ in zip(found.by_model, ("7613.28", "219.9392"), strict=True)] == [True, True]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, "0.044"),  # 2,000 plain × 2, 10,000 written × 2.50, 50,000 read × 0.10, 1,000 out × 10, a million each
        ({"batch": Fraction(1)}, "0.022"),
        ({"geo": "us"}, "0.0484"),
        ({"geo": "us", "batch": Fraction(1)}, "0.0242"),
        ({"day": day_from_iso("2026-10-06")}, "0.049"),  # reads were 0.20
        ({"ttl": "1h"}, "0.059"),  # writes at 4
    ],
)
def test_one_request_of_sonnet(changed: dict[str, Any], expected: str) -> None:
    sizes = {"requests": 1, "tokens_in": 62_000, "tokens_out": 1_000, "cached": share("30/31"), "hit": share("5/6")}
    assert usd(month("claude-sonnet-5-5", **sizes | changed).after.pico, expected)


@pytest.mark.parametrize(("prompt", "expected"), [(100_000, "0.001545"), (100_001, "0.0077255")])
def test_the_length_step_is_that_of_one_request(prompt: int, expected: str) -> None:
    """99,500 read × 0.01, the rest plain × 0.10, 1,000 out × 0.50; five times that for one token more. A million times."""
    found = month(HAIKU, tokens_in=prompt, tokens_out=1_000, cached=Fraction(99_500, prompt), hit=Fraction(1))
    assert found.after.pico == 1_000_000 * pico_from_usd(expected)
    assert any("above the 100,000" in words for words in found.assumptions) == (prompt > 100_000)


def test_fast_mode() -> None:
    """1,000 plain × 8, 100,000 read × 0.40, 2,000 out × 40."""
    sizes = {"requests": 1, "tokens_in": 101_000, "tokens_out": 2_000, "cached": share("100/101"), "hit": Fraction(1)}
    assert usd(month(OPUS, fast=True, **sizes).after.pico, "0.128")


def test_without_levers() -> None:
    found = month()
    assert (found.steps, found.after.low, found.after.pico, found.after.high) == ((), *[found.before_pico] * 3)


def test_a_mix() -> None:
    """200,000 × (8,000 × 4 + 500 × 20) and 800,000 × (8,000 × 2 + 500 × 10), a million each."""
    found = month(mix=((OPUS, share("0.2")), ("claude-sonnet-5-5", share("0.8"))))
    assert usd(found.before_pico, "25200")
    assert [usd(one.pico, cost) for one, cost in zip(found.by_model, ("8400", "16800"), strict=True)] == [True, True]


def test_a_mix_of_few_requests_is_handed_out_whole() -> None:
    """1.65, 1.65 and 1.7 of 5 are one each; the two that are left go to the 0.7, then to the first 0.65."""
    mix = ((OPUS, share("0.33")), (SONNET, share("0.33")), (HAIKU, share("0.34")))
    found = month(requests=5, mix=mix)
    assert [(one.model, one.requests) for one in found.by_model] == [(OPUS, 2), (SONNET, 1), (HAIKU, 2)]


def test_a_model_keeps_its_own_share_when_others_are_routed_to_it() -> None:
    found = month(requests=10, mix=((OPUS, share("0.5")), (HAIKU, share("0.5"))), route=share("0.4"), route_to=HAIKU)
    assert [(one.model, one.requests) for one in found.by_model] == [(OPUS, 3), (HAIKU, 7)]
    assert found.after.low == found.after.high  # both have the newer tokenizer


# --- the cache ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("prompt", "saves"), [(4_095, False), (4_096, True)])
def test_below_the_minimum_caching_does_nothing_and_says_so(prompt: int, saves: bool) -> None:
    (step,) = month("claude-haiku-4-5", tokens_in=prompt, cached=Fraction(1)).steps
    assert (step.saved_pico > 0) == saves
    assert ("does nothing: on claude-haiku-4-5-20251001 4,095 tokens are below the minimum of 4,096" in step.text) != saves


def test_a_minimum_that_holds_for_a_part_of_the_mix() -> None:
    (step,) = month(mix=((SONNET, share("0.5")), (OPUS, share("0.5"))), cached=share("0.2")).steps
    assert f"does nothing for a part: on {SONNET} 1,600 tokens are below the minimum of 2,048" in step.text
    # Opus 5.5: 4,000 M prompt, 800 M of it cached: 720 M read × 0.20, 80 M written × 5, instead of 800 M × 4.
    assert usd(step.saved_pico, "2656")


def test_too_few_reads_make_it_dearer() -> None:
    (step,) = month(cached=share("0.8"), hit=share("0.2")).steps
    # 6,400 M at 3 = 19,200; now 1,280 M read at 0.30 (384) and 5,120 M written at 3.75 (19,200).
    assert usd(step.saved_pico, "-384")
    assert step.text.endswith("dearer than no cache, too few reads for each write")


def test_the_target_may_not_cache() -> None:
    """From the newer to the older tokenizer 4,800 tokens become about 3,692: below what Haiku 4.5 caches."""
    found = month(OPUS, cached=share("0.6"), route=Fraction(1), route_to="claude-haiku-4-5")
    assert "not cached there: 3,692 tokens are below the minimum of 4,096" in found.steps[1].text
    assert "0.77 times the tokens (0.67 to 0.91)" in found.steps[1].text
    # 8,000 M / 1.3 at 1 and 500 M / 1.3 at 5 (384,615,385 tokens), none of it cached.
    assert usd(found.after.pico, "8076.923079")
    # Cheapest with exactly 4,096 cached, of 6,826 2/3: 3,686.4 M × 0.10 + 409.6 M × 1.25 + 2,730.666667 M × 1 and
    # 426.666667 M out × 5. Dearest with 4,095, which are not: 6,825 M × 1 + 426.5625 M × 5.
    assert usd(found.after.low, "5744.640002")
    assert usd(found.after.high, "8957.8125")


# --- laws --------------------------------------------------------------------------------------------------------------

SERVED = (SONNET, HAIKU, OPUS, "claude-haiku-4-5-20251001", "claude-opus-4-7", "claude-fable-5-2")
shares = st.integers(0, 1_000).map(lambda parts: Fraction(parts, 1_000))
levers = st.none() | shares


@st.composite
def plans(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(SERVED), min_size=1, max_size=3, unique=True))
    weights = [draw(st.integers(1, 9)) for _ in names]
    route = draw(levers)
    return {
        "requests": draw(st.integers(1, 60) | st.integers(1, 10**7)),
        "tokens_in": draw(st.integers(0, 9_000) | st.integers(60_000, 110_000)),
        "tokens_out": draw(st.integers(0, 2_000)),
        "mix": tuple((name, Fraction(weight, sum(weights))) for name, weight in zip(names, weights, strict=True)),
        "cached": draw(levers),
        "ttl": draw(st.sampled_from(("5m", "1h"))),
        "hit": draw(shares),
        "route": route,
        "route_to": "" if route is None else draw(st.sampled_from(SERVED)),
        "batch": draw(levers),
        "out_saved": draw(levers),
    }


@settings(deadline=None)
@given(plan=plans())
def test_sums_balance_and_nothing_is_paid_back(plan: dict[str, Any]) -> None:
    found = month(**plan)
    assert found.before_pico == found.after.pico + sum(step.saved_pico for step in found.steps)
    assert sum(one.pico for one in found.by_model) == found.after.pico
    assert sum(one.requests for one in found.by_model) == plan["requests"]
    for step in found.steps:
        assert 0 <= step.cost.low <= step.cost.pico <= step.cost.high


@settings(deadline=None)
@given(plan=plans(), one=shares, two=shares)
def test_more_in_batches_is_never_dearer(plan: dict[str, Any], one: Fraction, two: Fraction) -> None:
    less, more = sorted((one, two))
    assert month(**plan | {"batch": more}).after.pico <= month(**plan | {"batch": less}).after.pico


def test_more_in_batches_is_never_dearer_token_by_token() -> None:
    """461 tokens that are read and 51 that are written move into the batch one by one."""
    sizes = {"requests": 1, "tokens_in": 512, "tokens_out": 0, "cached": Fraction(1)}
    costs = [month(HAIKU, batch=Fraction(parts, 512), **sizes).after.pico for parts in range(513)]
    assert costs == sorted(costs, reverse=True)
    assert 2 * costs[-1] == costs[0] == 461 * 10_000 + 51 * 125_000


@settings(deadline=None)
@given(plan=plans(), one=shares, two=shares)
def test_shorter_answers_are_never_dearer(plan: dict[str, Any], one: Fraction, two: Fraction) -> None:
    less, more = sorted((one, two))
    assert month(**plan | {"out_saved": more}).after.pico <= month(**plan | {"out_saved": less}).after.pico


@settings(deadline=None)
@given(
    model=st.sampled_from(SERVED),
    parts=st.tuples(st.integers(0, 60_000), st.integers(4_096, 60_000), st.integers(0, 3_000)),
    reads=st.booleans(),
    ttl=st.sampled_from(("5m", "1h")),
    batch=st.booleans(),
)
def test_like_requests_cost_what_each_costs(
    model: str, parts: tuple[int, int, int], reads: bool, ttl: str, batch: bool
) -> None:
    """Where all requests are alike, the month is their number times the price of one call, priced as every call is."""
    plain, prefix, output = parts
    found = month(
        model, requests=1_000, tokens_in=plain + prefix, tokens_out=output, cached=Fraction(prefix, plain + prefix),
        hit=Fraction(reads), ttl=ttl, batch=Fraction(batch),
    )  # fmt: skip
    kind = "read" if reads else f"write_{ttl}"
    tokens = Tokens(**{"input": plain, "output": output, kind: prefix})
    call = price_usage(Usage(tokens), Terms(model, DAY, "batch" if batch else "standard"), BOOK)
    assert found.after.pico == 1_000 * call.pico


@settings(deadline=None)
@given(
    half=st.integers(100, 2_000) | st.integers(30_000, 50_000),
    at=st.fractions(0, 1, max_denominator=1_000),
    move=st.sampled_from(((SONNET, HAIKU), (OPUS, "claude-haiku-4-5-20251001"), (OPUS, "claude-opus-4-6"))),
    reads=st.booleans(),
)
def test_whatever_another_tokenizer_makes_of_it_lies_between_low_and_high(
    half: int, at: Fraction, move: tuple[str, str], reads: bool
) -> None:
    """Half of each prompt is cached. `length` is half of what the target counts, anywhere in the interval."""
    origin, target = move
    least, most = (Fraction(11, 10), Fraction(3, 2)) if target == HAIKU else (Fraction(2, 3), Fraction(10, 11))
    length = math.floor(half * (least + (most - least) * at))
    assume(length >= half * least)
    found = month(
        origin, requests=1_000, tokens_in=2 * half, tokens_out=0, cached=Fraction(1, 2), hit=Fraction(reads),
        route=Fraction(1), route_to=target,
    )  # fmt: skip
    kind = "input" if length < MODELS[target].cache_min_tokens else "read" if reads else "write_5m"
    tokens = Tokens(input=length) + Tokens(**{kind: length})
    call = price_usage(Usage(tokens), Terms(target, DAY), BOOK)
    assert found.after.low <= 1_000 * call.pico <= found.after.high


@settings(deadline=None)
@given(hit=st.fractions(*BATCH_HITS, max_denominator=100), own=shares)
def test_whatever_batches_hit_lies_between_low_and_high(hit: Fraction, own: Fraction) -> None:
    cached: dict[str, Any] = {"cached": share("0.8"), "batch": Fraction(1)}
    found, real = month(hit=own, **cached), month(hit=hit, **cached)
    assert found.after.low <= real.after.pico <= found.after.high


# --- what cannot be ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"requests": 0}, "--requests: 0 cannot be; write a whole number from 1"),
        ({"tokens_in": -1}, "--in: -1 cannot be"),
        ({"tokens_out": 2**50}, "--out: "),
        ({"cached": share("1.5")}, "--cached: 1.5 is no share; write a number from 0 to 1"),
        ({"cached": share("0.5"), "hit": share("-0.1")}, "--hit: -0.1"),
        ({"batch": Fraction(80)}, "--batch: 80 "),
        ({"out_saved": Fraction(2)}, "--out-saved: 2 "),
        ({"route": Fraction(2), "route_to": HAIKU}, "--route: 2 "),
        ({"route": share("0.4")}, "--route and --to belong together"),
        ({"route_to": HAIKU}, "--route and --to belong together"),
        ({"batch": share("0.4"), "fast": True}, "--batch and --fast cannot be combined"),
        ({"mix": ((OPUS, share("0.5")), (HAIKU, share("0.4")))}, "--mix: the shares add up to 0.9; they must add up to 1"),
        ({"mix": ()}, "--mix: the shares add up to 0"),
        ({"mix": ((OPUS, Fraction(2)), (HAIKU, Fraction(-1)))}, "--mix: 2 is no share of claude-opus-5-5"),
        (
            {"mix": (("claude-haiku-4-5", share("0.5")), ("claude-haiku-4-5-20251001", share("0.5")))},
            "--mix: claude-haiku-4-5-20251001 is named twice",
        ),
        ({"tokens_in": 1_000_000}, "--model: 1,000,000 tokens in and 500 out do not fit into the 1,000,000"),
        (
            {"tokens_in": 800_000, "route": Fraction(1), "route_to": HAIKU},
            "--to: 1,040,000 tokens in and 650 out do not fit",
        ),
        ({"tokens_out": 300_001}, "--model: claude-sonnet-4-6 writes at most 300,000 tokens"),
        ({"route": Fraction(1), "route_to": "claude-opus-4-1"}, "is retired since 2026-08-05"),
    ],
)
def test_what_cannot_be(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError) as refused:
        month(**changed)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mix": (("claude-sonet-4-6", Fraction(1)),)}, "--model: no price for model 'claude-sonet-4-6'"),
        ({"mix": (("claude-sonet-4-6", Fraction(1)),)}, "did you mean claude-sonnet-4-6"),
        ({"route": Fraction(1), "route_to": "claude-haiku-5.5"}, "--to: no price for model 'claude-haiku-5.5'"),
        ({"route": Fraction(1), "route_to": "claude-haiku-5.5"}, "did you mean claude-haiku-5-5"),
        ({"mix": (("gpt-x", share("0.5")), (OPUS, share("0.5")))}, "--mix: no price for model 'gpt-x'"),
        ({"mix": (("gpt-x", Fraction(1)),)}, "add it under [[prices.models]]"),
        ({"fast": True}, "claude-sonnet-4-6 has no fast price"),
        ({"geo": "moon"}, "no price for inference_geo 'moon'"),
    ],
)
def test_what_has_no_price(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(UnknownPrice) as refused:
        month(**changed)
    assert words in str(refused.value)


def test_what_is_assumed_is_said() -> None:
    found = month(
        "claude-opus-4-1", cached=share("0.8"), route=share("0.1"), route_to=HAIKU, batch=share("0.1"), geo="global"
    )
    said = " ".join(found.assumptions)
    for words in (
        "Prices of 2026-11-21;",
        "90 % read it",
        "another tokenizer",
        "30 % to 98 %",
        "is retired since 2026-08-05",
    ):
        assert words in said
    assert "inference_geo us, fast mode;" in month(OPUS, geo="us", fast=True).assumptions[0]


def test_the_length_step_of_the_target() -> None:
    """80,000 tokens are about 104,000 there, which is above the step; at 1.1 times, 88,000, they are not."""
    found = month(requests=7, tokens_in=80_000, route=Fraction(1), route_to=HAIKU)
    assert "prompts of 104,000 tokens are above the 100,000" in found.steps[0].text
    # 7 × (104,000 × 0.50 + 650 × 2.50), 7 × (88,000 × 0.10 + 550 × 0.50), 7 × (120,000 × 0.50 + 750 × 2.50), a million each
    assert usd(found.after.pico, "0.375375")
    assert usd(found.after.low, "0.063525")
    assert usd(found.after.high, "0.433125")


def test_half_a_token_above_the_length_step() -> None:
    """66,667 × 1.5 is 100,000.5 a request, above 100,000: two of them are 200,001 at 0.50 a million."""
    found = month(requests=2, tokens_in=66_667, tokens_out=0, route=Fraction(1), route_to=HAIKU)
    assert usd(found.after.high, "0.1000005")
