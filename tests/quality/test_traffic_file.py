"""Calls that nobody graded: read as live requests are, and told where they cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest

from thriftgate.core.errors import InputError
from thriftgate.core.routing.features import Surroundings, features_of
from thriftgate.quality.traffic_file import read_traffic


def written(folder: Path, text: str) -> Path:
    path = folder / "traffic.jsonl"
    path.write_text(text, encoding="utf-8")
    return path


def test_each_line_is_what_a_live_request_would_be(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        '{"text": "Sort this ticket", "task": "tickets"}\n\n'
        '{"text": "Add 2 and 3", "around": {"task": "sums", "prompt_tokens": 900, "turns": 2}, "outcomes": {}}\n'
        '{"text": "Add 3 and 4", "task": "other", "around": {"task": "sums"}}\n',
    )
    assert list(read_traffic(path)) == [
        features_of("Sort this ticket", Surroundings(task="tickets")),
        features_of("Add 2 and 3", Surroundings(task="sums", prompt_tokens=900, turns=2)),
        features_of("Add 3 and 4", Surroundings(task="sums")),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no calls"),
        ("\n \n", "holds no calls"),
        ('{"text": "a"}\nnothing\n', "line 2: JSON is malformed"),
        ('{"text": "a"}\n\n{"task": "b"}\n', "line 3: Object missing required field `text`"),
        ('{"text": 3}', "line 1: Expected `str`, got `int`"),
        ('["a"]', "write one object with text and task"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        read_traffic(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "traffic.jsonl"
    path.write_bytes(b'{"text": "\xff\xfe"}\n')
    with pytest.raises(InputError, match="line 1: "):
        read_traffic(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot read .*none\.jsonl: No such file"):
        read_traffic(tmp_path / "none.jsonl")
