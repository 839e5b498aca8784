"""Where runs are done: in this process, in several on this machine, or on a Ray cluster. The results are the same."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from thriftgate.audit.replay.local import in_processes, in_this_process
from thriftgate.audit.replay.run import Done
from thriftgate.audit.replay.work import Job, Known
from thriftgate.core.errors import InputError

LOCAL = "local"
PARALLEL_CALLS = 4_000  # fewer are replayed before a second process has started


class Where(Struct, frozen=True):
    """`engine` is "local", "ray" for a Ray of its own on this machine, "ray:ADDRESS" for the cluster there ("ray:auto": the
    one this machine belongs to), or "ray://HOST:PORT" for one that Ray's client reaches. `processes` run side by side on
    this machine, 0 for one a core."""

    engine: str = LOCAL
    processes: int = 0

    def check(self) -> None:
        """Before hours of work are put into it. Raises InputError for what is no engine, ConfigError where it is not
        installed."""
        if self.processes < 0:
            raise InputError(f"--processes {self.processes}: name a number of processes, or leave it out for one a core")
        if self.engine == LOCAL:
            return
        if self.engine != "ray" and not (self.engine.startswith("ray:") and self.engine[4:].strip("/ ")):
            raise InputError(f"--engine {self.engine}: there are local, ray, ray:ADDRESS and ray://HOST:PORT")
        from thriftgate.audit.replay.on_ray import installed  # noqa: PLC0415  ray is an extra

        installed()

    @property
    def address(self) -> str:
        """Of the cluster, as Ray wants it."""
        if self.engine.startswith("ray://"):
            return self.engine
        return self.engine.removeprefix("ray").removeprefix(":") or "local"


def done_by(where: Where, jobs: Sequence[Job], known: Known, folder: Path) -> list[Done]:
    """What comes of these jobs, in their order. Raises ThriftgateError for one whose process is killed again and again, and
    ConfigError where there is no room in the folder."""
    if where.engine != LOCAL:
        from thriftgate.audit.replay.on_ray import on_ray  # noqa: PLC0415  ray is an extra

        return on_ray(where.address, jobs, known, where.processes)
    if max(job.partition.calls for job in jobs) < PARALLEL_CALLS:
        return in_this_process(jobs, known, folder)
    return in_processes(jobs, known, folder, min(where.processes or os.cpu_count() or 1, len(jobs)))
