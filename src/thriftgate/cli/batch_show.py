"""What `thriftgate batch` shows of runs: from the ledger alone."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from thriftgate.answers.batches import run_document, runs_document, runs_of
from thriftgate.batch.build import FileJobs, named
from thriftgate.batch.jobs_file import lines_of
from thriftgate.cli.books import ask_books
from thriftgate.cli.output import dollars, dollars_short, percent, print_table, say
from thriftgate.core.errors import InputError
from thriftgate.core.money import pico_from_usd
from thriftgate.ledger.jobs import OPEN_BATCHES, Run
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_jobs import SqlJobs

_T = TypeVar("_T")
_PAGE = 500
_WORDS = {"waiting": "waiting", "packed": "in batches", "direct": "to be called", "calling": "being called"}


def _ask(path: str, question: Callable[[SqlJobs], Awaitable[_T]]) -> _T:
    async def ask(ledger: SqlLedger) -> _T:
        return await question(SqlJobs(ledger))

    return ask_books(path, ask)


def status_document(path: str, run_id: str | None) -> dict[str, Any]:
    """What `batch status --json` prints. Raises InputError for a run there is not."""

    async def question(book: SqlJobs) -> dict[str, Any]:
        return await run_document(book, await _find(book, run_id))

    return _ask(path, question)


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

    return _ask(path, runs_document)


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

    async def question(book: SqlJobs) -> dict[str, Any]:
        run = await _find(book, run_id)
        await _results(book, run, lambda line: found.append(msgspec.Raw(line)))
        return {**await run_document(book, run), "results": found}

    return _ask(path, question)


def print_results(path: str, run_id: str) -> None:
    """The result lines themselves on stdout."""

    async def question(book: SqlJobs) -> None:
        run = await _find(book, run_id)
        await _results(book, run, _write)
        sys.stdout.buffer.flush()

    _ask(path, question)


def _write(line: bytes) -> None:
    sys.stdout.buffer.write(line)


async def _results(book: SqlJobs, run: Run, each: Callable[[bytes], None]) -> None:
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


async def _find(book: SqlJobs, run_id: str | None) -> Run:
    runs = await runs_of(book)
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
