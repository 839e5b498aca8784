"""The benchmark of the ledger on few calls: its books are books, and each question is answered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest
from benchmarks.ledger.__main__ import main
from benchmarks.ledger.books import write_month

from thriftgate.ledger.sql import SqlLedger


def test_the_books_balance_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    write_month(str(path), 2_000)

    async def see() -> None:
        ledger = SqlLedger.open(path)
        assert await ledger.unbalanced() == []
        entries = await ledger.entries(limit=2_000)
        assert len(entries) == 2_000
        report = await ledger.report()
        assert (report.calls, report.open_holds) == (2_000, 0)
        assert report.paid_pico == -sum(entry.posted("upstream") for entry in entries)
        assert len(report.by_key) > 50
        await ledger.close()

    asyncio.run(see())


def test_a_short_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--calls", "3000", "--rounds", "1", "--settle", "64", "--work", str(tmp_path), "--json"]) == 0
    document = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1])
    (book,) = document["books"]
    assert (book["calls"], book["differing"]) == (3_000, 0)
    assert {one["name"] for one in book["answers"]} >= {"spend by key", "report", "cache report", "latency by model"}
    assert [one["at_once"] for one in document["settling"]] == [1, 1, 8, 8, 64, 64]
    assert list(tmp_path.iterdir()) == []
