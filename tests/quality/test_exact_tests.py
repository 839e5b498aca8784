"""The tests of the promise: against brute force, at the border, and what they promise about their own error."""

from __future__ import annotations

from math import comb, log

import numpy as np
import pytest
from scipy.stats import beta, binom

from thriftgate.quality.exact_tests import (
    REMOTE,
    Counts,
    Floats,
    betting_p,
    counts_of,
    exact_p,
    jeffreys_p,
    share_limit,
    signed_root,
    stricter,
)


def counts(losses: int, wins: int, telling: int, both_wrong: int = 7) -> Counts:
    return Counts(telling - wins, wins + both_wrong, losses, wins)


def chance(losses: int, wins: int, m: int, theta: float, win: Floats) -> Floats:
    """Of an outcome at the border of the promise."""
    loss = 1 - theta + theta * win
    ways = float(comb(m, losses) * comb(m - losses, wins))
    found: Floats = ways * loss**losses * win**wins * np.maximum(1 - loss - win, 0.0) ** (m - losses - wins)
    return found


def brute_p(losses: int, wins: int, m: int, theta: float) -> float:
    """The definition, on a fine grid."""
    if losses >= (1 - theta) * m + theta * wins:
        return 1.0
    low = beta.ppf(REMOTE / 2, wins, m - wins + 1) if wins else 0.0
    high = min(beta.ppf(1 - REMOTE / 2, wins + 1, m - wins), theta / (1 + theta) * (1 - 1 / (m + 1)))
    grid = np.linspace(low, high, 400)
    every = [(a, b) for a in range(m + 1) for b in range(m + 1 - a)]
    lost, won = (np.array([one[at] for one in every], dtype=np.float64) for at in (0, 1))
    root = signed_root(lost, won, np.full(len(every), float(m)), theta)
    here = root[every.index((losses, wins))]
    passing = [one for one, value in zip(every, root, strict=True) if value >= here - 1e-9]
    return float(np.sum([chance(*one, m, theta, grid) for one in passing], axis=0).max()) + REMOTE


