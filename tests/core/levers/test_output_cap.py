"""`output.cap` undone: only what a cap has cut, and what came instead, is a saving."""

from __future__ import annotations

from thriftgate.core.levers.output_cap import OutputCap
from thriftgate.core.plan import Without
from thriftgate.core.prices import Terms
from thriftgate.core.usage import Iteration, Tokens, Usage

TERMS = Terms("claude-opus-4-8", 20_700)
USAGE = Usage(Tokens(input=100, output=300))


def test_an_answer_under_the_cap_is_as_long_as_it_would_have_been() -> None:
    assert OutputCap().undo(USAGE, TERMS, Without(output=5_000)) == (USAGE, TERMS)


def test_a_repeat_came_instead_of_a_runaway() -> None:
    undone, _ = OutputCap().undo(USAGE, TERMS, Without(cut=8_000))
    assert undone.total == Tokens(input=100, output=8_000)


def test_a_repeat_that_is_longer_saved_nothing() -> None:
    assert OutputCap().undo(USAGE, TERMS, Without(cut=200)) == (USAGE, TERMS)


def test_several_prompts_in_one_bill_are_left_alone() -> None:
    several = Usage(USAGE.total, iterations=(Iteration("message", USAGE.total),))
    assert OutputCap().undo(several, TERMS, Without(cut=8_000)) == (several, TERMS)
