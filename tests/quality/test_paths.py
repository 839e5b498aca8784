"""Which policies are tried, in what order."""

from __future__ import annotations

import numpy as np
import pytest

from thriftgate.quality.paths import (
    Expected,
    Policy,
    Traffic,
    guessed,
    mixing_path,
    plain_path,
    planned_path,
    thresholds,
)

N = 2_000
SCORES = np.random.default_rng(1).permutation(N) / N


def traffic(scores: np.ndarray = SCORES, cheap: float = 0.2, tried: float = 0.0) -> Traffic:
    ones = np.ones(len(scores))
    return Traffic(scores, cheap * ones, (1 + tried) * ones, ones)


def expected(loss_at: np.ndarray, wins: float = 0.02) -> Expected:
    """Examples whose chance of a loss goes with the score."""
    scores = np.linspace(0, 1, len(loss_at))
    return Expected(scores, np.full(len(loss_at), 0.8), loss_at, np.full(len(loss_at), wins))


def test_thresholds_go_by_traffic_and_never_split_equal_scores() -> None:
    found = thresholds(traffic(), 20)
    assert [one.used for one in found] == pytest.approx(np.arange(1, 21) / 20)
    assert found[-1].saving == pytest.approx(0.8)
    assert [one.saving for one in found] == pytest.approx([0.8 * one.used for one in found])
    tied = thresholds(traffic(np.repeat([0.1, 0.5, 0.9], [500, 1000, 500])), 20)
    assert [(one.threshold, one.used) for one in tied] == [(0.1, 0.25), (0.5, 0.75), (0.9, 1.0)]


def test_a_cascade_pays_for_its_tries() -> None:
    found = thresholds(traffic(tried=0.2), 10)
    assert found[0].saving == pytest.approx(1 - (0.1 * 0.2 + 0.9 * 1.2))
    assert found[-1].saving == pytest.approx(0.8)
    assert all(one.saving > 0 for one in plain_path(traffic(tried=0.2), 0.98, 10))
    assert min(one.used for one in plain_path(traffic(tried=0.25), 0.98, 10)) == pytest.approx(0.3)


def test_no_path_begins_below_what_a_useless_model_could_pass() -> None:
    for theta in (0.98, 0.9):
        every = (plain_path(traffic(), theta), mixing_path(traffic(), theta), planned(np.full(400, 0.05), theta))
        for path in every:
            assert path
            assert min(one.used for one in path) >= 2 * (1 - theta) - 1e-9


def planned(loss_at: np.ndarray, theta: float = 0.98, n: int = 300) -> tuple[Policy, ...]:
    return planned_path(traffic(), theta, n, expected(loss_at))


def test_a_planned_path_saves_ever_more() -> None:
    path = planned(np.linspace(0, 0.3, 500))
    savings = [one.saving for one in path]
    assert savings == sorted(savings)
    assert all(0 < one.share <= 1 for one in path)


def test_where_the_score_says_nothing_all_calls_are_mixed() -> None:
    path = planned(np.full(500, 0.12))
    best = path[len(path) // 2]
    assert best.share < 0.5
    assert best.used == pytest.approx(best.share * thresholds(traffic(), 1)[0].used, rel=0.35)


def test_where_the_score_is_sharp_thresholds_are_used() -> None:
    path = planned(np.where(np.arange(500) < 300, 0.0, 0.6), n=1000)
    bold = [one for one in path if 0.5 < one.used < 0.6]
    assert np.mean([one.share for one in bold]) > 0.85
    assert max(one.used / one.share for one in bold) < 0.7


def test_nothing_to_save_is_no_path() -> None:
    assert planned_path(traffic(cheap=1.1), 0.98, 300, expected(np.zeros(100))) == ()
    assert plain_path(traffic(cheap=1.1), 0.98) == ()
    assert mixing_path(traffic(cheap=1.0), 0.98) == ()


def test_a_fit_guesses_at_the_rates_that_were_seen() -> None:
    chances = np.array([0.02, 0.04, 0.06])
    guess = guessed(np.arange(3.0), chances, 0.8, 0.02, 0.01)
    assert guess.losses.tolist() == pytest.approx([0.01, 0.02, 0.03])
    assert guess.wins.tolist() == [0.01] * 3
    assert guess.strong_right.tolist() == [0.8] * 3
    net = guessed(np.arange(3.0), np.array([-0.05, 0.0, 0.2]), 0.8, 0.1, 0.03)
    assert net.losses.tolist() == pytest.approx([0.0, 0.05, 0.25])
    assert guessed(np.arange(3.0), np.zeros(3), 0.8, 0.1, 0.0).losses.tolist() == [0.1] * 3
    assert planned_path(traffic(), 0.98, 300, guessed(SCORES, SCORES, 0.8, 0.1, 0.02))
