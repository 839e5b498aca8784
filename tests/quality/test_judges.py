"""The bench: which judge an item has, and which items cannot be judged."""

from __future__ import annotations

from contextlib import closing
from typing import get_args

import pytest

from tests.quality.evaluating import item, said
from thriftgate.core.errors import InputError
from thriftgate.pricing.load import load_models
from thriftgate.quality.judges import JUDGES, Bench
from thriftgate.quality.judges.judge import RIGHT
from thriftgate.quality.rules import Code, Exact, Llm, Numeric, Regex, Rule


def test_every_rule_has_its_judge() -> None:
    assert {*JUDGES, Llm} == set(get_args(Rule))


def test_an_items_own_rule_comes_first() -> None:
    with closing(Bench(Exact(), load_models())) as bench:
        assert bench.rule(item("4")) == Exact()
        assert bench.rule(item("4", judge="numeric")) == Numeric()
        assert bench.judge(Numeric()) is bench.judge(Numeric())
        assert bench.judge(Numeric(1.0)) is not bench.judge(Numeric())


def test_items_that_cannot_be_judged_are_told_by_line() -> None:
    with closing(Bench(None, load_models())) as bench:
        bench.check([item("4", judge="exact")])
        with pytest.raises(InputError) as told:
            bench.check([item("4"), item(judge="exact", place="line 2"), item("x", judge="numeric", place="line 3")])
    assert "3 of 3 items cannot be judged" in str(told.value)
    assert "line 1: no judge: name one in the set, or one for all with --judge" in str(told.value)
    assert "line 2: expected: missing" in str(told.value)
    assert "line 3: expected: 'x' is no number" in str(told.value)


def test_many_are_not_all_told() -> None:
    with closing(Bench(None, load_models())) as bench, pytest.raises(InputError, match="and 80 more"):
        bench.check([item(id=str(at)) for at in range(100)])


def test_a_judging_model_must_be_known() -> None:
    with closing(Bench(None, load_models())) as bench, pytest.raises(InputError, match="'claude-9' is not known"):
        bench.check([item(judge="llm:claude-9")])


def test_what_the_platform_did_not_limit_is_gathered_and_processes_end() -> None:
    bench = Bench(None, load_models())
    code, regex = item("assert x == 1", judge="code"), item("4", judge="regex")
    assert bench.judge(Code()).grade(code, said("x = 1")) == RIGHT
    assert bench.judge(Regex()).grade(regex, said("4")) == RIGHT
    assert bench.lacking() <= {"network", "processes"}
    bench.close()
