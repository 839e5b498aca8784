"""TokenMemory: exact where a call told, in between by proportion, corrected by model, bounded, deterministic."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.tokens import Correction, Estimate, PromptTokens, TokenMemory

MODEL = "claude-sonnet-5-5"
ESTIMATES = st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 2_000)), min_size=1, max_size=20)


def digest(number: int) -> bytes:
    return sha256(str(number).encode()).digest()[:16]


def prompt(memory: TokenMemory, tokens: list[int], model: str = MODEL) -> PromptTokens:
    return memory.estimate(model, [digest(at) for at in range(len(tokens))], [Estimate(each, 2 * each) for each in tokens])


def test_without_memory_the_guesses_add_up() -> None:
    known = prompt(TokenMemory(), [100, 50, 25])
    assert (known.cumulative, known.upper) == ((100, 150, 175), (200, 300, 350))
    assert (known.anchor, known.known, known.fresh) == (-1, 0, 175)
    assert known.tokens == 175


def test_an_empty_prompt() -> None:
    known = TokenMemory().estimate(MODEL, [], [])
    assert (known.tokens, known.upper, known.fresh) == (0, (), 0)


def test_an_exact_prefix_is_exact_and_only_the_rest_is_guessed() -> None:
    memory = TokenMemory()
    memory.learn(MODEL, digest(1), 180)
    known = prompt(memory, [100, 50, 25])
    assert known.cumulative == (120, 180, 205)
    assert known.upper == (180, 180, 230)
    assert (known.anchor, known.known, known.fresh) == (1, 180, 25)
    assert memory.exact(digest(1)) == 180
    assert memory.exact(digest(2)) is None


def test_between_two_exact_boundaries_the_difference_is_spread() -> None:
    memory = TokenMemory()
    memory.learn(MODEL, digest(0), 1_000)
    memory.learn(MODEL, digest(3), 1_400)
    assert prompt(memory, [100, 10, 20, 10]).cumulative == (1_000, 1_100, 1_300, 1_400)


def test_a_total_that_would_make_the_prompt_shrink_is_set_aside() -> None:
    memory = TokenMemory()
    memory.learn(MODEL, digest(0), 1_000)
    memory.learn(MODEL, digest(1), 900)
    assert prompt(memory, [100, 10, 20]).cumulative == (1_000, 1_010, 1_030)


def test_framing_comes_before_its_block() -> None:
    known = TokenMemory().estimate(MODEL, [digest(0), digest(1)], [Estimate(10, 20), Estimate(10, 20)], framing=[300, 4])
    assert (known.cumulative, known.upper) == ((310, 324), (320, 344))


def test_a_chain_and_its_blocks_must_match() -> None:
    with pytest.raises(ValueError, match="2 boundaries but 1 blocks"):
        TokenMemory().estimate(MODEL, [digest(0), digest(1)], [Estimate(1, 2)])


@given(blocks=ESTIMATES, totals=st.dictionaries(st.integers(0, 19), st.integers(1, 50_000)), ratio=st.floats(0.5, 2))
def test_counts_never_fall_and_stay_below_their_upper(
    blocks: list[tuple[int, int]], totals: dict[int, int], ratio: float
) -> None:
    memory = TokenMemory()
    for _ in range(5):
        memory.learn(MODEL, digest(-1), round(1_000 * ratio), PromptTokens(fresh=1_000))
    for at, total in totals.items():
        memory.learn(MODEL, digest(at), total)
    estimates = [Estimate(tokens, tokens + slack) for tokens, slack in blocks]
    known = memory.estimate(MODEL, [digest(at) for at in range(len(blocks))], estimates)
    assert list(known.cumulative) == sorted(known.cumulative)
    assert all(low <= high for low, high in zip(known.cumulative, known.upper, strict=True))
    assert len(known.cumulative) == len(known.upper) == len(blocks)
    if known.anchor >= 0:
        assert known.cumulative[known.anchor] == known.upper[known.anchor] == totals[known.anchor] == known.known


def test_the_ratio_is_learned_per_model_and_scales_what_is_guessed() -> None:
    memory = TokenMemory()
    for call in range(30):
        guess = prompt(memory, [1_000], "claude-opus-5-5")
        memory.learn("claude-opus-5-5", digest(1_000 + call), 1_200, guess)
    assert memory.correction("claude-opus-5-5").ratio == pytest.approx(1.2, abs=0.01)
    assert prompt(memory, [1_000], "claude-opus-5-5").tokens == pytest.approx(1_200, abs=10)
    assert prompt(memory, [1_000], "claude-opus-5-5").upper[-1] == pytest.approx(2_400, abs=20)
    assert prompt(memory, [1_000]).tokens == 1_000


def test_a_ratio_below_one_never_lowers_the_upper_bound() -> None:
    memory = TokenMemory()
    for call in range(30):
        memory.learn(MODEL, digest(1_000 + call), 800, prompt(memory, [1_000]))
    assert prompt(memory, [1_000]).tokens == pytest.approx(800, abs=10)
    assert prompt(memory, [1_000]).upper[-1] == 2_000


def test_the_ratio_sees_only_the_part_that_was_guessed() -> None:
    memory = TokenMemory()
    memory.learn(MODEL, digest(0), 50_000)
    guess = prompt(memory, [10_000, 1_000])
    memory.learn(MODEL, digest(1), 51_100, guess)
    assert memory.correction(MODEL) == Correction(ratio=1.1, spread=0.0, calls=1)


@pytest.mark.parametrize(("total", "fresh"), [(50, 100), (0, 1_000), (-3, 1_000), (40, 5_000)])
def test_what_says_nothing_about_the_ratio_is_not_learned(total: int, fresh: int) -> None:
    memory = TokenMemory()
    memory.learn(MODEL, digest(0), total, PromptTokens(known=45, fresh=fresh))
    assert memory.correction(MODEL) == Correction()


def test_one_odd_call_moves_little() -> None:
    steady = Correction()
    for _ in range(20):
        steady = steady.learned(1.0)
    assert steady.learned(50.0).ratio < 1.03
    assert steady.learned(0.0).ratio > 0.97


@given(st.lists(st.floats(0.001, 1_000), max_size=40))
def test_the_ratio_stays_believable(ratios: list[float]) -> None:
    correction = Correction()
    for ratio in ratios:
        correction = correction.learned(ratio)
    assert 0.5 <= correction.ratio <= 2
    assert 0 <= correction.spread <= 1


def test_a_new_vocabulary_raises_the_drift_flag() -> None:
    right, wrong, wild = Correction(), Correction(), Correction()
    for call in range(8):
        assert not wrong.drifted()
        right, wrong = right.learned(1.05 if call % 2 else 0.95), wrong.learned(1.35)
        wild = wild.learned(1.6 if call % 2 else 0.4)
    assert (right.drifted(), wrong.drifted(), wild.drifted()) == (False, True, True)


@given(st.lists(st.integers(0, 60), max_size=300), st.integers(2, 20))
def test_memory_is_bounded_and_keeps_what_is_used(numbers: list[int], entries_max: int) -> None:
    memory = TokenMemory(entries_max, models_max=4)
    for number in numbers:
        memory.learn(f"model-{number}", digest(number), number + 1, PromptTokens(fresh=1_000))
        assert memory.exact(digest(number)) == number + 1
        assert len(memory) <= entries_max + 4


def test_what_is_used_outlives_what_is_not() -> None:
    memory = TokenMemory(entries_max=10)
    memory.learn(MODEL, digest(0), 7)
    memory.learn(MODEL, digest(1), 8)
    for number in range(100, 200):
        memory.learn(MODEL, digest(number), 1)
        assert memory.exact(digest(0)) == 7
    assert memory.exact(digest(1)) is None


def test_a_memory_must_hold_something() -> None:
    with pytest.raises(ValueError, match="entries_max"):
        TokenMemory(entries_max=1)


def test_same_calls_same_memory() -> None:
    def run() -> PromptTokens:
        memory = TokenMemory(entries_max=50)
        for call in range(200):
            guess = prompt(memory, [300 + call, 40, call % 7 * 100])
            memory.learn(MODEL, digest(call % 5), 400 + call, guess)
        return prompt(memory, [10, 20, 30, 40, 50, 60])

    assert run() == run()
