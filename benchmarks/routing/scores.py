"""How well does a score tell beforehand which prompts the cheap model can do? Ours beside simple ones and published ones.

A split: some labels to fit on, all other prompts to judge by. What is usual of words and numbers is learnt from all prompts,
without labels, as it can be in service.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter
from typing import Any, NamedTuple

import numpy as np
from msgspec import Struct
from msgspec.structs import asdict
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align
from benchmarks.routing.curves import FLOORS, Curve, Floats, Truth, curve, mean
from benchmarks.routing.data import DataSet
from thriftgate.core.routing.features import Features, Surroundings, features_of
from thriftgate.quality.fitting import fit
from thriftgate.quality.labels import Labelled, Outcome
from thriftgate.quality.regression import Rows, rows_of, score_all

OURS, RANDOM, ORACLE = "thriftgate", "random", "oracle"
TFIDF, KNN, TASK = "TF-IDF + LR", "TF-IDF + kNN", "task prior"
LABELS, FEW_LABELS = 500, 200
SPLITS = 60
NEIGHBOURS, PSEUDO = 25, 6.0
_MOST_SPLITS = {"mmlu": 30}  # ten times as many prompts as the others

Ints = np.ndarray[Any, np.dtype[np.int64]]


class Published(NamedTuple):
    """A figure of others on the same prompts and outcomes, or on others where `note` says so."""

    name: str
    cpt50: float | None
    cpt80: float | None
    apgr: float | None
    note: str


PUBLISHED: Mapping[str, Sequence[Published]] = {
    "gsm8k": (
        Published("RouteLLM random", 0.500, 0.801, 0.497, "paper"),
        Published("RouteLLM matrix factorisation, + judge labels", 0.388, 0.726, 0.565, "paper"),
        Published("RouteLLM BERT, + judge labels", 0.448, 0.791, 0.531, "paper"),
        Published("RouteLLM causal LLM, + judge labels", 0.336, 0.633, 0.622, "paper; 8-billion-parameter router"),
    ),
    "mmlu": (
        Published("RouteLLM random", 0.501, 0.799, 0.500, "paper"),
        Published("RouteLLM matrix factorisation, + 1,500 gold labels", 0.355, 0.714, 0.597, "paper"),
        Published("RouteLLM causal LLM, + 1,500 gold labels", 0.355, 0.703, 0.600, "paper; 8-billion-parameter router"),
        Published("RouteLLM similarity weighted, + 1,500 gold labels", 0.354, 0.716, 0.603, "paper; OpenAI embeddings"),
    ),
}
"""RouteLLM, the tables of https://arxiv.org/abs/2406.18665; trained on 65,000 preference battles besides."""
FRUGAL = (
    "FrugalGPT (published, other data): up to 98 % cheaper at the best single model's accuracy; one scorer for each task"
)

# The better of task group and TF-IDF in the study that these figures are held against, at 500 labels.
_STUDY = {"gsm8k": 0.61, "zeroeval-h35-s35": 0.67}
_BARS = {"gsm8k": ("R1", 0.62, 0.65), "mmlu": ("R2", 0.62, 0.66)}
_AIM = ("zeroeval-h35-s35", 0.70)


class Line(Struct, frozen=True):
    """One score on one data set: means over the splits, and how far APGR strays from split to split."""

    name: str
    mean: Curve
    apgr_deviation: float


class Cell(Struct, frozen=True):
    """One data set with so many labels."""

    name: str
    prompts: int
    labels: int
    splits: int
    lines: tuple[Line, ...]

    def line(self, name: str) -> Line | None:
        return next((one for one in self.lines if one.name == name), None)


class Figures(Struct, frozen=True):
    """All cells, and how long it took (seconds)."""

    cells: tuple[Cell, ...]
    took_s: float


