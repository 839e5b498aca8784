"""Where results go: a file, in the order in which they come or in the order of the jobs.

What is on disk beyond what the job book has booked is cut off when a run is taken up again, so a crash between writing and
booking neither doubles a line nor loses one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Literal

from thriftgate.core.errors import LedgerError
from thriftgate.ledger.jobs import Job

Order = Literal["input", "arrival"]


class OutputError(LedgerError):
    """The results cannot be written. What is booked stands; the run goes on once there is room."""

    label = "output"


class Sink:
    """The results file of a run, and with `input` order a spool beside it for those that came too early. `sync`: flush to
    the disk before anything is booked, so that a dying machine loses nothing either."""

    def __init__(self, out: Path, order: Order, *, sync: bool = False) -> None:
        self.out = out
        self.order = order
        self._sync = sync
        self._spool_path = out if order == "arrival" else out.with_name(out.name + ".spool")
        self._files: dict[Path, BinaryIO] = {}
        self.spool_bytes = 0
        self.out_bytes = 0
        self.out_seq = 0

    def open(self, *, spool_bytes: int, out_bytes: int, out_seq: int) -> None:
        """Take up where the job book says; what is behind it was never booked. Raises OutputError."""
        self.spool_bytes, self.out_bytes, self.out_seq = spool_bytes, out_bytes, out_seq
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            for path, size in {self.out: out_bytes, self._spool_path: spool_bytes}.items():
                file = self._files[path] = path.open("r+b" if path.exists() else "w+b")
                have = file.seek(0, os.SEEK_END)
                if have < size:
                    self.close()
                    raise OutputError(
                        f"{path} is shorter than it was left ({have} of {size} bytes): it was changed since; "
                        "put it back, or start anew with another --out"
                    )
                file.truncate(size)
                file.seek(size)
        except OSError as error:
            self.close()
            raise OutputError(f"cannot write {self.out}: {error.strerror}") from None

    def add(self, lines: Sequence[bytes]) -> list[tuple[int, int]]:
        """Write lines; where each stands (offset, length). They count once `spool_bytes` is booked. Raises OutputError."""
        places: list[tuple[int, int]] = []
        at = self.spool_bytes
        for line in lines:
            places.append((at, len(line)))
            at += len(line)
        self._write(self._spool_path, self.spool_bytes, b"".join(lines))
        self.spool_bytes = at
        if self.order == "arrival":
            self.out_bytes = at
        return places

    def emit(self, jobs: Sequence[Job]) -> int:
        """Copy the results of these jobs, which follow each other from just behind `out_seq` on, into the file, up to the
        first that has none yet. Returns how many. Raises OutputError."""
        if self.order == "arrival":
            return 0
        ready: list[Job] = []
        for job in jobs:
            if job.state not in ("done", "failed"):
                break
            ready.append(job)
        if not ready:
            return 0
        spool = self._files[self._spool_path]
        pieces: list[bytes] = []
        try:
            for job in ready:
                spool.seek(job.out_place)
                pieces.append(spool.read(job.out_size))
        except OSError as error:
            raise OutputError(f"cannot read {self._spool_path}: {error.strerror}") from None
        data = b"".join(pieces)
        self._write(self.out, self.out_bytes, data)
        self.out_bytes += len(data)
        self.out_seq = ready[-1].seq
        return len(ready)

    def finish(self) -> None:
        """All is written: the spool is not needed any more."""
        self.close()
        if self.order == "input":
            self._spool_path.unlink(missing_ok=True)

    def close(self) -> None:
        for file in self._files.values():
            with suppress(OSError):  # what could not be written was told then, and is not booked
                file.close()
        self._files.clear()

    def _write(self, path: Path, at: int, data: bytes) -> None:
        file = self._files[path]
        try:
            file.seek(at)
            file.write(data)
            file.flush()
            if self._sync:
                os.fsync(file.fileno())
        except OSError as error:
            raise OutputError(
                f"cannot write {path}: {error.strerror}; nothing is lost, run the same command again"
            ) from None
