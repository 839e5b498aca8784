"""The test behind a certificate: against scipy, against its promise by simulation."""

from __future__ import annotations

import random

import pytest
from scipy.stats import beta, binom

from thriftgate.core.semantic.proof import (
    Sample,
    hits_needed,
    level_of,
    lower,
    p_of,
    prove,
    samples_needed,
    upper,
)


@pytest.mark.parametrize(("wrong", "hits", "limit"), [(0, 100, 0.01), (3, 400, 0.025), (17, 1307, 0.025), (50, 60, 0.5)])
def test_p_and_ends_as_scipy_has_them(wrong: int, hits: int, limit: float) -> None:
    assert p_of(wrong, hits, limit) == pytest.approx(binom.cdf(wrong, hits, limit), rel=1e-9)
    assert upper(wrong, hits, 0.05) == pytest.approx(beta.ppf(0.95, wrong + 1, hits - wrong), rel=1e-6)
    expected = beta.ppf(0.05, wrong, hits - wrong + 1) if wrong else 0.0
    assert lower(wrong, hits, 0.05) == pytest.approx(expected, rel=1e-6)


def test_the_least_that_proves_anything() -> None:
    needed = hits_needed(0.01, 0.05)
    assert needed == 299
    assert p_of(0, needed, 0.01) <= 0.05 < p_of(0, needed - 1, 0.01)
    assert upper(5, 5, 0.05) == 1.0


def test_all_tests_together_use_up_no_more_than_there_is() -> None:
    assert sum(level_of(test, 0.95) for test in range(1, 100)) <= 0.05 + 1e-12
    assert level_of(1, 0.95) > level_of(2, 0.95)


def stream(draw: random.Random, count: int, scale: float) -> list[Sample]:
    """The higher the score, the less often wrong."""
    scores = [draw.random() for _ in range(count)]
    return [Sample(score, draw.random() < scale * (1 - score)) for score in scores]


def share_wrong(cut: float, scale: float) -> float:
    """Of all that is above the cut: the mean of scale * (1 - score)."""
    return scale * (1 - cut) / 2


def test_false_certificates_are_as_rare_as_promised_and_true_ones_are_found() -> None:
    limit, level, scale, draw = 0.05, 0.1, 0.2, random.Random(1)
    false, found, cuts = 0, 0, []
    for _ in range(300):
        proven = prove(stream(draw, 1_200, scale), stream(draw, 200, scale), limit, level)
        if proven is not None:
            found += 1
            cuts.append(proven.cut)
            false += share_wrong(proven.cut, scale) > limit
            assert proven.p <= level
    assert false <= 300 * level
    assert found > 150
    assert min(cuts) < 0.75


def test_a_rule_that_is_wrong_everywhere_is_certified_as_seldom_as_the_level_says() -> None:
    draw = random.Random(2)
    false = sum(
        prove([Sample(draw.random(), draw.random() < 0.06) for _ in range(300)], [], 0.05, 0.05) is not None
        for _ in range(400)
    )
    assert false <= 20


def test_equal_scores_stand_or_fall_together() -> None:
    samples = [Sample(0.9, False)] * 200 + [Sample(0.5, True)] * 10 + [Sample(0.5, False)] * 10
    proven = prove(samples, [], 0.05, 0.05)
    assert proven is not None
    assert (proven.cut, proven.hits, proven.wrong) == (0.5, 200, 0)
    assert prove([Sample(0.9, False)] * 500, [], 0.05, 0.05) is None  # nothing is above the only score there is
    assert prove([], [], 0.05, 0.05) is None


def test_how_many_samples_a_proof_takes() -> None:
    clean = [Sample(at / 1000, False) for at in range(1000)]
    dirty = [Sample(at / 1000, at % 5 == 0) for at in range(1000)]
    assert samples_needed(clean, 0.02, 0.05) < samples_needed(clean, 0.01, 0.05) < 1_000
    assert samples_needed(dirty, 0.02, 0.05) > 10**8
    assert samples_needed([], 0.02, 0.05) > 10**8