class _Bench:
    """One data set, with all that needs no labels made once."""

    def __init__(self, data: DataSet, seed: int) -> None:
        self.data, self.seed = data, seed
        self.truth = Truth(*(np.array(one, float) for one in (data.cheap, data.strong, data.cheap_cost, data.strong_cost)))
        around = [Surroundings(task=task) for task in data.task]
        self.features: list[Features] = [features_of(*both) for both in zip(data.text, around, strict=True)]
        self.rows: Rows = rows_of(self.features)
        self.examples = [
            Labelled(str(at), text, around[at], {"cheap": Outcome(data.cheap[at]), "strong": Outcome(data.strong[at])})
            for at, text in enumerate(data.text)
        ]
        self.words = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True).fit_transform(data.text)

    def ours(self, train: Ints, test: Ints) -> Floats:
        scorer = fit([self.examples[at] for at in train], "cheap", "strong", seed=self.seed, traffic=self.features)
        return score_all(scorer, self.rows.some(test))

    def random(self, train: Ints, test: Ints) -> Floats:
        return np.random.default_rng([self.seed, *train[:3].tolist()]).random(len(test))

    def oracle(self, _: Ints, test: Ints) -> Floats:
        return self.truth.loss[test]

    def tfidf(self, train: Ints, test: Ints) -> Floats:
        lost = self.truth.loss[train] > 0
        if lost.all() or not lost.any():
            return np.zeros(len(test))
        return np.asarray(LogisticRegression(max_iter=300).fit(self.words[train], lost).decision_function(self.words[test]))

    def knn(self, train: Ints, test: Ints) -> Floats:
        """Mean difference of the nearest by cosine, weighed by it."""
        near = (self.words[test] @ self.words[train].T).toarray()
        kept = np.argpartition(-near, min(NEIGHBOURS, len(train) - 1), axis=1)[:, :NEIGHBOURS]
        weights = np.take_along_axis(near, kept, axis=1) + 1e-6
        return np.asarray((weights * self.truth.loss[train][kept]).sum(1) / weights.sum(1))

    def task(self, train: Ints, test: Ints) -> Floats:
        """Mean difference of the task, with pseudo-counts of the mean of all."""
        loss = self.truth.loss[train]
        sums: dict[str, float] = {}
        counts: dict[str, int] = {}
        for at, one in zip(train.tolist(), loss.tolist(), strict=True):
            task = self.data.task[at]
            sums[task], counts[task] = sums.get(task, 0.0) + one, counts.get(task, 0) + 1
        tasks = [self.data.task[at] for at in test]
        whole = PSEUDO * float(loss.mean())
        return np.array([(sums.get(task, 0.0) + whole) / (counts.get(task, 0) + PSEUDO) for task in tasks])


def measure(sets: Sequence[DataSet], *, seed: int = 1, splits: int = SPLITS) -> Figures:
    """All scores on all data sets; with few labels only ours beside random mixing."""
    began = perf_counter()
    cells = []
    for data in sets:
        bench = _Bench(data, seed)
        few: dict[str, _Score] = {RANDOM: bench.random, OURS: bench.ours}
        many: dict[str, _Score] = {RANDOM: bench.random, ORACLE: bench.oracle, TFIDF: bench.tfidf, KNN: bench.knn}
        if len(set(data.task)) > 1:
            many[TASK] = bench.task
        many[OURS] = bench.ours
        count = min(splits, _MOST_SPLITS.get(data.name, splits))
        cells += [_cell(bench, LABELS, count, many), _cell(bench, FEW_LABELS, count, few)]
    return Figures(tuple(cells), perf_counter() - began)


_Score = Callable[[Ints, Ints], Floats]


def _cell(bench: _Bench, labels: int, splits: int, scores: Mapping[str, _Score]) -> Cell:
    found: dict[str, list[Curve]] = {name: [] for name in scores}
    for split in range(splits):
        mixed = np.random.default_rng([bench.seed, split]).permutation(len(bench.data))
        train, test = mixed[:labels], mixed[labels:]
        for name, score in scores.items():
            found[name].append(curve(score(train, test), bench.truth.some(test)))
        if split % 10 == 9:
            print(f"{bench.data.name}, {labels} labels: {split + 1} of {splits} splits", file=sys.stderr)
    lines = [Line(name, mean(each), float(np.std([one.apgr for one in each]))) for name, each in found.items()]
    return Cell(bench.data.name, len(bench.data), labels, splits, tuple(lines))


