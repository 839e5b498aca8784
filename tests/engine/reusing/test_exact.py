"""The first tier."""

from __future__ import annotations

import pytest

from tests.core.earlier.test_answer import kept
from tests.engine.reusing.check_store import NOW_S
from tests.engine.reusing.stage import question
from thriftgate.core.earlier.rules import Rule
from thriftgate.core.plan import Skip
from thriftgate.engine.reusing.exact import Exact
from thriftgate.engine.reusing.store import Bounds, MemoryStore
from thriftgate.engine.reusing.tier import Found


async def test_the_answer_to_the_very_same_call() -> None:
    tier = Exact(MemoryStore(Bounds()))
    asked = question()
    assert await tier.look(asked, NOW_S) == Skip("no earlier answer to this call is kept")
    answer = kept(tenant=asked.tenant)
    await tier.heard(asked, answer)
    assert await tier.look(asked, NOW_S + 99.9) == Found(answer, "to the very same call", "reuse.exact")
    await tier.forget(asked.tenant)
    assert isinstance(await tier.look(asked, NOW_S), Skip)
    await tier.close()


@pytest.mark.parametrize(("age_s", "found"), [(0.0, True), (99.9, True), (100.0, False), (1e6, False), (-1.0, False)])
async def test_for_as_long_as_its_rule_says(age_s: float, found: bool) -> None:
    """Also where the clock was set back, or the rule changed."""
    tier = Exact(MemoryStore(Bounds()))
    await tier.heard(question(rule=Rule("long", ttl_s=1e7)), kept())
    assert isinstance(await tier.look(question(), NOW_S + age_s), Found) == found


async def test_even_under_the_same_digest_another_tenants_answer_is_not_given() -> None:
    tier = Exact(MemoryStore(Bounds()))
    await tier.heard(question(), kept(tenant=b"o" * 32))
    assert await tier.look(question(), NOW_S) == Skip("the answer that is kept is another tenant's")


async def test_tool_use_by_the_rule_as_it_is_now() -> None:
    tier = Exact(MemoryStore(Bounds()))
    await tier.heard(question(), kept(stop_reason="tool_use"))
    assert isinstance(await tier.look(question(), NOW_S), Skip)
    assert isinstance(await tier.look(question(rule=Rule("tools", may_tool_use=True)), NOW_S), Found)
