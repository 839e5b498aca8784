"""The benchmark of similar questions in a short form: its questions are what they claim, its figures add up."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from benchmarks.semantic.__main__ import main
from benchmarks.semantic.play import Question, play
from benchmarks.semantic.questions import made
from benchmarks.semantic.rivals import play_fixed

from thriftgate.core.semantic.lexical import LexicalIndex, features
from thriftgate.core.semantic.slots import slots_of
from thriftgate.core.semantic.stages import Terms


def test_questions_are_all_different_and_the_same_each_time() -> None:
    lines = made(500, seed=1)
    assert len({line.text for line in lines}) == 500
    assert lines == made(500, seed=1)
    assert 40 < len({line.label for line in lines}) < 200
    assert len({line.label for line in lines if "loan" in line.text.lower()}) > 5


def questions(count: int) -> list[Question]:
    return [Question(one.text, one.label, features(one.text), slots_of(one.text)) for one in made(count, seed=1)]


def test_a_fixed_threshold_is_counted_as_it_is() -> None:
    stream = questions(400)
    loose = play_fixed(stream, 0.3, LexicalIndex)
    strict = play_fixed(stream, 1.1, LexicalIndex)
    assert loose.served > 200
    assert loose.wrong / loose.served > 0.05
    assert (strict.served, strict.wrong) == (0, 0)


def test_a_stream_is_counted_as_it_is() -> None:
    played = play(questions(1_200), Terms(0.2, fill=100), LexicalIndex, "1")
    assert played.calls == 1_200
    assert 0 < played.served < played.calls - played.first
    assert played.wrong <= 0.2 * played.served
    assert played.stages >= 1


def test_one_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "few" / "questions.csv"
    file.parent.mkdir()
    file.write_text("text,category\nwhere is it?,place\nwhere is that,place\nwhat is it,thing\n", encoding="utf-8")
    flags = ["--seeds", "2", "--made", "300", "--bounds", "0.05", "--encoders", "lexical", "--processes", "1", "--json"]
    assert main([str(file), *flags]) == 0
    told = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1])
    assert {(one["questions"], one["seeds"], one["in_breach"]) for one in told["cells"]} == {
        ("few", 2, 0),
        ("help desk", 2, 0),
    }
    assert {one["threshold"] for one in told["fixed"]} == {0.8, 0.9}
