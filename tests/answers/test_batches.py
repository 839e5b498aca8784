"""Runs of batches as documents; `tests/cli/test_batch_show.py` has runs with jobs in them."""

from __future__ import annotations

from pathlib import Path

from tests.fixtures import books
from thriftgate.answers.batches import runs_document, runs_of
from thriftgate.ledger.sql_jobs import SqlJobs


async def test_no_run_is_no_error(tmp_path: Path) -> None:
    async with books(tmp_path / "books.db") as ledger:
        told = await runs_document(SqlJobs(ledger))
        assert await runs_of(SqlJobs(ledger)) == []
    assert told == {
        "jobs": 0, "succeeded": 0, "failed": {}, "cost_usd": "0", "saved_usd": "0", "batches": [], "runs": [],
    }  # fmt: skip
