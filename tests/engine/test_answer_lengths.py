"""What whole answers teach about lengths."""

from __future__ import annotations

from tests.fixtures import call_of, engine_on, message, simulator


async def test_whole_answers_of_a_task_tell_how_long_its_answers_are() -> None:
    headers = {"x-api-key": "sk-ant-sim-a.main-1", "thriftgate-task": "short", "anthropic-version": "2023-06-01"}
    async with engine_on(simulator()) as engine:
        for _ in range(40):
            reply = await engine.messages(call_of(message("[[sim: out=50]]"), headers=headers))
            assert reply.status == 200, reply.body
        entry = (await engine.ledger.entries())[0]
        mean = engine.knowledge.lengths.mean((entry.key, entry.model, "short", ""))
    assert mean is not None
    assert abs(mean.tokens - 50) < 5


async def test_where_no_task_is_known_nothing_is_learned() -> None:
    async with engine_on(simulator(), routing={"observe": False}) as engine:
        await engine.messages(call_of(message()))
        entry = (await engine.ledger.entries())[0]
        assert engine.knowledge.lengths.mean((entry.key, entry.model, "", "")) is None
