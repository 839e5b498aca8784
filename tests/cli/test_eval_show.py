"""`thriftgate eval report` and `eval compare`: from a file of results alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.cli.conftest import Run
from tests.quality.evaluating import line
from thriftgate.quality.results import Judged, Line, write_results


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")


def results(*lines: Line) -> str:
    write_results(Path("r.jsonl"), lines)
    return "r.jsonl"


def many() -> list[Line]:
    return [line(str(at), task="xy"[at % 2], a=float(at % 3 == 0), b=float(at % 10 > 0)) for at in range(60)]


def test_the_report(run: Run) -> None:
    document = run("eval", "report", results(*many()), "--json").json()
    assert document.keys() == {"results", "items", "arms", "tasks", "judging", "ungraded", "fell_short", "confidence"}
    a, b = document["arms"]
    assert a.keys() == {
        *("arm", "items", "ungraded", "quality", "quality_low", "quality_high", "cost_usd", "paid_usd", "latency_ms_p50"),
        *("latency_ms_p90", "output_tokens", "truncated", "refused", "modes"),
    }
    assert (a["quality"], b["quality"], a["cost_usd"], a["paid_usd"]) == (0.333333, 0.9, "0.000000001", "0.00000003")
    assert [(task["task"], task["items"]) for task in document["tasks"]] == [("x", 30), ("y", 30)]
    shown = run("eval", "report", "r.jsonl")
    assert (shown.code, shown.err) == (0, "")
    assert "task x: 30 items" in shown.out
    assert "33.3%  22.7% to 45.9%" in shown.out
    assert "judged by exact (120)" in shown.out


def test_judges_and_people_in_the_report(run: Run) -> None:
    judged = Judged(0.5, judge="llm", judge_usd="0.25", verdicts=(("A", "A"),), reason="A, then A")
    shown = run("eval", "report", results(Line("1", "t", {"a": judged}, human={"a": 0.5})))
    assert "1 pairs shown in both orders, 1 decided by the order alone" in shown.out
    assert "people agree with 100% of 1 judgements" in shown.out
    short = run("eval", "report", results(line("1", a=None), line("2", a=1.0)))
    assert short.code == 1
    assert "1 of 2 answers could not be judged: what is left may be a biased choice" in short.out


def test_the_comparison(run: Run) -> None:
    document = run("eval", "compare", results(*many()), "a", "b", "--json").json()
    assert (document["a"], document["b"], document["items"], document["test"]) == ("a", "b", 60, "mcnemar")
    assert (document["wins"], document["losses"], document["ties"]) == (36, 2, 22)
    assert document["verdict"] == "b is better than a"
    assert document["p"] < 1e-6
    assert document["quality"]["difference"]["value"] == 0.566667
    assert document["cost"]["difference_usd"] == "0"
    assert document["latency_ms"]["a"] == 1_000
    assert document == run("eval", "compare", "r.jsonl", "a", "b", "--json").json()
    shown = run("eval", "compare", "r.jsonl", "b", "a")
    assert "60 items: a better on 2, worse on 36, alike on 22 (p = 5.4e-09, mcnemar)" in shown.out
    assert "b is better than a" in shown.out
    assert "it costs 1.00 times as much" in shown.out


def test_no_difference_says_how_large_it_may_be(run: Run) -> None:
    lines = [line(str(at), a=float(at % 2), b=float(at % 3 > 0)) for at in range(12)]
    document = run("eval", "compare", results(*lines), "a", "b", "--json").json()
    assert document["verdict"].startswith("no difference in quality is shown; it may be anything from ")


def test_what_cannot_be_compared(run: Run) -> None:
    path = results(line("1", a=1.0), line("2", b=1.0))
    done = run("eval", "compare", path, "a", "b", "--json")
    assert (done.code, done.json()["items"]) == (1, 0)
    assert "no item has a grade of both a and b" in run("eval", "compare", path, "a", "b").out
    for arguments, words in (
        (("r.jsonl", "a", "c"), "has no arm 'c'; it has a, b"),
        (("r.jsonl", "a", "a"), "cannot be compared with itself"),
        (("nowhere.jsonl", "a", "b"), "there is no file"),
    ):
        done = run("eval", "compare", *arguments)
        assert (done.code, words in done.err) == (2, True), done.err


def test_what_costs_nothing_has_no_ratio(run: Run) -> None:
    free = replace(line("1", a=1.0).outcomes["a"], cost_usd="0", latency_ms=0)
    document = run("eval", "compare", results(Line("1", "t", {"a": free, "b": free})), "a", "b", "--json").json()
    assert (document["cost"], document["cost_ratio"], document["latency_ms"]) == ({}, {}, {})
