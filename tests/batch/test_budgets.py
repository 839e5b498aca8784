"""Batches under a hard budget: never more is sent than it has room for, and what is left goes on once there is room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from tests.batch.stage import Stage, params
from tests.batch.test_runner import QUICK
from thriftgate.batch.work import Options, Stopped
from thriftgate.core.control.budgets import Budget
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_budget_book import SqlBudgetBook

BUDGET = Budget("bud_1", "night", 1, window="total", stages=())


def book_of(stage: Stage) -> SqlBudgetBook:
    ledger = stage.engine.ledger
    assert isinstance(ledger, SqlLedger)
    return SqlBudgetBook(ledger)


async def worst_of(folder: Path, bodies: list[dict[str, Any]]) -> int:
    """What all these may cost in batches, at most."""
    folder.mkdir()
    stage = Stage(folder, bodies, rules=QUICK)
    await stage.open()
    await stage.step()
    worst = stage.work.held_pico()
    await stage.close()
    return worst


@pytest.mark.parametrize("scope", [(), ("tier=haiku",), ("key=*",)])
async def test_a_budget_is_never_overspent_by_batches(tmp_path: Path, scope: tuple[str, ...]) -> None:
    bodies = [params(number) for number in range(30)]
    worst = await worst_of(tmp_path / "first", bodies)
    stage = Stage(tmp_path, bodies, rules=QUICK, options=Options(requests_max=4))
    await stage.open()
    limit = worst // 4
    await book_of(stage).put(replace(BUDGET, limit_pico=limit, scope=scope))

    async def watched() -> None:
        while await stage.step():
            for one in await book_of(stage).standings(stage.work.now_us()):
                assert one.used_pico + one.held_pico <= limit
            assert stage.bill_pico() <= limit

    with pytest.raises(Stopped, match=r"jobs are left, and budget night has \$[0-9.]+ left for them; run the same command"):
        await watched()
    settled = stage.work.progress.settled
    assert 5 < settled < 30
    (one,) = await book_of(stage).standings(stage.work.now_us())
    assert (one.held_pico, one.spent_pico) == (0, stage.bill_pico())
    await book_of(stage).put(replace(BUDGET, limit_pico=2 * worst, scope=scope))
    await stage.close()
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    await stage.check()


async def test_what_others_take_in_between_is_no_loss(tmp_path: Path) -> None:
    """Between the look at what is left and the hold, another process was quicker."""
    bodies = [params(number) for number in range(6)]
    stage = Stage(tmp_path, bodies, rules=QUICK, options=Options(requests_max=4))
    await stage.open()
    await book_of(stage).put(replace(BUDGET, limit_pico=1000))

    async def blind() -> tuple[int | None, str]:
        return None, ""

    stage.work.room = blind
    with pytest.raises(Stopped, match="6 jobs are left, and budget night"):
        await stage.step()
    assert not await stage.engine.ledger.open_holds()
    await book_of(stage).put(replace(BUDGET, limit_pico=10**12))
    await stage.close()
    assert {line.kind for line in await stage.run()} == {"succeeded"}
    await stage.check()
