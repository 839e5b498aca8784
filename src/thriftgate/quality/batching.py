"""Make the calls of an evaluation through the provider's batches, at half price: a run of the batch runner like any other.

Its jobs file stands in a folder beside the results until their answers are brought home. So a command that was killed finds
what it had sent, and pays for nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from thriftgate.batch import build
from thriftgate.batch.build import FileJobs, Opened
from thriftgate.batch.intake import Intake
from thriftgate.batch.jobs_file import lines_of
from thriftgate.batch.runner import Runner
from thriftgate.batch.sample import try_sample
from thriftgate.batch.work import PAGE, Options, Work
from thriftgate.core.errors import InputError, LedgerError
from thriftgate.engine.engine import Engine
from thriftgate.quality.answers import Stored
from thriftgate.quality.sending import Keep, stored, why_refused

_JOBS, _RESULTS = ".jobs.jsonl", ".results.jsonl"
_SAMPLE = 3


class _Result(Struct):
    type: str
    message: Raw = Raw(b"")
    error: Raw = Raw(b"")


class _ResultLine(Struct):
    custom_id: str
    result: _Result


_LINE = msgspec.json.Decoder(_ResultLine)
Watching = Callable[[Work], AbstractContextManager[Callable[[], None]]]


@contextmanager
def _unwatched(work: Work) -> Iterator[Callable[[], None]]:
    del work  # nobody looks
    yield lambda: None


class Batcher:
    """A sender that batches. `folder` is its own; `watching` may show how far a run is."""

    def __init__(
        self, engine: Engine, credential: str, folder: Path, options: Options, watching: Watching = _unwatched
    ) -> None:
        self._engine = engine
        self._credential = credential
        self._folder = folder
        self._options = options
        self._watching = watching

    async def left_over(self, keep: Keep, limit_pico: int | None) -> Mapping[str, str]:
        failed: dict[str, str] = {}
        book = build.job_book(self._engine)
        for jobs in sorted(self._folder.glob(f"*{_JOBS}")):
            files = self._files(jobs)
            run = await book.run(files.run_id)
            if run is not None and (run.state == "running" or (run.state == "done" and _is_there(files.out))):
                failed |= await self._through(files, keep, limit_pico)
            self._remove(files)  # what was never agreed to was never sent
        self._leave()
        return failed

    async def send(self, bodies: Mapping[str, bytes], keep: Keep, limit_pico: int | None) -> Mapping[str, str]:
        lines = [b'{"id":"%s","params":%s}\n' % (key.encode(), body) for key, body in bodies.items()]
        path = self._folder / f"{self._engine.new_id()}{_JOBS}"  # a name of its own: what is asked anew is a new run
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(b"".join(lines))
        except OSError as error:
            raise InputError(f"cannot write {path}: {error.strerror}") from None
        files = self._files(path)
        failed = await self._through(files, keep, limit_pico)
        self._remove(files)
        self._leave()
        return failed

    def _files(self, jobs: Path) -> FileJobs:
        return build.file_jobs(jobs, jobs.with_name(jobs.name.removesuffix(_JOBS) + _RESULTS), options=self._options)

    async def _through(self, files: FileJobs, keep: Keep, limit_pico: int | None) -> dict[str, str]:
        """Bring a run to its end, and its answers home."""
        opened = await build.open_file(self._engine, files, self._credential)
        try:
            if opened.run.state != "done":
                await self._worked(opened, files, limit_pico)
        finally:
            opened.close()
            await self._let_go(opened)
        return await self._home(files, keep)

    async def _worked(self, opened: Opened, files: FileJobs, limit_pico: int | None) -> None:
        work, run = opened.work, opened.run
        begun = build.named(run) if run.state == "running" else files
        if run.state != "running":
            await self._take_in(work, files)
        limit_pico = limit_pico if limit_pico is not None else begun.options.max_cost_pico
        work.options = replace(begun.options, max_cost_pico=limit_pico)
        kept = msgspec.json.encode(replace(begun, options=work.options))
        await work.book.set_run(work.lease, work.now_us(), state="running", options=kept)
        runner = Runner(work, opened.ask)
        with self._watching(work) as changed:
            await runner.start()
            changed()
            while (wait_s := await runner.step()) is not None:
                changed()
                await self._engine.clock.sleep(wait_s)
        await work.book.set_run(work.lease, work.now_us(), state="done", **work.outlet.changes())
        opened.sink.finish()
        with suppress(OSError):  # never made, or not empty
            work.folder.rmdir()

    async def _take_in(self, work: Work, files: FileJobs) -> None:
        """Check and measure every call; have the provider look at some. Raises InputError, and nothing was sent."""
        await work.book.forget_jobs(work.lease, work.now_us())
        taken = await Intake(work, Path(files.jobs)).take(sample=_SAMPLE)
        trouble = "; ".join(f"call {one.number}: {one.what}" for one in taken.bad)
        if not trouble:
            await work.book.group(work.lease, work.now_us())
            trouble = (await try_sample(self._engine, work, taken.sample, self._credential)).refusal
        if trouble:
            await work.book.forget_jobs(work.lease, work.now_us())
            raise InputError(f"nothing was sent, these calls are refused: {trouble}")

    async def _home(self, files: FileJobs, keep: Keep) -> dict[str, str]:
        """Hand the answers of a run that is through over; why others have none."""
        entries = await self._entries(files.run_id)
        answers: list[Stored] = []
        failed: dict[str, str] = {}
        for one in lines_of(Path(files.out)):
            line = _LINE.decode(one.line)
            if line.result.type == "succeeded":
                entry = await self._engine.ledger.entry(entries.get(line.custom_id, ""))
                answers.append(stored(line.custom_id, bytes(line.result.message), entry))
            else:
                failed[line.custom_id] = why_refused(line.result.error, f"the batch {line.result.type} it")
        keep(answers)
        return failed

    async def _entries(self, run_id: str) -> dict[str, str]:
        """The ids of the entries that jobs were booked under, by the jobs' names."""
        book, found, after = build.job_book(self._engine), dict[str, str](), 0
        while jobs := await book.in_order(run_id, after, PAGE):
            found.update((job.name, job.entry) for job in jobs)
            after = jobs[-1].seq
        return found

    async def _let_go(self, opened: Opened) -> None:
        with suppress(LedgerError):  # whoever takes it up next waits a minute longer
            await build.keep_learned(self._engine, opened.work)
            await opened.work.book.release(opened.work.lease)

    def _remove(self, files: FileJobs) -> None:
        for path in (files.jobs, files.out):
            Path(path).unlink(missing_ok=True)

    def _leave(self) -> None:
        with suppress(OSError):  # not there, or somebody put something into it
            self._folder.rmdir()


def _is_there(path: str) -> bool:
    return Path(path).exists()


def folder_beside(results: Path) -> Path:
    """Where a run keeps what it has sent, until it is through."""
    return results.with_name(results.name + ".work")
