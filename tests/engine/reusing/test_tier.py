"""What is handed to tiers, and that those there are keep to the protocol."""

from __future__ import annotations

from tests.core.earlier.test_answer import kept
from tests.engine.reusing.stage import question
from thriftgate.engine.reusing.exact import Exact
from thriftgate.engine.reusing.store import Bounds, MemoryStore
from thriftgate.engine.reusing.tier import Found, Tier


async def test_a_tier_hears_of_answers_and_finds_them() -> None:
    tiers: tuple[Tier, ...] = (Exact(MemoryStore(Bounds())),)
    for tier in tiers:
        asked = question()
        await tier.heard(asked, kept(tenant=asked.tenant))
        found = await tier.look(asked, kept().at_s)
        assert isinstance(found, Found)
        assert (found.lever, found.answer.id) == (tier.lever, "tg_1")
        await tier.close()
