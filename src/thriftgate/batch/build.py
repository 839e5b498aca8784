"""Put a worker together around an engine: its run, its lease, its tools."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple, Protocol

import msgspec
from msgspec import Struct

from thriftgate.batch.booking import OURS, OURS_ACCOUNT, OURS_ENDPOINT, Desk
from thriftgate.batch.direct import Answered, Ask
from thriftgate.batch.files import FileOutlet, FileSource
from thriftgate.batch.intake import Estimate
from thriftgate.batch.jobs_file import fingerprint
from thriftgate.batch.planning import Planner
from thriftgate.batch.remote import Remote
from thriftgate.batch.sink import Order, Sink
from thriftgate.batch.waves import Reads
from thriftgate.batch.work import Options, Outlet, Progress, Source, Work
from thriftgate.core.control.whose import Payer
from thriftgate.core.deadline import Choice, Completions
from thriftgate.core.errors import InputError, LedgerError
from thriftgate.core.memo import PartMemo
from thriftgate.engine.call import Call
from thriftgate.engine.engine import Engine
from thriftgate.engine.touch import Purpose
from thriftgate.ledger.jobs import JobBook, Lease, Run
from thriftgate.ledger.sql import SqlLedger
from thriftgate.ledger.sql_jobs import SqlJobs
from thriftgate.logs import log
from thriftgate.providers.transport import Headers, Timeouts, header, laid_over
from thriftgate.wire import DIALECTS

API_HEADERS: Headers = ((b"anthropic-version", b"2023-06-01"),)
LEASE_US = 60_000_000
DOUBT_S = 60
"""Within that it is known whether a worker lives."""
MEMO_BYTES = 8 * 1024 * 1024  # of prompts that were read: what many jobs share, such as long system prompts
POST_TIMEOUTS = Timeouts(10.0, 300.0)
COMPLETIONS, READS = "batch.completions", "batch.reads"
WAITS = Choice(True, 0.0, 1.0, "the jobs of this run can wait for a batch")


class Learned(Protocol):
    """What was learned of batches."""

    def restore(self, data: bytes) -> None: ...


class FileJobs(Struct, frozen=True):
    """What a run over a file is: its jobs, where their results go, and how it is to be worked on. Kept with the run, so that
    `resume` needs nothing but its id. `content` names the bytes of the jobs file."""

    jobs: str
    out: str
    content: str
    order: Order = "input"
    deadline_us: int = 0
    betas: tuple[str, ...] = ()
    options: Options = Options()
    skip_bad: bool = False
    estimate: Estimate = Estimate()

    @property
    def run_id(self) -> str:
        """The same for the same jobs and the same results file: so the same command finds its run again."""
        return "run_" + sha256(f"{self.content}\0{self.out}".encode()).hexdigest()[:16]


class Opened(NamedTuple):
    """A run in this worker's hands."""

    run: Run
    work: Work
    ask: Ask
    sink: Sink
    source: FileSource

    def close(self) -> None:
        """Let go of its files."""
        self.sink.close()
        self.source.close()


def job_book(engine: Engine) -> JobBook:
    """The job book beside the engine's ledger. Raises LedgerError for a ledger that has none."""
    if not isinstance(engine.ledger, SqlLedger):
        raise LedgerError("this ledger keeps no jobs")
    return SqlJobs(engine.ledger)


def file_jobs(jobs: Path, out: Path, **members: object) -> FileJobs:
    """A run over a file. Raises InputError where it cannot be read, or would write over its own jobs."""
    if jobs.resolve() == out.resolve():
        raise InputError(f"--out is the jobs file itself: {out}")
    return FileJobs(str(jobs.resolve()), str(out.resolve()), fingerprint(jobs), **members)  # type: ignore[arg-type]


async def open_file(engine: Engine, files: FileJobs, credential: str) -> Opened:
    """Take a run over a file up, or begin it. Raises LedgerError where another worker has it, or where its results file is
    not what it left; InputError where the results file belongs to other jobs. What was begun goes on as it was begun,
    whatever `files` says now."""
    book = job_book(engine)
    await _check_out(engine, book, files)
    key = engine.key_of(credential)
    made = Run(files.run_id, "file", "reading", key, msgspec.json.encode(files), int(engine.clock.now_s() * 1e6))
    run = await book.open_run(made)
    if run.jobs == 0 and run.state == "reading" and _holds_something(Path(files.out)):
        raise InputError(f"{files.out} exists already and is not of this run: move it away, or name another --out")
    lease = await take(engine, book, run)
    begun = run.state != "reading"
    if begun:
        files = named(run)
    sink = Sink(Path(files.out), files.order, sync=False)
    if begun and run.state != "done":
        sink.open(spool_bytes=run.spool_bytes, out_bytes=run.out_bytes, out_seq=run.out_seq)
    elif not begun:  # what was written of bad lines will be written again
        sink.open(spool_bytes=0, out_bytes=0, out_seq=0)
    engine.knowledge.parts = PartMemo(MEMO_BYTES)  # most jobs of a file come once: remembering more of them gains nothing
    headers: Headers = ((b"anthropic-beta", ",".join(files.betas).encode()),) if files.betas else ()
    outlet = FileOutlet(sink, book)
    outlet.lease = lease
    source = FileSource(Path(files.jobs), headers)
    work = await worker(
        engine,
        book,
        lease,
        source=source,
        outlet=outlet,
        folder=Path(files.out + ".work"),
        options=files.options,
        credential=credential,
    )
    work.begun_by = run.key
    source.alike = work.planner.alike
    if files.deadline_us:
        work.deadline_s = files.deadline_us / 1e6
    return Opened(run, work, asking(engine, credential), sink, source)


