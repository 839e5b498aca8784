"""Limits in SQLite: kept as they are, each name once."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from thriftgate.core.control.limits import Limit
from thriftgate.core.errors import InputError
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_limits import SqlLimitBook

LARGE = Limit("lim_1", "all", "usd", 10**23, "hour", 10**22, ("key=*", "team=a"), created_us=5)


async def test_limits_are_kept_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "books.db"
    ledger, beside = SqlLedger.open(path), SqlLedger.open(path)
    book = SqlLimitBook(ledger)
    other = Limit("lim_2", "few", "concurrency", 3, created_us=4)
    await book.put(LARGE)
    await book.put(other)
    assert list(await SqlLimitBook(beside).all()) == [other, LARGE]
    changed = replace(LARGE, amount=1, burst=0, name="each")
    await book.put(changed)
    await book.put(replace(other, ended_us=9))
    assert list(await SqlLimitBook(beside).all()) == [replace(other, ended_us=9), changed]
    await ledger.close()
    await beside.close()


async def test_what_cannot_be_changed() -> None:
    ledger = SqlLedger.open(":memory:")
    book = SqlLimitBook(ledger)
    await book.put(LARGE)
    for wrong in (replace(LARGE, metric="tokens"), replace(LARGE, per="minute"), replace(LARGE, scope=())):
        with pytest.raises(InputError, match="what it counts stays"):
            await book.put(wrong)
    with pytest.raises(InputError, match="there is a limit 'all' already"):
        await book.put(replace(LARGE, id="lim_2"))
    await book.put(replace(LARGE, ended_us=9))
    with pytest.raises(InputError, match="was ended"):
        await book.put(LARGE)
    await book.put(replace(LARGE, id="lim_2"))
    assert len(await book.all()) == 2
    await ledger.close()
