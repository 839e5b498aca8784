"""The guard on an agent that calls Opus 4.8: 1,000 tokens each way are at most $0.03."""

from __future__ import annotations

import pytest

from tests.core.agents.sessions import Session
from tests.core.planning import request_of, state_of
from thriftgate.core.agents.limits import Amount, Guard, GuardLimits, Spent
from thriftgate.core.agents.loops import find_loop
from thriftgate.core.agents.said import Reader
from thriftgate.core.levers.agent_guard import AgentGuard
from thriftgate.core.money import pico_from_usd
from thriftgate.core.plan import Plan, Policy
from thriftgate.core.planner import make_plan
from thriftgate.core.prices import Terms
from thriftgate.core.state import State
from thriftgate.core.usage import Tokens, Usage

LEVER = AgentGuard()
REQUEST = request_of(max_tokens=1_000)


class Guarded(State, frozen=True):
    """A snapshot with what is known of the agent."""

    guard: Guard | None = None


def plan_of(guard: Guard | None) -> Plan:
    state = state_of(REQUEST, tokens=1_000)
    members = {name: getattr(state, name) for name in state.__struct_fields__ if name != "guard"}
    return make_plan(REQUEST, Guarded(**members, guard=guard), Policy((LEVER.id,)), (LEVER,))


def spent(usd: str) -> Spent:
    return Spent(Amount(10, pico_from_usd(usd)), calls=3)


CEILING = GuardLimits(conversation_pico=pico_from_usd("2"))
WARNING = GuardLimits(conversation_pico=pico_from_usd("2"), on_limit="warn")
GUARDS = [
    (None, "skipped"),
    (Guard(CEILING, spent("1.97")), "skipped"),
    (Guard(CEILING, spent("1.970000000001")), "refused"),
    (Guard(WARNING, spent("1.970000000001")), "warned"),
]


@pytest.mark.parametrize(("guard", "decision"), GUARDS)
def test_ceilings(guard: Guard | None, decision: str) -> None:
    plan = plan_of(guard)
    assert plan.decisions[0].decision == decision
    assert (plan.refusal is not None) == (decision == "refused")
    assert plan.body is REQUEST.body
    assert plan.applied() == ()


def test_a_loop_is_told() -> None:
    session = Session()
    for _ in range(5):
        session.bash("npm test", "1 failing")
    limits = GuardLimits()
    assert limits.loops is not None
    loop = find_loop(session.turns(), limits.loops, Reader())
    (decision,) = plan_of(Guard(limits, loop=loop)).decisions
    assert decision.decision == "warned"
    assert decision.reason == (
        "the agent seems to be in a loop: Bash made the same call 5 times in a row, and it brought the same result each time"
    )
    assert plan_of(Guard(GuardLimits(on_loop="stop"), loop=loop)).refusal is not None


def test_a_guard_saves_nothing_in_the_books() -> None:
    usage, terms = Usage(Tokens(1, 2, 3, 4, 5)), Terms("claude-opus-4-8", 20_700)
    assert LEVER.undo(usage, terms) == (usage, terms)
