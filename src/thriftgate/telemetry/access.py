"""The log of calls: one line for each that is booked. Names, numbers and ids; no text of anybody's."""

from __future__ import annotations

from thriftgate.core.money import usd_from_pico
from thriftgate.ledger.entries import BASELINE, UPSTREAM, Entry
from thriftgate.logs import log
from thriftgate.telemetry.busiest import label_text, model_text

EVENT = "call"


def log_call(entry: Entry) -> None:
    """The trace that it belongs to stands in the line by itself: see `logs.bound`."""
    paid, total = -entry.posted(UPSTREAM), entry.usage.total
    fields: dict[str, object] = {
        "call": entry.id,
        "key": entry.key,
        "model": model_text(entry.model),
        "asked_model": model_text(entry.asked_model),
        "endpoint": entry.endpoint,
        "outcome": entry.outcome,
        "status": entry.status,
        "stream": entry.stream,
        "mode": entry.mode,
        "team": label_text(entry.whose.team),
        "task": label_text(entry.task),
        "parent": entry.parent,
        "tokens_in": total.prompt,
        "tokens_read": total.read,
        "tokens_written": total.write_5m + total.write_1h,
        "tokens_out": total.output,
        "cost_usd": usd_from_pico(paid),
        "saved_usd": usd_from_pico(entry.posted(BASELINE) - paid),
        "usage_source": entry.usage_source,
        "latency_ms": entry.latency_ms,
        "ttfb_ms": entry.ttfb_ms,
        "attempts": entry.attempts,
        "request_id": entry.upstream_request_id,
    }
    log.info(EVENT, **{name: value for name, value in fields.items() if value != ""})
