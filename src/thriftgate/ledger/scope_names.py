"""Scopes by the names that people give things, and by the ids that calls are booked under."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from thriftgate.core.errors import InputError
from thriftgate.ledger.tenants import Key, Org, Team, Tenants, User

_KINDS: Mapping[str, type[Any]] = {"org": Org, "team": Team, "user": User, "key": Key}
_STRICT = ("org", "team")
"""What exists only where it was made. A user may be an end user that a caller names, a key one of the provider's own."""


class ScopeNames:
    """Conditions of the form `kind=value`. All verbs raise LedgerError."""

    def __init__(self, tenants: Tenants) -> None:
        self._tenants = tenants

    async def resolved(self, scope: Sequence[str]) -> tuple[str, ...]:
        """With names of organisations, teams, users and keys as their ids. Raises InputError for one that there is not, or
        that several have."""
        return tuple([await self._resolved(condition) for condition in scope])

    async def told(self, scope: Sequence[str]) -> list[str]:
        """With ids as the names that people know."""
        return [await self._told(condition) for condition in scope]

    async def _resolved(self, condition: str) -> str:
        kind, _, value = condition.partition("=")
        if kind not in _KINDS or value in ("", "*"):
            return condition
        found = await self._tenants.named(_KINDS[kind], value)
        if len(found) > 1:
            ids = ", ".join(one.id for one in found)
            raise InputError(f"scope {condition!r}: several are called {value!r}: name one by its id, {ids}")
        if not found and kind in _STRICT:
            raise InputError(f"scope {condition!r}: there is no {kind} {value!r}; `thriftgate teams list` shows all")
        return f"{kind}={found[0].id}" if found else condition

    async def _told(self, condition: str) -> str:
        kind, _, value = condition.partition("=")
        thing = await self._tenants.get(_KINDS[kind], value) if kind in _KINDS else None
        return f"{kind}={thing.name}" if thing is not None else condition
