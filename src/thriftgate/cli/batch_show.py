"""What `thriftgate batch` shows of runs: from the ledger alone."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from thriftgate.batch.build import FileJobs, named
from thriftgate.batch.jobs_file import lines_of
from thriftgate.cli.books import ask_books
from thriftgate.cli.output import dollars, dollars_short, percent, print_table, say
from thriftgate.core.errors import InputError
from thriftgate.core.moments import text_from_micros
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.ledger.jobs import OPEN_BATCHES, BatchState, Run
from thriftgate.ledger.sqlite import SqliteLedger
from thriftgate.ledger.sqlite_jobs import SqliteJobs

_T = TypeVar("_T")
ALL: tuple[BatchState, ...] = (*OPEN_BATCHES, "booked", "dropped", "gone")
_PAGE = 500
_WORDS = {"waiting": "waiting", "packed": "in batches", "direct": "to be called", "calling": "being called"}


def _ask(path: str, question: Callable[[SqliteJobs], Awaitable[_T]]) -> _T:
    async def ask(ledger: SqliteLedger) -> _T:
        return await question(SqliteJobs(ledger))

    return ask_books(path, ask)


def status_document(path: str, run_id: str | None) -> dict[str, Any]:
    """What `batch status --json` prints. Raises InputError for a run there is not."""

    async def question(book: SqliteJobs) -> dict[str, Any]:
        return await run_document(book, await _find(book, run_id))

    return _ask(path, question)


async def run_document(book: SqliteJobs, run: Run) -> dict[str, Any]:
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


def print_run(document: dict[str, Any]) -> None:
    """The table at the end of a run, and of `batch status`."""
    jobs, done = document["jobs"], document["succeeded"]
    say(f"run {document['run']} ({document['state']}), begun {document['created']}")
    rows = [("succeeded", f"{done:,}", percent(done, jobs))]
    rows += [
        (f"failed: {cause or 'unknown'}", f"{n:,}", percent(n, jobs)) for cause, n in sorted(document["failed"].items())
    ]
    rows += [(_WORDS[state], f"{n:,}", percent(n, jobs)) for state, n in document["left"].items()]
    print_table(("jobs", "", ""), rows, footer=("total", f"{jobs:,}", ""))
    say("")
    money = [("as calls, without thriftgate", _usd(document["baseline_usd"]))]
    money += [(f"  {lever}", f"-{_usd(usd)}") for lever, usd in document["levers"].items()]
    money += [("paid", _usd(document["cost_usd"])), ("saved", _usd(document["saved_usd"]))]
    print_table(("cost", ""), money)
    say(f"{document['cache_hit_share']:.1%} of {document['prompt_tokens']:,} prompt tokens were read from the cache")
    count = len(document["batches"])
    open_count = sum(one["state"] in OPEN_BATCHES for one in document["batches"])
    say(f"{count} batch{'es' * (count != 1)}, {open_count} open")
    if document["deadline"]:
        say(f"deadline: {document['deadline']}")
    if document["out"]:
        say(f"results: {document['out']}")


def list_document(path: str) -> dict[str, Any]:
    """What `batch list --json` prints."""

    async def question(book: SqliteJobs) -> dict[str, Any]:
        runs = [await run_document(book, run) for run in reversed(await _runs(book))]
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

    return _ask(path, question)


def print_runs(document: dict[str, Any]) -> None:
    """One line a run, within 80 columns; batches that clients created themselves stand apart."""
    runs = document["runs"]
    own = [one for one in runs if one["kind"] != "client"]
    theirs = [one for one in runs if one["kind"] == "client"]
    if own or not theirs:
        rows = [(*_head(one), str(sum(one["failed"].values())), *_money(one, "cost_usd", "saved_usd")) for one in own]
        print_table(("run", "state", "begun", "jobs", "failed", "paid", "saved"), rows, left=3)
    if theirs:
        rows = [(*_head(one), *_money(one, "cost_usd")) for one in theirs]
        print_table(("batch of a client", "state", "begun", "jobs", "paid"), rows, left=3)


def _head(one: dict[str, Any]) -> tuple[str, str, str, str]:
    return one["run"], one["state"], one["created"].partition("T")[0], f"{one['jobs']:,}"


def _money(one: dict[str, Any], *keys: str) -> tuple[str, ...]:
    return tuple(dollars_short(pico_from_usd(one[key])) for key in keys)


def results_document(path: str, run_id: str) -> dict[str, Any]:
    """What `batch results --json` prints: the run, and its results as a list."""
    found: list[msgspec.Raw] = []

    async def question(book: SqliteJobs) -> dict[str, Any]:
        run = await _find(book, run_id)
        await _results(book, run, lambda line: found.append(msgspec.Raw(line)))
        return {**await run_document(book, run), "results": found}

    return _ask(path, question)


def print_results(path: str, run_id: str) -> None:
    """The result lines themselves on stdout."""

    async def question(book: SqliteJobs) -> None:
        run = await _find(book, run_id)
        await _results(book, run, _write)
        sys.stdout.buffer.flush()

    _ask(path, question)


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)


async def _results(book: SqliteJobs, run: Run, each: Callable[[bytes], None]) -> None:
    if run.kind != "file":
        raise InputError(f"{run.id} is no run over a file: its results went to its callers")
    files = named(run)
    out = Path(files.out)
    written, is_whole = _written(files)
    if written is None and run.state != "done":
        return  # none has come yet
    if written is None or is_whole:
        for line in lines_of(out):
            each(line.line + b"\n")
        return
    try:
        file = written.open("rb")
    except OSError as error:
        raise InputError(f"cannot read {written}: {error.strerror}") from None
    after = 0
    with file:
        while jobs := await book.in_order(run.id, after, _PAGE):
            after = jobs[-1].seq
            for job in jobs:
                if job.state in ("done", "failed") and job.out_size:
                    file.seek(job.out_place)
                    each(file.read(job.out_size))


def _written(files: FileJobs) -> tuple[Path | None, bool]:
    """The file that results are in, if there is one; and whether it holds just them, in their order."""
    out, spool = Path(files.out), Path(files.out + ".spool")
    if files.order == "input" and spool.exists():
        return spool, False
    return (out if out.exists() else None), files.order == "input"


async def _runs(book: SqliteJobs) -> list[Run]:
    """All runs, but for those whose file turned out to hold no jobs that could be sent."""
    return [run for run in await book.runs() if run.state != "reading" or run.jobs]


async def _find(book: SqliteJobs, run_id: str | None) -> Run:
    runs = await _runs(book)
    if run_id is None:
        if not runs:
            raise InputError("there is no run in this ledger yet")
        return runs[-1]
    found = [run for run in runs if run.id == run_id]
    if not found:
        known = ", ".join(run.id for run in runs[-5:]) or "none"
        raise InputError(f"there is no run {run_id!r} in this ledger; the newest: {known}")
    return found[0]


def _usd(text: str) -> str:
    return dollars(pico_from_usd(text))
