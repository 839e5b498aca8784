"""Budgets made, changed, shown and ended."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.contracts.check_budgets import NOW_US, costing, taking
from thriftgate.core.errors import InputError, NotAllowed, NotThere
from thriftgate.ledger.budget_desk import BudgetDesk, Wanted
from thriftgate.ledger.issuing import HOST, Actor, Issuer
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook
from thriftgate.ledger.sql_tenants import SqlTenants

WANTED = Wanted("search", "10", ("team=search",), "day", "Europe/Zurich", stages=("50", "80:cheaper:m"))


async def test_a_budgets_life() -> None:
    ledger = SqlLedger.open(":memory:")
    numbers = itertools.count(1)
    tenants = SqlTenants(ledger)
    issuer = Issuer(tenants, HOST, lambda: NOW_US)
    team = await issuer.add_team("search")
    desk = BudgetDesk(SqlBudgetBook(ledger), tenants, ["m"], lambda: f"bud_{next(numbers)}")
    made = await desk.put(WANTED, NOW_US)
    assert [made[name] for name in ("id", "name", "zone")] == ["bud_1", "search", "Europe/Zurich"]
    assert made["stages"] == ["50", "80:cheaper:m"]
    assert (made["scope"], made["scope_names"]) == ([f"team={team.id}"], ["team=search"])
    assert (await desk.put(replace(WANTED, limit_usd="20", stages=None), NOW_US))["id"] == "bud_1"
    (standing,) = (await desk.all(NOW_US))["budgets"]
    assert (standing["limit_usd"], standing["stages"], standing["left_usd"]) == ("20", ["50", "80:cheaper:m"], "20")
    with pytest.raises(InputError, match="there is no team 'b'"):
        await desk.put(replace(WANTED, scope=("team=b",)), NOW_US)
    for wanted in (replace(WANTED, scope=("key=b",)), replace(WANTED, window="week"), replace(WANTED, zone="UTC")):
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
    with pytest.raises(NotThere, match="there is no budget 'all'"):
        await desk.show("all", NOW_US)
    assert other["hard"]
    with pytest.raises(InputError, match="say how much"):
        await desk.put(Wanted("new"), NOW_US)
    deeds = [(one.action, one.subject, one.detail) for one in await tenants.deeds()]
    assert ("clear doubt", "bud_2", "all: 0.25 USD freed") in deeds
    assert ("set budget", "bud_1", "search: 20 USD a day") in deeds
    await ledger.close()


async def test_a_teams_administrator_reaches_its_own(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    tenants, numbers = SqlTenants(ledger), itertools.count(1)
    issuer = Issuer(tenants, HOST, lambda: NOW_US)
    mine, other = await issuer.add_team("mine"), await issuer.add_team("other")

    def desk_of(actor: Actor) -> BudgetDesk:
        return BudgetDesk(SqlBudgetBook(ledger), tenants, [], lambda: f"bud_{next(numbers)}", actor)

    host, theirs = desk_of(HOST), desk_of(Actor("key_1", "key", "team-admin", writes=True, team=mine.id))
    await host.put(Wanted("all", "9"), NOW_US)
    await host.put(Wanted("other", "9", (f"team={other.id}",)), NOW_US)
    made = await theirs.put(Wanted("mine", "5", ("team=mine", "tier=opus")), NOW_US)
    assert made["scope_names"] == ["team=mine", "tier=opus"]
    assert [one["name"] for one in (await theirs.all(NOW_US))["budgets"]] == ["mine"]
    for wanted in (Wanted("new", "5"), Wanted("new", "5", ("team=other",)), Wanted("new", "5", ("team=*",))):
        with pytest.raises(NotAllowed, match="its own team"):
            await theirs.put(wanted, NOW_US)
    for name in ("all", "other"):
        with pytest.raises(NotThere):
            await theirs.end(name, NOW_US)
    await ledger.close()
