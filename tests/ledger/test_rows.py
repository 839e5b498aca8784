"""Entries and holds as rows: the columns stand in one order everywhere. Round trips: tests/contracts/test_ledgers.py."""

from __future__ import annotations

import sqlite3

import msgspec
import pytest

from tests.contracts.check_ledger import entry_of, hold_of
from thriftgate.core.misses import Miss
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.rows import (
    ENTRY_COLUMNS,
    HOLD_COLUMNS,
    INTEGER_MAX,
    POSTING_COLUMNS,
    entry_from_row,
    entry_row,
    hold_row,
    posting_rows,
)
from thriftgate.ledger.sqlite import SqliteConnection, migrate


@pytest.mark.parametrize(
    ("table", "columns"), [("entries", ENTRY_COLUMNS), ("holds", (*HOLD_COLUMNS, "settled")), ("postings", POSTING_COLUMNS)]
)
def test_columns_are_those_of_the_schema(table: str, columns: tuple[str, ...]) -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None, factory=SqliteConnection)
    migrate(connection)
    assert tuple(row[1] for row in connection.execute(f"pragma table_info({table})")) == columns
    connection.close()


def test_each_value_stands_in_its_column() -> None:
    entry = entry_of("a", usage=Usage(Tokens(1, 2, 3, 4, 6, 5), web_searches=7), ttfb_ms=8, latency_ms=9, attempts=10)
    row = dict(zip(ENTRY_COLUMNS, entry_row(entry), strict=True))
    names = ("input", "write_5m", "write_1h", "read", "thinking", "output")
    assert [row[f"{name}_tokens"] for name in names] == [1, 2, 3, 4, 5, 6]
    assert [row[name] for name in ("web_searches", "ttfb_ms", "latency_ms", "attempts")] == [7, 8, 9, 10]


def test_a_miss_is_one_column_and_empty_where_there_is_none() -> None:
    miss = Miss("prefix_changed", 7, 8, "tools[2]", avoidable=True, at_block=2, gap_s=1.5, digest="0a1b2c3d")
    at = ENTRY_COLUMNS.index("miss")
    assert entry_row(entry_of("a"))[at] == ""
    row = entry_row(entry_of("a", miss=miss))
    assert msgspec.json.decode(str(row[at]))["cause"] == "prefix_changed"
    assert entry_from_row(row, entry_of("a").postings).miss == miss


def test_postings_name_their_entry() -> None:
    assert list(posting_rows(entry_of("a", paid=3))) == [("a", "baseline", 3), ("a", "upstream", -3)]


def test_a_worst_case_is_cut_at_the_largest_integer_and_not_before() -> None:
    at = HOLD_COLUMNS.index("worst_pico")
    assert hold_row(hold_of("a", worst_pico=INTEGER_MAX - 1))[at] == INTEGER_MAX - 1
    assert hold_row(hold_of("a", worst_pico=INTEGER_MAX + 1))[at] == INTEGER_MAX


def test_a_row_nobody_wrote_is_refused() -> None:
    row = list(entry_row(entry_of("a")))
    row[ENTRY_COLUMNS.index("resolution")] = "maybe"
    with pytest.raises(msgspec.ValidationError):
        entry_from_row(tuple(row), ())
