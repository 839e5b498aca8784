"""What results say of each arm, and of the judges."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.quality.evaluating import line
from thriftgate.quality.compare import wilson
from thriftgate.quality.results import Judged, Line
from thriftgate.quality.summary import arm_summaries, by_task, judging, ungraded_reasons


def test_an_arm() -> None:
    lines = [line(str(at), a=float(at % 4 > 0), b=None if at < 2 else 1.0) for at in range(20)]
    a, b = arm_summaries(lines)
    assert (a.arm, a.items, a.ungraded) == ("a", 20, 0)
    assert a.quality == wilson(0.75, 20)
    assert (a.cost_pico, a.paid_pico, a.latency_ms_p50, a.latency_ms_p90) == (1_000, 10_000, 1_000, 1_000)
    assert (b.items, b.ungraded, b.quality.value) == (20, 2, 1.0)


def test_latencies_signals_and_modes() -> None:
    def one(at: int) -> Judged:
        signals = {"truncated": float(at == 0), "refused": 0.0}
        mode = "batch" if at else "standard"
        return Judged(1.0, latency_ms=at * 100, output_tokens=at, signals=signals, mode=mode, repeats=2, paid_usd="0.5")

    (a,) = arm_summaries([Line(str(at), "t", {"a": one(at)}) for at in range(10)])
    assert (a.latency_ms_p50, a.latency_ms_p90) == (500, 900)  # the one that is not known is left out
    assert (a.truncated, a.refused, a.output_tokens) == (0.1, 0.0, 5)
    assert a.modes == ("batch", "standard")
    assert a.paid_pico == 10 * 2 * 5 * 10**11


def test_items_of_unequal_weight_tell_less() -> None:
    (even,) = arm_summaries([line(str(at), a=float(at % 2)) for at in range(40)])
    (odd,) = arm_summaries([line(str(at), weight=100.0 if at < 2 else 1.0, a=float(at % 2)) for at in range(40)])
    assert odd.quality.value == even.quality.value == 0.5
    assert odd.quality.high - odd.quality.low > 2 * (even.quality.high - even.quality.low)


def test_by_task() -> None:
    found = by_task([line("1", task="x", a=1.0), line("2", a=0.0), line("3", task="x", a=0.0)])
    assert {task: arms[0].items for task, arms in found.items()} == {"x": 2, "": 1}


def pair(first: str, second: str, quality: float, human: float) -> Line:
    judged = Judged(quality, judge="llm", judge_usd="0.25", verdicts=((first, second),))
    return Line(first + second + str(human), "t", {"a": judged}, human={"a": human})


def test_judges_that_favour_a_place_and_people_who_disagree() -> None:
    found = judging(
        [pair("A", "B", 1.0, 1.0), pair("A", "A", 0.5, 1.0), pair("B", "A", 0.0, 0.0), pair("tie", "A", 0.5, 0.5)]
    )
    assert (found.kinds, found.paid_pico, found.pairs, found.swayed) == ({"llm": 4}, 10**12, 4, 1)
    assert found.first == wilson(5 / 7, 7)
    assert (found.human_answers, found.human) == (4, wilson(0.75, 4))
    assert found.kappa == pytest.approx((0.75 - 0.3125) / (1 - 0.3125))


def test_without_pairs_or_people() -> None:
    found = judging([line("1", a=1.0)])
    assert (found.kinds, found.pairs, found.human_answers, found.kappa) == ({"exact": 1}, 0, 0, 0.0)
    same = [replace(line(str(at), a=1.0), human={"a": 1.0}) for at in range(3)]
    assert judging(same).kappa == 1.0


def test_why_answers_have_no_grade() -> None:
    lines = [Line(str(at), "t", {"a": Judged(None, reason="x" if at else "y"), "b": Judged(1.0)}) for at in range(3)]
    assert ungraded_reasons(lines) == {"x": 2, "y": 1}
