"""From graded examples to a certificate."""

from __future__ import annotations

import numpy as np
import pytest

from thriftgate.core.errors import InputError
from thriftgate.quality.certify import (
    Graded,
    agreement_certified,
    certify,
    certify_grades,
    highest_target,
    holm,
    least_examples,
    least_strong_share,
    level,
    more_labels,
    one_of_each,
    saving_of,
)
from thriftgate.quality.paths import Expected, Policy, Traffic, mixing_path, plain_path, planned_path


def drawn(n: int, seed: int, sharp: float = 1.0) -> Graded:
    """Examples whose cheap answers go wrong with the score: `sharp` says by how much."""
    rng = np.random.default_rng(seed)
    scores = rng.random(n)
    strong = (rng.random(n) < 0.85).astype(float)
    lost = rng.random(n) < sharp * np.maximum(scores - 0.3, 0.0)
    cheap = np.where(lost, 0.0, np.where(rng.random(n) < 0.03, 1.0, strong))
    return Graded(scores, cheap, strong)


def flat(n: int) -> Traffic:
    return Traffic(np.linspace(0, 1, n), np.full(n, 0.2), np.ones(n), np.ones(n))


PATH = plain_path(flat(500), 0.98)


def test_a_walk_ends_before_the_first_policy_that_fails() -> None:
    graded = drawn(1_000, 1)
    found = certify(PATH, graded, 0.98, 0.05)
    assert found.policy is not None
    assert found.policy == PATH[found.index]
    assert 0.2 < found.policy.used < 0.6
    assert found.p <= 0.05
    assert found.counts == graded.counts(found.policy.threshold)
    after = certify(PATH[found.index + 1 :], graded, 0.98, 0.05)
    assert (after.policy, after.index) == (None, -1)
    assert after.p > 0.05


def test_too_few_examples_certify_no_threshold() -> None:
    perfect = Graded(np.linspace(0, 1, 140), np.ones(140), np.ones(140))
    assert certify(PATH, perfect, 0.98, 0.05).policy is None
    assert certify(PATH, Graded(np.zeros(0), np.zeros(0), np.zeros(0)), 0.98, 0.05).policy is None
    enough = Graded(np.linspace(0, 1, 149), np.ones(149), np.ones(149))
    found = certify(PATH, enough, 0.98, 0.05)
    assert found.policy is not None
    assert found.policy.used == 1.0


def test_a_stricter_level_is_never_bolder() -> None:
    assert level(0.05, "default") == pytest.approx(0.04)
    assert level(0.05, "strict") == pytest.approx(0.03)
    for seed in range(4):
        graded = drawn(400, seed)
        default, strict = (certify(PATH, graded, 0.98, level(0.05, mode)).index for mode in ("default", "strict"))
        assert strict <= default


def test_the_promise_is_kept_where_every_policy_sits_on_the_border() -> None:
    """The worst truth there is: each policy of a path breaks the promise by a hair, and all share their examples."""
    theta, n, broken, runs = 0.9, 150, 0, 400
    rng = np.random.default_rng(5)
    first = Policy(0.2, 1.0, 0.2, 0.2)
    path = (first, *(Policy(0.2 + at / 10, 1.0, 0.3, 0.3) for at in range(1, 6)))
    for _ in range(runs):
        scores, roll = rng.random(n), rng.random(n)
        strong = np.where(scores <= 0.2, 1.0, 0.8) * np.ones(n)
        strong = (rng.random(n) < strong).astype(float)
        mean = 0.2 * 1.0 + 0.8 * 0.8
        cheap = np.where(scores <= 0.2, (roll >= (1 - theta) * mean / 0.2 + 1e-6).astype(float), strong)
        broken += certify(path, Graded(scores, cheap, strong), theta, 0.05).policy is not None
    assert broken / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
    assert broken, "the test never passes anything"


def test_a_useless_model_is_given_nothing() -> None:
    for theta in (0.98, 0.9):
        plan = Expected(np.linspace(0, 1, 300), np.full(300, 0.85), np.full(300, 0.1), np.full(300, 0.02))
        for path in (plain_path(flat(500), theta), mixing_path(flat(500), theta), planned_path(flat(500), theta, 400, plan)):
            certified = 0
            for seed in range(40):
                graded = drawn(400, seed)
                useless = Graded(graded.scores, np.zeros(400), graded.strong)
                certified += certify(path, useless, theta, 0.05).policy is not None
            assert certified <= 4


def test_room_for_losses_is_no_reason_to_send_them() -> None:
    """Where the strong model is nearly always wrong a useless one costs nothing, and still gets nothing."""
    scores = np.linspace(0, 1, 600)
    strong = (scores > 0.3).astype(float)
    graded = Graded(scores, np.zeros(600), strong)
    assert certify(PATH[:10], graded, 0.98, 0.05).policy is None
    assert certify(PATH[:10], Graded(scores, np.where(scores < 0.3, 1.0, strong), strong), 0.98, 0.05).policy is not None


