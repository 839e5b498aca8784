"""The benchmark of failover in short: two kinds of fault, one seed."""

from __future__ import annotations

from benchmarks.failover.__main__ import judge, table
from benchmarks.failover.runs import run


def test_no_call_is_lost_or_booked_twice_and_conversations_stay() -> None:
    results = [run("overloaded", 1), run("unreachable", 1)]
    assert all(one.struck for one in results)
    assert [goal.name for goal in judge(results) if goal.passed is False] == []
    assert "unreachable" in table(results)
