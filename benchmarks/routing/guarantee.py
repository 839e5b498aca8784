"""Does the promise hold, and how much of the saving is left? Rules that choose a policy on n graded examples, side by side.

Each split draws a score, a population that the score has not seen, and n examples of it (see `populations`). A rule breaks
its promise if the policy it chooses keeps, on the whole population, less than theta of the strong model's quality; that may
happen in 5 % of the splits. What it saves is told as a part of what hindsight saves: the best of the same 20 thresholds, had
the whole population been graded. (`mixed hindsight`, beside it, may use any threshold and any mix with the strong model.)

The rivals walk 20 thresholds, at 5 %, 10 % ... of the traffic. Ours walks the planned path of `thriftgate.quality.paths`,
planned with the examples the score was fitted on; `thresholds alone` is ours without such a plan, and `mixing alone` ours
without a score. The strong model is always there to fall back on: no policy is counted as saving less than nothing.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct

from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align
from benchmarks.routing import cross_fitting
from benchmarks.routing.cross_fitting import CROSSED, SMALL_SET
from benchmarks.routing.data import DataSet
from benchmarks.routing.honesty import PATHS, Agreement, Null, agreements, null_runs
from benchmarks.routing.populations import Population, Rows, Source, populations, rows_of, suits
from benchmarks.routing.rivals import RIVALS, Seen
from benchmarks.routing.tallies import Cell, Tally, blocks, by_case, documents, oracle, realised, share
from thriftgate.quality.certify import Graded, certify, level
from thriftgate.quality.paths import Policy, mixing_path, plain_path, planned_path, thresholds

DELTA = 0.05
SPLITS = 500
DRAWS = 5  # of calibration examples for each score
OURS, STRICT, PLAIN, MIXING = "ours", "ours, strict", "thresholds alone", "mixing alone"

Case = tuple[Source, float, int]
CASES: tuple[Case, ...] = (
    ("logistic", 0.98, 100),
    ("logistic", 0.98, 200),
    ("logistic", 0.98, 500),
    ("logistic", 0.98, 1000),
    ("task", 0.98, 200),
    ("task", 0.98, 500),
    ("verifier 0.8", 0.98, 200),
    ("verifier 0.8", 0.98, 500),
    ("task + verifier 0.8", 0.98, 500),
    ("verifier 0.9", 0.98, 100),
    ("verifier 0.9", 0.98, 200),
    ("verifier 0.9", 0.98, 500),
    ("verifier 0.9", 0.98, 1000),
    ("logistic", 0.95, 200),
    ("logistic", 0.95, 500),
    ("verifier 0.9", 0.95, 200),
    ("verifier 0.9", 0.95, 500),
    ("logistic", 0.90, 200),
    ("logistic", 0.90, 500),
    ("verifier 0.9", 0.90, 200),
    ("verifier 0.9", 0.90, 500),
)
SHARES = {
    ("logistic", 0.98, 200): (0.20, 0.30),
    ("logistic", 0.98, 500): (0.42, 0.52),
    ("verifier 0.9", 0.98, 200): (0.39, 0.49),
    ("verifier 0.9", 0.98, 500): (0.69, 0.79),
    ("verifier 0.9", 0.98, 1000): (0.79, 0.89),
}
REALISED = {
    ("mmlu", "verifier 0.8", 200): (0.06, 0.16),
    ("mmlu", "verifier 0.8", 500): (0.23, 0.35),
    ("gsm8k", "verifier 0.9", 200): (0.28, 0.48),
    ("gsm8k", "verifier 0.9", 500): (0.51, 0.63),
}
"""Parts of the oracle's saving: what the study reached by an exact test (must), and by a posterior (aim)."""


class Figures(Struct, frozen=True):
    """All that was measured."""

    cells: list[Cell]
    cross_fitted: list[Cell]
    nulls: list[Null]
    agreements: list[Agreement]


