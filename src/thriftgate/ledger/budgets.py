"""Where budgets are kept. What calls take of them, and give back, is part of `Ledger.hold` and `Ledger.settle`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from msgspec import Struct

from thriftgate.core.control.budgets import Budget, Standing


class PastSlot(Struct, frozen=True):
    """What was spent of a budget in one slot of its window that began at `slot_us` (microseconds), and what of it is in
    doubt (pico-USD)."""

    member: str
    slot_us: int
    spent_pico: int
    doubt_pico: int


class BudgetBook(Protocol):
    """The budgets of a set of books. All verbs raise LedgerError."""

    async def all(self) -> Sequence[Budget]:
        """Every one there ever was, those that were ended included."""

    async def standings(self, now_us: int) -> Sequence[Standing]:
        """How those that stand do, with each member that has spent or holds anything in its window."""

    async def put(self, budget: Budget) -> None:
        """Make one, change the name, limit, kind and stages of one, or end it. Raises InputError."""

    async def past(self, budget_id: str) -> Sequence[PastSlot]:
        """What is kept of its windows, the newest first."""

    async def clear_doubt(self, budget_id: str, member: str = "") -> int:
        """What was in doubt is known not to be billed: it may be spent again. Returns how much that was (pico-USD)."""
