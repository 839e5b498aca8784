"""Which calls could have been meant by an id that is not in the ledger."""

from __future__ import annotations

import difflib

from thriftgate.ledger.sql import SqlLedger

SHOWN = 3
TIME_PART = len("tg_") + 14  # an id starts with its time, microseconds since 1970 in 14 hex digits


async def nearest_calls(books: SqlLedger, wanted: str, now_s: float) -> list[str]:
    """Up to three ids, the most likely first: those that look like `wanted`, then recent ones."""
    around = await books.entries(after=wanted[: TIME_PART - 1], limit=20) if wanted.startswith("tg_") else ()
    found = difflib.get_close_matches(wanted, [entry.id for entry in around], n=SHOWN, cutoff=0.6)
    span_s = 1.0
    while len(found) < SHOWN and span_s < 2 * now_s:  # look back in steps that double: ids sort by time
        after = f"tg_{max(0, int((now_s - span_s) * 1e6)):014x}"
        recent = [entry.id for entry in await books.entries(after=after, limit=SHOWN)]
        found += [entry_id for entry_id in recent if entry_id not in found]
        span_s *= 2
    return found[:SHOWN]
