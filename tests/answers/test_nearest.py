"""What an id could have meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.entries import OPENED_US, entry_of
from thriftgate.answers.nearest import nearest_calls
from thriftgate.ledger.sql import SqlLedger

NOW_S = OPENED_US / 1e6 + 60


async def filled(path: Path, *ages_s: int) -> tuple[SqlLedger, list[str]]:
    """Books with a call for each age before NOW_S."""
    ledger = SqlLedger.open(path)
    ids = []
    for number, age_s in enumerate(ages_s):
        ids.append(f"tg_{int((NOW_S - age_s) * 1e6):014x}{number:012x}")
        await ledger.settle(entry_of(id=ids[-1]))
    return ledger, ids


async def test_a_slip_at_the_end_finds_the_call(tmp_path: Path) -> None:
    ledger, ids = await filled(tmp_path / "l.db", 5_000, 4_000, 10)
    assert (await nearest_calls(ledger, ids[1][:-1] + "z", NOW_S))[0] == ids[1]
    await ledger.close()


@pytest.mark.parametrize("wanted", ["nonsense", "", "tg_", "tg_zzz"])
async def test_otherwise_recent_calls_are_named(tmp_path: Path, wanted: str) -> None:
    ledger, ids = await filled(tmp_path / "l.db", 90_000, 40, 20, 10)
    near = await nearest_calls(ledger, wanted, NOW_S)
    assert len(near) == 3
    assert set(near) <= set(ids)
    assert len(set(near)) == 3
    await ledger.close()


async def test_old_books_are_found_too(tmp_path: Path) -> None:
    ledger, ids = await filled(tmp_path / "l.db", 400 * 86_400)
    assert await nearest_calls(ledger, "x", NOW_S) == ids
    await ledger.close()


async def test_empty_books_have_nothing(tmp_path: Path) -> None:
    ledger, _ = await filled(tmp_path / "l.db")
    assert await nearest_calls(ledger, "tg_x", NOW_S) == []
    await ledger.close()
