"""The store of answers."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from msgspec.structs import replace

from thriftgate.core.errors import InputError, LedgerError
from thriftgate.quality.answers import Answers, Stored, key_of

ONE = Stored(key_of(b"a", 0), b'{"content": []}', "batch", "tg_1", 5, 10, 0, 7)


def test_keys_tell_bodies_and_repeats_apart() -> None:
    assert len({key_of(b"a", 0), key_of(b"a", 1), key_of(b"b", 0), key_of(b"1a", 0)}) == 4
    assert len(key_of(b"a", 0)) == 64


def test_what_is_kept_is_found_again_and_the_first_stays(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "answers.db"
    with Answers(path) as answers:
        answers.put([ONE])
        answers.put([replace(ONE, paid_pico=99)])
    with Answers(path) as answers:
        assert answers.find([ONE.key, "other"]) == {ONE.key: ONE}
        assert answers.find([]) == {}


def test_more_than_a_page(tmp_path: Path) -> None:
    many = [replace(ONE, key=str(at)) for at in range(1_200)]
    with Answers(tmp_path / "answers.db") as answers:
        answers.put(many)
        assert len(answers.find(one.key for one in many)) == 1_200


def test_files_that_are_something_else(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database, but long enough to be looked at as one " * 20, encoding="utf-8")
    with pytest.raises(LedgerError, match="cannot be opened"):
        Answers(tmp_path / "text")
    connection = sqlite3.connect(tmp_path / "other.db")
    connection.execute("create table entries (id)")
    connection.close()
    with pytest.raises(InputError, match="is no store of answers"):
        Answers(tmp_path / "other.db")
    with pytest.raises(LedgerError, match="cannot be opened"):
        Answers(tmp_path)


def test_one_that_is_closed_tells_what_stands(tmp_path: Path) -> None:
    with Answers(tmp_path / "answers.db") as answers:
        pass
    with pytest.raises(LedgerError, match="stays in the ledger's books"):
        answers.find(["a"])
    with pytest.raises(LedgerError, match="stays in the ledger's books"):
        answers.put([ONE])
