"""The job book's contract over every back end there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contracts import check_grouping, check_jobs, check_settling
from tests.contracts.check_jobs import Books, Check, Opener
from tests.postgres_books import fresh_books
from thriftgate.ledger.jobs import JobBook, Lease
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_jobs import SqlJobs


def _books(path: Path | str) -> Books:
    ledger = SqlLedger.open(path)
    return Books(ledger, SqlJobs(ledger))


def sqlite_file(folder: Path) -> Opener:
    return Opener(lambda: _books(folder / "books.db"), durable=True)


def postgresql(_folder: Path) -> Opener:
    url = fresh_books()
    return Opener(lambda: _books(url), durable=True)


def sqlite_memory(_folder: Path) -> Opener:
    return Opener(lambda: _books(":memory:"), durable=False)


CHECKS = (*check_jobs.CHECKS, *check_settling.CHECKS, *check_grouping.CHECKS)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("back_end", [sqlite_file, sqlite_memory, postgresql], ids=lambda back_end: back_end.__name__)
async def test_contract(back_end: Callable[[Path], Opener], check: Check, tmp_path: Path) -> None:
    await check(back_end(tmp_path))


async def test_every_verb_with_a_lease_is_tried_without_it(tmp_path: Path) -> None:
    verbs = {name for name, verb in vars(JobBook).items() if "lease" in getattr(verb, "__annotations__", ())}
    books = sqlite_memory(tmp_path).open()
    tried = set(check_jobs.leased_verbs(books.jobs, Lease("r", "w", 1)))
    assert tried == verbs - {"release"}  # which does no harm
    await books.ledger.close()
