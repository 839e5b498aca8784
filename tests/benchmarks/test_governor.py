"""What the governor's benchmark sends, and how it judges."""

from __future__ import annotations

from collections import Counter

import msgspec
import pytest
from benchmarks.governor.__main__ import judge, table
from benchmarks.governor.runs import Case, Result
from benchmarks.governor.traffic import CALLS_S, KINDS, NOISY, OVER, QUIET, QUIET_SHARE, calls, shape_of


@pytest.mark.parametrize("kind", KINDS)
def test_three_times_what_is_allowed_is_sent(kind: str) -> None:
    sent = list(calls(kind, 60.0, 1))
    assert len(sent) == pytest.approx(60 * CALLS_S * OVER, rel=0.1)
    clients = Counter(one.client for one in sent)
    assert clients[NOISY] > 4 * clients[QUIET[0]]
    assert 1 / (len(QUIET) + 1) > QUIET_SHARE * OVER  # a quiet key asks for less than its share
    assert list(calls(kind, 60.0, 1)) == sent
    assert list(calls(kind, 60.0, 2)) != sent
    shapes = [shape_of(kind, keys, 4.0, 1) for keys in (1, 3)]
    for name in ("rpm", "itpm", "otpm"):
        one, three = (getattr(shape, name) for shape in shapes)
        assert one == three or one == pytest.approx(3 * three, rel=0.01)


def result(**members: object) -> Result:
    figures = dict.fromkeys(Result.__struct_fields__, 0.0) | {"case": Case("mixed", 1, True), "offered": 1, "refusals": {}}
    return msgspec.convert(figures | {"throughput": 1.0, "fairness": 1.0, "read": 0.5} | members, Result)


def test_only_governed_runs_are_judged_and_the_worst_counts() -> None:
    several, without = Case("mixed", 3, True), Case("mixed", 1, False)
    good = [result(), result(case=several, read=0.49, warm=0.99), result(case=without, limited=0.9, throughput=0.1)]
    assert [goal.passed for goal in judge(good)] == [True] * 5
    bad = [result(throughput=0.9, limited=0.01, fairness=0.5), result(case=several, read=0.4, warm=0.1)]
    assert [goal.passed for goal in judge([*good, *bad])] == [False] * 5
    assert "without" in table(good)
