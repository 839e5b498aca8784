"""Runs on Ray: on this machine, or on a cluster whose machines have the same version of thriftgate.

A partition goes to a machine as bytes, so nothing but Ray needs to be shared; no more are sent than a few ahead of what is
replayed. Ray does a run again whose process or machine has gone
(docs.ray.io/en/latest/ray-core/fault_tolerance/tasks.html, 2026-11).
"""

from __future__ import annotations

import importlib.util
import socket
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from thriftgate import __version__
from thriftgate.audit.replay.run import Done
from thriftgate.audit.replay.work import Job, Known, work
from thriftgate.audit.table import no_room
from thriftgate.core.errors import ConfigError, ThriftgateError

AHEAD = 2  # runs given to Ray for each of its cores
RETRIES = 2
REACH_S = 5.0  # Ray itself tries for minutes
_ERRORS_ONLY = 40
OBJECTS_BYTES = 2**28  # of Ray's own store, where one is started here: partitions and results are small


def installed() -> None:
    """Raises ConfigError where Ray is not."""
    if importlib.util.find_spec("ray") is None:
        raise ConfigError('--engine ray: Ray is not installed; pip install "thriftgate[ray]"')


def on_ray(address: str, jobs: Sequence[Job], known: Known, processes: int = 0) -> list[Done]:
    """What comes of these jobs, in their order. `address` is Ray's: "local", "auto", HOST:PORT, or ray://HOST:PORT; with
    "local" it has so many `processes`, 0 for one a core. Raises ConfigError where there is no cluster or no room, and
    ThriftgateError for a run that Ray has given up."""
    installed()
    import ray  # noqa: PLC0415  an extra

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": _ERRORS_ONLY}
    if address == "local":
        options |= {"num_cpus": processes or None, "object_store_memory": OBJECTS_BYTES, "include_dashboard": False}
    elif address != "auto":
        _reach(address)
    try:
        ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, ValueError, ImportError, TimeoutError) as error:
        raise ConfigError(f"--engine ray: no cluster at {address}: {str(error).splitlines()[0]}") from None
    try:
        return _Cluster(ray, jobs, known).run()
    finally:
        ray.shutdown()


def _reach(address: str) -> None:
    """Raises ConfigError where nobody listens there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), REACH_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise ConfigError(f"--engine ray: no cluster at {address}: {error}") from None


class _Cluster:
    def __init__(self, ray: Any, jobs: Sequence[Job], known: Known) -> None:
        self._ray = ray
        self._jobs = jobs
        self._known = ray.put(known)
        self._remote = ray.remote(num_cpus=1, max_retries=RETRIES, retry_exceptions=False)(_run)

    def run(self) -> list[Done]:
        """Some at a time, so that what is sent ahead stays little."""
        ahead = AHEAD * max(1, int(self._ray.cluster_resources().get("CPU", 1)))
        done: dict[int, Done] = {}
        sent: dict[Any, int] = {}
        waiting = list(reversed(range(len(self._jobs))))
        while waiting or sent:
            while waiting and len(sent) < ahead:
                number = waiting.pop()
                sent[self._send(self._jobs[number])] = number
            ready, _ = self._ray.wait(list(sent), num_returns=1)
            for one in ready:
                number = sent.pop(one)
                done[number] = self._result(one, self._jobs[number])
        return [done[number] for number in range(len(self._jobs))]

    def _send(self, job: Job) -> Any:
        contents = [file.read_bytes() for file in job.partition.files]
        return self._remote.options(name=job.title).remote(job, contents, self._known, __version__)

    def _result(self, one: Any, job: Job) -> Done:
        errors = self._ray.exceptions
        try:
            found = self._ray.get(one)
        except errors.RayTaskError as error:
            raise ThriftgateError(f"{job.title} failed on Ray: {str(error.cause).splitlines()[0]}") from None
        except errors.RayError as error:  # a process or machine that was lost, again and again
            why = str(error).splitlines()[0]
            raise ThriftgateError(f"{job.title} was given up by Ray after {RETRIES + 1} attempts: {why}") from None
        if isinstance(found, Done):
            return found
        raise found


def _run(job: Job, contents: Sequence[bytes], known: Known, version: str) -> Done | ThriftgateError:
    """On some machine of the cluster."""
    if version != __version__:
        return ConfigError(f"--engine ray: thriftgate is {version} here and {__version__} on the cluster")
    with tempfile.TemporaryDirectory(prefix="thriftgate-run-") as temporary:
        folder = Path(temporary)
        files = []
        for number, content in enumerate(contents):
            files.append(folder / f"{number}.parquet")
            files[-1].write_bytes(content)
        try:
            return work(job, files, folder, known)
        except duckdb.Error as error:
            return no_room(folder, error)
