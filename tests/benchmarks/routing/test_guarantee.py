"""The benchmark of the guarantee: a short run on data made here, what its populations and rules are, its goals."""

from __future__ import annotations

import random

import msgspec
import numpy as np
import pytest
from benchmarks.routing.cross_fitting import CROSSED, SMALL_SET
from benchmarks.routing.data import DataSet
from benchmarks.routing.populations import populations, rows_of, suits
from benchmarks.routing.rivals import RIVALS, Seen
from benchmarks.routing.tallies import Cell, Tally

from benchmarks.routing import guarantee
from thriftgate.quality.paths import Policy, thresholds

CASES: tuple[guarantee.Case, ...] = (("logistic", 0.9, 100), ("verifier 0.9", 0.9, 100))


def made(n: int = 1_010, seed: int = 1) -> DataSet:
    """Easy and hard prompts, to be told apart by a word."""
    draw = random.Random(seed)
    task = [("easy", "hard")[draw.random() < 0.4] for _ in range(n)]
    text = [f"{one} {draw.choice('abcdefgh')} {draw.randrange(1000)}" for one in task]
    strong = [int(draw.random() < 0.9) for _ in range(n)]
    cheap = [int(draw.random() < (0.93 if one == "easy" else 0.4)) for one in task]
    return DataSet("made", text, task, cheap, strong, [0.2] * n, [1.0] * n, [0] * n)


@pytest.fixture(scope="module")
def figures() -> guarantee.Figures:
    return guarantee.measure([made()], splits=2, cases=CASES)


def test_all_parts_are_measured(figures: guarantee.Figures) -> None:
    assert [(one.source, one.splits) for one in figures.cells] == [(case[0], 2) for case in CASES]
    for cell in figures.cells:
        assert set(cell.rules) == {*RIVALS, guarantee.OURS, guarantee.STRICT, guarantee.PLAIN, guarantee.MIXING}
        assert all(0 <= tally.broken <= 1 and tally.saved >= 0 for tally in cell.rules.values())
        assert 0 < cell.hindsight <= cell.mixed + 1e-9
    assert [(one.theta, one.examples) for one in figures.cross_fitted[:3]] == [(0.98, 100), (0.95, 100), (0.9, 100)]
    assert [one.source for one in figures.cross_fitted] == [CROSSED] * 3 + [SMALL_SET] * 3
    assert all(cell.hindsight < cell.oracle for cell in figures.cells)
    assert {(one.right, one.theta) for one in figures.nulls} == {(0.0, 0.98), (0.0, 0.9), (0.25, 0.98), (0.25, 0.9)}
    assert all(not any(one.certified.values()) for one in figures.nulls if one.right == 0)
    assert len(figures.agreements) == 4


def test_tables_documents_and_goals_hold_them(figures: guarantee.Figures) -> None:
    told = guarantee.table(figures)
    for word in (
        "verifier 0.9, target 90%, n = 100",
        "cross-fitted",
        "thresholds alone",
        "useless cheap model",
        "without labels",
    ):
        assert word in told
    assert set(msgspec.to_builtins(guarantee.document(figures))) == {"cells", "cross_fitted", "null", "agreement"}
    found = guarantee.goals(figures)
    assert any(goal.must and goal.value is not None for goal in found)
    assert any(goal.value is None for goal in found), "what was not measured is no success"
    assert len({goal.name for goal in found if goal.must}) == sum(goal.must for goal in found)


def test_a_broken_promise_fails_its_goal() -> None:
    rules = {guarantee.OURS: Tally(0.2, 0.3), guarantee.STRICT: Tally(0.0, 0.1)}
    cell = Cell("made", "logistic", 0.98, 200, 10, 0.5, 0.6, 0.9, rules)
    failed = [goal.name for goal in guarantee.goals(guarantee.Figures([cell], [], [], [])) if goal.passed is False]
    assert len(failed) == 3
    assert all("promises broken, ours" in name for name in failed)
    shares = [goal for goal in guarantee.goals(guarantee.Figures([cell], [], [], [])) if "n = 200: share" in goal.name]
    assert shares[0].value == pytest.approx(0.6)


def test_a_population_knows_its_truth() -> None:
    rows = rows_of(made())
    population = next(populations(rows, "logistic", 1, seed=1))
    assert len(population.scores) == 505
    last = thresholds(population.traffic, 20)[-1]
    assert population.quality(last) == pytest.approx(population.cheap.sum() / population.strong.sum())
    assert population.quality(Policy(-np.inf, 1.0, 0.0, 0.0)) == 1.0
    half = population.quality(last._replace(share=0.5))
    assert half == pytest.approx((1 + population.quality(last)) / 2)
    low = population.cheap[population.scores <= np.median(population.scores)].mean()
    assert low > population.cheap.mean() + 0.1, "a score that tells nothing"
    assert not suits(rows._replace(task=np.array([""] * 1_010)), "task")
    assert not np.isin(population.traffic.alone, [0.2]).any()


def test_the_rules_stand_in_the_order_of_their_care() -> None:
    losses = np.arange(0, 20, dtype=float)
    seen = Seen(1_000, 900, losses, np.zeros(20))
    most = {name: int(rule(seen, 0.98, 0.05).sum()) for name, rule in RIVALS.items()}
    assert most["naive"] == 19
    assert most["Hoeffding"] == 0
    assert most["Clopper-Pearson split"] <= most["exact"] <= most["Jeffreys at delta"] <= most["Wald"] < most["naive"]
    assert most["betting"] < most["exact"]
    assert most["Jeffreys at 0.6 delta"] <= most["Jeffreys at delta"]
