"""A state is a value: equal when what is known is equal, and never changed by planning."""

from __future__ import annotations

import msgspec
import pytest

from tests.core.planning import LONG, request_of, state_of
from thriftgate.core.cache import CacheRules
from thriftgate.core.plan import Policy
from thriftgate.core.planner import make_plan


def test_states_of_the_same_knowledge_are_equal() -> None:
    request = request_of(system=LONG)
    one, two = state_of(request), state_of(request)
    assert msgspec.structs.replace(two, prefix=one.prefix) == one
    assert one.prefix.chain == two.prefix.chain
    assert one.rules == CacheRules()


def test_nobody_changes_a_state() -> None:
    state = state_of(request_of())
    with pytest.raises(AttributeError):
        state.now_s = 0.0  # type: ignore[misc]


def test_planning_leaves_the_state_as_it_was() -> None:
    request = request_of(system=LONG)
    state = state_of(request)
    before = dict(state.residency), state.outlook, state.cumulative
    make_plan(request, state, Policy())
    assert (dict(state.residency), state.outlook, state.cumulative) == before
