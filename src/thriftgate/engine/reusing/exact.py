"""The first tier: the answer to the very same call."""

from __future__ import annotations

from hmac import compare_digest

from thriftgate.core.earlier.answer import KeptAnswer
from thriftgate.core.earlier.never import TOOL_USE
from thriftgate.core.levers.reuse_exact import ReuseExact
from thriftgate.core.plan import Skip
from thriftgate.engine.reusing.store import Store
from thriftgate.engine.reusing.tier import Found, Question


class Exact:
    """See `tier.Tier`."""

    lever = ReuseExact.id

    def __init__(self, store: Store) -> None:
        self._store = store

    async def look(self, question: Question, now_s: float) -> Found | Skip:
        kept = await self._store.get(question.digest)
        if kept is None:
            return Skip("no earlier answer to this call is kept")
        if not compare_digest(kept.tenant, question.tenant):  # cannot be; and must not, whatever else is wrong
            return Skip("the answer that is kept is another tenant's")
        if not 0 <= now_s - kept.at_s < question.rule.ttl_s:
            return Skip(f"the earlier answer to this call is older than the {question.rule.ttl_s:g} s of its rule")
        if kept.stop_reason == TOOL_USE and not question.rule.may_tool_use:
            return Skip("the earlier answer to this call asks for tools, and its rule does not allow that")
        return Found(kept, "to the very same call", self.lever)

    async def heard(self, question: Question, answer: KeptAnswer) -> None:
        await self._store.put(question.digest, answer, answer.at_s + question.rule.ttl_s)

    async def unfit(self, question: Question) -> None:
        return

    async def forget(self, tenant: bytes) -> None:
        await self._store.forget(tenant)

    async def close(self) -> None:
        await self._store.close()
