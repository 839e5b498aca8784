"""A run whose jobs stand in a file and whose results go to one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from thriftgate.batch.job_line import read_job_line, read_like
from thriftgate.batch.jobs_file import read_at
from thriftgate.batch.sink import Sink
from thriftgate.batch.work import Placed, Stopped
from thriftgate.core.alike import Alike
from thriftgate.core.control.whose import Payer
from thriftgate.core.errors import InputError
from thriftgate.ledger.jobs import Job, JobBook, Lease
from thriftgate.providers.transport import Headers
from thriftgate.wire.anthropic_batches import result_line

EMIT = 500
_PUT_BACK = "put it back as it was, and run the same command again"


class FileSource:
    """Reads each call from where it stands in the jobs file. `headers` go with every batch; `alike` knows jobs that were
    found fit."""

    def __init__(self, path: Path, headers: Headers = ()) -> None:
        self.alike = Alike()
        self._path = path
        self._headers = headers
        self._file: BinaryIO | None = None

    async def load(self, jobs: Sequence[Job]) -> None:
        """Nothing to make ready: the file is at hand."""

    def params(self, job: Job) -> bytes:
        """The call. Raises Stopped where the file is not what it was: its jobs are not lost, it can be put back."""
        try:
            if self._file is None:
                self._file = self._path.open("rb")
            raw = read_at(self._file, job.place, job.size)
            line = read_like(raw, self.alike) or read_job_line(raw)
        except OSError as error:
            raise Stopped(f"cannot read {self._path}: {error.strerror}; {_PUT_BACK}") from None
        except InputError as error:
            raise Stopped(f"{self._path} has changed since it was taken in ({error}); {_PUT_BACK}") from None
        if line.name != job.name:
            what = f"where job {job.name!r} stood there is {line.name!r} now"
            raise Stopped(f"{self._path} has changed since it was taken in ({what}); {_PUT_BACK}")
        return line.params

    def headers(self, job: Job) -> Headers:
        del job  # all of a file go alike
        return self._headers

    def payer(self, job: Job) -> Payer:
        del job  # the key that all are sent with
        return Payer()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class FileOutlet:
    """Writes results as Anthropic's own result lines, under the callers' own ids."""

    def __init__(self, sink: Sink, book: JobBook) -> None:
        self._sink = sink
        self._book = book
        self.lease: Lease | None = None

    def add(self, results: Sequence[tuple[Job, bytes]], now_us: int) -> Placed:
        del now_us  # the file does not say when
        return Placed(self._sink.add([result_line(job.name, result) for job, result in results]), ())

    def changes(self) -> dict[str, object]:
        return {"spool_bytes": self._sink.spool_bytes, "out_bytes": self._sink.out_bytes, "out_seq": self._sink.out_seq}

    async def told(self, jobs: Sequence[Job]) -> None:
        """Move on in the file as far as results are there, in input order. The place is booked with the next results; what
        was written beyond it is written again after a crash."""
        if self.lease is None or self._sink.order == "arrival":
            return
        while True:
            page = await self._book.in_order(self.lease.run, self._sink.out_seq, EMIT)
            if self._sink.emit(page) < EMIT:
                return
