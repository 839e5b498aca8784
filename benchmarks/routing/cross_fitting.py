"""The guarantee where scores are fitted and policies certified on the same labels, by cross-fitting: measured, as there is
no theorem. The population is large beside the labels, which are drawn from it without replacement; the truth is the rest.

`thresholds`  the path of thresholds
`planned`     the mixes that the fit's own chances of a loss suggest, brought to the rates on all labels
`mixing`      a share of all calls, without any score: this one has its theorem
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np
from scipy.special import expit

from benchmarks.routing.populations import Floats, Ints, Rows, logistic, ranked
from benchmarks.routing.tallies import Cell, Tally, oracle
from thriftgate.quality.certify import Graded, certify, level
from thriftgate.quality.paths import Policy, Traffic, guessed, mixing_path, plain_path, planned_path, thresholds

DELTA = 0.05
FOLDS = 5
SIZES, TARGETS = (100, 200, 500, 1000), (0.98, 0.95, 0.90)
LEAST_TIMES, SMALL_TIMES = 10, 2.5
"""A population of fewer than 10 times the labels is no truth to judge a promise by: what is left of it is the mirror image
of the sample. Down to 2.5 times the saving is still told."""
CROSSED, SMALL_SET = "cross-fitted", "cross-fitted, small set: promises are not judged"
PLANS = ("thresholds", "planned", "mixing")


def measure(every: Sequence[Rows], splits: int, seed: int, sizes: Sequence[int] = SIZES) -> Iterator[Cell]:
    """One cell for each target and number of labels."""
    for rows in every:
        for n in sizes:
            if len(rows.cheap) >= SMALL_TIMES * n:
                print(f"guarantee: cross-fitted, n = {n}, {rows.name}", file=sys.stderr, flush=True)
                yield from _cells(rows, n, splits, seed)


def _cells(rows: Rows, n: int, splits: int, seed: int) -> Iterator[Cell]:
    rng = np.random.default_rng([seed, n])
    found: dict[float, dict[str, list[tuple[bool, float]]]] = {theta: {} for theta in TARGETS}
    hindsight: dict[float, list[float]] = {theta: [] for theta in TARGETS}
    known: dict[float, list[float]] = {theta: [] for theta in TARGETS}
    for _ in range(splits):
        mixed = rng.permutation(len(rows.cheap))
        labels, rest = mixed[:n], mixed[n:]
        scores, deployed = _cross_fitted(rows, labels, rest)
        cheap, strong = rows.cheap.astype(float), rows.strong.astype(float)
        graded = Graded(scores, cheap[labels], strong[labels])
        traffic = Traffic(deployed, rows.cheap_cost[rest], rows.strong_cost[rest], rows.strong_cost[rest])
        for theta in TARGETS:
            grid = thresholds(traffic, 20)
            kept = [_quality(one, deployed, cheap[rest], strong[rest]) for one in grid]
            fit = [one.saving for one, quality in zip(grid, kept, strict=True) if quality >= theta]
            hindsight[theta].append(max([0.0, *fit]))
            spared = (traffic.alone - traffic.cheap) / traffic.alone.sum()
            known[theta].append(oracle(cheap[rest], strong[rest], spared, theta))
            for name, path in _paths(traffic, theta, graded).items():
                for mode in ("default", "strict"):
                    policy = certify(path, graded, theta, level(DELTA, mode)).policy
                    broken = policy is not None and _quality(policy, deployed, cheap[rest], strong[rest]) < theta - 1e-12
                    outcome = (broken, policy.saving if policy is not None else 0.0)
                    found[theta].setdefault(name if mode == "default" else f"{name}, strict", []).append(outcome)
    for theta in TARGETS:
        rules = {
            name: Tally(*(float(np.mean(column)) for column in zip(*outcomes, strict=True)))
            for name, outcomes in found[theta].items()
        }
        best = float(np.mean(hindsight[theta]))
        source = CROSSED if len(rows.cheap) >= LEAST_TIMES * n else SMALL_SET
        yield Cell(rows.name, source, theta, n, splits, best, best, float(np.mean(known[theta])), rules)


def _paths(traffic: Traffic, theta: float, graded: Graded) -> dict[str, tuple[Policy, ...]]:
    lost, won = (one * (1 - other) for one, other in ((graded.strong, graded.cheap), (graded.cheap, graded.strong)))
    rates = (float(values.mean()) for values in (graded.strong, lost, won))
    expected = guessed(traffic.scores, expit(traffic.scores), *rates)
    paths = (
        plain_path(traffic, theta),
        planned_path(traffic, theta, len(graded.scores), expected),
        mixing_path(traffic, theta),
    )
    return dict(zip(PLANS, paths, strict=True))


def _cross_fitted(rows: Rows, labels: Ints, rest: Ints) -> tuple[Floats, Floats]:
    """Scores of the labels by fits that had not seen them, in terms of the fit on all; and its scores of the rest."""
    deployed = logistic(rows, labels, rest)
    scores = np.zeros(len(labels))
    fold = np.arange(len(labels)) % FOLDS
    some = rest[:2000]
    for one in range(FOLDS):
        inside, outside = labels[fold != one], labels[fold == one]
        scores[fold == one] = ranked(logistic(rows, inside, outside), logistic(rows, inside, some), deployed)
    return scores, deployed


def _quality(policy: Policy, scores: Floats, cheap: Floats, strong: Floats) -> float:
    gained = float(((cheap - strong) * (scores <= policy.threshold)).sum())
    return 1.0 + policy.share * gained / float(strong.sum())
