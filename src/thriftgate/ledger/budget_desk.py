"""Budgets made, changed, shown and ended: what the command line, the API and the pages do, in one place.

All verbs raise InputError for what is wrong with the question, and LedgerError.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from zoneinfo import available_timezones

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.control.budget_words import budget_document, parse_stages, standing_document
from thriftgate.core.control.budgets import Budget, checked
from thriftgate.core.errors import InputError, NotAllowed, NotThere
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.ledger.budgets import BudgetBook
from thriftgate.ledger.issuing import HOST, Actor
from thriftgate.ledger.scope_names import ScopeNames
from thriftgate.ledger.tenants import Deed, Tenants


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants a budget to be. None leaves what is, or takes what is usual. `limit_usd` is a decimal number."""

    name: str
    limit_usd: str | None = None
    scope: tuple[str, ...] = ()
    window: str | None = None
    zone: str | None = None
    hard: bool | None = None
    stages: tuple[str, ...] | None = None


class BudgetDesk:
    """At which `actor` stands: a team's administrator sees and changes the budgets of that team alone. `models` are
    those that calls may be sent to; `new_id` draws ids."""

    def __init__(
        self,
        book: BudgetBook,
        tenants: Tenants,
        models: Sequence[str],
        new_id: Callable[[], str],
        actor: Actor = HOST,
    ) -> None:
        self._book = book
        self._tenants = tenants
        self._names = ScopeNames(tenants)
        self._models = models
        self._new_id = new_id
        self._actor = actor

    async def put(self, wanted: Wanted, now_us: int) -> dict[str, Any]:
        """Make it, or change the limit, kind and stages of the one with that name; how it stands then. Raises NotAllowed."""
        wanted = replace(wanted, scope=await self._names.resolved(wanted.scope))
        budget = self._changed(await self._find(wanted.name), wanted, now_us)
        budget = checked(budget, zones=available_timezones(), models=self._models)
        if not self._reaches(budget):
            raise NotAllowed(f"{self._actor.who} may only set budgets of its own team: scope team={self._actor.team}")
        await self._book.put(budget)
        await self._did("set budget", budget, now_us, f"{usd_from_pico(budget.limit_pico)} USD a {budget.window}")
        return await self._shown(budget, now_us)

    async def all(self, now_us: int) -> dict[str, Any]:
        """How all that stand do."""
        mine = f"team={self._actor.team}"
        standings = await self._book.standings(now_us)
        found = [one for one in standings if self._reaches(one.budget) or mine in one.member.split(",")]
        return {"budgets": [await self._named(standing_document(one, now_us)) for one in found]}

    async def show(self, name: str, now_us: int) -> dict[str, Any]:
        """One of them, with its past."""
        return await self._shown(await self._known(name), now_us)

    async def end(self, name: str, now_us: int) -> dict[str, Any]:
        """End it. What was spent of it stays known."""
        budget = replace(await self._known(name), ended_us=now_us)
        await self._book.put(budget)
        await self._did("end budget", budget, now_us)
        return await self._named(budget_document(budget))

    async def clear(self, name: str, member: str, now_us: int) -> dict[str, Any]:
        """Free what is in doubt."""
        budget = await self._known(name)
        freed = await self._book.clear_doubt(budget.id, member)
        await self._did("clear doubt", budget, now_us, f"{usd_from_pico(freed)} USD freed")
        return await self._shown(budget, now_us) | {"freed_usd": usd_from_pico(freed)}

    def _changed(self, found: Budget | None, wanted: Wanted, now_us: int) -> Budget:
        limit = None if wanted.limit_usd is None else pico_from_usd(wanted.limit_usd)
        stages = None if wanted.stages is None else parse_stages(wanted.stages)
        if found is None:
            if limit is None:
                raise InputError(f"there is no budget {wanted.name!r}; to make it, say how much may be spent")
            made = Budget(self._new_id(), wanted.name, limit, wanted.scope, created_us=now_us)
            found = replace(made, window=wanted.window or made.window, zone=wanted.zone or made.zone)
        elif (
            (wanted.scope and set(wanted.scope) != set(found.scope))
            or (wanted.window or found.window) != found.window
            or (wanted.zone or found.zone) != found.zone
        ):
            raise InputError(f"budget {found.name!r}: its scope and window stay as they are; end it and make a new one")
        return replace(
            found,
            limit_pico=found.limit_pico if limit is None else limit,
            hard=found.hard if wanted.hard is None else wanted.hard,
            stages=found.stages if stages is None else stages,
        )

    async def _shown(self, budget: Budget, now_us: int) -> dict[str, Any]:
        standings = [one for one in await self._book.standings(now_us) if one.budget.id == budget.id]
        past = [
            {"since": text_from_micros(one.slot_us), "member": one.member, "spent_usd": usd_from_pico(one.spent_pico)}
            for one in await self._book.past(budget.id)
        ]
        return await self._named(budget_document(budget)) | {
            "past": past,
            "standings": [await self._named(standing_document(one, now_us)) for one in standings],
        }

    async def _named(self, document: dict[str, Any]) -> dict[str, Any]:
        """With its scope and member as people call them, beside the ids."""
        members = document.get("member", "").split(",")
        return document | {
            "scope_names": await self._names.told(document["scope"]),
            "member_name": ",".join(await self._names.told(members)),
        }

    def _reaches(self, budget: Budget) -> bool:
        return self._actor.role != "team-admin" or f"team={self._actor.team}" in budget.scope

    async def _did(self, action: str, budget: Budget, now_us: int, detail: str = "") -> None:
        actor = self._actor
        await self._tenants.do(Deed(now_us, actor.who, actor.via, action, budget.id, f"{budget.name}: {detail}".strip(": ")))

    async def _known(self, name: str) -> Budget:
        found = await self._find(name)
        if found is None:
            raise NotThere(f"there is no budget {name!r}; `thriftgate budget list` shows all")
        return found

    async def _find(self, name: str) -> Budget | None:
        """One that stands, by its name or id, as far as the actor sees it."""
        those = [one for one in await self._book.all() if not one.ended_us and name in (one.name, one.id)]
        return next((one for one in those if self._reaches(one)), None)
