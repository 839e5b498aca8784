"""Earlier calls for a board, from the books: a few hours at a time, so that nobody else who asks them waits for long."""

from __future__ import annotations

from thriftgate.core.alerting.board import Board
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_seen import calls_seen, first_call_us

_MINUTE_US, _HOUR_US = 60_000_000, 3_600_000_000
_STEP_US = 3 * _HOUR_US
_FINE_US = 6 * _HOUR_US  # what is younger is recalled by the minute


async def recall(ledger: SqlLedger, board: Board, until_us: int) -> None:
    """Fill a board with the calls settled before `until_us`. Raises LedgerError."""
    first_us = await first_call_us(ledger)
    since_us = max(until_us - board.looks_back_us, first_us) if first_us else until_us
    fine_us = max(since_us, until_us - _FINE_US)
    spans = [
        *_spans(since_us, fine_us, _STEP_US, 15 * _MINUTE_US),
        *_spans(fine_us, until_us, _HOUR_US, _MINUTE_US),
    ]
    for start_us, end_us, slot_us in spans:
        for seen in await calls_seen(ledger, start_us, end_us, slot_us=slot_us, settled_until_us=until_us):
            board.take(seen)


def _spans(since_us: int, until_us: int, step_us: int, slot_us: int) -> list[tuple[int, int, int]]:
    return [(start, min(start + step_us, until_us), slot_us) for start in range(since_us, until_us, step_us)]
