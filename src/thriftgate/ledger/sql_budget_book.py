"""The budgets of a SQLite ledger, for those who look at them and change them."""

from __future__ import annotations

from collections.abc import Sequence

from thriftgate.core.control.budgets import Budget, Standing
from thriftgate.ledger.budgets import PastSlot
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budgets import all_budgets, clear_doubt, past_slots, put_budget, standings


class SqlBudgetBook:
    """See `budgets.BudgetBook`."""

    def __init__(self, ledger: SqlLedger) -> None:
        self._ledger = ledger

    async def all(self) -> Sequence[Budget]:
        return await self._ledger.ask(all_budgets)

    async def standings(self, now_us: int) -> Sequence[Standing]:
        return await self._ledger.ask(lambda connection: standings(connection, now_us))

    async def put(self, budget: Budget) -> None:
        await self._ledger.transact(lambda connection: put_budget(connection, budget))

    async def past(self, budget_id: str) -> Sequence[PastSlot]:
        return await self._ledger.ask(lambda connection: past_slots(connection, budget_id))

    async def clear_doubt(self, budget_id: str, member: str = "") -> int:
        return await self._ledger.transact(lambda connection: clear_doubt(connection, budget_id, member))