def goals(figures: Figures) -> list[Goal]:
    """The bars; those of data that was not there are left out."""
    found = []
    for cell in figures.cells:
        ours = cell.line(OURS)
        if ours is None or cell.labels != LABELS:
            continue
        if bar := _BARS.get(cell.name):
            name, must, aim = bar
            found.append(Goal(f"{name}: {cell.name}, APGR", must, False, True, ours.mean.apgr))
            found.append(Goal(f"{name}: {cell.name}, APGR", aim, False, False, ours.mean.apgr))
        if cell.name in _STUDY:
            what = f"{cell.name}: APGR, the better of task group and TF-IDF in the study"
            found.append(Goal(what, _STUDY[cell.name], False, True, ours.mean.apgr))
        if cell.name == _AIM[0]:
            found.append(Goal(f"{cell.name}: APGR without a verifier", _AIM[1], False, False, ours.mean.apgr))
    return [*found, *_no_worse_than_random(figures)]


def _no_worse_than_random(figures: Figures) -> list[Goal]:
    """The smallest margin over random mixing at any floor, in points of saving, by number of labels."""
    found = []
    for labels in sorted({cell.labels for cell in figures.cells}):
        margins = []
        for cell in figures.cells:
            ours, chance = cell.line(OURS), cell.line(RANDOM)
            if cell.labels == labels and ours and chance:
                pairs = zip(FLOORS, ours.mean.saved, chance.mean.saved, strict=True)
                margins += [(round(100 * (one - other), 9), f"{cell.name} at {floor:.0%}") for floor, one, other in pairs]
        if margins:
            worst, where = min(margins)
            found.append(
                Goal(f"R5: points saved over random mixing, {labels} labels (worst: {where})", 0.0, False, True, worst)
            )
    return found


def table(figures: Figures) -> str:
    """For people."""
    return "\n\n".join([*(_cell_table(cell) for cell in figures.cells), FRUGAL, f"took {figures.took_s:,.0f} s"])


def _cell_table(cell: Cell) -> str:
    heading = f"{cell.name}: {cell.prompts:,} prompts, {cell.labels} labels, {cell.splits} splits"
    rows = [[heading, "APGR", "s.d.", "CPT50", "CPT80", "AIQ", "sav95", "sav98", "sav99", "of oracle's sav98"]]
    best = cell.line(ORACLE)
    for line in cell.lines:
        one = line.mean
        rows.append([line.name, f"{one.apgr:.3f}", f"{line.apgr_deviation:.3f}", f"{100 * one.cpt50:.1f}"])
        rows[-1] += [f"{100 * one.cpt80:.1f}", f"{one.aiq:.4f}"]
        rows[-1] += [f"{100 * one.saved_at(floor):.1f}" for floor in (0.95, 0.98, 0.99)]
        rows[-1] += [f"{one.saved_at(0.98) / best.mean.saved_at(0.98):.2f}" if best else ""]
    chance = cell.lines[0].mean
    rows.append(
        ["cheap only", "0", "", "-", "-", "", f"quality {chance.quality[0]:.4f}", f"cost {chance.cost[0]:.4f}", "", ""]
    )
    rows.append(["strong only", "1", "", "-", "-", "", f"quality {chance.quality[-1]:.4f}", "cost 1.0000", "", ""])
    for other in PUBLISHED.get(cell.name, ()) if cell.labels == LABELS else ():
        figures = [other.apgr, None, other.cpt50 and 100 * other.cpt50, other.cpt80 and 100 * other.cpt80]
        rows.append([f"published: {other.name} ({other.note})", *("" if one is None else f"{one:.4g}" for one in figures)])
        rows[-1] += [""] * (len(rows[0]) - len(rows[-1]))
    return align(rows)


def document(figures: Figures) -> dict[str, Any]:
    """For machines, with the curves and the published figures."""
    published = {name: [one._asdict() for one in each] for name, each in PUBLISHED.items()}
    cells = [asdict(cell) | {"lines": [asdict(one) | asdict(one.mean) for one in cell.lines]} for cell in figures.cells]
    for cell in cells:
        for line in cell["lines"]:
            del line["mean"]
    return {"cells": cells, "floors": FLOORS, "published": published, "took_s": figures.took_s}
