"""The report: figures of each scope, and not a word of what was asked."""

from __future__ import annotations

from tests.engine.reusing.alike import Day, desk
from tests.engine.reusing.test_semantic import tier_of
from thriftgate.core.semantic.stages import Stages, Tally, Terms
from thriftgate.engine.reusing.standing import NAME, report_in, standing, state_of


async def test_what_is_told() -> None:
    async with desk() as (engine, _):
        day = Day(engine)
        await day.ask(20)
        (scope,) = tier_of(engine).scopes.values()
        assert standing(scope).state == "fills"
        await day.until_served()
        await day.ask(60)
        await engine._keeper.keep()
        data = await engine.ledger.kept(NAME)
        assert data is not None
        assert b"parking" not in data
        (told,) = report_in(data).scopes
        assert told == standing(scope)
        assert (told.task, told.state, told.max_error) == ("desk", "answers", 0.2)
        assert told.hits >= day.served
        assert told.low <= (told.wrong / told.audits if told.audits else 0.0) <= told.high
        assert told.certificates[0].limit == 0.1


def test_states() -> None:
    from tests.core.semantic.world import PlainIndex

    stages = Stages(Terms(0.1), PlainIndex())
    assert state_of(stages) == "fills"
    stages.tally = Tally(alarms=1)
    assert state_of(stages) == "begins anew"
