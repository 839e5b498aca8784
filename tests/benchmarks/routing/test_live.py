"""The live benchmark in short: two seeds, few examples."""

from __future__ import annotations

from benchmarks.routing import live


def test_a_short_run() -> None:
    found = live.measure(splits=2, examples=300, served=100, target=0.9)
    assert [run.seed for run in found.runs] == [1, 2]
    certified = [run for run in found.runs if run.certified]
    assert certified
    for run in certified:
        assert 0 < run.share <= 1
        assert 0.8 < run.kept <= 1
        assert 0 < run.until <= 6 * run.stated
    assert "rolled back" in live.table(found)
    assert live.document(found)["runs"][0]["seed"] == 1
    assert [goal.name for goal in live.goals(found)] == [
        "runs with a promise",
        "promises broken",
        "roll-backs later than stated",
    ]
