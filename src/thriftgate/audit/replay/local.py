"""Runs on this machine: each in a process of its own, some side by side.

Where a process is killed, as the system does where memory ran out, its run is done once more when nothing else runs; where
that is killed, too, the audit ends and says which it was: a partition is never left out. Every run has a scratch folder,
which is deleted when its process has ended, however it did.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import NamedTuple

import duckdb

from thriftgate.audit.replay.run import Done
from thriftgate.audit.replay.work import Job, Known, work
from thriftgate.audit.table import no_room
from thriftgate.core.errors import ThriftgateError

_SPAWN = multiprocessing.get_context("spawn")


def in_this_process(jobs: Sequence[Job], known: Known, folder: Path) -> list[Done]:
    """One after the other."""
    done: list[Done] = []
    for job in jobs:
        scratch = _scratch(folder, len(done))
        try:
            done.append(work(job, job.partition.files, scratch, known))
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return done


def in_processes(jobs: Sequence[Job], known: Known, folder: Path, processes: int) -> list[Done]:
    """So many side by side at most; the results in the order of the jobs. Raises ThriftgateError where the process of one is
    killed twice, and ConfigError where there is no room in the folder."""
    pool = _Pool(jobs, known, folder)
    try:
        while pool.waiting or pool.running:
            while pool.waiting and len(pool.running) < processes and not pool.alone:
                pool.start(pool.waiting.popleft())
            pool.settle()
            while pool.killed and not pool.running:  # nobody takes memory away from it now
                pool.start(pool.killed.popleft(), again=True)
                pool.settle()
    finally:
        pool.stop()
    return [pool.done[number] for number in range(len(jobs))]


class _Running(NamedTuple):
    number: int
    process: SpawnProcess
    results: Connection
    scratch: Path
    again: bool


class _Pool:
    def __init__(self, jobs: Sequence[Job], known: Known, folder: Path) -> None:
        self._jobs = jobs
        self._known = known
        self._folder = folder
        self.waiting = deque(range(len(jobs)))
        self.killed: deque[int] = deque()
        self.running: dict[Connection, _Running] = {}
        self.done: dict[int, Done] = {}

    @property
    def alone(self) -> bool:
        """Whether nothing may be started beside what runs, since something is to be done once more."""
        return bool(self.killed)

    def start(self, number: int, *, again: bool = False) -> None:
        scratch = _scratch(self._folder, number)
        results, sender = _SPAWN.Pipe(duplex=False)
        process = _SPAWN.Process(target=_run, args=(self._jobs[number], self._known, scratch, sender), daemon=True)
        with _undisturbed():
            process.start()
        sender.close()  # so that its end is seen here
        self.running[results] = _Running(number, process, results, scratch, again)

    def settle(self) -> None:
        """Wait until one or more have ended, and take what they leave."""
        for ready in wait(list(self.running)):
            assert isinstance(ready, Connection)
            one = self.running[ready]
            try:
                found = ready.recv()
            except EOFError:
                found = None
            one.process.join()
            self._end(one)
            if isinstance(found, Done):
                self.done[one.number] = found
            elif isinstance(found, BaseException):
                raise found
            elif one.again:
                raise ThriftgateError(_killed(self._jobs[one.number], one.process.exitcode))
            else:
                self.killed.append(one.number)

    def _end(self, one: _Running) -> None:
        one.results.close()
        shutil.rmtree(one.scratch, ignore_errors=True)
        del self.running[one.results]

    def stop(self) -> None:
        """Kill what runs still, and delete what it left."""
        for one in list(self.running.values()):
            one.process.kill()
            one.process.join()
            self._end(one)


def _killed(job: Job, code: int | None) -> str:
    how = f"by {signal.Signals(-code).name}" if code is not None and code < 0 else f"with code {code}"
    return (
        f"the process that replays {job.title} ended {how} twice, the second time with nothing beside it;"
        " maybe for want of memory: --no-replay prices the log without replaying it"
    )


def _scratch(folder: Path, number: int) -> Path:
    path = folder / f"run-{number}"
    path.mkdir()
    return path


@contextmanager
def _undisturbed() -> Iterator[None]:
    """What is started meanwhile never sees Ctrl-C, which reaches all processes: this one ends the others."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # starting it would unblock what is blocked here
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(job: Job, known: Known, scratch: Path, results: Connection) -> None:
    """What a process does: send the result, or what went wrong in words."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        results.send(work(job, job.partition.files, scratch, known))
    except MemoryError:
        os._exit(1)  # as if the system had killed it
    except duckdb.Error as error:
        results.send(no_room(scratch.parent, error))
    except ThriftgateError as error:
        results.send(error)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # nobody waits for what it finds
