"""Confidence sequences: misses counted out exactly and by simulation, and how many observations a verdict takes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count, product
from math import sqrt

import pytest

from thriftgate.core.sequential.intervals import BettingSequence, Interval


def losses(rate: float, seed: object) -> Iterator[float]:
    draw = random.Random(f"{seed}")
    return (float(draw.random() < rate) for _ in count())


def watched(source: Iterator[float], drawn: list[float]) -> Iterator[float]:
    for x in source:
        drawn.append(x)
        yield x


@pytest.mark.parametrize("mean", [0.1, 0.5])
def test_misses_counted_out(mean: float) -> None:
    """Over all courses of ten: how likely it is that the mean is ever excluded."""
    missed = 0.0
    for course in product((0.0, 1.0), repeat=10):
        sequence = BettingSequence(alpha=0.5, points=4, at=(mean,))
        if any(sequence.see(x).excludes(mean) or sequence.side(mean) is not None for x in course):
            missed += mean ** sum(course) * (1 - mean) ** (10 - sum(course))
    assert 0.02 < missed <= 0.5


@pytest.mark.parametrize("kind", ["coin", "skewed", "difference"])
def test_the_mean_is_held_at_all_times_at_once(kind: str) -> None:
    missed, by_two_errors = 0, 0
    for run in range(80):
        draw = random.Random(f"{kind} {run}")
        sequence, mean = BettingSequence(points=40), 0.5
        if kind == "difference":
            sequence, mean = BettingSequence(-1.0, 1.0, points=40), 0.0
        if kind == "skewed":
            mean = 0.1
        held, naive, total, squares = True, True, 0.0, 0.0
        for seen in range(1, 301):
            x = {
                "coin": float(draw.random() < 0.5),
                "skewed": draw.betavariate(0.2, 1.8),
                "difference": draw.choice((-1.0, 0.0, 0.0, 0.0, 1.0)),
            }[kind]
            held = held and not sequence.see(x).excludes(mean)
            total, squares = total + x, squares + x * x
            error = sqrt(max(0.0, squares / seen - (total / seen) ** 2) / seen)
            naive = naive and (seen < 30 or abs(total / seen - mean) <= 1.96 * error)
        missed, by_two_errors = missed + (not held), by_two_errors + (not naive)
    assert missed <= 0.05 * 80 + 2
    assert by_two_errors > 0.05 * 80 + 2  # what looking all the time does to an interval that is for one look


def test_it_grows_narrow_and_lies_around_the_mean() -> None:
    sequence = BettingSequence()
    widths = []
    for seen, x in zip(range(1, 2_001), losses(0.05, 1), strict=False):
        found = sequence.see(x)
        if seen in (100, 500, 2_000):
            widths.append(found.high - found.low)
    assert sequence.interval.low < 0.05 < sequence.interval.high
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.035
    assert sequence.seen == 2_000


def test_before_anything_is_seen_all_is_possible() -> None:
    assert BettingSequence(-1.0, 1.0).interval == Interval(-1.0, 1.0)
    assert BettingSequence().side(0.5) is None


@pytest.mark.parametrize(
    ("rate", "limit", "side", "most"), [(0.995, 0.95, "above", 250), (0.5, 0.95, "below", 30), (0.01, 0.05, "below", 500)]
)
def test_one_may_stop_as_soon_as_it_is_known(rate: float, limit: float, side: str, most: int) -> None:
    seen = []
    for run in range(10):
        sequence = BettingSequence(at=(limit,))
        for x in losses(rate, run):
            interval = sequence.see(x)
            if sequence.side(limit) is not None:
                break
        assert sequence.side(limit) == side
        assert interval.low >= limit - 1e-9 if side == "above" else interval.high <= limit + 1e-9
        seen.append(sequence.seen)
    assert sum(seen) / len(seen) < most


def test_a_difference_is_told_from_none() -> None:
    draw = random.Random(2)
    sequence = BettingSequence(-1.0, 1.0, at=(0.0,))
    while sequence.side(0.0) is None and sequence.seen < 5_000:
        sequence.see(draw.choices((1.0, 0.0, -1.0), (2, 90, 8))[0])
    assert sequence.side(0.0) == "below"


def test_observations_and_settings_out_of_range_are_refused() -> None:
    sequence = BettingSequence()
    for x in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="observation"):
            sequence.see(x)
    assert sequence.seen == 0
    for wrong in ((1.0, 1.0, 0.05, 10), (0.0, 1.0, 0.0, 10), (0.0, 1.0, 0.05, 1)):
        with pytest.raises(ValueError, match="out of range"):
            BettingSequence(wrong[0], wrong[1], alpha=wrong[2], points=wrong[3])
