"""Stored exchanges: a line each, whatever the client's JSON looks like, for the owner's eyes."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from thriftgate.quality.datasets import read_set
from thriftgate.quality.exchanges import append_exchange, exchange

BODY = {"model": "claude-opus-5-5", "max_tokens": 9, "messages": [{"role": "user", "content": "Wohin?\nMit Gruß 🙂"}]}


def test_each_is_a_line_that_an_evaluation_reads(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    flat, indented = msgspec.json.encode(BODY), msgspec.json.format(msgspec.json.encode(BODY), indent=2)
    assert b"\n" in indented
    for name, body in (("tg_1", flat), ("tg_2", indented)):
        append_exchange(str(path), exchange(name, "tickets", body, {"a": "links\nab", "b": ""}, 1_795_262_400.0))
    first, second = path.read_bytes().splitlines()
    assert msgspec.json.decode(first) == {
        "id": "tg_1",
        "task": "tickets",
        "request": BODY,
        "answers": {"a": "links\nab", "b": ""},
        "at": "2026-11-21T12:00:00+00:00",
    }
    assert msgspec.json.decode(second)["request"] == BODY
    assert [(item.id, item.task, item.question) for item in read_set(path)] == [
        (name, "tickets", BODY["messages"][0]["content"])  # type: ignore[index]
        for name in ("tg_1", "tg_2")
    ]


def test_only_the_owner_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    append_exchange(str(path), exchange("tg_1", "", b"{}", {}, 0.0))
    assert path.stat().st_mode & 0o777 == 0o600


def test_numbers_keep_their_digits(tmp_path: Path) -> None:
    path = tmp_path / "kept.jsonl"
    append_exchange(str(path), exchange("tg_1", "", b'{"a": 12345678901234567890123, "b": 1.10}', {}, 0.0))
    assert b'"request":{"a":12345678901234567890123,"b":1.10}' in path.read_bytes()


def test_a_file_that_cannot_be_written_is_told_and_harms_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "none" / "kept.jsonl"
    append_exchange(str(path), exchange("tg_1", "", b'{"a": "a prompt"}', {}, 0.0))
    told = "".join(capsys.readouterr())
    assert "exchange not stored" in told
    assert "No such file" in told
    assert "a prompt" not in told
