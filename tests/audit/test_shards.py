"""Batches of files become shards; what was imported before is not read again."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import msgspec
import pytest

from tests.audit.rights import as_nobody
from tests.audit.tables import claude_code_log
from thriftgate.audit import shards
from thriftgate.audit.calls import Calls
from thriftgate.audit.find import files
from thriftgate.audit.records import Record
from thriftgate.audit.shards import (
    BATCH_BYTES,
    COLUMNS,
    Batch,
    Shard,
    as_pattern,
    batches,
    import_batch,
    known_shard,
    prepare,
)
from thriftgate.audit.sources import Source
from thriftgate.core.errors import ConfigError


def test_a_shard_holds_counts_and_no_text(tmp_path: Path) -> None:
    claude_code_log(tmp_path / "logs" / "p" / "s.jsonl", turns=3)
    [batch] = batches(files([str(tmp_path / "logs")]))
    shard = import_batch(batch, tmp_path)
    with duckdb.connect() as connection:
        rows = connection.execute(f"select * from read_parquet('{tmp_path / shard.parquet}')").fetchall()
        names = [column[0] for column in connection.description or ()]
    assert names == list(COLUMNS)
    assert "body" not in names
    assert len(rows) == shard.files[0].records == 3
    assert shard.files[0].format == "claude-code"
    assert shard.files[0].first_us <= shard.files[0].last_us


def test_what_was_imported_is_known_until_a_file_changes(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "s.jsonl"
    claude_code_log(log, turns=2)
    [batch] = batches(files([str(log)]))
    assert known_shard(batch, tmp_path) is None
    shard = import_batch(batch, tmp_path)
    known = known_shard(batch, tmp_path)
    assert known is not None
    assert msgspec.to_builtins(known) == msgspec.to_builtins(shard)
    with log.open("a") as stream:
        stream.write("{}\n")
    assert known_shard(batches(files([str(log)]))[0], tmp_path) is None


def test_a_damaged_or_missing_shard_is_imported_anew(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "s.jsonl"
    claude_code_log(log, turns=2)
    [batch] = batches(files([str(log)]))
    shard = import_batch(batch, tmp_path)
    (tmp_path / shard.parquet).unlink()
    assert known_shard(batch, tmp_path) is None
    import_batch(batch, tmp_path)
    (tmp_path / f"{batch.name}.json").write_text("{")
    assert known_shard(batch, tmp_path) is None


def test_nothing_is_left_behind_but_the_shard(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    claude_code_log(tmp_path / "s.jsonl", turns=2)
    shard = import_batch(batches(files([str(tmp_path / "s.jsonl")]))[0], folder)
    assert {path.name for path in folder.iterdir()} == {shard.parquet, shard.parquet.replace(".parquet", ".json")}


def test_files_that_are_no_logs_are_counted_by_reason(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("words")
    (tmp_path / "empty.jsonl").write_text("")
    [batch] = batches(files([str(tmp_path)]))
    shard = import_batch(batch, tmp_path)
    assert shard.parquet == ""
    assert {reason: skipped.count for reason, skipped in shard.skipped.items()} == {"unknown_format": 1, "empty_file": 1}
    assert isinstance(known_shard(batch, tmp_path), Shard)


def test_a_new_file_leaves_the_batches_before_it_as_they_were(tmp_path: Path) -> None:
    for number in range(12):
        path = tmp_path / f"{number:02}.jsonl"
        with path.open("wb") as stream:
            stream.truncate(BATCH_BYTES // 3)  # nothing but a size: nobody reads it here
        os.utime(path, (number, number))
    before = batches(files([str(tmp_path)]))
    new = tmp_path / "new.jsonl"
    new.write_bytes(b"{}")
    os.utime(new, (99, 99))
    after = batches(files([str(tmp_path)]))
    assert len(before) > 1
    assert [batch.name for batch in before[:-1]] == [batch.name for batch in after[: len(before) - 1]]
    assert sum(len(batch.paths) for batch in after) == 13


def shard_of(log: Path, cache: Path) -> tuple[Batch, Shard]:
    prepare(cache)
    [batch] = batches(files([str(log)]))
    return batch, import_batch(batch, cache)


def test_a_shard_with_a_bit_turned_is_imported_anew(tmp_path: Path) -> None:
    claude_code_log(tmp_path / "s.jsonl", turns=2)
    cache = tmp_path / "cache"
    batch, shard = shard_of(tmp_path / "s.jsonl", cache)
    assert known_shard(batch, cache) == shard
    parquet = cache / shard.parquet
    data = bytearray(parquet.read_bytes())
    data[len(data) // 2] ^= 1
    parquet.write_bytes(data)
    assert known_shard(batch, cache) is None
    parquet.write_bytes(b"")
    assert known_shard(batch, cache) is None
    import_batch(batch, cache)
    for wrong in (b"[]", b'{"parquet": 1}', b'{"parquet":"","files":[],"skipped":{"\xff":{}}}', b""):
        (cache / f"{batch.name}.json").write_bytes(wrong)
        assert known_shard(batch, cache) is None


def test_a_shard_of_another_version_or_other_columns_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claude_code_log(tmp_path / "s.jsonl", turns=2)
    shard_of(tmp_path / "s.jsonl", tmp_path / "cache")
    known = [known_shard(batch, tmp_path / "cache") for batch in batches(files([str(tmp_path / "s.jsonl")]))]
    assert known != [None]
    with monkeypatch.context() as patch:
        patch.setattr(shards, "VERSION", "0")
        assert known_shard(batches(files([str(tmp_path / "s.jsonl")]))[0], tmp_path / "cache") is None
    monkeypatch.setitem(COLUMNS, "more", "BIGINT")
    assert known_shard(batches(files([str(tmp_path / "s.jsonl")]))[0], tmp_path / "cache") is None


def test_only_the_owner_may_read_what_was_imported(tmp_path: Path) -> None:
    claude_code_log(tmp_path / "s.jsonl", turns=2)
    cache = tmp_path / "new" / "cache"
    shard_of(tmp_path / "s.jsonl", cache)
    assert cache.stat().st_mode & 0o777 == 0o700
    kept = [path for path in cache.iterdir() if path.is_file()]
    assert len(kept) == 2
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}


@pytest.mark.parametrize("name", ["c'ache", "[1]*?", "{a,b}", "gr\u00fc\u00df e"])
def test_a_cache_folder_may_be_called_anything(tmp_path: Path, name: str) -> None:
    claude_code_log(tmp_path / "s.jsonl", turns=2)
    cache = tmp_path / name
    (tmp_path / "1xy").mkdir()  # what a pattern would find instead
    batch, shard = shard_of(tmp_path / "s.jsonl", cache)
    assert known_shard(batch, cache) == shard
    calls = Calls(tmp_path / "calls.duckdb")
    try:
        calls.take([shard], as_pattern(cache))
        assert calls.records == 2
    finally:
        calls.close()


def test_a_cache_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", tmp_path / os.fsdecode(b"\xff"), Path("/proc/none")):
        with pytest.raises(ConfigError, match="--cache"):
            prepare(folder)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    with as_nobody(tmp_path), pytest.raises(ConfigError, match=r"--cache .*closed.*Permission denied"):
        prepare(closed / "cache")


def test_a_full_disk_is_no_fault_of_the_log(tmp_path: Path) -> None:
    """The limit of the size of a file stands for the end of the disk: writing fails in the same way."""
    claude_code_log(tmp_path / "s.jsonl", turns=600)
    code = f"""
