"""Files as importers see them: whatever the compression, the mark at the start and the ends of lines."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import zstandard

from thriftgate.audit.sources import Head, Source

DATA = b'{"a": 1, "b": {"c": 2}}\n{"a": 3}\n'


def plain(data: bytes) -> bytes:
    return data


@pytest.mark.parametrize("compress", [plain, gzip.compress, zstandard.compress])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_compression_and_marks_do_not_show(tmp_path: Path, compress: Callable[[bytes], bytes], mark: bytes) -> None:
    path = tmp_path / "log.jsonl"  # told by the first bytes, not by the name
    path.write_bytes(compress(mark + DATA))
    source = Source(path)
    assert [piece.data for piece in source.values()] == DATA.split()[0:0] + DATA.strip().split(b"\n")
    assert source.head.keys == {"a", "b"}
    assert source.head.inner_keys == {"c"}
    with source.local() as local:
        assert local.read_bytes() == mark + DATA


def test_lines_are_numbered_and_blank_ones_left_out(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"\none\r\n\n  \ntwo")
    assert [(piece.position, piece.data.rstrip()) for piece in Source(path).lines()] == [(2, b"one"), (5, b"two")]


def test_a_head_is_looked_at_without_being_whole() -> None:
    head = Head("x.json", b'[{"id": "a\\"}", "usage": {"input": 1, "deep": {"er": [1, {"no": 2}]}}, "cut": {"in')
    assert head.keys == {"id", "usage", "cut"}
    assert head.inner_keys >= {"input", "deep"}
    assert "no" not in head.inner_keys
    assert head.has('"usage"', "deep")
    assert not head.has('"usage"', "absent")


def test_columns_of_a_table() -> None:
    assert Head("x.csv", b'\xef\xbb\xbfday,"model", cost\r\n1,2,3').columns == ("day", "model", "cost")
    assert Head("x.json", b'{"a,b": 1}').columns == ()
    assert Head("x", b"").columns == ()


def test_names_lose_what_says_compressed(tmp_path: Path) -> None:
    path = tmp_path / "spend.csv.gz"
    path.write_bytes(gzip.compress(b"a,b\n1,2\n"))
    assert Source(path).head.name == "spend.csv"
    assert Source(path).where(3) == f"{path}:3"


def test_files_beside_it(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "c.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "folder").mkdir()
    assert [other.name for other in Source(tmp_path / "b.json").beside()] == [
        str(tmp_path / "a.json"),
        str(tmp_path / "c.json"),
    ]


def test_a_name_is_printable_whatever_it_is(tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"caf\xe9\x1b[31m\n.jsonl")
    odd.write_bytes(DATA)
    source = Source(odd)
    assert source.name == f"{tmp_path}/caf\\xe9\\x1b[31m\\n.jsonl"
    assert msgspec.json.decode(msgspec.json.encode(source.where(2))) == f"{source.name}:2"
    assert [piece.position for piece in source.values()] == [1, 2]
    assert Source(tmp_path / "gr\u00fc\u00df 1.jsonl").name == f"{tmp_path}/gr\u00fc\u00df 1.jsonl"


def zstd(data: bytes) -> bytes:
    """As its own program writes it, with a checksum."""
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


def rows(count: int) -> bytes:
    return b"".join(b'{"n": %d, "x": "%d"}\n' % (number, number * 7919 % 1000) for number in range(count))


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
@pytest.mark.parametrize("share", [0.3, 0.9])
def test_what_a_cut_off_compression_holds_is_read(tmp_path: Path, compress: Callable[[bytes], bytes], share: float) -> None:
    path = tmp_path / "log"
    whole, packed = rows(150_000), compress(rows(150_000))
    path.write_bytes(packed[: int(len(packed) * share)])
    source = Source(path)
    pieces = [piece for piece in source.values() if piece.data.endswith(b"}")]
    assert b"\n".join(piece.data for piece in pieces) == whole[: sum(len(piece.data) + 1 for piece in pieces) - 1]
    assert 0.5 * share < len(pieces) / 150_000 <= share + 0.1
    assert source.fault is not None
    assert source.fault.reason == "truncated"
    assert "breaks off behind the first" in source.fault.detail
    assert source.head.keys == {"n", "x"}


@pytest.mark.parametrize("compress", [gzip.compress, zstd])
def test_a_damaged_compression_ends_the_file_there(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "log"
    packed = bytearray(compress(rows(200_000)))
    packed[len(packed) // 2 : len(packed) // 2 + 64] = bytes(64)
    path.write_bytes(packed)
    source = Source(path)
    content = b"".join(source.chunks())
    assert 0.2 < len(content) / len(rows(200_000)) < 1.01
    assert source.fault is not None
    assert source.fault.reason == "truncated"


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_several_members_are_one_file_and_what_is_none_is_said(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"".join(compress(line + b"\n") for line in DATA.split(b"\n")))
    source = Source(path)
    assert [piece.data for piece in source.values()] == DATA.strip().split(b"\n")
    assert source.fault is None
    path.write_bytes(compress(DATA) + b"and more")
    source = Source(path)
    assert len([*source.values()]) == 2
    assert source.fault is not None
    assert source.fault.reason == "trailing_bytes"


def test_padding_behind_gzip_and_frames_to_be_skipped_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for packed in (gzip.compress(DATA) + bytes(700), b"\x50\x2a\x4d\x18\x02\0\0\0xy" + zstandard.compress(DATA)):
        path.write_bytes(packed)
        source = Source(path)
        assert b"".join(source.chunks()) == DATA
        assert source.fault is None


@pytest.mark.parametrize("start", [b"\x1f\x8b", b"\x1f\x8b\x08\0", b"\x28\xb5\x2f\xfd", gzip.compress(b"", mtime=0)[:12]])
def test_nothing_but_the_start_of_a_compression(tmp_path: Path, start: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(start)
    source = Source(path)
    assert source.head.data == b""
    assert [*source.values()] == []
    assert source.fault is not None


def test_memory_does_not_follow_the_content_of_a_bomb(tmp_path: Path) -> None:
    path = tmp_path / "log"
    for packed in (gzip.compress(bytes(2**28), 1), zstandard.compress(bytes(2**28))):
        path.write_bytes(packed)
        tracemalloc.start()
        assert sum(map(len, Source(path).chunks())) == 2**28
        assert tracemalloc.get_traced_memory()[1] < 2**26
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        ('{"a": 1}'.encode("utf-16"), "UTF-16"),
        ("\ufeff[1]".encode("utf-16-be"), "UTF-16"),
        ('{"a": 1}'.encode("utf-16-le"), "UTF-16"),
        ("a,b\n".encode("utf-16-be"), "UTF-16"),
        ('{"a": 1}'.encode("utf-32"), "UTF-32"),
        (DATA, ""),
        (b"\0\0\0\0" + DATA, ""),
        (b"SQLite format 3\0", ""),
        (b"", ""),
    ],
)
def test_text_that_is_not_utf8_is_known(data: bytes, encoding: str) -> None:
    assert Head("x", data).encoding == encoding


def test_a_broken_first_line_does_not_hide_the_keys() -> None:
    for broken in (b"{", b'{"z": {"a": "cut', b"Warning: \xff", b'"', b"\0\0\0"):
        assert Head("x", broken + b"\n" + DATA).keys == {"a", "b"}
    wrapper = b'{"data": [\n{"a": 1},\n{"b": 2}\n]}'
    assert Head("x", wrapper).keys == {"data"}
    assert Head("x", wrapper[:20]).keys == {"data"}


def test_a_name_that_is_a_pattern_is_hidden_from_those_who_would_follow_it(tmp_path: Path) -> None:
    odd = tmp_path / "x[1]*.parquet"
    odd.write_bytes(b"odd")
    odd.with_name("x[1]*.parquet-wal").write_bytes(b"log")
    (tmp_path / "x1.parquet").write_bytes(b"other")
    with Source(odd).local() as local:
        assert not set("*?[") & set(local.name)
        assert local.read_bytes() == b"odd"
        assert local.with_name(f"{local.name}-wal").read_bytes() == b"log"
    assert odd.read_bytes() == b"odd"


def test_a_pipe_that_gives_little_at_a_time_is_read_as_a_whole() -> None:
    code = (
        "from thriftgate.audit.sources import Source; s = Source(None);"
        "print(sorted(s.head.keys), [p.data for p in s.values()], s.fault and s.fault.reason)"
    )
    packed = gzip.compress(DATA)
    for data, told in ((DATA, "None"), (packed, "None"), (packed[:-9], "truncated")):
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
            assert run.stdin is not None
            for at in range(0, len(data), 5):
                run.stdin.write(data[at : at + 5])
                run.stdin.flush()
            out, _ = run.communicate()
        assert run.returncode == 0
        assert out.startswith(b"['a', 'b'] [b'{\"a\": 1")
        assert out.rstrip().endswith(told.encode())


def test_standard_input_that_is_closed_is_an_error_one_can_catch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(OSError, match="standard input is closed"):
        _ = Source(None).head


def test_a_folder_that_has_gone_has_nothing_beside(tmp_path: Path) -> None:
    assert [*Source(tmp_path / "gone" / "log").beside()] == []
