"""Budgets made, changed, shown and ended."""

from __future__ import annotations

import itertools

import pytest
from msgspec.structs import replace

from tests.contracts.check_budgets import NOW_US, costing, taking
from thriftgate.core.errors import InputError
from thriftgate.ledger.budget_desk import BudgetDesk, Wanted
from thriftgate.ledger.sqlite import SqliteLedger
from thriftgate.ledger.sqlite_budget_book import SqliteBudgetBook

WANTED = Wanted("search", "10", ("team=search",), "day", "Europe/Zurich", stages=("50", "80:cheaper:m"))


async def test_a_budgets_life() -> None:
    ledger = SqliteLedger.open(":memory:")
    numbers = itertools.count(1)
    desk = BudgetDesk(SqliteBudgetBook(ledger), ["m"], lambda: f"bud_{next(numbers)}")
    made = await desk.put(WANTED, NOW_US)
    assert [made[name] for name in ("id", "name", "zone")] == ["bud_1", "search", "Europe/Zurich"]
    assert made["stages"] == ["50", "80:cheaper:m"]
    assert (await desk.put(replace(WANTED, limit_usd="20", stages=None), NOW_US))["id"] == "bud_1"
    (standing,) = (await desk.all(NOW_US))["budgets"]
    assert (standing["limit_usd"], standing["stages"], standing["left_usd"]) == ("20", ["50", "80:cheaper:m"], "20")
    for wanted in (replace(WANTED, scope=("team=b",)), replace(WANTED, window="week"), replace(WANTED, zone="UTC")):
        with pytest.raises(InputError, match="its scope and window stay"):
            await desk.put(wanted, NOW_US)
    other = await desk.put(Wanted("all", "1"), NOW_US)
    hold = taking("a", 0.5)
    await ledger.hold(hold)
    await ledger.settle(costing(hold, 0.25, usage_source="estimated", outcome="lost", status=0))
    (standing,) = (await desk.show("all", NOW_US))["standings"]
    assert (standing["spent_usd"], standing["in_doubt_usd"], standing["percent"]) == ("0.25", "0.25", 50)
    assert (await desk.clear("bud_2", "", NOW_US))["freed_usd"] == "0.25"
    assert (await desk.end("all", NOW_US))["ended"]
    with pytest.raises(InputError, match="there is no budget 'all'"):
        await desk.show("all", NOW_US)
    assert other["hard"]
    with pytest.raises(InputError, match="say how much"):
        await desk.put(Wanted("new"), NOW_US)
    await ledger.close()
