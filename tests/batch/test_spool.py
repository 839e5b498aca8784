"""Bodies on their way: in memory while they are short, in a file of nobody else's when they are long."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from thriftgate.batch.sink import OutputError
from thriftgate.batch.spool import Spool, clear
from thriftgate.providers.transport import FileBody


def test_a_short_one_stays_in_memory(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "new", "a", memory_bytes=10)
    spool.add(b"12345")
    spool.add(b"67890")
    assert spool.close() == b"1234567890"
    spool.drop()
    assert not (tmp_path / "new").exists()


def test_a_long_one_goes_into_a_file(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "new", "a", memory_bytes=10)
    for _ in range(100):
        spool.add(b"12345")
    body = spool.close()
    assert isinstance(body, FileBody)
    assert body.length == spool.length == 500
    assert body.path.read_bytes() == b"12345" * 100
    assert stat.S_IMODE(body.path.stat().st_mode) & 0o077 == 0
    spool.drop()
    spool.drop()
    assert not list((tmp_path / "new").iterdir())


def test_dropped_before_it_is_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "a", memory_bytes=1)
    spool.add(b"12345")
    assert list(tmp_path.iterdir())
    spool.drop()
    assert not list(tmp_path.iterdir())


def test_nowhere_to_put_it(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    spool = Spool(tmp_path / "file", "a", memory_bytes=1)
    with pytest.raises(OutputError, match="cannot keep the body until it is sent: "):
        spool.add(b"12345")
    spool.drop()


def test_what_a_killed_process_left(tmp_path: Path) -> None:
    left = Spool(tmp_path, "a", memory_bytes=1)
    left.add(b"12345")
    left.close()
    (tmp_path / "tgb_1.json").touch()
    clear(tmp_path, lambda _name: True)
    assert len(list(tmp_path.iterdir())) == 2
    clear(tmp_path, lambda _name: False)
    assert [path.name for path in tmp_path.iterdir()] == ["tgb_1.json"]
    clear(tmp_path / "nowhere", lambda _name: False)
