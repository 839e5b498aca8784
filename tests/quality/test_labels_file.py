"""Graded examples for calibration: from results, or from tables of people's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.quality.evaluating import line
from thriftgate.core.errors import InputError
from thriftgate.core.routing.features import Surroundings
from thriftgate.quality.labels import Labelled, Outcome
from thriftgate.quality.labels_file import labelled, read_labelled
from thriftgate.quality.results import Judged, Line, write_results


def test_results_of_an_evaluation(tmp_path: Path) -> None:
    judged = Judged(
        0.5, "0.000001", "0.0000005", latency_ms=120, output_tokens=9, signals={"ok": 1.0}, signals_cost_usd="0.000002"
    )
    around = Surroundings("sums", 1, 2, 0, True, 30)
    whole = Line("i1", "2+2?", {"a": judged, "b": Judged(None)}, "sums", around, "c1")
    write_results(tmp_path / "r.jsonl", [whole, line("i2", a=None), line("i3", task="t", a=1.0)])
    first, third = read_labelled(tmp_path / "r.jsonl")
    assert first == Labelled("i1", "2+2?", around, {"a": Outcome(0.5, 10**6, 120, 9, {"ok": 1.0}, 2 * 10**6)}, "c1")
    assert (third.id, third.around) == ("i3", Surroundings("t"))
    assert labelled(whole) == first


def test_of_repeats_the_first_grade_goes_with_the_first_signals() -> None:
    outcomes = {"a": Judged(0.5, first=1.0, repeats=2), "b": Judged(0.5, first=None, repeats=2)}
    assert labelled(Line("i1", "2+2?", outcomes)).outcomes == {"a": Outcome(1.0)}


def test_a_table(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(
        "id,prompt,task,cluster,cheap,strong,cost_usd:cheap,latency_ms:strong,output_tokens:cheap\n"
        "q1,two?,sums,c,1,right,0.001,250,7\n"
        ",three?,,,0.5,,,,\n",
        encoding="utf-8",
    )
    first, second = read_labelled(path)
    outcomes = {"cheap": Outcome(1.0, 10**9, 0, 7), "strong": Outcome(1.0, 0, 250)}
    assert first == Labelled("q1", "two?", Surroundings("sums"), outcomes, "c")
    assert second == Labelled("row-3", "three?", Surroundings(), {"cheap": Outcome(0.5)})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("question,cheap\na,1\n", "needs a column prompt; it has question, cheap"),
        ("prompt,task\na,b\n", "needs a column of qualities"),
        ("prompt,cheap,cost_usd\na,1,2\n", "the column 'cost_usd' belongs to no arm; write it as cost_usd:cheap"),
        ("prompt,cheap,cost_usd:dear\na,1,2\n", "'cost_usd:dear' belongs to no arm"),
        ("prompt,cheap\na,good\n", "line 2: cheap: 'good' is no number"),
        ("prompt,cheap\na,nan\n", "line 2: cheap: 'nan' is no number"),
        ("prompt,cheap\na,1\nb,2\n", "line 3: cheap: a quality is from 0 to 1, not '2'"),
        ("prompt,cheap\n,1\n", "line 2: prompt: missing"),
        ("prompt,cheap,strong\na,,\n", "line 2: no quality: at least one of cheap, strong"),
        ("id,prompt,cheap\nx,a,1\nx,b,0\n", "line 3: the id 'x' stands in line 2 already"),
        ("prompt,cheap,cost_usd:cheap\na,1,-1\n", "line 2: cost_usd:cheap: must not be negative"),
        ("prompt,cheap,latency_ms:cheap\na,1,-1\n", "line 2: latency_ms:cheap: must not be negative"),
        ("prompt,cheap,cost_usd:cheap\na,1,much\n", "line 2: 'much' is not an amount"),
        ("prompt,cheap\n", "holds no examples"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "labels.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as told:
        read_labelled(path)
    assert words in str(told.value)


def test_without_any_grade_there_is_nothing_to_learn_from(tmp_path: Path) -> None:
    write_results(tmp_path / "r.jsonl", [line("i1", a=None)])
    with pytest.raises(InputError, match="none of its 1 lines has an outcome with a quality"):
        read_labelled(tmp_path / "r.jsonl")
