"""From grades to lines of results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec import UNSET

from tests.core.planning import request_of
from tests.quality.evaluating import item, said
from thriftgate.core.routing.features import Surroundings
from thriftgate.quality.answers import Stored
from thriftgate.quality.grading import Graded
from thriftgate.quality.items import Answer, Item
from thriftgate.quality.judges.judge import Grade, ungraded
from thriftgate.quality.lines import Asked, Liner
from thriftgate.quality.results import Judged
from thriftgate.quality.verifying import Try, Verified


def graded(quality: float | None, answer: Answer | None = None, **members: Any) -> Graded:
    kept = Stored("k", b"", "standard", "tg", 10, 20, 100) if answer is not None else None
    return Graded(answer, kept, Grade(quality) if quality is not None else ungraded("broken"), "exact", **members)


def asked(**members: Any) -> Asked:
    return Asked("text", Surroundings("t", 2), request_of(**members))


def judged(one: Item, several: Sequence[Graded], others: Mapping[str, Sequence[Graded]] | None = None) -> Judged:
    return Liner({one.id: {"a": several, **(others or {})}}, "z").line(one, asked()).outcomes["a"]


def test_the_mean_over_repeats() -> None:
    found = judged(
        item(),
        [
            graded(1.0, said("yes", output_tokens=4), judge_pico=4, verdict=("A", "B")),
            graded(0.0, said("no", output_tokens=8), verdict=("B", "A")),
            graded(None, said("Yes!", output_tokens=6)),
            graded(None),
        ],
    )
    assert (found.quality, found.repeats, found.reason) == (0.5, 4, "broken")
    assert (found.pico, found.paid_pico, found.judge_pico) == (20, 10, 1)
    assert (found.latency_ms, found.output_tokens, found.mode) == (100, 6, "standard")
    assert found.verdicts == (("A", "B"), ("B", "A"))


def test_signals_and_a_grade_of_the_first_answer_that_came() -> None:
    """As a cascade has them: one try, held against further answers."""
    several = [graded(None), graded(0.0, said("no")), graded(1.0, said("yes")), graded(0.0, said("No."))]
    found = judged(item(), several)
    assert found.quality == pytest.approx(1 / 3)
    assert (found.first, found.first_quality) == (0.0, 0.0)
    assert found.signals["self_agrees"] == 0.5
    assert found.signals_pico == 2 * 20
    unjudged = judged(item(), [graded(None, said("no")), graded(1.0, said("yes"))])
    assert (unjudged.quality, unjudged.first, unjudged.first_quality) == (1.0, None, None)
    single = judged(item(), [graded(1.0, said("yes"))])
    assert (single.first, single.first_quality, single.signals_pico) == (UNSET, 1.0, 0)
    assert "self_agrees" not in single.signals


def test_what_a_verifier_said_and_what_it_costs() -> None:
    grades = {"i1": {"a": [graded(1.0, said("x")), graded(1.0, said("x"))], "z": [graded(1.0, said("x"))]}}
    verified = {Try("i1", "a"): Verified(0.8, "", 7)}
    outcomes = Liner(grades, "z", verified).line(item(), asked()).outcomes
    assert (outcomes["a"].signals["verifier"], outcomes["a"].signals_pico) == (0.8, 20 + 7)
    assert "verifier" not in outcomes["z"].signals


def test_nothing_was_answered() -> None:
    found = judged(item(), [graded(None)])
    assert (found.quality, found.pico, found.mode, found.signals, found.first) == (None, 0, "", {}, UNSET)


def test_the_line_itself() -> None:
    one = item(task="t", cluster="c", weight=2.0, human={"a": 1.0})
    line = Liner({"i1": {"a": [graded(1.0, said("x"))]}}, "z").line(one, asked())
    assert (line.id, line.text, line.task, line.cluster, line.weight, line.human) == (
        "i1",
        "text",
        "t",
        "c",
        2.0,
        {"a": 1.0},
    )
    assert line.around == Surroundings("t", 2)


def test_agreement_with_other_arms_but_not_with_the_reference() -> None:
    others = {"b": [graded(None), graded(1.0, said("x."))], "z": [graded(1.0, said("x"))], "none": [graded(None)]}
    signals = judged(item(), [graded(1.0, said("X"))], others).signals
    assert signals["agreement:b"] == 1.0
    assert {name for name in signals if name.startswith("agreement")} == {"agreement:b"}


def test_forms_that_were_asked_for() -> None:
    form = {"format": {"type": "json_schema", "schema": {"type": "object", "required": ["n"]}}}
    for text, valid in (('{"n": 1}', 1.0), ("{}", 0.0), ("none", 0.0)):
        line = Liner({"i1": {"a": [graded(1.0, said(text))]}}, "z").line(item(), asked(output_config=form))
        assert line.outcomes["a"].signals["schema_valid"] == valid