def measure(sets: Sequence[DataSet], splits: int = SPLITS, seed: int = 1, cases: Sequence[Case] = CASES) -> Figures:
    """All cases, on each data set that suits them."""
    every = [rows_of(one) for one in sets]
    cells = []
    for source, theta, n in cases:
        for rows in every:
            if suits(rows, source):
                print(f"guarantee: {source}, {theta:g}, n = {n}, {rows.name}", file=sys.stderr, flush=True)
                cells.append(_cell(rows, (source, theta, n), splits, seed))
    crossed = list(cross_fitting.measure(every, splits, seed))
    runs = max(1, splits // 5)
    return Figures(cells, crossed, list(null_runs(every, runs, seed)), list(agreements(every, runs, seed)))


def _cell(rows: Rows, case: Case, splits: int, seed: int) -> Cell:
    source, theta, n = case
    rng = np.random.default_rng([seed, n])
    draws = min(DRAWS, splits)
    chosen: dict[str, list[tuple[bool, float]]] = {}
    hindsight, mixed, known = [], [], []
    for population in populations(rows, source, max(1, splits // draws), seed):
        grid = thresholds(population.traffic, 20)
        kept = [population.quality(one) for one in grid]
        hindsight.append(max([0.0, *(one.saving for one, quality in zip(grid, kept, strict=True) if quality >= theta)]))
        mixed.append(_mixed(population, theta))
        known.append(_oracle(population, theta))
        paths = {
            OURS: planned_path(population.traffic, theta, n, population.expected),
            PLAIN: plain_path(population.traffic, theta),
            MIXING: mixing_path(population.traffic, theta),
        }
        paths[STRICT] = paths[OURS]
        for _ in range(draws):
            drawn = rng.integers(0, len(population.scores), n)
            for name, policy in _chosen(population, drawn, grid, paths, theta).items():
                broken = policy is not None and population.quality(policy) < theta - 1e-12
                chosen.setdefault(name, []).append((broken, max(0.0, policy.saving) if policy is not None else 0.0))
    rules = {name: Tally(*(float(np.mean(column)) for column in zip(*found, strict=True))) for name, found in chosen.items()}
    best, any_mix, all_known = (float(np.mean(values)) for values in (hindsight, mixed, known))
    return Cell(rows.name, source, theta, n, len(chosen[OURS]), best, any_mix, all_known, rules)


def _chosen(
    population: Population,
    drawn: np.ndarray[Any, np.dtype[np.int64]],
    grid: Sequence[Policy],
    paths: Mapping[str, Sequence[Policy]],
    theta: float,
) -> dict[str, Policy | None]:
    """What each rule chooses on these examples."""
    graded = Graded(population.scores[drawn], population.cheap[drawn], population.strong[drawn])
    counts = [graded.counts(one.threshold) for one in grid]
    losses, wins = (np.array([one[at] for one in counts], dtype=np.float64) for at in (2, 3))
    seen = Seen(len(drawn), counts[0].strong_right, losses, wins)
    found: dict[str, Policy | None] = {}
    for name, rule in RIVALS.items():
        last = int(np.argmin(np.append(rule(seen, theta, DELTA), False))) - 1
        found[name] = grid[last] if last >= 0 else None
    for name, path in paths.items():
        at = level(DELTA, "strict" if name == STRICT else "default")
        found[name] = certify(path, graded, theta, at).policy
    return found


def _mixed(population: Population, theta: float) -> float:
    """The most that any threshold, mixed with the strong model, truly saves within the promise."""
    best = 0.0
    for one in thresholds(population.traffic):
        quality = population.quality(one)
        best = max(best, one.saving * (1.0 if quality >= theta else (1 - theta) / (1 - quality)))
    return best


def _oracle(population: Population, theta: float) -> float:
    traffic = population.traffic
    return oracle(population.cheap, population.strong, (traffic.alone - traffic.cheap) / traffic.alone.sum(), theta)


def table(figures: Figures) -> str:
    """For people."""
    nulls = [["useless cheap model on", "it is right", "target", "n", "runs", *(f"certified: {name}" for name in PATHS)]]
    for null in figures.nulls:
        rates = [f"{null.certified[name]:.1%}" for name in PATHS]
        nulls.append([null.data, f"{null.right:.0%}", f"{null.theta:.0%}", str(null.examples), str(null.runs), *rates])
    pairs = [["without labels", "bound", "pairs", "runs", "broken", "saved", "quality lost"]]
    for one in figures.agreements:
        row = [one.data, f"{one.bound:.0%}", str(one.pairs), str(one.runs)]
        pairs.append([*row, f"{one.broken:.1%}", f"{one.saved:.1%}", f"{one.lost:.2%}"])
    parts = [blocks(figures.cells), blocks(figures.cross_fitted)]
    parts += [align(rows) for rows in (nulls, pairs) if len(rows) > 1]
    return "\n\n".join(part for part in parts if part)


def document(figures: Figures) -> dict[str, Any]:
    """For machines."""
    return {
        "cells": documents(figures.cells),
        "cross_fitted": documents(figures.cross_fitted),
        "null": msgspec.to_builtins(figures.nulls),
        "agreement": msgspec.to_builtins(figures.agreements),
    }


def goals(figures: Figures) -> list[Goal]:
    """Promises kept on each data set; saving left, as a share of hindsight's; nothing for a useless model."""
    cells = figures.cells
    found = []
    for data in dict.fromkeys(cell.data for cell in cells):
        here = [cell for cell in cells if cell.data == data]
        for rule in (OURS, STRICT):
            mean = float(np.mean([cell.rules[rule].broken for cell in here]))
            found.append(Goal(f"{data}: promises broken, {rule}, mean of its cells", DELTA, True, True, mean))
    for rule, must, stretch in ((OURS, 0.067, 0.05), (STRICT, 0.035, 0.025)):
        found += _worst(cells, rule, rule, (must, stretch))
    for rule, must, stretch in (("planned", 0.067, 0.05), ("planned, strict", 0.035, 0.025)):
        judged = [cell for cell in figures.cross_fitted if cell.source == CROSSED]
        found += _worst(judged, rule, f"cross-fitted, {rule}", (must, stretch))
    for case, bars in SHARES.items():
        here = by_case(cells).get(case, [])
        name = f"{case[0]}, target {case[1]:.0%}, n = {case[2]}: share of hindsight"
        found += _pair(name, bars, False, share(here, OURS) if here else None)
    found += _of_the_oracle(figures)
    useless = max((max(one.certified.values()) for one in figures.nulls if one.right == 0), default=None)
    return [*found, Goal("a cheap model that is always wrong: anything certified, worst", DELTA, True, True, useless)]


def _of_the_oracle(figures: Figures) -> list[Goal]:
    """Parts of the oracle's saving, on single data sets and as means of the sets at hand."""
    found = []
    for (data, source, n), bars in REALISED.items():
        here = [cell for cell in by_case(figures.cells).get((source, 0.98, n), []) if cell.data == data]
        found += _pair(f"{data}, {source}, target 98%, n = {n}: part of the oracle's", bars, False, realised(here, OURS))
    crossed = by_case(figures.cross_fitted)
    for theta, n, must, stretch in ((0.98, 500, 0.115, 0.17), (0.95, 200, 0.34, 0.42), (0.95, 500, 0.51, 0.58)):
        here = [cell for source in (CROSSED, SMALL_SET) for cell in crossed.get((source, theta, n), [])]
        name = f"cross-fitted, target {theta:.0%}, n = {n}, strict: part of the oracle's, mean of the sets at hand"
        found += [Goal(name, bar, False, False, realised(here, "planned, strict")) for bar in (must, stretch)]
    return found


def _worst(cells: Sequence[Cell], rule: str, name: str, bars: tuple[float, float]) -> list[Goal]:
    if not cells:
        return _pair(f"promises broken, {name}, worst cell", bars, True, None)
    worst = max(cells, key=lambda cell: cell.rules[rule].broken)
    where = f"{worst.data}, {worst.source}, {worst.theta:g}, n = {worst.examples}"
    return _pair(f"promises broken, {name}, worst cell ({where})", bars, True, worst.rules[rule].broken)


def _pair(name: str, bars: tuple[float, float], at_most: bool, value: float | None) -> list[Goal]:
    return [Goal(name, bar, at_most, must, value) for bar, must in zip(bars, (True, False), strict=True)]
