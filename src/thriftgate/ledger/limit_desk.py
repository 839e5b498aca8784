"""Limits made, changed, shown and ended: what the command line, the API and the pages do, in one place.

All verbs raise InputError for what is wrong with the question, and LedgerError. How much of a limit is used is known only to
the gateway that lets calls in: its answers tell it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.core.control.limit_words import limit_document, metric_of, per_of, units_of
from thriftgate.core.control.limits import Limit, checked
from thriftgate.core.errors import InputError, NotThere
from thriftgate.ledger.issuing import HOST, Actor
from thriftgate.ledger.limits import LimitBook
from thriftgate.ledger.reach import Reach
from thriftgate.ledger.tenants import Tenants


class WantedLimit(Struct, frozen=True, forbid_unknown_fields=True):
    """What somebody wants a limit to be. None leaves what is, or takes what is usual. `amount` and `burst` are decimal
    numbers, of US dollars where the metric is `usd`."""

    name: str
    metric: str | None = None
    amount: str | None = None
    per: str | None = None
    burst: str | None = None
    scope: tuple[str, ...] = ()


class LimitDesk:
    """At which `actor` stands: a team's administrator sees and changes the limits of that team alone. `new_id` draws ids."""

    def __init__(self, book: LimitBook, tenants: Tenants, new_id: Callable[[], str], actor: Actor = HOST) -> None:
        self._book = book
        self._reach = Reach(tenants, actor, "limit")
        self._new_id = new_id

    async def put(self, wanted: WantedLimit, now_us: int) -> dict[str, Any]:
        """Make it, or change the amount and burst of the one with that name. Raises NotAllowed."""
        wanted = replace(wanted, scope=await self._reach.resolved(wanted.scope))
        limit = checked(self._changed(await self._find(wanted.name), wanted, now_us))
        self._reach.check(limit.scope)
        await self._book.put(limit)
        document = limit_document(limit)
        told = f"{document['amount_usd'] or document['amount']} {limit.metric}" + (
            f" a {limit.per}" if document["per"] else ""
        )
        await self._reach.did("set", limit.id, limit.name, now_us, told)
        return await self._reach.named(document)

    async def all(self) -> dict[str, Any]:
        """All that stand."""
        found = [one for one in await self._book.all() if not one.ended_us and self._reach.over(one.scope)]
        return {"limits": [await self._reach.named(limit_document(one)) for one in found]}

    async def show(self, name: str) -> dict[str, Any]:
        """One of them."""
        return await self._reach.named(limit_document(await self._known(name)))

    async def end(self, name: str, now_us: int) -> dict[str, Any]:
        """End it."""
        limit = replace(await self._known(name), ended_us=now_us)
        await self._book.put(limit)
        await self._reach.did("end", limit.id, limit.name, now_us)
        return await self._reach.named(limit_document(limit))

    def _changed(self, found: Limit | None, wanted: WantedLimit, now_us: int) -> Limit:
        if found is None:
            if wanted.metric is None or wanted.amount is None:
                raise InputError(f"there is no limit {wanted.name!r}; to make it, say what is counted, and how much")
            metric = metric_of(wanted.metric)
            amount = units_of(metric, wanted.amount)
            found = Limit(self._new_id(), wanted.name, metric, amount, scope=wanted.scope, created_us=now_us)
            if wanted.per is not None:
                found = replace(found, per=per_of(wanted.per))
        elif (
            (wanted.scope and set(wanted.scope) != set(found.scope))
            or metric_of(wanted.metric or found.metric) != found.metric
            or per_of(wanted.per or found.per) != found.per
        ):
            raise InputError(f"limit {found.name!r}: what it counts stays as it is; end it and make a new one")
        return replace(
            found,
            amount=found.amount if wanted.amount is None else units_of(found.metric, wanted.amount),
            burst=found.burst if wanted.burst is None else units_of(found.metric, wanted.burst),
        )

    async def _known(self, name: str) -> Limit:
        found = await self._find(name)
        if found is None:
            raise NotThere(f"there is no limit {name!r}; `thriftgate limits list` shows all")
        return found

    async def _find(self, name: str) -> Limit | None:
        """One that stands, by its name or id, as far as the actor sees it."""
        those = [one for one in await self._book.all() if not one.ended_us and name in (one.name, one.id)]
        return next((one for one in those if self._reach.over(one.scope)), None)
