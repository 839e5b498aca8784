"""`thriftgate batch run`, `resume` and `cancel`: take a run up, work, tell."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path

import msgspec

from thriftgate.answers.batches import run_document
from thriftgate.batch import build
from thriftgate.batch.build import FileJobs, Opened
from thriftgate.batch.runner import Runner
from thriftgate.batch.surplus import Surplus, Swept
from thriftgate.cli import batch_progress
from thriftgate.cli.batch_agree import may_send
from thriftgate.cli.batch_asked import Asked, credential_of, files_of, remove_made
from thriftgate.cli.batch_show import print_run
from thriftgate.cli.output import note, print_json
from thriftgate.core.errors import InputError, ThriftgateError
from thriftgate.core.moments import text_from_micros
from thriftgate.engine.build import build_engine
from thriftgate.engine.engine import Engine
from thriftgate.ledger.jobs import OPEN_BATCHES, Run
from thriftgate.ledger.sql_jobs import SqlJobs
from thriftgate.logs import trouble_only
from thriftgate.settings import Settings


def run_jobs(settings: Settings, asked: Asked, *, json: bool) -> int:
    """`batch run`. Returns the exit code."""
    credential = credential_of(settings)
    files = files_of(settings, asked)
    return _with_engine(settings, lambda engine: _work(engine, files, credential, asked, json=json))


def resume(settings: Settings, run_id: str, *, yes: bool, max_cost: Decimal | None, json: bool) -> int:
    """`batch resume`. Returns the exit code."""
    credential = credential_of(settings)

    async def work(engine: Engine) -> int:
        files = build.named(await _file_run(engine, run_id))
        asked = Asked(Path(files.jobs), Path(files.out), yes=yes, max_cost=max_cost)
        return await _work(engine, files, credential, asked, json=json)

    return _with_engine(settings, work)


def cancel(settings: Settings, run_id: str, *, json: bool) -> int:
    """`batch cancel`. Returns the exit code: 0 once the run is canceled, or the process at work on it knows."""
    credential = credential_of(settings)

    async def work(engine: Engine) -> int:
        book = build.job_book(engine)
        run = await _file_run(engine, run_id)
        if run.state == "done":
            raise InputError(f"{run_id} is through: there is nothing left to cancel")
        is_worked_on = bool(run.worker) and engine.is_alive(run.worker)
        if run.state == "reading" and not is_worked_on:
            raise InputError(f"{run_id} was never read to the end of its jobs: nothing was sent, and nothing will be")
        await book.want(run_id, "cancel")
        if is_worked_on:
            note(f"the process that works on {run_id} will cancel it within a minute")
            await _tell(engine, run_id, json=json)
            return 0
        files = build.named(run)
        await _work(engine, files, credential, Asked(Path(files.jobs), Path(files.out)), json=json)
        return 0 if (await _file_run(engine, run_id)).state == "done" else 1

    return _with_engine(settings, work)


def _with_engine(settings: Settings, work: Callable[[Engine], Awaitable[int]]) -> int:
    async def open_and_work() -> int:
        engine = await build_engine(settings, beside=True)
        try:
            return await work(engine)
        finally:
            await engine.close()

    with trouble_only():
        return asyncio.run(open_and_work())


def spare_collector() -> None:
    """What lives now lives to the end: the garbage collector need not look at it again, nor so often at what comes and
    goes."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


async def _work(engine: Engine, files: FileJobs, credential: str, asked: Asked, *, json: bool) -> int:
    """Take the run up, or begin it, and bring it to its end. Returns the exit code. Raises ThriftgateError before anything
    is sent; what happens later is told."""
    opened = await _opened(engine, files, credential, asked)
    run = opened.run
    spare_collector()
    fine = True
    try:
        if run.state == "done":
            fine = _has_results(run.id, files)
            _warn(await Surplus(opened.work).sweep(), run.id)
        elif await may_send(engine, opened, files, asked, credential):
            fine = await _finished(engine, opened)
        elif json:
            fine = False
        else:
            return 1
    finally:
        opened.close()
        _remove_empty(files)
        await _let_go(engine, opened)
    if fine:
        remove_made(files)
    code = await _tell(engine, run.id, json=json)
    return code if fine else 1


def _remove_empty(files: FileJobs) -> None:
    """Files for results that none was written to: nothing was sent, or nothing has come."""
    for path in (Path(files.out), Path(files.out + ".spool")):
        with suppress(OSError):
            if path.stat().st_size == 0:
                path.unlink()


def _has_results(run_id: str, files: FileJobs) -> bool:
    """Say that a run is through, and where its results are, if they are there."""
    if Path(files.out).exists():
        note(f"{run_id} is through already; its results are in {files.out}")
        return True
    note(
        f"{run_id} is through already, but its results are not in {files.out} any more; "
        "it is not paid for twice: another --out begins a new run"
    )
    return False


