"""The words of work that is done later. What a job book does with them: tests/contracts/check_jobs.py."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.jobs import (
    OPEN_BATCHES,
    Answer,
    BatchRow,
    BatchState,
    Body,
    Bound,
    Fenced,
    Group,
    Job,
    JobBook,
    Lease,
    Outcome,
    Run,
    Tally,
)
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_jobs import SqlJobs


def test_a_worker_that_was_fenced_can_tell_it_from_books_that_fail() -> None:
    error = Fenced("another worker")
    assert isinstance(error, LedgerError)
    assert (error.label, LedgerError.label) == ("fenced", "ledger")
    assert str(type(error)(str(error))) == "another worker"


def test_open_batches_are_those_with_something_left_to_do() -> None:
    assert set(get_args(BatchState)) - set(OPEN_BATCHES) == {"booked", "dropped", "gone"}


@pytest.mark.parametrize("kind", [Answer, BatchRow, Body, Bound, Group, Job, Lease, Outcome, Run, Tally])
def test_rows_are_values(kind: type[msgspec.Struct]) -> None:
    """Frozen: what is handed to the writing thread is not changed behind its back."""
    assert kind.__struct_config__.frozen


async def test_sql_is_a_job_book() -> None:
    ledger = SqlLedger.open(":memory:")
    book: JobBook = SqlJobs(ledger)
    assert await book.runs() == []
    await ledger.close()
