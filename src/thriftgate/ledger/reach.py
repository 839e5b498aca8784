"""How far somebody reaches among budgets and limits, what these are called, and who has done what to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from thriftgate.core.errors import NotAllowed
from thriftgate.ledger.issuing import Actor
from thriftgate.ledger.scope_names import ScopeNames
from thriftgate.ledger.tenants import Deed, Tenants


class Reach:
    """Of `actor`: a team's administrator sees and changes what is of that team alone. `what` it is about is for people, such
    as `budget`."""

    def __init__(self, tenants: Tenants, actor: Actor, what: str) -> None:
        self._tenants = tenants
        self._names = ScopeNames(tenants)
        self._actor = actor
        self._what = what

    async def resolved(self, scope: Sequence[str]) -> tuple[str, ...]:
        """See `ScopeNames.resolved`."""
        return await self._names.resolved(scope)

    def over(self, scope: Sequence[str]) -> bool:
        """Whether a thing with that scope is within it."""
        return self._actor.role != "team-admin" or f"team={self._actor.team}" in scope

    def check(self, scope: Sequence[str]) -> None:
        """Raises NotAllowed."""
        if not self.over(scope):
            raise NotAllowed(f"{self._actor.who} may only set {self._what}s of its own team: scope team={self._actor.team}")

    async def named(self, document: dict[str, Any]) -> dict[str, Any]:
        """With its scope, and its member where it has one, as people call them, beside the ids."""
        found = document | {"scope_names": await self._names.told(document["scope"])}
        if "member" in document:
            found["member_name"] = ",".join(await self._names.told(document["member"].split(",")))
        return found

    async def did(self, verb: str, thing: str, name: str, now_us: int, detail: str = "") -> None:
        """Put down who has done that."""
        actor = self._actor
        action = verb if " " in verb else f"{verb} {self._what}"
        await self._tenants.do(Deed(now_us, actor.who, actor.via, action, thing, f"{name}: {detail}".strip(": ")))
