"""Two logistic regressions at once, with priors: the chance that the strong arm is right and that the cheap one is.

Most of what tells the one tells the other: a hard question is hard for both. So each weight is a shared part, more or less
what sets the arms apart, and both parts have priors of their own. What matters for routing is what sets them apart; it is
mostly small, and would drown in two separate fits.

A prior is a variance in squared logits. For tasks both are taken from the spread that is seen between them (the method of
moments), so that a task with few examples stays near the others; a task also leans towards those whose prompts use similar
words. Words and numbers have fixed ones: they were chosen once, on public sets, and hardly matter within a factor of two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.optimize import minimize

from thriftgate.core.routing.features import BUCKETS, NUMBERS, Features
from thriftgate.core.routing.score import FAR, TEXT_LOGITS, Head, Scorer

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WORDS = 0.3, 0.2
NUMBER = 0.0015, 0.0015
"""Variances, of the shared part and of what sets the arms apart. Those of tasks are held within:"""
TASK_WITHIN = (0.05, 3.0), (0.02, 3.0)
BASE = 4.0
_SLOPE_LEAST = 0.03
DIGITS = 6  # of the words' weights: an artefact holds tens of thousands
TASKS_ALIKE_MAX = 500
"""With more tasks than this, each stands for itself: a matrix of all pairs would be too large."""


class Rows(NamedTuple):
    """Requests as arrays: their tasks, which words they have (each row of length one), their numbers."""

    tasks: NDArray[np.object_]
    words: Any  # scipy's sparse matrices have no types
    numbers: Floats

    def some(self, of: Ints) -> Rows:
        return Rows(self.tasks[of], self.words[of], self.numbers[of])


class Ground(NamedTuple):
    """What is known without labels: what is usual of the numbers, and how alike the tasks are (their order in `tasks`, and
    the Cholesky factor of their covariance at unit variance, None where each stands for itself)."""

    usual: Floats
    deviation: Floats
    tasks: Mapping[str, int]
    factor: Floats | None


def rows_of(features: Sequence[Features]) -> Rows:
    counts = np.array([len(one.words) for one in features], dtype=np.int64)
    columns = np.array([word for one in features for word in one.words], dtype=np.int64)
    values = np.repeat(1.0 / np.sqrt(np.maximum(counts, 1)), counts)
    starts = np.concatenate([[0], np.cumsum(counts)])
    words = sp.csr_matrix((values, columns, starts), shape=(len(features), BUCKETS))
    numbers = np.array([one.numbers for one in features], dtype=np.float64).reshape(len(features), len(NUMBERS))
    return Rows(np.array([one.task for one in features], dtype=object), words, numbers)


def ground_of(labelled: Rows, traffic: Rows) -> Ground:
    """From all requests at hand. The tasks are those of labelled ones: of others nothing can be said."""
    numbers = np.concatenate([labelled.numbers, traffic.numbers])
    deviation = numbers.std(0)
    places = {task: at for at, task in enumerate(sorted(set(labelled.tasks.tolist())))}
    at = np.concatenate([_places(labelled, places), _places(traffic, places)])
    told = np.flatnonzero(at >= 0)
    factor = None
    if 2 < len(places) <= TASKS_ALIKE_MAX:
        factor = _alike(sp.vstack([labelled.words, traffic.words], format="csr")[told], at[told], len(places))
    return Ground(numbers.mean(0), np.where(deviation > 1e-9, deviation, 1.0), places, factor)


def _places(rows: Rows, places: Mapping[str, int]) -> Ints:
    return np.array([places.get(task, -1) for task in rows.tasks], dtype=np.int64)


def _alike(words: Any, task: Ints, tasks: int) -> Floats:
    """Half of a task's prior is its own, half is shared by the likeness of its words (weighed by rarity) to other tasks'."""
    seen = np.bincount(words.indices, minlength=BUCKETS)
    kept = np.flatnonzero(seen)
    rarity = np.log((1 + len(task)) / (1 + seen[kept])) + 1
    mean = sp.csr_matrix((1.0 / np.bincount(task)[task], (task, np.arange(len(task)))), shape=(tasks, len(task)))
    centres = (mean @ words)[:, kept].toarray() * rarity
    centres -= centres.mean(0)
    shared = centres @ centres.T
    shared /= max(1e-9, float(np.trace(shared)) / tasks)
    return np.asarray(np.linalg.cholesky(0.5 * np.eye(tasks) + 0.5 * shared), dtype=np.float64)


def standardised(numbers: Floats, usual: Floats, deviation: Floats) -> Floats:
    return np.clip((numbers - usual) / deviation, -FAR, FAR)


def heads(rows: Rows, cheap: Floats, strong: Floats, ground: Ground) -> tuple[Head, Head]:
    """The chance that the strong arm is right, and, to be taken off, that the cheap one is. Both are given in 0 to 1."""
    place = _places(rows, ground.tasks)
    known = np.flatnonzero(place >= 0)
    tasks = sp.csr_matrix((np.ones(len(known)), (known, place[known])), shape=(len(place), len(ground.tasks)))
    if ground.factor is not None:
        tasks = tasks @ sp.csr_matrix(ground.factor)
    seen = np.unique(rows.words.indices)
    numbers = standardised(rows.numbers, ground.usual, ground.deviation)
    columns = sp.hstack([tasks, rows.words[:, seen], sp.csr_matrix(numbers)], format="csr")
    sizes = [len(ground.tasks), len(seen), len(NUMBERS)]
    shared, apart = (
        np.repeat(np.sqrt([of_tasks, WORDS[part], NUMBER[part]]), sizes)
        for part, of_tasks in enumerate(task_variances(place, cheap, strong))
    )
    of_strong, of_cheap = _both(columns, cheap, strong, shared, apart)
    return _head(1.0, of_strong, seen, ground), _head(-1.0, of_cheap, seen, ground)


def _head(times: float, fitted: tuple[float, Floats], seen: Ints, ground: Ground) -> Head:
    base, weights = fitted
    by_task, by_word, by_number = np.split(weights, [len(ground.tasks), len(ground.tasks) + len(seen)])
    if ground.factor is not None:
        by_task = ground.factor @ by_task
    return Head(
        times,
        base,
        {task: float(by_task[at]) for task, at in ground.tasks.items()},
        dict(zip(seen.tolist(), np.round(by_word, DIGITS).tolist(), strict=True)),
        tuple(by_number.tolist()),
    )


def score_all(scorer: Scorer, rows: Rows) -> Floats:
    """What `Scorer.score` says of each row, all at once."""
    numbers = standardised(rows.numbers, np.array(scorer.usual), np.array(scorer.deviation))
    total = np.zeros(len(rows.tasks))
    for one in scorer.heads:
        weights = np.zeros(BUCKETS)
        weights[list(one.words)] = list(one.words.values())
        text = np.clip(rows.words @ weights + numbers @ np.array(one.numbers), -TEXT_LOGITS, TEXT_LOGITS)
        logits = one.base + np.array([one.tasks.get(task, 0.0) for task in rows.tasks]) + text
        total += one.times / (1.0 + np.exp(-logits))
    return total


def task_variances(place: Ints, cheap: Floats, strong: Floats) -> tuple[float, float]:
    """Spread between tasks beyond what chance brings, in squared logits: of how hard they are, and of what sets the arms
    apart (the method of moments of DerSimonian and Laird, with one variance within tasks for all)."""
    slope = float(np.mean([max(float(one.mean() * (1 - one.mean())), _SLOPE_LEAST) for one in (cheap, strong)]))
    found = (_spread(place, half) / slope**2 for half in ((strong + cheap) / 2, (strong - cheap) / 2))
    shared, apart = (float(np.clip(one, *within)) for one, within in zip(found, TASK_WITHIN, strict=True))
    return shared, apart


def _spread(place: Ints, values: Floats) -> float:
    counts = np.bincount(place[place >= 0])
    there = counts > 0
    counts = counts[there]
    if len(counts) < 2 or counts.sum() == len(counts):
        return 0.0
    values, place = values[place >= 0], place[place >= 0]
    means = np.bincount(place, weights=values)[there] / counts
    within = float((values**2).sum() - (counts * means**2).sum()) / (counts.sum() - len(counts))
    excess = float((counts * (means - values.mean()) ** 2).sum()) - (len(counts) - 1) * within
    return float(excess / (counts.sum() - (counts**2).sum() / counts.sum()))


def logistic(columns: Any, targets: Floats) -> tuple[float, Floats]:
    """Base and weights at unit prior variance, of one target in 0 to 1 for each row."""
    start, turned = _share_logit(targets), columns.T.tocsr()

    def loss(point: Floats) -> tuple[float, Floats]:
        value, off = _loss(columns @ point[1:] + point[0], targets)
        lean = (point[0] - start) / BASE
        value += 0.5 * float(point[1:] @ point[1:]) + 0.5 * BASE * lean**2
        return value, np.concatenate([[off.sum() + lean], turned @ off + point[1:]])

    found = _least(loss, np.concatenate([[start], np.zeros(columns.shape[1])]))
    return float(found[0]), found[1:]


def _both(
    columns: Any, cheap: Floats, strong: Floats, shared: Floats, apart: Floats
) -> tuple[tuple[float, Floats], tuple[float, Floats]]:
    """Base and weights of the strong and of the cheap arm, for priors with these deviations by column."""
    start = np.array([_share_logit(strong), _share_logit(cheap)])
    turned, count = columns.T.tocsr(), columns.shape[1]

    def loss(point: Floats) -> tuple[float, Floats]:
        base, common, parting = point[:2], columns @ (shared * point[2 : 2 + count]), columns @ (apart * point[2 + count :])
        of_strong, off_strong = _loss(common - parting + base[0], strong)
        of_cheap, off_cheap = _loss(common + parting + base[1], cheap)
        lean = (base - start) / BASE
        value = of_strong + of_cheap + 0.5 * float(point[2:] @ point[2:]) + 0.5 * BASE * float(lean @ lean)
        slope = np.concatenate([shared * (turned @ (off_cheap + off_strong)), apart * (turned @ (off_cheap - off_strong))])
        return value, np.concatenate([np.array([off_strong.sum(), off_cheap.sum()]) + lean, slope + point[2:]])

    found = _least(loss, np.concatenate([start, np.zeros(2 * count)]))
    common, parting = shared * found[2 : 2 + count], apart * found[2 + count :]
    return (float(found[0]), common - parting), (float(found[1]), common + parting)


def _share_logit(targets: Floats) -> float:
    """The base leans weakly on it, so that it stays finite where all targets are alike."""
    share = (float(targets.sum()) + 0.5) / (len(targets) + 1)
    return float(np.log(share / (1 - share)))


def _loss(logits: Floats, targets: Floats) -> tuple[float, Floats]:
    """Log-loss, and how far off each chance is."""
    value = float(np.logaddexp(0.0, logits).sum() - targets @ logits)
    return value, 1.0 / (1.0 + np.exp(-logits)) - targets


def _least(loss: Callable[[Floats], tuple[float, Floats]], start: Floats) -> Floats:
    found = minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-9})
    return np.asarray(found.x, dtype=np.float64)