import resource, signal
from pathlib import Path
from thriftgate.audit.find import files
from thriftgate.audit.shards import batches, import_batch
from thriftgate.core.errors import ConfigError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
try:
    import_batch(batches(files([{str(tmp_path / "s.jsonl")!r}]))[0], Path({str(tmp_path)!r}))
except ConfigError as error:
    print(error)
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith(f"--cache {tmp_path}: what is imported cannot be written there (File too large)")
    assert [path.name for path in tmp_path.iterdir()] == ["s.jsonl"]


def test_what_was_left_behind_and_what_nobody_uses_is_deleted(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    claude_code_log(tmp_path / "used.jsonl", turns=1)
    claude_code_log(tmp_path / "old.jsonl", turns=1)
    used, _ = shard_of(tmp_path / "used.jsonl", cache)
    old, _ = shard_of(tmp_path / "old.jsonl", cache)
    (cache / ".import-dead").mkdir()
    (cache / ".import-dead" / "records").write_text("{}")
    (cache / ".import-busy").mkdir()
    (cache / "stdin-dead.parquet").write_text("")
    (cache / "mine.txt").write_text("")
    for path in (*cache.glob("*.*"), cache / ".import-dead"):
        if path.name != ".import-busy":
            os.utime(path, (1, 1))
    assert known_shard(used, cache) is not None
    prepare(cache)
    assert known_shard(old, cache) is None
    assert known_shard(used, cache) is not None
    assert {path.name for path in cache.iterdir()} == {
        f"{used.name}.json", f"{used.name}.parquet", ".import-busy", "mine.txt"
    }  # fmt: skip


def test_a_file_that_grew_or_went_costs_few_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards, "BATCH_FILES", 20)
    monkeypatch.setattr(shards, "BATCH_FILES_MAX", 80)
    logs = [tmp_path / f"{number:04}.jsonl" for number in range(1000)]
    for at, path in enumerate(logs):
        path.touch()
        os.utime(path, (at, at))
    before = {batch.name for batch in batches(files([str(tmp_path)]))}
    assert len(before) > 30
    logs[200].write_text("{}\n")  # and so it is the latest
    after = {batch.name for batch in batches(files([str(tmp_path)]))}
    assert len(after - before) <= len(before) // 2  # how many depends on the names, and so on the folder
    logs[500].unlink()
    assert len({batch.name for batch in batches(files([str(tmp_path)]))} - after) <= len(before) // 2


