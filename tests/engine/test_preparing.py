"""The way of a call from the door to its plan, where no other test walks it."""

from __future__ import annotations

import msgspec
import pytest

from tests.fixtures import call_of, engine_on, message, simulator
from thriftgate.core.errors import InputError, PolicyRefusal

JSON = msgspec.json.format(msgspec.json.encode([{"id": n, "name": f"item {n}"} for n in range(60)]), indent=4).decode()
LEVERS = ["route.rules", "cache.breakpoints", "compress.json", "count.guard"]


async def test_what_was_taken_out_is_priced_for_the_model_that_serves() -> None:
    rules = [{"to": "claude-haiku-5-5"}]
    async with engine_on(simulator(), policy={"levers": LEVERS}, routing={"rules": rules}) as engine:
        prepared, flight = await engine._preparer.prepare(call_of(message(f"```json\n{JSON}\n```")))
        engine.fanout.land(flight)
        assert prepared.unreduced is not None
        assert prepared.unreduced.state.capability.id == "claude-haiku-5-5"
        assert prepared.unreduced.tokens.prompt > prepared.plan.forecast.tokens.prompt
        (line,) = [one for one in prepared.plan.decisions if one.lever == "compress.json"]
        assert 0 < line.forecast_pico < 10**9  # at Haiku's price, not at that of the model asked for


async def test_a_limit_is_held_against_what_is_sent() -> None:
    """The prompt as it came would be refused."""
    limit = {"levers": LEVERS, "cost_limit_usd": "0.008"}
    body = message(f"```json\n{JSON}\n```", max_tokens=100)
    async with engine_on(simulator(), policy=limit | {"levers": ["count.guard"]}) as engine:
        with pytest.raises(PolicyRefusal):
            await engine.messages(call_of(body))
    async with engine_on(simulator(), policy=limit) as engine:
        assert (await engine.messages(call_of(body))).status == 200


async def test_what_cannot_be_read_is_booked_as_refused() -> None:
    async with engine_on(simulator(), policy={"levers": LEVERS}) as engine:
        with pytest.raises(InputError):
            await engine.messages(call_of(b"[]"))
        (entry,) = await engine.ledger.entries()
        assert (entry.outcome, entry.status) == ("refused", 400)
