"""Levers of shorter prompts and answers: what they did enters the plan, and is undone by what is known of without."""

from __future__ import annotations

from msgspec.structs import replace

from tests.core.planning import request_of, state_of
from thriftgate.core.levers.compress_json import CompressJson
from thriftgate.core.plan import Draft, Policy, Proposal, Skip, Without
from thriftgate.core.prices import Terms
from thriftgate.core.reduced import Shaped
from thriftgate.core.reduction.change import Change
from thriftgate.core.usage import Iteration, Tokens, Usage

TERMS = Terms("claude-opus-4-8", 20_700)
DRAFT = Draft(TERMS, 100, ())
USAGE = Usage(Tokens(input=100, read=900, output=50, thinking=20))


class Brief(Shaped):
    id = "output.brevity"


def asked(change: Change | None) -> object:
    request = request_of()
    state = replace(state_of(request), changes={} if change is None else {"compress.json": change})
    return CompressJson().propose(request, DRAFT, state, Policy())


def test_what_was_done_is_told() -> None:
    assert asked(None) == Skip("nothing in this call needs it")
    assert asked(Change(False, "it failed")) == Skip("it failed")
    assert asked(Change(True, "40 tokens became 27", 40, 27)) == Proposal("40 tokens became 27", DRAFT)


def test_a_shorter_prompt_is_undone_by_the_longer_one() -> None:
    longer = Tokens(input=100, read=1_500)
    undone, terms = CompressJson().undo(USAGE, TERMS, Without(prompts={"compress.json": longer}))
    assert undone.total == Tokens(input=100, read=1_500, output=50, thinking=20)
    assert terms == TERMS
    assert CompressJson().undo(USAGE, TERMS) == (USAGE, TERMS)


def test_a_shorter_answer_is_undone_by_what_is_usual() -> None:
    undone, _ = Brief().undo(USAGE, TERMS, Without(output=400))
    assert undone.total == Tokens(input=100, read=900, output=400, thinking=20)
    assert Brief().undo(USAGE, TERMS, Without(output=10))[0].total.thinking == 10
    assert Brief().undo(USAGE, TERMS) == (USAGE, TERMS)


def test_bills_of_several_prompts_are_left_alone() -> None:
    several = replace(USAGE, iterations=(Iteration("message", USAGE.total),))
    without = Without(prompts={"compress.json": Tokens(input=5_000)}, output=400)
    assert CompressJson().undo(several, TERMS, without) == (several, TERMS)
    assert Brief().undo(several, TERMS, without) == (several, TERMS)
