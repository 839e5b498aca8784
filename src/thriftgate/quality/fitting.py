"""Fits what is read on the hot path: the score of a prompt, from graded examples, and what an answer's signals are worth.

A score estimates the chance that the strong arm is right less the chance that the cheap one is. To fit the chance of a loss
alone (strong right, cheap wrong) was measured to do worse, or no better, on all public sets: it cannot use that a hard
question is often hard for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from scipy.optimize import isotonic_regression

from thriftgate.core.errors import InputError
from thriftgate.core.routing.confidence import FAR, Confidence, Signal
from thriftgate.core.routing.features import VERSION, Features, features_of
from thriftgate.core.routing.score import Scorer
from thriftgate.quality.labels import Labelled
from thriftgate.quality.regression import Floats, Ints, Rows, ground_of, heads, logistic, rows_of, score_all

FEWEST = 20
TRAFFIC_MOST = 10_000
FOLDS = 5
STAIRS_FROM = 500
"""With fewer examples a staircase follows chance: measured, the logistic chance alone is the better one."""


class Pairs(NamedTuple):
    """Examples as arrays: the quality of both arms in 0 to 1, and the cluster of each."""

    rows: Rows
    cheap: Floats
    strong: Floats
    clusters: Sequence[str]

    def some(self, of: Ints) -> Pairs:
        return Pairs(self.rows.some(of), self.cheap[of], self.strong[of], [self.clusters[at] for at in of])


def fit(
    examples: Sequence[Labelled],
    cheap: str,
    strong: str,
    *,
    seed: int,
    traffic: Sequence[Features] = (),
) -> Scorer:
    """A score of how much is lost by the cheap arm. `traffic` are requests nobody judged: they tell what is usual. Of many,
    some are drawn by the seed. Raises InputError where there are too few examples, or one lacks an arm."""
    return _fitted(_pairs_of(examples, cheap, strong), _drawn(traffic, seed))


def cross_fit(
    examples: Sequence[Labelled],
    cheap: str,
    strong: str,
    *,
    folds: int = FOLDS,
    seed: int,
    traffic: Sequence[Features] = (),
) -> Floats:
    """A score for each example by a fit that has not seen it, in terms of the score fitted on all of them: as far up among
    the traffic by the one as it was by the other. Without traffic the examples stand for it."""
    pairs, known = _pairs_of(examples, cheap, strong), _drawn(traffic, seed)
    pool = known if traffic else pairs.rows
    deployed = np.sort(score_all(_fitted(pairs, known), pool))
    found = np.zeros(len(examples))
    for inside, outside in dealt(pairs.clusters, pairs.rows.tasks.tolist(), folds, seed):
        scorer = _fitted(pairs.some(inside), known)
        reached = np.sort(score_all(scorer, pool))
        scores = score_all(scorer, pairs.rows.some(outside))
        ranks = (np.searchsorted(reached, scores) + np.searchsorted(reached, scores, "right")) / 2
        found[outside] = np.interp(ranks, np.arange(len(reached)) + 0.5, deployed)
    return found


def _drawn(traffic: Sequence[Features], seed: int) -> Rows:
    if len(traffic) <= TRAFFIC_MOST:
        return rows_of(traffic)
    return rows_of([traffic[at] for at in np.random.default_rng(seed).permutation(len(traffic))[:TRAFFIC_MOST]])


def _pairs_of(examples: Sequence[Labelled], cheap: str, strong: str) -> Pairs:
    """The examples' features and grades. Raises InputError where they cannot be fitted."""
    if len(examples) < FEWEST:
        raise InputError(
            f"{len(examples)} graded examples: at least {FEWEST} are needed to fit a score; 200 or more are useful"
        )
    return Pairs(
        rows_of([features_of(one.text, one.around) for one in examples]),
        qualities(examples, cheap),
        qualities(examples, strong),
        [one.cluster for one in examples],
    )