@pytest.mark.parametrize("theta", [0.7, 0.9])
@pytest.mark.parametrize("m", [9, 24])
def test_p_is_what_the_definition_gives(m: int, theta: float) -> None:
    for losses in range(0, m // 2, 2):
        for wins in range(0, m - losses, 3):
            asked = brute_p(losses, wins, m, theta)
            if asked < 1 and losses + wins <= m and wins < m * theta / (1 + theta):
                found = exact_p(counts(losses, wins, m), theta, asked + 0.0002)
                assert asked - 1e-4 <= found <= asked + 0.004


@pytest.mark.parametrize(("m", "theta"), [(45, 0.9), (30, 0.8), (150, 0.98)])
def test_a_broken_promise_passes_no_more_often_than_the_level(m: int, theta: float) -> None:
    """Every outcome is counted, at truths right on the border, where passing is likeliest."""
    border = np.array([0.0, 0.003, 0.01, 0.02, 0.035, 0.05, 0.08])
    for level in (0.05, 0.01):
        passed, most = np.zeros(len(border)), 0
        for wins in range(min(m, 30) + 1):
            while most >= 0 and exact_p(counts(most, wins, m), theta, level) > level:
                most -= 1
            while most + wins < m and exact_p(counts(most + 1, wins, m), theta, level) <= level:
                most += 1
            passed += sum((chance(lost, wins, m, theta, border) for lost in range(most + 1)), np.zeros(len(border)))
        assert passed.max() <= level
        assert passed.max() >= 0.4 * level, "far too careful"


def test_the_strong_models_accuracy_does_not_matter_but_its_right_answers_do() -> None:
    one, other = (exact_p(Counts(160, wrong, 0, 0), 0.98, 0.05) for wrong in (0, 1000))
    assert one == other
    assert exact_p(Counts(300, 0, 1, 0), 0.98, 0.05) < 0.05 < exact_p(Counts(160, 0, 1, 0), 0.98, 0.05)


def test_without_losses_the_law_of_the_least_number_holds() -> None:
    for theta, least in ((0.98, 149), (0.95, 59), (0.99, 299)):
        assert exact_p(Counts(least, 20, 0, 0), theta, 0.05) <= 0.05
        assert exact_p(Counts(least - 1, 20, 0, 0), theta, 0.05) > 0.05
        assert theta**least == pytest.approx(exact_p(Counts(least, 20, 0, 0), theta, 0.05), abs=6e-4)


def test_more_losses_never_certify_and_more_wins_never_stand_in_the_way() -> None:
    for theta, m in ((0.98, 400), (0.9, 80)):
        ok = np.array([[exact_p(counts(lost, won, m), theta, 0.05) <= 0.05 for won in range(12)] for lost in range(14)])
        assert not (ok[1:] & ~ok[:-1]).any()
        assert not (ok[:, :-1] & ~ok[:, 1:]).any()
        assert ok[0].any()


def test_a_large_number_of_examples_is_no_trouble() -> None:
    assert exact_p(counts(60, 20, 50_000), 0.98, 0.001) < 0.001
    assert exact_p(counts(1_200, 150, 50_000), 0.98, 0.05) > 0.05
    assert exact_p(counts(0, 40, 40), 0.98, 0.05) <= 0.05
    assert exact_p(Counts(0, 50, 0, 0), 0.98, 0.05) == 1.0
    assert exact_p(counts(30, 0, 40), 0.98, 0.05) == 1.0


def test_a_mix_is_held_to_what_its_policy_must_keep() -> None:
    assert stricter(0.98, 0.5) == pytest.approx(0.96)
    assert stricter(0.98, 1.0) == pytest.approx(0.98)
    quality, strong, share = 0.7, 0.8, 0.1
    mixed = share * quality + (1 - share) * strong
    assert (mixed >= 0.98 * strong) == (quality >= stricter(0.98, share) * strong)
    assert exact_p(counts(30, 0, 40), stricter(0.98, 0.01), 0.05) == 0.0


def test_grades_are_rounded_without_moving_their_means() -> None:
    policy, strong = np.array([0.3, 1.0, 0.9, 0.0]), np.array([0.8, 0.5, 0.9, 0.0])
    drawn = [counts_of(policy, strong, np.random.default_rng(seed).random(4)) for seed in range(4000)]
    assert np.mean([one.losses for one in drawn]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([one.wins for one in drawn]) == pytest.approx(0.5, abs=0.03)
    assert np.mean([one.strong_right for one in drawn]) == pytest.approx(2.2, abs=0.04)
    assert all(one.examples == 4 for one in drawn)
    assert counts_of(policy, strong) == Counts(2, 2, 1, 1)  # shown, at a half
    assert counts_of(np.array([1.0, 0.0, 1.0, 0.0]), np.array([1.0, 1.0, 0.0, 0.0])) == Counts(2, 2, 1, 1)


def test_bets_win_nothing_on_the_border() -> None:
    """The mean wealth of a fair game is 1, whatever the grades."""
    theta, rng = 0.9, np.random.default_rng(2)
    wealth = []
    for _ in range(4000):
        strong = rng.choice([0.2, 0.6, 1.0], 12)
        policy = np.where(rng.random(12) < 0.5, theta * strong * 0.8, theta * strong * 1.2)
        wealth.append(1 / max(betting_p(policy, strong, theta), 1e-12))
    assert np.mean(np.array(wealth) >= 20) <= 0.05
    assert betting_p(np.ones(300), np.ones(300), 0.98) < 0.05 < betting_p(np.ones(100), np.ones(100), 0.98)
    assert betting_p(np.zeros(300), np.ones(300), 0.98) == 1.0
    assert betting_p(np.zeros(3), np.ones(3), stricter(0.98, 0.01)) == 0.0


def test_the_posterior_is_that_of_draws() -> None:
    rng = np.random.default_rng(3)
    for losses, wins, m in ((0, 0, 150), (3, 5, 300), (9, 2, 400)):
        drawn = rng.dirichlet([losses + 0.5, wins + 0.5, m - losses - wins + 0.5], 200_000)
        asked = float(np.mean(drawn[:, 0] >= 0.02 + 0.98 * drawn[:, 1]))
        assert jeffreys_p(counts(losses, wins, m), 0.98) == pytest.approx(asked, abs=0.004)
    assert jeffreys_p(counts(5, 0, 9), 0.0) == 0.0


def test_the_limit_of_a_share() -> None:
    limit = share_limit(3, 200, 0.05)
    assert binom.cdf(3, 200, limit) == pytest.approx(0.05)
    assert share_limit(0, 100, 0.05) == pytest.approx(1 - 0.05 ** (1 / 100))
    assert share_limit(5, 5, 0.05) == 1.0
    assert log(share_limit(0, 10_000, 1e-6)) < 0
