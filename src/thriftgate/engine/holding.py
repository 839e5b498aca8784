"""What is held for a call before it is sent, and given back when it is over: in the books, and of its caller's purses."""

from __future__ import annotations

from thriftgate.core.control.budgets import Standing
from thriftgate.core.errors import BudgetExceeded, LedgerError
from thriftgate.engine import purse
from thriftgate.engine.settle import Prepared, hold_of
from thriftgate.ledger.entries import UPSTREAM, Entry, Ledger


async def held(ledger: Ledger, prepared: Prepared, provider: str) -> tuple[Standing, ...]:
    """Hold the most that the call can cost. Raises BudgetExceeded and LedgerError, with nothing held."""
    hold = hold_of(prepared, provider)
    purse.take(prepared.purses, hold.id, hold.worst_pico)
    try:
        return await ledger.hold(hold)
    except (BudgetExceeded, LedgerError):
        purse.drop(prepared.purses, hold.id)
        raise


def give_back(prepared: Prepared, entry: Entry) -> None:
    """The call is over: its purses count what it has cost."""
    purse.settle(prepared.purses, entry.id, -entry.posted(UPSTREAM))