def qualities(examples: Sequence[Labelled], arm: str) -> Floats:
    """How good the arm's answers were. Raises InputError where one is missing or is no number in 0 to 1."""
    found = np.zeros(len(examples))
    for at, one in enumerate(examples):
        if (outcome := one.outcomes.get(arm)) is None:
            there = ", ".join(sorted(one.outcomes)) or "nothing"
            raise InputError(f"example {one.id} (number {at + 1}) has no outcome of {arm}, only of {there}: leave it out")
        if not 0.0 <= outcome.quality <= 1.0:
            raise InputError(f"example {one.id} (number {at + 1}): the quality of {arm} is {outcome.quality}, not in 0 to 1")
        found[at] = outcome.quality
    return found


def dealt(clusters: Sequence[str], tasks: Sequence[str], folds: int, seed: int) -> list[tuple[Ints, Ints]]:
    """Examples inside and outside of the fit, fold by fold. Those of a cluster stay together, where "" is none; each task is
    dealt out evenly."""
    named = [one or f"\0{at}" for at, one in enumerate(clusters)]
    mixed = np.random.default_rng(seed).permutation(len(named)).tolist()
    task = {named[at]: tasks[at] for at in mixed}
    place = {cluster: at % folds for at, cluster in enumerate(sorted(task, key=lambda one: task[one]))}
    fold = np.array([place[cluster] for cluster in named])
    return [(np.flatnonzero(fold != one), np.flatnonzero(fold == one)) for one in range(folds) if (fold == one).any()]


def _fitted(pairs: Pairs, traffic: Rows) -> Scorer:
    ground = ground_of(pairs.rows, traffic)
    both = heads(pairs.rows, pairs.cheap, pairs.strong, ground)
    return Scorer(VERSION, both, tuple(ground.usual.tolist()), tuple(ground.deviation.tolist()))


def fit_confidence(examples: Sequence[Labelled], arm: str, *, seed: int = 1) -> Confidence:
    """How the signals of an answer tell that it is right: logistic regression, and from STAIRS_FROM examples on also
    isotonic regression, on sums that each come from a fit without the example. Raises InputError where there are too few
    examples, one lacks the arm, or none has a signal."""
    if len(examples) < FEWEST:
        raise InputError(f"{len(examples)} graded answers of {arm}: at least {FEWEST} are needed to fit a confidence")
    right = qualities(examples, arm)
    told = [{name: value for name, value in one.outcomes[arm].signals.items() if isfinite(value)} for one in examples]
    names = sorted({name for one in told for name in one})
    if not names:
        raise InputError(f"no answer of {arm} has a signal: there is nothing to tell a right one by")
    values = np.array([[one.get(name, np.nan) for name in names] for one in told])
    usual, deviation = np.nanmean(values, axis=0), np.nanstd(values, axis=0)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    missing = np.isnan(values)
    there = np.where(missing, 0.0, np.clip((values - usual) / deviation, -FAR, FAR))
    columns = sp.csr_matrix(np.hstack([there, missing]))
    base, weights = logistic(columns, right)
    signals = {
        name: Signal(float(usual[at]), float(deviation[at]), float(weights[at]), float(weights[len(names) + at]))
        for at, name in enumerate(names)
    }
    if len(examples) < STAIRS_FROM:
        return Confidence(base, signals)
    return Confidence(base, signals, *_stairs(columns, right, examples, seed))


def _stairs(
    columns: Any, right: Floats, examples: Sequence[Labelled], seed: int
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Sums and the chances there, never quite 0 or 1."""
    sums = np.zeros(len(right))
    tasks = [one.around.task for one in examples]
    for inside, outside in dealt([one.cluster for one in examples], tasks, FOLDS, seed):
        base, weights = logistic(columns[inside], right[inside])
        sums[outside] = columns[outside] @ weights + base
    steps, where, counts = np.unique(sums, return_inverse=True, return_counts=True)
    shares = np.bincount(where, weights=right) / counts
    rising = isotonic_regression(shares, weights=counts).x
    turns = np.flatnonzero(np.diff(rising)).tolist()
    kept = sorted({0, *turns, *(at + 1 for at in turns), len(steps) - 1})
    edge = 1.0 / (len(right) + 2)
    return tuple(steps[kept].tolist()), tuple(np.clip(rising[kept], edge, 1.0 - edge).tolist())
