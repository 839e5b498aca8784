"""When leaving a warm cache pays, and when a try does."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import pytest

from thriftgate.core.prices import Rates, Terms
from thriftgate.core.routing.switching import Ahead, Side, cascade_pays, worth_leaving, worth_trying
from thriftgate.pricing.load import load_book

DAY = 20_778
LAST_TURN = Ahead(0.0, 120.0, 0.6, 800)
OPUS, SONNET, HAIKU = "claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5"


def dollars(inp: int, out: int) -> Callable[[int], Rates]:
    """Per million tokens; writes 1.25 and 2 times, reads a tenth."""
    unit = 10**12
    rates = Rates(inp * unit, inp * unit * 5 // 4, inp * unit * 2, inp * unit // 10, out * unit)
    return lambda _: rates


def priced(model: str) -> Callable[[int], Rates]:
    return partial(load_book().rates, Terms(model, DAY))


def warm(rates: Callable[[int], Rates], tokens: int, expires_in_s: float = 240.0) -> Side:
    return Side("strong", rates, 500, tokens, expires_in_s)


@pytest.mark.parametrize(
    ("strong", "cheap", "longest"), [((5, 25), (1, 5), 15_333), ((3, 15), (1, 5), 6_052), ((5, 25), (3, 15), 1_769)]
)
def test_the_last_turn_leaves_below_the_break_even_prefix(
    strong: tuple[int, int], cheap: tuple[int, int], longest: int
) -> None:
    """[1.25 (in_s - in_c) u + (out_s - out_c) o] / (1.25 in_c - 0.1 in_s), 300 tokens in and 500 out."""
    go = Side("cheap", dollars(*cheap), 500)
    for prefix, pays in ((longest, True), (longest + 1, False)):
        move = worth_leaving(warm(dollars(*strong), prefix), go, prefix + 300, 300, LAST_TURN)
        assert move.go is pays is (move.saving_pico > 0) is bool(move)


def test_the_first_turn_of_a_conversation_has_nothing_to_lose() -> None:
    move = worth_leaving(Side("strong", dollars(5, 25), 500), Side("cheap", dollars(1, 5), 500), 80_300, 80_300, LAST_TURN)
    assert move.saving_pico == 80_300 * 4_000_000 * 5 // 4 + 500 * 20_000_000
    assert move.reason == "cheap costs $0.102875 this turn and strong $0.514375: leaving saves $0.411500"


def test_a_cold_write_is_repaid_by_later_turns_if_there_are_any() -> None:
    stay, go = warm(dollars(5, 25), 80_000), Side("cheap", dollars(1, 5), 500)
    few, many = (worth_leaving(stay, go, 80_300, 300, Ahead(turns, 30.0, 0.6, 800)) for turns in (1.0, 10.0))
    assert not few
    assert many
    assert "the 10.0 expected later turns $" in many.reason


def test_a_gap_that_kills_the_cache_that_is_left_keeps_the_model() -> None:
    """Whoever leaves must write the long prefix again at the strong model. With an hour's entries not."""
    ahead = Ahead(6.0, 200.0, 0.6, 800)
    stay, go = warm(priced(OPUS), 60_000, 60.0), Side("cheap", priced(HAIKU), 500)
    assert not worth_leaving(stay, go, 60_300, 300, ahead)
    hour = Side("strong", priced(OPUS), 500, 60_000, 3_600.0, ttl_s=3600.0)
    assert worth_leaving(hour, Side("cheap", priced(HAIKU), 500, ttl_s=3600.0), 60_300, 300, ahead)


def test_few_easy_turns_keep_the_model() -> None:
    stay, go = warm(dollars(5, 25), 40_000), Side("cheap", dollars(1, 5), 500)
    assert worth_leaving(stay, go, 40_300, 300, Ahead(8.0, 30.0, 0.8, 800))
    assert not worth_leaving(stay, go, 40_300, 300, Ahead(8.0, 30.0, 0.1, 800))


def test_a_warm_cheap_cache_is_used() -> None:
    stay = warm(dollars(5, 25), 20_000)
    go = Side("cheap", dollars(1, 5), 500, 19_200, 200.0)
    assert worth_leaving(stay, go, 20_300, 300, Ahead(7.0, 60.0, 0.6, 800), on_go=True)


def test_haiku_is_priced_at_the_length_of_the_prompt() -> None:
    """Above 100,000 tokens every rate of Haiku 5.5 is five times as high."""
    saved = []
    for prompt in (100_000, 100_001):
        stay, go = warm(priced(SONNET), prompt - 300), Side("cheap", priced(HAIKU), 500)
        saved.append(worth_leaving(stay, go, prompt, 300, LAST_TURN).saving_pico)
    assert saved[0] > 0 > saved[1]
    assert saved[0] - saved[1] == pytest.approx(4 * (100_000 * 125_000 + 500 * 500_000), rel=0.001)


def test_a_step_in_the_price_that_lies_ahead_is_seen() -> None:
    """A turn on, the prompt will be over the step: what is written now at the low price must be rewritten at the high one
    if it dies, and the cheap model's turns cost five times as much."""
    low = priced(HAIKU)(1_000)
    flat, stepped = (
        worth_leaving(
            warm(priced(OPUS), 99_000), Side("cheap", rates, 500, 99_000, 200.0), 99_300, 300, Ahead(9.0, 60.0, 1.0, 800)
        )
        for rates in (lambda _: low, priced(HAIKU))
    )
    later_turns = [float(one.reason.partition("later turns $")[2].partition(" and")[0]) for one in (flat, stepped)]
    assert later_turns[1] > 3 * later_turns[0]


