"""Tasks as a document."""

from __future__ import annotations

from thriftgate.answers.tasks import tasks_document
from thriftgate.ledger.sql_savings import TaskSum


def test_the_document() -> None:
    told = tasks_document([TaskSum("triage", "big", "small", 3, 4 * 10**12, 10**12, 12, 900)])
    assert told == {
        "tasks": [
            {"task": "triage", "asked": "big", "served": "small", "calls": 3, "baseline_usd": "4", "paid_usd": "1",
             "output_tokens": 12, "latency_ms": 900}
        ]
    }  # fmt: skip
