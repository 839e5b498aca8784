"""Runs of calls through the provider's batches: what became of their jobs, what they cost, their batches."""

from __future__ import annotations

from typing import Any

from thriftgate.batch.build import named
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.ledger.jobs import OPEN_BATCHES, BatchState, Run
from thriftgate.ledger.sql_jobs import SqlJobs

ALL: tuple[BatchState, ...] = (*OPEN_BATCHES, "booked", "dropped", "gone")


async def run_document(book: SqlJobs, run: Run) -> dict[str, Any]:
    """One run: what became of its jobs, what they cost, its batches."""
    tally = await book.tally(run.id)
    spent = await book.spent(run.id)
    failed: dict[str, int] = {}
    for one in tally:
        if one.state == "failed":
            failed[one.cause] = failed.get(one.cause, 0) + one.jobs
    states = {state: sum(one.jobs for one in tally if one.state == state) for state in {one.state for one in tally}}
    return {
        "run": run.id,
        "kind": run.kind,
        "state": run.state,
        "created": text_from_micros(run.created_us),
        **_of_file(run),
        "jobs": sum(one.jobs for one in tally),
        "succeeded": states.pop("done", 0),
        "failed": failed,
        "left": {state: jobs for state, jobs in sorted(states.items()) if state != "failed"},
        "cost_usd": usd_from_pico(spent.paid_pico),
        "baseline_usd": usd_from_pico(spent.baseline_pico),
        "saved_usd": usd_from_pico(spent.baseline_pico - spent.paid_pico),
        "levers": {lever: usd_from_pico(pico) for lever, pico in spent.by_lever.items()},
        "prompt_tokens": spent.prompt_tokens,
        "read_tokens": spent.read_tokens,
        "cache_hit_share": round(spent.read_tokens / spent.prompt_tokens, 4) if spent.prompt_tokens else 0.0,
        "batches": [
            {
                "batch": one.id,
                "remote": one.remote_id,
                "role": one.role,
                "state": one.state,
                "jobs": one.jobs,
                "created": text_from_micros(one.created_us) if one.created_us else "",
                "ended": text_from_micros(one.ended_us) if one.ended_us else "",
                "note": one.note,
            }
            for one in await book.batches(run.id, ALL)
        ],
    }


def _of_file(run: Run) -> dict[str, Any]:
    """What is known of a run over a file besides: where its results go, until when, and what it was expected to cost."""
    if run.kind != "file":
        return {"out": "", "deadline": "", "estimate": {}}
    files = named(run)
    one = files.estimate
    return {
        "out": files.out,
        "deadline": text_from_micros(files.deadline_us) if files.deadline_us else "",
        "estimate": {
            "prompt_tokens": one.prompt_tokens,
            "output_tokens": one.output_tokens,
            "calls_usd": usd_from_pico(one.standard_pico),
            "batches_usd": usd_from_pico(one.batch_pico),
            "worst_usd": usd_from_pico(one.worst_pico),
        },
    }


async def runs_document(book: SqlJobs) -> dict[str, Any]:
    """All runs, the newest first, as `batch list --json` prints them."""
    runs = [await run_document(book, run) for run in reversed(await runs_of(book))]
    failed: dict[str, int] = {}
    for one in runs:
        for cause, n in one["failed"].items():
            failed[cause] = failed.get(cause, 0) + n
    return {
        "jobs": sum(one["jobs"] for one in runs),
        "succeeded": sum(one["succeeded"] for one in runs),
        "failed": failed,
        "cost_usd": usd_from_pico(sum(pico_from_usd(one["cost_usd"]) for one in runs)),
        "saved_usd": usd_from_pico(sum(pico_from_usd(one["saved_usd"]) for one in runs)),
        "batches": [batch for one in runs for batch in one["batches"]],
        "runs": [{key: value for key, value in one.items() if key != "batches"} for one in runs],
    }


async def runs_of(book: SqlJobs) -> list[Run]:
    """All runs, but for those whose file turned out to hold no jobs that could be sent."""
    return [run for run in await book.runs() if run.state != "reading" or run.jobs]