def test_the_other_vocabulary_is_counted() -> None:
    """The same text in 1.3 times the tokens costs 1.3 times as much."""
    stay = Side("strong", dollars(5, 25), 500)
    same, more = (
        worth_leaving(stay, Side("cheap", dollars(1, 5), 0, ratio=ratio), 10_000, 10_000, LAST_TURN) for ratio in (1.0, 1.3)
    )
    assert same.saving_pico - more.saving_pico == 3_000 * 1_250_000


def test_without_a_cache_the_prompt_is_plain_input() -> None:
    """A life of 0, or a prompt below the least length."""
    stay = Side("strong", dollars(5, 25), 500, ttl_s=0.0)
    for go in (Side("cheap", dollars(1, 5), 500, ttl_s=0.0), Side("cheap", dollars(1, 5), 500, cache_min_tokens=4_096)):
        move = worth_leaving(stay, go, 2_000, 2_000, LAST_TURN)
        assert move.saving_pico == 2_000 * 4_000_000 + 500 * 20_000_000
    hour = Side("cheap", dollars(1, 5), 500, ttl_s=3600.0)
    assert worth_leaving(stay, hour, 2_000, 2_000, LAST_TURN).saving_pico == 2_000 * 3_000_000 + 500 * 20_000_000


def test_lost_thinking_counts_against_a_change() -> None:
    stay = warm(dollars(5, 25), 10_000)
    go = Side("cheap", dollars(1, 5), 500, rethink_tokens=1_000)
    plain = Side("cheap", dollars(1, 5), 500)
    came, there = (
        worth_leaving(stay, plain, 10_300, 300, LAST_TURN, on_go=on_go).saving_pico
        - worth_leaving(stay, go, 10_300, 300, LAST_TURN, on_go=on_go).saving_pico
        for on_go in (False, True)
    )
    assert (came, there) == (1_000 * 5_000_000, 0)


def test_the_strong_model_is_not_left_for_nothing() -> None:
    same = worth_leaving(Side("a", dollars(5, 25), 500), Side("b", dollars(5, 25), 500), 5_000, 5_000, LAST_TURN)
    assert (same.go, same.saving_pico) == (False, 0)


def test_entries_that_are_gone_are_not_read() -> None:
    dead, cold = (
        worth_leaving(
            Side("strong", dollars(5, 25), 500, tokens, 0.0), Side("cheap", dollars(1, 5), 500), 20_300, 300, LAST_TURN
        )
        for tokens in (20_000, 0)
    )
    assert dead == cold


def test_free_models_and_empty_prompts_do_no_harm() -> None:
    free = Side("free", lambda _: Rates(0, 0, 0, 0, 0), 500, 10, 100.0)
    assert not worth_leaving(free, free, 0, 0, Ahead(5.0, 60.0, 1.0, 0))


@pytest.mark.parametrize(
    ("cheap", "verify", "accepted", "pays"),
    [(25, 0, 0.3, True), (67, 0, 0.65, False), (67, 0, 0.7, True), (67, 10, 0.7, False), (3, 3, 0.05, False)],
)
def test_a_try_pays_if_it_is_accepted_often_enough(cheap: int, verify: int, accepted: float, pays: bool) -> None:
    move = cascade_pays(cheap * 10**7, verify * 10**7, 10**9, accepted)
    assert move.go is pays
    assert move.saving_pico == pytest.approx(10**9 * accepted - (cheap + verify) * 10**7)


def test_a_share_counted_on_few_tries_is_taken_at_its_lower_limit() -> None:
    sure, lucky = cascade_pays(5 * 10**8, 0, 10**9, 0.65), cascade_pays(5 * 10**8, 0, 10**9, 0.65, tried=20)
    assert sure
    assert not lucky
    assert cascade_pays(5 * 10**8, 0, 10**9, 0.65, tried=500)
    assert "accepted at least 65% of the time" in sure.reason
    assert not cascade_pays(1, 0, 10**9, 0.0, tried=10)


def test_a_try_in_a_conversation_counts_the_cache_that_it_leaves() -> None:
    """Alone it would pay; with a long warm prefix that hard turns will want again it does not."""
    go = Side("cheap", dollars(3, 15), 500)
    ahead = Ahead(7.0, 120.0, 0.6, 800)
    first = worth_trying(Side("strong", dollars(15, 75), 500), go, 2_000, 2_000, LAST_TURN, verify_pico=10**8, p_accept=0.6)
    inside = worth_trying(warm(dollars(15, 75), 60_000), go, 60_300, 300, ahead, verify_pico=10**8, p_accept=0.6)
    assert first
    assert not inside
    assert "later" in inside.reason
    counted = worth_trying(
        Side("strong", dollars(15, 75), 500), go, 2_000, 2_000, LAST_TURN, verify_pico=10**8, p_accept=0.6, tried=5
    )
    assert counted.saving_pico < first.saving_pico


def test_a_decision_takes_less_than_a_fifth_of_a_millisecond() -> None:
    """The best of several hundred, so that a busy machine does not count; the benchmark tells the median."""
    stay, go = warm(priced(OPUS), 20_000), Side("cheap", priced(HAIKU), 500, 19_000, 100.0)
    took = []
    for _ in range(300):
        began = time.perf_counter()
        worth_leaving(stay, go, 20_300, 300, Ahead(30.0, 120.0, 0.6, 800))
        took.append(time.perf_counter() - began)
    assert min(took) < 200e-6