def test_a_plan_certifies_more_where_the_score_says_little() -> None:
    planned = planned_path(flat(500), 0.98, 200, Expected(*_training(_blind(1_000, 77))))
    saved = []
    for path in (planned, plain_path(flat(500), 0.98)):
        policies = [certify(path, _blind(200, seed), 0.98, 0.05).policy for seed in range(20)]
        saved.append(np.mean([policy.saving if policy else 0.0 for policy in policies]))
    assert saved[0] > 1.3 * saved[1]


def _blind(n: int, seed: int) -> Graded:
    """A score that says nothing."""
    graded = drawn(n, seed, sharp=0.25)
    return Graded(np.random.default_rng(seed + 1_000).random(n), graded.cheap, graded.strong)


def _training(graded: Graded) -> tuple[np.ndarray, ...]:
    lost, won = graded.strong * (1 - graded.cheap), graded.cheap * (1 - graded.strong)
    return graded.scores, graded.strong, lost, won


def test_grades_between_right_and_wrong() -> None:
    rng = np.random.default_rng(4)
    strong = rng.choice([0.8, 0.9, 1.0], 900)
    cheap = np.where(rng.random(900) < 0.02, 0.0, strong)
    graded = Graded(rng.random(900), cheap, strong, rng.random(900))
    by_lot, by_bets = (walk(PATH, graded, 0.95, 0.05).policy for walk in (certify, certify_grades))
    assert by_lot is not None
    assert by_bets is not None
    bad = Graded(graded.scores, strong * 0.5, strong, graded.coins)
    assert certify(PATH[20:], bad, 0.95, 0.05).policy is None
    assert certify_grades(PATH[20:], bad, 0.95, 0.05).policy is None


def test_one_of_each_cluster() -> None:
    coins = np.array([0.9, 0.1, 0.5, 0.2, 0.3])
    assert one_of_each(["a", "a", "", "b", ""], coins).tolist() == [1, 2, 3, 4]
    picks = [one_of_each(["a"] * 3, np.random.default_rng(seed).random(3))[0] for seed in range(300)]
    assert all(60 < picks.count(at) < 140 for at in range(3))


def test_agreement_needs_no_labels() -> None:
    scores = np.linspace(0, 1, 1_000)
    differs = (scores > 0.5).astype(float)
    last = agreement_certified(PATH, scores, differs, 0.02, 0.05)
    assert 0.45 < PATH[last].used <= 0.53
    assert agreement_certified(PATH, scores, np.ones(1_000), 0.02, 0.05) == -1
    assert agreement_certified(PATH, scores, np.zeros(1_000), 0.02, 0.05) == len(PATH) - 1
    assert agreement_certified(PATH, scores[:100], np.zeros(100), 0.02, 0.05) == -1


def test_a_saving_and_its_interval() -> None:
    rng = np.random.default_rng(6)
    alone = rng.exponential(1.0, 2_000)
    traffic = Traffic(rng.random(2_000), alone * 0.2, alone, alone)
    part, low, high = saving_of(Policy(0.5, 1.0, 0.0, 0.0), traffic)
    assert part == pytest.approx(0.4, abs=0.03)
    assert low < part < high < low + 0.06
    assert saving_of(Policy(0.5, 0.5, 0.0, 0.0), traffic)[0] == pytest.approx(part / 2)
    assert saving_of(Policy(0.5, 1.0, 0.0, 0.0), Traffic(*(np.zeros(3) for _ in range(4)))) == (0.0, 0.0, 0.0)
    inside, draws = 0, 200
    for _ in range(draws):
        some = rng.integers(0, 2_000, 200)
        _, low, high = saving_of(Policy(0.5, 1.0, 0.0, 0.0), Traffic(*(column[some] for column in traffic)))
        inside += low <= part <= high
    assert 0.83 < inside / draws < 0.96


def test_holm() -> None:
    assert holm({"a": 0.001, "b": 0.02, "c": 0.04, "d": 0.9}, 0.05) == ("a",)
    assert holm({"a": 0.001, "b": 0.012, "c": 0.02, "d": 0.04}, 0.05) == ("a", "b", "c", "d")
    assert holm({}, 0.05) == ()


def test_how_many_examples_it_takes() -> None:
    assert least_examples(0.98, 0.05, 1.0) == 149
    assert least_examples(0.98, 0.05, 0.8) == 187
    assert least_examples(0.95, 0.05, 0.8) == 74
    assert highest_target(186, 0.05, 0.8) == pytest.approx(0.98, abs=0.001)
    assert highest_target(0, 0.05, 0.8) == pytest.approx(0.05)
    assert least_strong_share(0.1, 0.02) == pytest.approx(0.08 / 0.98)
    assert least_strong_share(0.01, 0.02) == 0.0
    with pytest.raises(InputError, match="between 0 and 1"):
        least_examples(1.0, 0.05, 0.8)


def test_what_more_labels_would_buy() -> None:
    graded = drawn(300, 9)
    found = more_labels(PATH, graded, 0.98, 0.05, (0, 300, 1_000, 5_000))
    savings = [saving for _, saving in found]
    assert [more for more, _ in found] == [0, 300, 1_000, 5_000]
    assert savings == sorted(savings)
    assert savings[-1] > savings[0]
    assert more_labels((), graded, 0.98, 0.05, (10,)) == ((10, 0.0),)
