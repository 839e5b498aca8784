"""Entries made by hand."""

from __future__ import annotations

from typing import Any

from thriftgate.core.plan import Decision
from thriftgate.core.usage import Tokens, Usage
from thriftgate.ledger.entries import Entry, balanced

MODEL = "claude-opus-5-5"  # $4 input, $0.20 read, $20 output per million tokens
OPENED_US = 1_795_262_400_000_000  # 2026-11-21T12:00:00Z
CACHED = Decision("cache.breakpoints", "applied", "marked the longest prefix sent before (5m)", 3_800_000_000)


def entry_of(**members: Any) -> Entry:
    """A call that read 1,000 of 1,100 prompt tokens, as forecast: $0.0026 paid, $0.0038 saved."""
    values: dict[str, Any] = {
        "id": "tg_0660c8ab3d43c042dedc45a83f",
        "opened_us": OPENED_US,
        "settled_us": OPENED_US + 1_500_000,
        "key": "key_0123456789ab",
        "model": MODEL,
        "endpoint": "anthropic.messages",
        "outcome": "answered",
        "resolution": "post",
        "usage_source": "exact",
        "usage": Usage(Tokens(input=100, read=1_000, output=100)),
        "postings": balanced(6_400_000_000, 2_600_000_000, {"cache.breakpoints": 3_800_000_000}),
        "served_model": MODEL,
        "provider": "anthropic",
        "status": 200,
        "forecast_pico": 2_700_000_000,
        "decisions": (CACHED, Decision("count.guard", "skipped", "no cost limit is set")),
        "attempts": 1,
    }
    return Entry(**values | members)
