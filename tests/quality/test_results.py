"""The file of results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.quality.evaluating import line, write_lines
from thriftgate.core.errors import InputError
from thriftgate.core.routing.features import Surroundings
from thriftgate.quality.results import Judged, Line, arms_in, check_out, read_results, write_results

JUDGED = Judged(
    0.5, "0.000001", "0.0000005", "0.1", 120, 9, {"ok": 1.0}, "batch", "llm", "A, then A", 2, (("A", "A"),), "0.2", None
)
WHOLE = Line("i1", "2+2?", {"a": JUDGED}, "sums", Surroundings("sums", 1, 2, 0, True, 30), "c1", 2.0, {"a": 1.0})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.jsonl"
    write_results(path, [WHOLE, line("i2", a=None)])
    assert read_results(path) == [WHOLE, line("i2", a=None)]
    assert arms_in([line("1", b=1.0), line("2", a=1.0, b=1.0)]) == ["b", "a"]
    assert (JUDGED.pico, JUDGED.paid_pico, JUDGED.judge_pico, JUDGED.signals_pico) == (10**6, 5 * 10**5, 10**11, 2 * 10**11)
    assert (JUDGED.first_quality, Judged(0.5).first_quality, Judged(0.5, first=1.0).first_quality) == (None, 0.5, 1.0)


GOOD: dict[str, Any] = {"id": "i1", "outcomes": {"a": {"quality": 1}}}


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([GOOD, GOOD], "line 2: the id 'i1' stands in line 1 already"),
        ([{"id": "i1"}], "line 1: outcomes: missing"),
        ([{"id": "i1", "outcomes": {"a": {"quality": 2}}}], "line 1: outcomes.a.quality: must be from 0 to 1, not 2.0"),
        ([{"id": "i1", "outcomes": {"a": {"quality": 1, "first": 2}}}], "line 1: outcomes.a.first: must be from 0 to 1"),
        ([{"id": "i1", "outcomes": {"a": {"quality": 1, "signals_cost_usd": "-1"}}}], "line 1: outcomes.a: an amount"),
        ([{"id": "i1", "outcomes": {"a": {}}}], "line 1: Object missing required field `quality`"),
        ([{"id": "i1", "outcomes": {"a": {"quality": 1, "cost_usd": "much"}}}], "'much' is not an amount in US dollars"),
        ([{"id": "i1", "outcomes": {"a": {"quality": 1, "cost_usd": "-1"}}}], "line 1: outcomes.a: an amount"),
        ([{"outcomes": {}}], "line 1: Object missing required field `id`"),
    ],
)
def test_what_is_wrong_is_told(tmp_path: Path, lines: list[Any], words: str) -> None:
    with pytest.raises(InputError) as told:
        read_results(write_lines(tmp_path / "r.jsonl", lines))
    assert words in str(told.value)


def test_a_table_is_no_results(tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text("a\n1\n", encoding="utf-8")
    with pytest.raises(InputError, match="results of an evaluation are JSONL"):
        read_results(tmp_path / "r.csv")


def test_only_results_are_written_over(tmp_path: Path) -> None:
    items, path = tmp_path / "set.jsonl", tmp_path / "r.jsonl"
    check_out(path, items)
    write_results(path, [WHOLE])
    check_out(path, items)
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="holds no results of an evaluation"):
        check_out(path, items)
    with pytest.raises(InputError, match="is the set itself"):
        check_out(items, items)
    with pytest.raises(InputError, match="is a folder"):
        check_out(tmp_path, items)
    with pytest.raises(InputError, match="cannot write"):
        write_results(path / "inside.jsonl", [WHOLE])
