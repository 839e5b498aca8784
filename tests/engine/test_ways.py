"""The ways in which a call is made: what is taken for one that ends is given back. What each way does is told in the tests
of the cascade, of answers that are looked at, of carrying, failover and hedging."""

from __future__ import annotations

import pytest

from tests.engine.test_budgeting import budget, put
from tests.fixtures import assert_sound, call_of, engine_on, message
from tests.scripted import Hosts, Provider, say_error, targets
from thriftgate.core.errors import BudgetExceeded


async def test_a_call_that_a_budget_has_no_room_for_is_booked_as_refused_wherever_it_would_go() -> None:
    hosts = Hosts(one=Provider(say_error(529, "overloaded_error")), two=Provider())
    async with engine_on(transport=hosts, **targets("one", "two", two={"order": 1})) as engine:
        await put(engine, budget(1))
        with pytest.raises(BudgetExceeded) as refused:
            await engine.messages(call_of(message()))
        assert hosts.sent == []
        (entry,) = await engine.ledger.entries()
        assert (entry.id, entry.outcome) == (refused.value.call_id, "refused")
        await assert_sound(engine.ledger)
