"""The compression benchmark on a small run: its corpus, what it measures, its command line."""

from __future__ import annotations

import gzip
import json
import random
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from benchmarks.compress.__main__ import main
from benchmarks.compress.corpus import from_paths, made_up
from benchmarks.compress.measure import Tokens, levers, measure

from thriftgate.core.models import Capabilities
from thriftgate.counting import EstimatingCounter


def written(folder: Path) -> Path:
    """A trace, a request and two files."""
    rows = [
        {"input": "Do it.", "session_id": "a"},
        {"input": "Do it.\n\n<returncode>0</returncode>\nok   \n", "session_id": "a"},
    ]
    (folder / "agent.jsonl.gz").write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    request = {
        "model": "m",
        "system": "Be brief.",
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hi"}],
    }
    (folder / "request.json").write_text(json.dumps(request), "utf-8")
    (folder / "data.json").write_text(json.dumps({"a": [1, 2, {"b": None}]}, indent=4), "utf-8")
    (folder / "binary.txt").write_bytes(b"\xff\xfe\x00")
    return folder


def test_the_corpus_is_read_once_by_source(tmp_path: Path) -> None:
    messages = list(from_paths([written(tmp_path), tmp_path / "data.json"]))
    name = tmp_path.name
    assert {message.source: message.pieces[0].text[:6] for message in messages} == {
        "agent prompts": "Do it.",
        "agent shell": "<retur",
        f"{name} system": "Be bri",
        f"{name} messages": "Hi",
        f"{name}.json": "{\n    ",
    }
    assert len(messages) == 5


def test_made_up_messages_are_the_same_for_the_same_seed() -> None:
    assert list(made_up(random.Random(1), 2)) == list(made_up(random.Random(1), 2)) != list(made_up(random.Random(2), 2))
    assert set(Counter(message.source for message in made_up(random.Random(1), 2)).values()) == {2}


def test_each_lever_saves_on_texts_of_its_kind() -> None:
    messages = list(made_up(random.Random(3), 2))
    tokens = Tokens(EstimatingCounter(), "claude47")
    capability = Capabilities(id="any", source="", checked="")
    for lever in levers():
        figures = measure(lever, "made", messages, tokens, capability)
        assert figures.after < figures.before <= figures.tokens
        assert (figures.lost or 0, figures.unsettled) == (0, 0)
        assert 0 < figures.saved_all <= figures.saved_touched < 100


def test_the_command_prints_one_json_object_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(written(tmp_path)), "--made", "1", "--json"]) == 0
    document = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1])
    assert document["benchmark"] == "compress"
    assert {goal["passed"] for goal in document["goals"] if goal["must"]} == {True}
    assert len(document["figures"]) == 12 * len(levers())


def test_no_text_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--made", "0"]) == 2
    assert "no text found" in capsys.readouterr().err
