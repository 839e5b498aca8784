"""Everything is read, in one process or in several, and told alike."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import pytest

from tests.audit.tables import claude_code_log
from thriftgate.audit import intake
from thriftgate.audit.calls import Calls
from thriftgate.audit.intake import Intake, take_in
from thriftgate.core.errors import ConfigError, ThriftgateError


def read(folder: Path, cache: Path) -> tuple[Intake, list[tuple[object, ...]]]:
    with TemporaryDirectory() as temporary:
        calls = Calls(Path(temporary) / "calls.duckdb")
        try:
            found = take_in([str(folder)], calls, cache)
            return found, sorted(calls.rows("select at_us, call_id, input, output, session from calls"))
        finally:
            calls.close()


def logs(folder: Path, count: int = 4) -> Path:
    for number in range(count):
        claude_code_log(folder / "p" / f"{number}.jsonl", turns=3, session=f"s{number}")
    return folder


def test_what_was_read_is_told_by_format(tmp_path: Path) -> None:
    found, rows = read(logs(tmp_path / "logs"), tmp_path / "cache")
    [source] = found.sources
    assert (source.format, source.files, source.records, source.depth) == ("claude-code", 4, 12, "call")
    assert (found.records, found.copies, len(rows)) == (12, 12, 12)  # each answer is written twice


def test_several_processes_read_what_one_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = logs(tmp_path / "logs")
    alone = read(folder, tmp_path / "one")
    monkeypatch.setattr(intake, "PARALLEL_BYTES", 0)
    monkeypatch.setattr("thriftgate.audit.shards.BATCH_FILES_MAX", 1)
    assert read(folder, tmp_path / "two") == alone


def test_progress_reaches_the_whole(tmp_path: Path) -> None:
    calls = Calls(tmp_path / "calls.duckdb")
    told: list[tuple[int, int]] = []
    take_in([str(logs(tmp_path / "logs"))], calls, tmp_path, progress=lambda done, total: told.append((done, total)))
    calls.close()
    assert told
    assert told[-1][0] == told[-1][1] > 0


RUN = """
import sys
from pathlib import Path
from thriftgate.audit import intake, shards
from thriftgate.audit.calls import Calls
shards.BATCH_FILES_MAX = 1
def told(done, total):
    print(done, flush=True)
    sys.stdin.readline()
intake.take_in([sys.argv[1]], Calls(Path(sys.argv[2]) / sys.argv[3]), Path(sys.argv[2]) / "cache", progress=told)
print("done", flush=True)
"""


def started(logs: Path, folder: Path, name: str) -> subprocess.Popen[bytes]:
    """An import in a process of its own, a file a batch, that waits for a line behind each."""
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(logs), str(folder), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def kept(cache: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in cache.iterdir() if path.suffix == ".parquet"}


def test_an_import_that_was_killed_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, cache = logs(tmp_path / "logs", 5), tmp_path / "cache"
    with started(folder, tmp_path, "first.duckdb") as run:
        assert run.stdin is not None
        assert run.stdout is not None
        for _ in range(2):
            run.stdout.readline()
            run.stdin.write(b"\n")
            run.stdin.flush()
        run.stdout.readline()
        run.kill()
    before = kept(cache)
    assert len(before) == 3
    monkeypatch.setattr("thriftgate.audit.shards.BATCH_FILES_MAX", 1)
    found, rows = read(folder, cache)
    assert found.records == len(rows) == 15
    after = kept(cache)
    assert len(after) == 5
    assert {name: after[name] for name in before} == before
    again, same = read(folder, tmp_path / "cache")
    assert (again, same) == (found, rows)
    assert kept(cache) == after


def test_two_imports_into_one_folder_do_not_disturb_each_other(tmp_path: Path) -> None:
    folder = logs(tmp_path / "logs", 4)
    runs = [started(folder, tmp_path, f"{name}.duckdb") for name in ("one", "two")]
    outs = [run.communicate(b"\n" * 4)[0] for run in runs]
    assert [out.split()[-1] for out in outs] == [b"done", b"done"]
    with duckdb.connect(str(tmp_path / "one.duckdb")) as one, duckdb.connect(str(tmp_path / "two.duckdb")) as two:
        counts = [database.execute("select count(*) from calls").fetchall() for database in (one, two)]
    assert counts == [[(12,)], [(12,)]]
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".json", ".parquet"}


def test_a_file_that_grew_costs_its_own_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("thriftgate.audit.shards.BATCH_FILES_MAX", 1)
    folder, cache = logs(tmp_path / "logs", 4), tmp_path / "cache"
    read(folder, cache)
    before = kept(cache)
    claude_code_log(folder / "p" / "2.jsonl", turns=5, session="s2")
    found, _ = read(folder, cache)
    assert found.records == 14
    after = kept(cache)
    assert {name: after[name] for name in before} == before
    assert len(after) == 5


def in_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "PARALLEL_BYTES", 0)
    monkeypatch.setattr("thriftgate.audit.shards.BATCH_FILES_MAX", 1)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)


def test_a_process_that_is_killed_is_an_error_and_no_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = logs(tmp_path / "logs", 12)
    in_processes(monkeypatch)

    def kill(_done: int, _total: int) -> None:
        for child in multiprocessing.active_children():
            child.kill()

    calls = Calls(tmp_path / "calls.duckdb")
    try:
        with pytest.raises(ThriftgateError, match="was killed"):
            take_in([str(folder)], calls, tmp_path / "cache", progress=kill)
    finally:
        calls.close()
    assert kept(tmp_path / "cache")
    monkeypatch.setattr(intake, "PARALLEL_BYTES", 2**40)
    assert read(folder, tmp_path / "cache")[0].records == 36


def test_an_error_in_a_process_is_told_as_in_this_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = logs(tmp_path / "logs", 2)
    in_processes(monkeypatch)
    (tmp_path / "cache").mkdir()
    monkeypatch.setattr(intake, "prepare", shutil.rmtree)  # as if it went in the meantime
    calls = Calls(tmp_path / "calls.duckdb")
    try:
        with pytest.raises(ConfigError, match="No such file"):
            take_in([str(folder)], calls, tmp_path / "cache")
    finally:
        calls.close()


@pytest.mark.parametrize("name", ["c[1]", "c'*?"])
def test_a_cache_folder_that_is_a_pattern(tmp_path: Path, name: str) -> None:
    (tmp_path / "c1").mkdir()
    found, rows = read(logs(tmp_path / "logs", 2), tmp_path / name)
    assert found.records == len(rows) == 6


def test_standard_input_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claude_code_log(tmp_path / "s.jsonl", turns=3)
    calls = Calls(tmp_path / "calls.duckdb")
    with (tmp_path / "s.jsonl").open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        found = take_in(["-"], calls, tmp_path / "cache")
    assert (found.records, calls.count("calls")) == (3, 3)
    calls.close()
    assert [*(tmp_path / "cache").iterdir()] == []