async def _opened(engine: Engine, files: FileJobs, credential: str, asked: Asked) -> Opened:
    """The run in this process's hands. As long as nothing was sent, what is asked for now holds; later it is told that it
    does not."""
    opened = await build.open_file(engine, files, credential)
    work, run = opened.work, opened.run
    try:
        if run.state in ("reading", "done"):
            return opened
        await _check_key(opened)
        if run.wanted:
            return opened
        begun = build.named(run)
        changed = _changed(begun, files)
        if asked.deadline is not None and run.state == "running":
            changed.discard("deadline")
            due = text_from_micros(begun.deadline_us) if begun.deadline_us else "none"
            note(f"{run.id} keeps the deadline it was begun with: {due}")
        if not changed:
            return opened
        if run.state == "running":
            note(f"{run.id} goes on as it was begun; not changed now: {', '.join(f'--{name}' for name in sorted(changed))}")
            return opened
        await work.book.set_run(work.lease, work.now_us(), state="reading", options=msgspec.json.encode(files))
    except BaseException:
        opened.close()
        raise
    opened.sink.finish()
    opened.close()
    return await build.open_file(engine, files, credential)


def _changed(begun: FileJobs, files: FileJobs) -> set[str]:
    """Options of the command line, by their names, that are not as they were. What the run may cost is no matter here."""
    pairs = {
        "order": (begun.order, files.order),
        "beta": (begun.betas, files.betas),
        "skip-bad": (begun.skip_bad, files.skip_bad),
        "deadline": (begun.deadline_us, files.deadline_us),
        "prime": (begun.options.prime, files.options.prime),
        "requests-max": (begun.options.requests_max, files.options.requests_max),
        "queue-jobs": (begun.options.queue_jobs, files.options.queue_jobs),
    }
    return {name for name, (one, other) in pairs.items() if one != other}


async def _check_key(opened: Opened) -> None:
    """A key of another workspace does not see the run's batches: they would be taken for lost, and be paid for again.
    Raises InputError."""
    work, run = opened.work, opened.run
    if run.key == work.desk.key:
        return
    batches = [one for one in await work.book.batches(run.id, OPEN_BATCHES) if one.state != "drafting"]
    known = next((one for one in batches if one.remote_id), None)
    if batches and (known is None or (await work.remote.retrieve(known.remote_id)).kind == "missing"):
        raise InputError(f"{run.id} was begun with another key, and this one does not see its batches: use one that does")


async def _finished(engine: Engine, opened: Opened) -> bool:
    """Work until every job is through. False where something stopped it, which is told."""
    work, run = opened.work, opened.run
    try:
        await work.book.set_run(work.lease, work.now_us(), state="running")
        await _run(engine, opened)
        await work.book.set_run(work.lease, work.now_us(), state="done", **work.outlet.changes())
        opened.sink.finish()
        with suppress(OSError):  # never made, or not empty
            work.folder.rmdir()
    except (ThriftgateError, asyncio.CancelledError) as error:
        note(f"thriftgate: {error}" if isinstance(error, ThriftgateError) else "thriftgate: interrupted")
        note(f"what is booked stands; the same command goes on, or: thriftgate batch resume {run.id}")
        if not isinstance(error, ThriftgateError):
            raise
        return False
    return True


async def _run(engine: Engine, opened: Opened) -> None:
    """Step until all is through, with a line of progress."""
    work = opened.work
    runner = Runner(work, opened.ask)
    told = ""
    with batch_progress.working(work) as changed:
        await runner.start()
        changed()
        while (wait_s := await runner.step()) is not None:
            changed()
            trouble = next((one.note for one in work.batches.values() if one.state == "posting" and one.note), "")
            if trouble and trouble != told:
                note(f"the provider takes no batch now, it is tried again: {trouble}")
            told = trouble
            await engine.clock.sleep(wait_s)
    _warn(runner.swept, opened.run.id)


def _warn(swept: Swept, run_id: str) -> None:
    """Say what was billed twice, or may have been."""
    if swept.copies:
        note(
            f"{swept.copies} batches exist twice: their POST was repeated on the way, and both copies are billed and booked"
        )
    for suspect in swept.suspects:
        note(
            f"the provider has a batch {suspect} of the size and age of one of this run's: it may be a second copy; "
            f"`thriftgate batch resume {run_id}` looks again once it has ended"
        )


async def _tell(engine: Engine, run_id: str, *, json: bool) -> int:
    """Show the run. Returns 1 where jobs of it failed, otherwise 0."""
    book = build.job_book(engine)
    run = await book.run(run_id)
    assert isinstance(book, SqlJobs)
    assert run is not None
    document = await run_document(book, run)
    print_json(document) if json else print_run(document)
    return 1 if document["failed"] else 0


async def _let_go(engine: Engine, opened: Opened) -> None:
    """Whatever ended the work: what was learned is kept, and the next worker need not wait."""
    try:
        await build.keep_learned(engine, opened.work)
        await opened.work.book.release(opened.work.lease)
    except ThriftgateError as error:
        note(f"thriftgate: {error}")


async def _file_run(engine: Engine, run_id: str) -> Run:
    run = await build.job_book(engine).run(run_id)
    if run is None or run.kind != "file":
        raise InputError(f"there is no run {run_id!r} over a file in this ledger; `thriftgate batch list` shows them")
    return run
