"""Earlier calls are recalled whole, by day and by minute."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

from tests.cli.entries import entry_of
from thriftgate.alerts.recall import recall
from thriftgate.core.alerting.board import Board
from thriftgate.core.alerting.rules import HOUR_US, Rule
from thriftgate.ledger.entries import balanced
from thriftgate.ledger.sql import SqlLedger

NOW = 1_795_262_400_000_000
DAY = 24 * HOUR_US
ZONES = {"UTC": UTC}


async def test_all_that_rules_look_back_to(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    for n in range(40 * 6):
        at = NOW - n * 4 * HOUR_US - 1
        await ledger.settle(entry_of(id=f"tg_{n:04}", opened_us=at, settled_us=at, postings=balanced(n, n, {})))
    rules = [Rule("month", "forecast", above=1e18), Rule("day", above=1e18, over_us=DAY), Rule("now", above=1e18)]
    rules.append(Rule("weeks", above=1e18, over_us=30 * DAY))
    board = Board(rules, ZONES)
    await recall(ledger, board, NOW)
    month, day, hour, weeks = (verdict for _, _, verdict in board.verdicts(NOW))
    assert day.value == sum(range(6))
    assert day.evidence == ("6 calls",)
    assert hour.value == 0
    assert hour.evidence == ("1 calls",)
    assert month.evidence[0] == "$0.0000 so far, 228 h to go"
    assert weeks.value == sum(range(180))
    await ledger.close()


async def test_empty_books(tmp_path: Path) -> None:
    ledger = SqlLedger.open(tmp_path / "books.db")
    board = Board([Rule("now", above=1.0)], ZONES)
    await recall(ledger, board, NOW)
    assert not any(verdict.met for _, _, verdict in board.verdicts(NOW))
    await ledger.close()
