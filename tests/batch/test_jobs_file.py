"""Files of jobs: their lines, found again by place, whatever ends them; and what is no file of jobs."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tempfile
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.batch.jobs_file import LINE_BYTES_MAX, Located, fingerprint, lines_of, read_at, require_file
from thriftgate.core.errors import InputError

BOM = b"\xef\xbb\xbf"


def written(folder: Path, data: bytes, name: str = "jobs.jsonl") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def refused(path: Path) -> str:
    with pytest.raises(InputError) as raised:
        list(lines_of(path))
    return str(raised.value)


def test_lines_with_their_places(tmp_path: Path) -> None:
    path = written(tmp_path, BOM + b'\n{"a":1}\r\n  \t\r\n\xc3\xa9 \nlast')
    assert list(lines_of(path)) == [
        Located(2, 4, 7, b'{"a":1}'),
        Located(4, 18, 3, b"\xc3\xa9 "),
        Located(5, 22, 4, b"last"),
    ]


@given(
    st.lists(
        st.tuples(st.binary(max_size=40).map(lambda data: data.replace(b"\n", b"")), st.sampled_from([b"\n", b"\r\n"]))
    ),
    st.binary(max_size=20).map(lambda data: data.replace(b"\n", b"")),
    st.booleans(),
)
def test_every_line_is_found_again(rows: list[tuple[bytes, bytes]], last: bytes, marked: bool) -> None:
    content = b"".join(line + end for line, end in rows) + last
    lines = [(number, line) for number, line in enumerate([*(line for line, _ in rows), last], 1)]
    with tempfile.TemporaryDirectory() as folder:
        # a first line of its own, so that none of any bytes is taken for a mark or a compression
        path = written(Path(folder), (BOM if marked else b"") + b"first\n" + content)
        found = list(lines_of(path))
        with path.open("rb") as file:
            for one in reversed(found):
                assert read_at(file, one.offset, one.length) == one.line
                assert len(one.line) == one.length
    expected = [(1, b"first")]
    for number, line in lines:
        ended = number <= len(rows) and rows[number - 1][1] == b"\r\n"
        kept = line if ended else line.removesuffix(b"\r")
        if line.strip():
            expected.append((number + 1, kept))
    assert [(one.number, one.line) for one in found] == expected


def test_lines_are_read_as_they_are_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "jobs.jsonl"
    with path.open("wb") as file:
        for number in range(200_000):
            file.write(b'{"id":%d,"params":{"model":"claude-haiku-4-5","max_tokens":1,"messages":[]}}\n' % number)
    size = path.stat().st_size
    lines = lines_of(path)
    first = next(lines)
    assert (first.number, first.offset) == (1, 0)
    os.truncate(path, size // 2)  # nothing behind the buffer has been read: the rest is the shorter file
    rest = sum(1 for _ in lines)
    assert 95_000 < rest < 105_000
    with path.open("rb") as file, pytest.raises(InputError, match="has changed"):
        read_at(file, size - 100, 80)


def test_all_of_many_lines_come_in_order(tmp_path: Path) -> None:
    path = written(tmp_path, b"".join(b'{"id":%d}\n' % number for number in range(200_000)))
    offset = 0
    for number, one in enumerate(lines_of(path)):
        assert (one.number, one.offset, one.line) == (number + 1, offset, b'{"id":%d}' % number)
        offset += one.length + 1
    assert number == 199_999


def test_a_line_has_a_limit(tmp_path: Path) -> None:
    longest = b"x" * LINE_BYTES_MAX
    path = written(tmp_path, b"a\n" + longest + b"\r\nb")
    assert [one.length for one in lines_of(path)] == [1, LINE_BYTES_MAX, 1]
    for end in (b"x\nb", b"x\r\nb", b"x", b"xxxxxxxx"):
        with path.open("wb") as file:
            file.write(b"a\n\n" + longest + end)
        assert f"line 3: longer than {LINE_BYTES_MAX:,} bytes" in refused(path)


@pytest.mark.parametrize("data", [b"", BOM, b"\n", b" \r\n\n\t", BOM + b"\r\n"])
def test_a_file_without_a_line_holds_no_jobs(tmp_path: Path, data: bytes) -> None:
    assert "holds no jobs" in refused(written(tmp_path, data))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(b"{}", mtime=0), "is compressed (gzip): decompress it first"),
        (zstandard.compress(b"{}"), "is compressed (zstd): decompress it first"),
        (b"\xfd7zXZ\x00", "is compressed (xz)"),
        (b"BZh91AY", "is compressed (bzip2)"),
        (b"PK\x03\x04", "is compressed (zip)"),
        (b"PAR1....", "is a Parquet table: give a template"),
        ("{}".encode("utf-16"), "is text in UTF-16: save it as UTF-8"),
        ("{}".encode("utf-16-be").join([b"\xfe\xff", b""]), "is text in UTF-16"),
    ],
)
def test_what_is_no_text_is_told(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refused(written(tmp_path, data))  # told by its first bytes, whatever the name


def test_what_is_no_plain_file_is_told(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, words in [
        (tmp_path / "absent.jsonl", "there is no file"),
        (tmp_path, "is a folder"),
        (pipe, "is no plain file"),
        (tmp_path / ("x" * 300), "cannot read"),
    ]:
        for ask in (refused, lambda path: _message(fingerprint, path), lambda path: _message(require_file, path)):
            assert words in ask(path)
            assert str(path) in ask(path)


def _message(ask: object, path: Path) -> str:
    with pytest.raises(InputError) as raised:
        ask(path)  # type: ignore[operator]
    return str(raised.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    path = written(tmp_path, b"{}")
    path.chmod(0)
    assert "cannot read" in refused(path)
    assert "cannot read" in _message(fingerprint, path)


def test_a_shorter_file_is_noticed() -> None:
    assert read_at(io.BytesIO(b"abcdef"), 2, 3) == b"cde"
    with pytest.raises(InputError, match="the jobs file has changed: it ends before byte 7"):
        read_at(io.BytesIO(b"abcdef"), 2, 5)


def test_a_fingerprint_names_the_content(tmp_path: Path) -> None:
    data = b'{"id":1}\n' * 1000
    name = fingerprint(written(tmp_path, data))
    assert name == fingerprint(written(tmp_path, data, "other.jsonl"))
    assert name == hashlib.sha256(b"9000\n" + data).hexdigest()
    others = {
        fingerprint(written(tmp_path, one)) for one in (data[:-1], data + b"\n", b"x" + data[1:], data[:-1] + b" ", b"")
    }
    assert len({name, *others}) == 6
