"""What senders bring back."""

from __future__ import annotations

from thriftgate.core.usage import Usage
from thriftgate.ledger.entries import Entry, balanced
from thriftgate.quality.answers import Stored
from thriftgate.quality.sending import stored, why_refused


def entry(mode: str) -> Entry:
    return Entry(
        id="tg_1",
        opened_us=1,
        settled_us=9,
        key="k",
        model="m",
        endpoint="e",
        outcome="answered",
        resolution="post",
        usage_source="exact",
        usage=Usage(),
        postings=balanced(100, 40, {"batch.defer": 60}),
        mode=mode,
        latency_ms=250,
    )


def test_costs_come_from_the_books_and_batches_tell_no_latency() -> None:
    assert stored("k", b"{}", entry("standard")) == Stored("k", b"{}", "standard", "tg_1", 40, 100, 250, 9)
    assert stored("k", b"{}", entry("batch")).latency_ms == 0
    assert stored("k", b"{}", None) == Stored("k", b"{}")


def test_why_the_provider_refused() -> None:
    body = b'{"type": "error", "error": {"type": "invalid_request_error", "message": "max_tokens: too large"}}'
    assert why_refused(body, "x") == "invalid_request_error: max_tokens: too large"
    assert why_refused(b"<html>", "HTTP 502") == why_refused(b"{}", "HTTP 502") == "HTTP 502"
