"""What `thriftgate report --by task` prints: cost, success, latency and quality of each task, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from thriftgate.cli.output import dollars_short, note, percent, print_table
from thriftgate.core.money import usd_from_pico
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_tasks import TaskStanding, task_standings
from thriftgate.quality.proof import MEMORY, audited
from thriftgate.quality.watch import Tally
from thriftgate.telemetry.tallies import CLIENTS_ENDPOINTS

NOT_AUDITED = Tally()


async def task_figures(books: SqlLedger, span: tuple[int, int]) -> tuple[Sequence[TaskStanding], Mapping[str, Tally]]:
    """What the books say of the tasks of a span of time, and all that audits have found so far. Raises LedgerError."""
    found = await books.ask(lambda connection: task_standings(connection, span, sorted(CLIENTS_ENDPOINTS)))
    kept = await books.kept(MEMORY)
    try:
        return found, audited(kept) if kept else {}
    except msgspec.MsgspecError:  # of another version
        note("what audits have found cannot be read")
        return found, {}


def tasks_document(found: Sequence[TaskStanding], audits: Mapping[str, Tally]) -> list[dict[str, Any]]:
    """The tasks as `--json` prints them. Shares of nothing are null: `success` is of the calls that were tried, `agreement`
    of those that were audited, at any time."""
    return [_task(one, audits.get(one.task, NOT_AUDITED)) for one in found]


def _task(one: TaskStanding, audits: Tally) -> dict[str, Any]:
    return {
        "task": one.task,
        "calls": one.calls,
        "baseline_usd": usd_from_pico(one.baseline_pico),
        "paid_usd": usd_from_pico(one.paid_pico),
        "saved_usd": usd_from_pico(one.baseline_pico - one.paid_pico),
        "usd_per_call": usd_from_pico(round(one.paid_pico / one.calls)) if one.calls else None,
        "tried": one.tried,
        "answered": one.answered,
        "success": _share(one.answered, one.tried),
        "latency_ms_p50": one.latency_ms_p50,
        "latency_ms_p95": one.latency_ms_p95,
        "audits": audits.audits,
        "agreement": _share(audits.same, audits.audits),
        "worse": _share(audits.strong_better, audits.audits),
    }


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def print_tasks(found: Sequence[TaskStanding], audits: Mapping[str, Tally]) -> None:
    """As a table, narrow enough that fingerprints stay whole."""
    columns = ("task", "calls", "paid", "saved", "success", "50 / 95 %", "agree")
    print_table(columns, [_row(one, audits.get(one.task, NOT_AUDITED)) for one in found])


def _row(one: TaskStanding, audits: Tally) -> tuple[str, ...]:
    return (
        one.task or "(not told)",
        f"{one.calls:,}",
        dollars_short(one.paid_pico),
        percent(one.baseline_pico - one.paid_pico, one.baseline_pico),
        percent(one.answered, one.tried),
        _seconds(one.latency_ms_p50, one.latency_ms_p95),
        percent(audits.same, audits.audits),
    )


def _seconds(half_ms: int | None, most_ms: int | None) -> str:
    """Half of the answers, and 95 % of them, were there within so long."""
    return "-" if half_ms is None or most_ms is None else f"{half_ms / 1000:.1f} / {most_ms / 1000:.1f} s"
