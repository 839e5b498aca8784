"""What a call would have cost with nothing taken out of its prompt: the sums, by hand."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.core.planning import BOOK, NOW_S, body_of, request_of, state_of
from thriftgate.core.brake import Brake
from thriftgate.core.cache import Breakpoint
from thriftgate.core.plan import Plan, Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.reduction.change import Change
from thriftgate.core.request import Request
from thriftgate.core.state import State
from thriftgate.core.usage import Iteration, Tokens, Usage
from thriftgate.engine.unreduced import Shadows, Unreduced, forecast_savings

TURNS = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
POLICY = Policy()
CHANGES = {
    "compress.json": Change(True, "", 3_000, 1_000),
    "compress.text": Change(True, "", 1_500, 500),
    "compress.tables": Change(False, "it failed"),
}


def planned(request: Request, tokens: int, marks: tuple[Breakpoint, ...]) -> tuple[Plan, State]:
    state = state_of(request, tokens=tokens)
    return replace(make_plan(request, state, Policy(())), breakpoints=marks), state


def expected(shadows: Shadows, *, now_s: float = NOW_S) -> tuple[Unreduced, Plan]:
    """A prompt of 3 blocks with 1,000 tokens each, of 2,000 before; the end is marked."""
    request = request_of(body_of(messages=TURNS))
    plan, state = planned(request, 1_000, (Breakpoint(2, "5m"),))
    original = state_of(request, tokens=2_000, now_s=now_s)
    return shadows.expect(request, original, plan, sent=state.prefix, changes=CHANGES, policy=POLICY), plan


def test_the_same_breakpoints_on_the_longer_prompt() -> None:
    shadows = Shadows()
    first, plan = expected(shadows)
    assert first.breakpoints == (Breakpoint(2, "5m"),)
    assert first.tokens == Tokens(write_5m=6_000, output=plan.forecast.tokens.output)
    assert first.shares == {"compress.json": pytest.approx(2 / 3), "compress.text": pytest.approx(1 / 3)}


def test_what_was_sent_before_would_be_read() -> None:
    shadows = Shadows()
    first, _ = expected(shadows)
    shadows.sent(first)
    assert expected(shadows, now_s=NOW_S + 60)[0].tokens.read == 6_000
    assert expected(shadows, now_s=NOW_S + 400)[0].tokens.read == 0


def test_the_difference_is_told_apart_by_lever() -> None:
    shadows = Shadows()
    unreduced, _ = expected(shadows)
    usage = Usage(Tokens(input=100, write_5m=3_000, output=70))
    without = shadows.without(unreduced, Tokens(write_5m=3_000), usage, Brake())
    whole = without.prompts["compress.json"]  # undone last, when all is put back
    assert whole.prompt == 3_100 + 3_000
    assert list(without.prompts) == ["compress.text", "compress.json"]
    assert without.prompts["compress.text"].prompt == pytest.approx(3_100 + 1_000, abs=2)
    assert without.as_sent is None


def test_savings_are_forecast_in_the_same_shares() -> None:
    unreduced, plan = expected(Shadows())
    saved = forecast_savings(unreduced, plan, BOOK)
    rates = BOOK.rates(plan.terms, 6_000)
    whole = 6_000 * rates.write_5m // 1_000_000 + unreduced.tokens.output * rates.output // 1_000_000
    assert sum(saved.values()) == pytest.approx(whole - plan.forecast.pico, abs=2)
    assert saved["compress.json"] == pytest.approx(2 * saved["compress.text"], abs=2)


def test_a_client_that_marks_has_its_own_prompt_billed_with_its_own_marks() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}]}]
    request = request_of(body_of(messages=messages))
    plan, state = planned(request, 2_000, (Breakpoint(0, "1h"),))
    shadows = Shadows()
    unreduced = shadows.expect(
        request, state_of(request, tokens=3_000), plan, sent=state.prefix, changes=CHANGES, policy=POLICY
    )
    without = shadows.without(unreduced, Tokens(write_1h=2_000), Usage(Tokens(write_1h=2_000)), Brake())
    assert without.as_sent == Tokens(write_5m=3_000)
    assert without.prompts["compress.json"] == Tokens(write_1h=3_000)


def test_what_cannot_be_told_apart_saves_nothing() -> None:
    shadows = Shadows()
    unreduced, _ = expected(shadows)
    several = Usage(Tokens(input=9), iterations=(Iteration("message", Tokens(input=9)),))
    assert not shadows.without(unreduced, Tokens(input=3_000), several, Brake()).prompts
    assert not shadows.without(unreduced, Tokens(input=7_000), Usage(Tokens(input=7_000)), Brake()).prompts


def test_a_conversation_whose_beginning_was_left_out() -> None:
    """Breakpoints are found again from the end; one on what is new stands on what it stands for, or on nothing."""
    request = request_of(body_of(messages=[*TURNS, *TURNS]))
    shorter = request_of(body_of(messages=TURNS))
    plan, state = planned(shorter, 1_000, (Breakpoint(0, "5m"), Breakpoint(2, "5m")))
    unreduced = Shadows().expect(
        request, state_of(request, tokens=1_000), plan, sent=state.prefix, changes=CHANGES, policy=POLICY
    )
    assert unreduced.breakpoints == (Breakpoint(3, "5m"), Breakpoint(5, "5m"))