def test_files_that_go_or_close_while_they_are_read_are_said(tmp_path: Path) -> None:
    claude_code_log(tmp_path / "logs" / "kept.jsonl", turns=2)
    for name in ("gone.jsonl", "closed.jsonl"):
        claude_code_log(tmp_path / "logs" / name, turns=2)
    found = files([str(tmp_path / "logs")])
    (tmp_path / "logs" / "gone.jsonl").unlink()
    (tmp_path / "logs" / "closed.jsonl").chmod(0)
    (tmp_path / "cache").mkdir(mode=0o777)
    (tmp_path / "cache").chmod(0o777)
    with as_nobody(tmp_path):
        shard = import_batch(batches(found)[0], tmp_path / "cache")
    assert {reason: found.count for reason, found in shard.skipped.items() if reason == "unreadable"} == {"unreadable": 2}
    assert sorted(example.split(": ")[1] for example in shard.skipped["unreadable"].examples) == [
        "No such file or directory",
        "Permission denied",
    ]
    assert sum(file.records for file in shard.files) == 2


def test_names_that_are_no_text_get_through(tmp_path: Path) -> None:
    log = tmp_path / os.fsdecode(b"p\xff") / os.fsdecode(b"s\xfe.jsonl")
    claude_code_log(log, turns=2)
    data = log.read_bytes().replace(b'"sessionId":"5e55",', b"").replace(b'"cwd":"/home/user/shop",', b"")
    log.write_bytes(b'{"type":"summary","leafUuid":"x"}\n' + data)
    _, shard = shard_of(log, tmp_path / "cache")
    assert shard.files[0].records == 2
    with duckdb.connect() as connection:
        parquet = str(tmp_path / "cache" / shard.parquet)
        [row, _] = connection.execute("select source, session, project from read_parquet(?)", [parquet]).fetchall()
    assert row == (f"{tmp_path}/p\\xff/s\\xfe.jsonl", "s\\xfe", "p\\xff")


class Strange:
    """An importer that meets what it did not expect."""

    def __init__(self, error: Exception) -> None:
        self.id, self.error = "claude-code", error

    def read(self, source: Source) -> Iterator[Record]:
        yield Record(source=source.name, position=1, at_us=1, model="m")
        yield Record(source=source.name, position=2, at_us=-1, model="m")
        yield Record(source=source.name, position=3, at_us=1, model="m", reported_pico=2**70)
        raise self.error


@pytest.mark.parametrize(
    "error", [KeyError("x"), ValueError("x"), RecursionError(), sqlite3.DatabaseError("x"), MemoryError()]
)
def test_an_importer_that_fails_is_no_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    monkeypatch.setattr(shards, "importer_for", lambda head: Strange(error))
    (tmp_path / "s.jsonl").write_text("{}")
    _, shard = shard_of(tmp_path / "s.jsonl", tmp_path / "cache")
    assert shard.files[0].records == 1
    assert {reason: found.count for reason, found in shard.skipped.items()} == {"malformed": 2, "unreadable": 1}
