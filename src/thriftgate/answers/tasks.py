"""The tasks that calls were for, the dearest first."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from thriftgate.core.money import usd_from_pico
from thriftgate.ledger.sql_savings import TaskSum


def tasks_document(found: Iterable[TaskSum]) -> dict[str, Any]:
    """As `route tasks --json` prints them."""
    return {"tasks": [_task(one) for one in found]}


def _task(one: TaskSum) -> dict[str, Any]:
    return {
        "task": one.task,
        "asked": one.asked,
        "served": one.served,
        "calls": one.calls,
        "baseline_usd": usd_from_pico(one.baseline_pico),
        "paid_usd": usd_from_pico(one.paid_pico),
        "output_tokens": one.output_tokens,
        "latency_ms": one.latency_ms,
    }
