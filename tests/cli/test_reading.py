"""What a verb is given to read."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from thriftgate.cli.reading import named, read_input
from thriftgate.core.errors import InputError


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "body.json"
    path.write_bytes(b"\xef\xbb\xbf{\r\n}\x00")
    assert read_input(str(path)) == b"\xef\xbb\xbf{\r\n}\x00"
    assert named(str(path)) == str(path)


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"{}\xff")))
    assert read_input("-") == b"{}\xff"
    assert named("-") == "standard input"


@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("no/such.json", "cannot read no/such.json: No such file"),
        (".", "cannot read .: Is a directory"),
        ("--wrong", "unknown option --wrong; to read a file of that name write ./--wrong"),
    ],
)
def test_what_cannot_be_read_is_said(file: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        read_input(file)
    assert words in str(caught.value)
