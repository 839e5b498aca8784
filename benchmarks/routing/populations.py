"""Populations on which a guarantee is put to the test: a data set, a score, and what each threshold truly costs and keeps.

The score is fitted on examples that are no part of the population. The population is all the truth there is: calibration
examples are drawn from it with replacement, and whether a promise holds is counted, not estimated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression

from benchmarks.routing.data import DataSet
from thriftgate.quality.paths import Expected, Policy, Traffic

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Source = Literal["logistic", "task", "verifier 0.8", "verifier 0.9", "task + verifier 0.8", "no score"]

TRAINING = 1_000
FOLDS = 4
SHRINK = 6.0
BUCKETS = 2**16


class Rows(NamedTuple):
    """A data set as arrays; `words` are TF-IDF weights, whose document frequencies need no labels."""

    name: str
    words: NDArray[np.object_]
    task: NDArray[np.str_]
    cheap: Ints
    strong: Ints
    cheap_cost: Floats
    strong_cost: Floats


class Population(NamedTuple):
    """See the module. `expected` are the training examples, by scores of fits that had not seen them."""

    scores: Floats
    cheap: Floats
    strong: Floats
    traffic: Traffic
    expected: Expected

    def quality(self, policy: Policy) -> float:
        """Of the policy over that of the strong model: the truth."""
        gained = ((self.cheap - self.strong) * (self.scores <= policy.threshold)).sum()
        return 1.0 + policy.share * float(gained) / float(self.strong.sum())


def rows_of(data: DataSet) -> Rows:
    """The arrays of a data set."""
    counted = HashingVectorizer(ngram_range=(1, 2), n_features=BUCKETS, alternate_sign=False, norm=None)
    words = TfidfTransformer(sublinear_tf=True).fit_transform(counted.transform(data.text))
    cheap, strong = (np.array(column, dtype=np.int64) for column in (data.cheap, data.strong))
    cheap_cost, strong_cost = (np.array(column, dtype=np.float64) for column in (data.cheap_cost, data.strong_cost))
    return Rows(data.name, words, np.array(data.task), cheap, strong, cheap_cost, strong_cost)


def populations(rows: Rows, source: Source, count: int, seed: int) -> Iterator[Population]:
    """So many populations of one data set, each by another draw of the training examples."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        mixed = rng.permutation(len(rows.cheap))
        train = min(TRAINING, len(mixed) // 2)
        yield _population(rows, source, mixed[:train], mixed[train:], rng)


def suits(rows: Rows, source: Source) -> bool:
    """Whether the data set has what the score needs."""
    return "task" not in source or len(set(rows.task.tolist())) > 1


def _population(rows: Rows, source: Source, train: Ints, rest: Ints, rng: np.random.Generator) -> Population:
    ranks, scores = np.zeros(len(train)), np.zeros(len(rest))
    if source in ("logistic", "task"):
        fitted = logistic if source == "logistic" else _by_task
        scores = fitted(rows, train, rest)
        fold = np.arange(len(train)) % FOLDS
        for one in range(FOLDS):
            inside, outside = train[fold != one], train[fold == one]
            ranks[fold == one] = ranked(fitted(rows, inside, outside), fitted(rows, inside, rest), scores)
    elif source != "no score":
        both = np.concatenate([train, rest])
        verified = rng.normal(size=len(both)) + np.sqrt(2) * float(ndtri(float(source[-3:]))) * rows.cheap[both]
        prior = _logit(_by_task(rows, train, both)) if "task" in source else np.zeros(len(both))
        found = prior - np.sqrt(2) * float(ndtri(float(source[-3:]))) * verified
        ranks, scores = found[: len(train)], found[len(train) :]
    scores = scores + 1e-9 * rng.random(len(scores))
    tried = rows.cheap_cost[rest] if "verifier" in source else 0.0
    alone = rows.strong_cost[rest]
    traffic = Traffic(scores, rows.cheap_cost[rest], alone + tried, alone)
    cheap, strong = rows.cheap[train].astype(float), rows.strong[train].astype(float)
    expected = Expected(ranks, strong, strong * (1 - cheap), cheap * (1 - strong))
    return Population(scores, rows.cheap[rest].astype(float), rows.strong[rest].astype(float), traffic, expected)


def logistic(rows: Rows, train: Ints, of: Ints) -> Floats:
    """Chance that the strong model is right and the cheap one wrong, by the words of the prompt."""
    lost = (rows.strong[train] == 1) & (rows.cheap[train] == 0)
    if lost.all() or not lost.any():
        return np.zeros(len(of))
    fitted = LogisticRegression(solver="liblinear", dual=True, max_iter=2_000, random_state=0).fit(rows.words[train], lost)
    found: Floats = fitted.decision_function(rows.words[of])
    return found


def _by_task(rows: Rows, train: Ints, of: Ints) -> Floats:
    """The same by the task alone, drawn towards the mean."""
    lost = ((rows.strong == 1) & (rows.cheap == 0)).astype(float)
    base = float(lost[train].mean())
    names, at = np.unique(rows.task, return_inverse=True)
    sums = np.bincount(at[train], weights=lost[train], minlength=len(names))
    seen = np.bincount(at[train], minlength=len(names))
    found: Floats = ((sums + SHRINK * base) / (seen + SHRINK))[at[of]]
    return found


def ranked(scores: Floats, reached: Floats, deployed: Floats) -> Floats:
    """As far up among the scores of the fit in use as they were among those of their own."""
    share = np.searchsorted(np.sort(reached), scores, "right") / len(reached)
    found: Floats = np.quantile(deployed, np.clip(share, 0.0, 1.0))
    return found


def _logit(chance: Floats) -> Floats:
    found: Floats = np.log(np.clip(chance, 1e-3, 1 - 1e-3) / np.clip(1 - chance, 1e-3, 1 - 1e-3))
    return found
