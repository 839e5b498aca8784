"""The benchmark of drift: a short run on data made here, its goals, and that its simple rules are what they are called."""

from __future__ import annotations

import random
from itertools import islice

import msgspec
import pytest
from benchmarks.routing.data import DataSet

from benchmarks.routing import drift


def outcomes(rates: dict[str, tuple[float, float]], each: int = 300, seed: int = 1) -> DataSet:
    """By task: how often the cheap model is right, and the strong one."""
    draw = random.Random(seed)
    tasks = [task for task in rates for _ in range(each)]
    cheap, strong = ([int(draw.random() < rates[task][at]) for task in tasks] for at in (0, 1))
    nothing = [0.0] * len(tasks)
    return DataSet("made", tasks, tasks, cheap, strong, nothing, nothing, [0] * len(tasks))


EASY_AND_HARD = outcomes({"easy": (0.93, 0.93), "fair": (0.8, 0.9), "hard": (0.3, 0.9)})


@pytest.fixture(scope="module")
def figures() -> drift.Figures:
    return drift.measure([EASY_AND_HARD], splits=2)


def test_all_parts_are_measured(figures: drift.Figures) -> None:
    assert [one.runs for one in figures.alarms] == [2, 2, 2, 20, 2]
    assert all(delay is not None and 1 <= delay <= drift.AUDITS for one in figures.alarms[1:] for delay in one.delays)
    assert [(one.must, one.runs) for one in figures.shifts] == [(True, 10), (True, 10), (False, 10)]
    assert all(one.in_time == 1 and one.alarm_at < one.over_at for one in figures.shifts)
    assert [one.streams for one in figures.covered] == [2, 2]


def test_tables_documents_and_goals_hold_them(figures: drift.Figures) -> None:
    table = drift.table(figures)
    assert all(words in table for words in (drift.OURS, drift.KNOWING, "made, after 50,000 at once", "Pareto"))
    document = msgspec.json.decode(msgspec.json.encode(drift.document(figures)))
    assert [len(document[part]) for part in ("alarms", "shifts", "covered")] == [5, 3, 2]
    goals = drift.goals(figures)
    delays = [(goal.limit, goal.must) for goal in goals if goal.name.startswith("audits until")]
    assert delays == [(850, True), (600, False), (300, True), (220, False), (110, True), (80, False)]
    assert any(goal.must and goal.limit == drift.FALSE_ALARMS for goal in goals)


def test_the_same_seed_gives_the_same_figures() -> None:
    runs = [drift._delay(drift.Rolling, 0.06, seed, 5) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_without_data_the_replays_are_a_goal_that_nothing_measured() -> None:
    none = drift.Figures([drift.Alarms(drift.OURS, 1, 0.0, 0.0, (1.0, 1.0, 1.0))], [], [], 1)
    assert [goal.passed for goal in drift.goals(none)].count(None) == 1
    assert "shift" not in drift.table(none)


def test_rules_of_thumb_look_where_they_say() -> None:
    rolling, blocks = drift.Rolling(0.02, 200), drift.Blocks(0.02, 100)
    assert not any(rolling.see(1.0 if at % 50 == 0 else 0.0) for at in range(600))
    assert any(rolling.see(1.0) for _ in range(10))
    assert [at for at in range(1, 301) if blocks.see(float(at in (101, 110, 120, 130, 140)))] == [200]


def test_tasks_are_parted_into_easy_and_hard() -> None:
    easy, hard = drift._easy_and_hard(EASY_AND_HARD)
    assert {EASY_AND_HARD.task[row] for row in easy} == {"easy"}
    assert {EASY_AND_HARD.task[row] for row in hard} == {"hard"}


@pytest.mark.parametrize("rates", [{"": (0.5, 0.9)}, {"a": (0.1, 0.9), "b": (0.1, 0.9)}, {"a": (0.9, 0.9), "b": (0.9, 0.9)}])
def test_where_nothing_can_shift_nothing_is_replayed(rates: dict[str, tuple[float, float]]) -> None:
    assert list(drift._shifts(outcomes(rates), 1, 2)) == []


def test_conversations_save_what_they_should() -> None:
    units = list(islice(drift.conversations(lambda draw: 1 + draw.random(), random.Random(1)), 4_000))
    means = [
        sum(one.paid_pico for one in units if one.arm == arm) / sum(one.arm == arm for one in units)
        for arm in ("treated", "holdout")
    ]
    assert 1 - means[0] / means[1] == pytest.approx(drift.SAVING, abs=0.05)
