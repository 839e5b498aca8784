"""`thriftgate reuse report`."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.cli.conftest import Run
from tests.engine.reusing.alike import Day, desk


async def _day(ledger: Path, *, certified: bool) -> None:
    async with desk(ledger={"path": str(ledger)}) as (engine, _):
        day = Day(engine)
        await (day.until_served() if certified else day.ask(3))


def test_reported(run: Run, tmp_path: Path) -> None:
    ledger = tmp_path / "books.db"
    asyncio.run(_day(ledger, certified=False))
    (scope,) = run("reuse", "report", "--ledger", str(ledger), "--json").json()["scopes"]
    assert (scope["task"], scope["state"], scope["items"], scope["certificates"]) == ("desk", "fills", 3, [])
    assert "3 kept" in run("reuse", "report", "--ledger", str(ledger)).out
    asyncio.run(_day(ledger, certified=True))
    found = run("reuse", "report", "--ledger", str(ledger), "--json").json()
    (scope,) = found["scopes"]
    (certificate,) = scope["certificates"]
    assert scope["state"] == "answers"
    assert certificate["limit"] == scope["max_error"] / 2 == 0.1
    assert certificate["p"] <= certificate["level"]
    assert certificate["at"] == found["at"]
    told = run("reuse", "report", "--ledger", str(ledger)).out
    assert "answers" in told
    assert "20.0%" in told


def test_where_nothing_is_known(run: Run, tmp_path: Path) -> None:
    asyncio.run(_empty(tmp_path / "books.db"))
    told = run("reuse", "report", "--ledger", str(tmp_path / "books.db"))
    assert "nothing is known" in told.err
    assert run("reuse", "report", "--ledger", str(tmp_path / "none.db")).code == 2


async def _empty(ledger: Path) -> None:
    from tests.fixtures import engine_on, simulator

    async with engine_on(simulator(), ledger={"path": str(ledger)}):
        pass
