"""Runs in processes: what is killed is done again or named, and nothing is left behind."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from tests.audit.replay.test_partitions import dealt_out
from tests.audit.tables import BOOK, MODELS, call, table
from thriftgate.audit.replay.local import in_processes, in_this_process
from thriftgate.audit.replay.policies import client_candidates
from thriftgate.audit.replay.work import Job, Known
from thriftgate.core.errors import ConfigError, ThriftgateError

KNOWN = Known(BOOK, MODELS)
PATIENCE_S = 60.0


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    """Two runs over calls whose file stays."""
    with table([call(at, input=9, write_5m=3_000, session=f"s{at % 3}") for at in range(12)]) as calls:
        part = dealt_out(calls, 12).sample
        kept = tmp_path / "kept.parquet"
        kept.write_bytes(part.files[0].read_bytes())
    one = part.__class__((kept,), 12)
    found = client_candidates()
    return [Job(one, tuple(found[:2]), True, True, "first"), Job(one, tuple(found[2:3]), False, True, "second")]


def folder(tmp_path: Path) -> Path:
    made = tmp_path / "scratch"
    made.mkdir()
    return made


@contextmanager
def killing(times: int) -> Iterator[list[int]]:
    """Kill so many of the processes that this one starts, each when it is seen."""
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        until = time.monotonic() + PATIENCE_S
        while not over.is_set() and len(killed) < times and time.monotonic() < until:
            for child in multiprocessing.active_children():
                if child.pid is not None and child.pid not in killed and len(killed) < times:
                    child.kill()
                    killed.append(child.pid)
            over.wait(0.01)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def test_processes_make_no_difference_and_one_that_is_killed_is_done_again(jobs: list[Job], tmp_path: Path) -> None:
    scratch = folder(tmp_path)
    expected = in_this_process(jobs, KNOWN, scratch)
    assert [one.observed.calls for one in expected] == [12, 12]
    with killing(1) as killed:
        assert in_processes(jobs, KNOWN, scratch, 2) == expected
    assert len(killed) == 1
    assert list(scratch.iterdir()) == []


def test_what_is_killed_twice_is_named(jobs: list[Job], tmp_path: Path) -> None:
    scratch = folder(tmp_path)
    words = r"replays first \(12 calls, 2 policies\) ended by SIGKILL twice"
    with killing(2) as killed, pytest.raises(ThriftgateError, match=words):
        in_processes(jobs[:1], KNOWN, scratch, 2)
    assert len(killed) == 2
    assert list(scratch.iterdir()) == []
    assert multiprocessing.active_children() == []


def test_an_error_ends_all_and_says_where(jobs: list[Job], tmp_path: Path) -> None:
    scratch = folder(tmp_path)
    jobs[1].partition.files[0].write_bytes(b"no parquet")
    with pytest.raises(ConfigError, match=f"{scratch}: the audit cannot write there"):
        in_processes(jobs, KNOWN, scratch, 2)
    assert list(scratch.iterdir()) == []
    assert multiprocessing.active_children() == []
    with pytest.raises(duckdb.Error):
        in_this_process(jobs, KNOWN, scratch)
    assert list(scratch.iterdir()) == []
