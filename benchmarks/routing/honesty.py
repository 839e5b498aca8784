"""Two short questions beside the guarantee: is a useless cheap model ever certified, and what is a certificate worth that
was made without any labels?"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from itertools import product

import numpy as np
from msgspec import Struct

from benchmarks.routing.populations import Population, Rows, populations
from thriftgate.quality.certify import Graded, agreement_certified, certify
from thriftgate.quality.paths import Expected, mixing_path, plain_path, planned_path

DELTA = 0.05
RIGHT = (0.0, 0.25)  # how often a useless model is right: never, or as by guessing among four answers
BOUNDS, PAIRS = (0.02, 0.05), (500, 2000)
PATHS = ("thresholds", "planned", "mixing", "planned, wrongly")


class Null(Struct, frozen=True):
    """Of runs with a useless cheap model: in what part anything was certified, by path. Where the model guesses, that need
    not be wrong: a score can find prompts on which the strong model does little better."""

    data: str
    right: float
    theta: float
    examples: int
    runs: int
    certified: dict[str, float]


class Agreement(Struct, frozen=True):
    """Certificates on pairs of answers alone: in what part of the runs more than `bound` of the calls truly went to the
    cheap arm and got another answer, the mean part of the cost saved, and of the strong model's quality lost."""

    data: str
    bound: float
    pairs: int
    runs: int
    broken: float
    saved: float
    lost: float


def null_runs(every: Sequence[Rows], runs: int, seed: int, examples: int = 500) -> Iterator[Null]:
    """A useless model, on the prompts and with the strong model's answers of each data set."""
    rng = np.random.default_rng(seed)
    for rows in every:
        print(f"guarantee: a useless model, {rows.name}", file=sys.stderr, flush=True)
        for right, theta in product(RIGHT, (0.98, 0.90)):
            useless = rows._replace(cheap=(rng.random(len(rows.cheap)) < right).astype(np.int64))
            found: dict[str, list[bool]] = {}
            for population in populations(useless, "logistic", max(1, runs // 10), seed):
                traffic, rosy = population.traffic, _rosy(population.expected)
                paths = (
                    plain_path(traffic, theta),
                    planned_path(traffic, theta, examples, population.expected),
                    mixing_path(traffic, theta),
                    planned_path(traffic, theta, examples, rosy),
                )
                for _ in range(min(10, runs)):
                    drawn = rng.integers(0, len(population.scores), examples)
                    graded = Graded(population.scores[drawn], population.cheap[drawn], population.strong[drawn])
                    for name, path in zip(PATHS, paths, strict=True):
                        found.setdefault(name, []).append(certify(path, graded, theta, DELTA).policy is not None)
            rates = {name: float(np.mean(each)) for name, each in found.items()}
            yield Null(rows.name, right, theta, examples, len(found["mixing"]), rates)


def _rosy(expected: Expected) -> Expected:
    """A plan that takes the model for perfect."""
    return expected._replace(losses=expected.losses * 0.0, wins=expected.wins * 0.0)


def agreements(every: Sequence[Rows], runs: int, seed: int) -> Iterator[Agreement]:
    """On pairs of answers. Where both are right or both wrong they are taken to agree: the data does not tell whether two
    wrong answers are the same."""
    rng = np.random.default_rng(seed)
    for rows in every:
        print(f"guarantee: agreement, {rows.name}", file=sys.stderr, flush=True)
        made = list(populations(rows, "logistic", max(1, runs // 10), seed))
        for bound in BOUNDS:
            for pairs in PAIRS:
                outcomes = [
                    _one(population, rng.integers(0, len(population.scores), pairs), bound)
                    for population in made
                    for _ in range(min(10, runs))
                ]
                means = [float(np.mean(column)) for column in zip(*outcomes, strict=True)]
                yield Agreement(rows.name, bound, pairs, len(outcomes), *means)


def _one(
    population: Population, drawn: np.ndarray[tuple[int], np.dtype[np.int64]], bound: float
) -> tuple[bool, float, float]:
    path = plain_path(population.traffic, 1 - bound)
    differs = (population.cheap != population.strong).astype(np.float64)
    last = agreement_certified(path, population.scores[drawn], differs[drawn], bound, DELTA)
    if last < 0:
        return False, 0.0, 0.0
    routed = float((differs * (population.scores <= path[last].threshold)).mean())
    return routed > bound, path[last].saving, 1.0 - population.quality(path[last])
