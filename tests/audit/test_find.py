"""Which files are read, and by whom."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.audit.rights import as_nobody
from tests.audit.tables import claude_code_log
from thriftgate.audit.find import files, importer_for, importer_named, is_companion
from thriftgate.audit.importers import IMPORTERS
from thriftgate.audit.shards import batches, import_batch, prepare
from thriftgate.audit.sources import Head, Source
from thriftgate.core.errors import InputError


def touch(path: Path, at_s: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("{}\n")
    os.utime(path, (at_s, at_s))
    return path


def test_folders_are_searched_with_all_that_is_in_them(tmp_path: Path) -> None:
    late, early = touch(tmp_path / "a" / "late.jsonl", 9), touch(tmp_path / "a" / "b" / "c" / "early.jsonl", 2)
    assert files([str(tmp_path)]) == [early, late]


def test_each_file_is_read_once_however_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = touch(tmp_path / "one.jsonl")
    monkeypatch.chdir(tmp_path)
    found = files([str(one), str(tmp_path), "one.jsonl", "*.jsonl"])
    assert [path.absolute() for path in found if path is not None] == [one]


def test_patterns_and_standard_input(tmp_path: Path) -> None:
    one, two = touch(tmp_path / "x" / "1.json"), touch(tmp_path / "x" / "2.json", 2)
    touch(tmp_path / "x" / "3.csv")
    assert files([f"{tmp_path}/**/*.json", "-"]) == [one, two, None]


def test_a_name_with_brackets_is_a_name_first(tmp_path: Path) -> None:
    odd = touch(tmp_path / "log[1].jsonl")
    touch(tmp_path / "log1.jsonl")
    assert files([str(odd)]) == [odd]


@pytest.mark.parametrize("name", ["nothing", "nothing/*.jsonl", "no[thing]"])
def test_a_path_that_names_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        files([str(tmp_path / name)])


def test_hidden_folders_and_loops_are_left_out_but_not_what_is_named(tmp_path: Path) -> None:
    touch(tmp_path / "logs" / ".git" / "config.json")
    kept = touch(tmp_path / "logs" / "kept.json")
    (tmp_path / "logs" / "loop").symlink_to(tmp_path, target_is_directory=True)
    assert files([str(tmp_path / "logs")]) == [kept]
    hidden = touch(tmp_path / ".claude" / "projects" / "p" / "s.jsonl")
    assert files([str(tmp_path / ".claude")]) == [hidden]


def test_formats_are_told_by_looking_or_by_name() -> None:
    line = b'{"type":"user","sessionId":"s","uuid":"u","parentUuid":null,"message":{"role":"user"}}\n'
    known = importer_for(Head("s.jsonl", line))
    assert known is not None
    assert known.id == "claude-code"
    assert importer_for(Head("s.jsonl", b"plain words")) is None
    for importer in IMPORTERS:
        assert importer_named(importer.id) is importer
    with pytest.raises(InputError, match="claude-code"):
        importer_named("claude_kode")


def test_what_is_no_file_is_passed_over_in_a_folder_and_refused_by_name(tmp_path: Path) -> None:
    kept = touch(tmp_path / "kept.jsonl")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "gone").symlink_to(tmp_path / "nothing")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    assert files([str(tmp_path)]) == [kept]
    for odd in (tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(InputError, match="neither a file nor a folder"):
            files([str(odd)])
    for missing in ("gone", "self", "x" * 5000, "nul\0"):
        with pytest.raises(InputError, match="no such file"):
            files([str(tmp_path / missing)])


def test_links_are_followed_once_and_never_upwards(tmp_path: Path) -> None:
    elsewhere = touch(tmp_path / "elsewhere" / "s.jsonl")
    logs = tmp_path / "logs"
    own = touch(logs / "own.jsonl", 2)
    (logs / "projects").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (logs / "again").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (logs / "up").symlink_to(tmp_path, target_is_directory=True)
    (logs / "hard.jsonl").hardlink_to(own)
    (logs / "soft.jsonl").symlink_to(own)
    found = files([str(logs)])
    assert [path.resolve() for path in found if path is not None] == [elsewhere, logs / "hard.jsonl"]


def test_a_folder_deeper_than_python_may_call_is_searched(tmp_path: Path) -> None:
    top = folder = os.open(tmp_path, os.O_RDONLY)
    try:
        for _ in range(1200):
            os.mkdir("d", dir_fd=folder)
            outer, folder = folder, os.open("d", os.O_RDONLY, dir_fd=folder)
            if outer != top:
                os.close(outer)
        os.close(os.open("s.jsonl", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
        [found] = files([str(tmp_path)])
    finally:
        os.close(folder)
        os.close(top)
        subprocess.run(["rm", "-r", str(tmp_path / "d")], check=True)  # before Python tries to
    assert found is not None
    assert found.name == "s.jsonl"


def test_a_folder_that_cannot_be_listed_stands_among_the_files(tmp_path: Path) -> None:
    kept, hidden = touch(tmp_path / "kept.jsonl"), touch(tmp_path / "closed" / "s.jsonl")
    hidden.parent.chmod(0)
    with as_nobody(tmp_path):
        found = files([str(tmp_path)])
    hidden.parent.chmod(0o700)
    assert set(found) == {kept, hidden.parent}


def test_our_own_shards_are_no_logs(tmp_path: Path) -> None:
    claude_code_log(tmp_path / "logs" / "s.jsonl", turns=2)
    cache = tmp_path / "logs" / "cache"
    prepare(cache)
    shard = import_batch(batches(files([str(tmp_path / "logs")]))[0], cache)
    same_name = touch(tmp_path / "logs" / f"{'a' * 32}.json")
    assert (cache / shard.parquet).is_file()
    assert set(files([str(tmp_path / "logs")])) == {tmp_path / "logs" / "s.jsonl", same_name}


@pytest.mark.parametrize(
    ("name", "companion"),
    [
        ("agent-a77.meta.json", True),
        ("sessions-index.json", True),
        ("stats-cache.json", True),
        ("history.jsonl", True),
        ("LICENSE", True),
        ("README.md", True),
        (".DS_Store", True),
        ("session.jsonl", False),
        ("spend.csv", False),
        ("my-history.jsonl", False),
    ],
)
def test_companions_are_known_by_name(name: str, companion: bool) -> None:
    assert is_companion(name) is companion


GOLDEN = Path(__file__).parent / "importers" / "golden"


def test_one_importer_and_no_other_claims_each_file() -> None:
    logs = [path for path in sorted(GOLDEN.rglob("*")) if path.is_file()]
    assert len(logs) > 20
    for path in logs:
        head = Source(path).head
        claims = [importer for importer in IMPORTERS if importer.sniff(head)]
        assert len(claims) <= 1, (path, claims)
        assert importer_for(head) is (claims[0] if claims else None)
        assert importer_for(head, IMPORTERS[::-1]) is importer_for(head)