async def worker(
    engine: Engine,
    book: JobBook,
    lease: Lease,
    *,
    source: Source,
    outlet: Outlet,
    folder: Path,
    options: Options,
    credential: str,
) -> Work:
    """All a worker needs, with what earlier ones have learned of batches."""
    key = engine.key_of(credential)
    completions, reads = Completions(), Reads()
    await restore(engine, {COMPLETIONS: completions, READS: reads})

    async def room() -> tuple[int | None, str]:
        return await engine.budgeting.room(key, engine.provider.name)

    return Work(
        book=book,
        room=room,
        lease=lease,
        clock=engine.clock,
        remote=Remote(engine.provider, engine.transport, _headers(credential), POST_TIMEOUTS),
        desk=Desk(key, engine.provider.name, engine.knowledge.book),
        planner=planner(engine, credential),
        source=source,
        outlet=outlet,
        folder=folder,
        new_id=engine.new_id,
        options=options,
        completions=completions,
        reads=reads,
        progress=Progress(),
    )


def planner(engine: Engine, credential: str) -> Planner:
    """Plans jobs as the engine plans calls."""
    return Planner(engine.knowledge, engine.policy, engine.key_of(credential), WAITS, upstream=engine.upstreams.first)


async def restore(engine: Engine, memories: Mapping[str, Learned]) -> None:
    """Take up what was learned of batches, by its name in the ledger."""
    for name, memory in memories.items():
        data = await engine.ledger.kept(name)
        if data is not None:
            try:
                memory.restore(data)
            except (ValueError, msgspec.MsgspecError) as error:
                log.warning("what was learned cannot be read", memory=name, error=type(error).__name__)


async def keep_learned(engine: Engine, work: Work) -> None:
    """Put down what was learned of batches, for the next run."""
    await engine.ledger.keep(COMPLETIONS, work.completions.kept())
    await engine.ledger.keep(READS, work.reads.kept())


async def take(engine: Engine, book: JobBook, run: Run) -> Lease:
    """The lease of a run. Raises LedgerError where a living worker holds it; where that cannot be told yet, as of one that
    was killed a moment ago, it is waited for."""
    lease = None
    for _ in range(DOUBT_S):
        if not engine.in_doubt(run.worker):
            break
        await engine.clock.sleep(1.0)
    if not engine.is_alive(run.worker):
        lease = await book.take(run.id, engine.worker_name, int(engine.clock.now_s() * 1e6), LEASE_US, dead=run.worker)
    if lease is None:
        raise LedgerError(f"another process is at work on {run.id}; wait for it, or stop it first")
    return lease


def asking(engine: Engine, credential: str, target: str = "") -> Ask:
    """Make synchronous calls through the engine: planned, held and booked like any other; to one `target` alone where it is
    named."""

    async def ask(params: bytes, headers: Headers, payer: Payer, name: str) -> Answered:
        call = Call(
            "POST",
            "/v1/messages",
            "",
            (*laid_over(_headers(credential), headers), (b"content-type", b"application/json")),
            params,
            DIALECTS[0],
            credential=credential,
            key=payer.key,
            whose=payer.whose,
            waited=True,
            pinned=target,
            parent=name.removeprefix(OURS) if name.startswith(OURS) else "",
        )
        if call.parent:  # no client's call: it is neither routed nor sampled, and is booked as a cost
            purpose = Purpose(OURS_ACCOUNT, OURS_ENDPOINT, f"a second call for {call.parent}")
            touched = await engine.toucher.send(call, engine.toucher.plan(call, payer.key), purpose)
            return Answered(touched.entry.status, touched.body, touched.entry)
        reply = await engine.messages(call)
        body = reply.body if reply.body is not None else b""
        entry = await engine.ledger.entry(header(reply.headers, b"thriftgate-request-id"))
        return Answered(reply.status, body, entry)

    return ask


def _headers(credential: str) -> Headers:
    return (*API_HEADERS, (b"x-api-key", credential.encode()))


async def _check_out(engine: Engine, book: JobBook, files: FileJobs) -> None:
    """No two runs may write one file. One that has sent nothing, and that nobody works on, is no hindrance."""
    for run in await book.runs():
        if run.kind == "file" and run.id != files.run_id and run.state != "done":
            other = named(run)
            if other.out == files.out and (run.state == "running" or engine.is_alive(run.worker)):
                raise InputError(
                    f"{files.out} is being written by {run.id}, whose jobs are not these: {other.jobs} has changed since it "
                    f"began, or is another file; name another --out, or cancel that run (thriftgate batch cancel {run.id})"
                )


def _holds_something(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def named(run: Run) -> FileJobs:
    """What a run over a file is."""
    return msgspec.json.decode(run.options, type=FileJobs)
