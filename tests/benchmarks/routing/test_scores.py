"""A short form on made data, and the figures on cases that can be done by hand."""

from __future__ import annotations

from pathlib import Path
from random import Random

import msgspec
import numpy as np
import pytest
from benchmarks.routing.__main__ import main
from benchmarks.routing.curves import POINTS, Truth, curve
from benchmarks.routing.data import DataSet

from benchmarks.routing import latency, scores

PROMPTS = 420


def made(name: str, tasks: tuple[str, ...]) -> DataSet:
    """The cheap model loses a third of the prompts that say "intricate", and few others."""
    draw = Random(name)
    task = [draw.choice(tasks) for _ in range(PROMPTS)]
    hard = [draw.random() < 0.4 for _ in range(PROMPTS)]
    filling = ["the", "of", "and", "to", "a", "in", "is", "that", "it", "for"]
    texts = [" ".join([*draw.choices(filling, k=10), "intricate" if one else "simple"]) for one in hard]
    strong = [int(draw.random() < 0.9) for _ in range(PROMPTS)]
    cheap = [int(right and draw.random() > (0.35 if one else 0.04)) for right, one in zip(strong, hard, strict=True)]
    return DataSet(name, texts, task, cheap, strong, [1.0] * PROMPTS, [5.0] * PROMPTS, [0] * PROMPTS)


def truth(cheap: list[float], strong: list[float]) -> Truth:
    count = len(cheap)
    return Truth(np.array(cheap), np.array(strong), np.full(count, 1.0), np.full(count, 5.0))


def test_an_oracle_recovers_all_before_it_asks_the_strong_model_for_all() -> None:
    cheap, strong = [1.0] * 5 + [0.0] * 5, [1.0] * 10
    found = curve(np.array([0.0] * 5 + [1.0] * 5), truth(cheap, strong))
    assert found.quality == tuple([0.5, 0.6, 0.7, 0.8, 0.9] + [1.0] * 6)
    assert found.apgr == pytest.approx((0.0 / 2 + 0.2 + 0.4 + 0.6 + 0.8 + 5 * 1.0 + 1.0 / 2) / 10)
    assert (found.cpt50, found.cpt80) == pytest.approx((0.25, 0.4))
    assert found.saved_at(0.98) == pytest.approx(0.5 * 0.8)
    assert found.cost[0] == pytest.approx(0.2)
    assert found.cost[-1] == 1.0
    assert found.aiq == pytest.approx((0.5 * 0.75 + 0.5 * 1.0) / 1.0)


def test_a_score_without_knowledge_lies_on_the_line() -> None:
    draw = np.random.default_rng(1)
    count = 20_000
    strong = (draw.random(count) < 0.9).astype(float)
    cheap = (draw.random(count) < 0.6).astype(float)
    found = curve(draw.random(count), truth(cheap.tolist(), strong.tolist()))
    assert found.apgr == pytest.approx(0.5, abs=0.02)
    assert (found.cpt50, found.cpt80) == pytest.approx((0.5, 0.8), abs=0.03)
    assert found.saved_at(0.98) == pytest.approx(0.02 * 0.9 / 0.3 * 0.8, abs=0.02)
    assert found.aiq == pytest.approx(0.75, abs=0.01)
    assert len(found.quality) == POINTS


def test_a_short_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "LABELS", 200)
    monkeypatch.setattr(scores, "FEW_LABELS", 100)
    sets = [made("gsm8k", ("",)), made("mmlu", ("law", "art", "sums"))]
    figures = scores.measure(sets, splits=2)
    assert [(cell.name, cell.labels) for cell in figures.cells] == [
        ("gsm8k", 200), ("gsm8k", 100), ("mmlu", 200), ("mmlu", 100)
    ]  # fmt: skip
    first = figures.cells[0]
    ours, chance, oracle = (first.line(name) for name in (scores.OURS, scores.RANDOM, scores.ORACLE))
    assert ours is not None
    assert chance is not None
    assert oracle is not None
    assert chance.mean.apgr < ours.mean.apgr < oracle.mean.apgr
    assert first.line(scores.TASK) is None
    assert figures.cells[2].line(scores.TASK) is not None
    told = scores.table(figures)
    assert "gsm8k: 420 prompts, 200 labels, 2 splits" in told
    assert "published: RouteLLM" in told
    names = [goal.name for goal in scores.goals(figures)]
    assert [name[:2] for name in names] == ["R1", "R1", "gs", "R2", "R2", "R5", "R5"]
    assert msgspec.json.decode(msgspec.json.encode(scores.document(figures)))["cells"][0]["lines"][0]["name"] == "random"
    again = scores.measure(sets[:1], splits=2).cells[:2]
    assert again == figures.cells[:2]


def test_the_hot_path_is_measured() -> None:
    figures = latency.measure(examples=80, requests=4, rounds=1, lines=200)
    assert [one.chars for one in figures.timed] == list(latency.CHARS)
    assert all(0 < one.score_p50_ms <= one.p50_ms <= one.p99_ms for one in figures.timed)
    assert len(latency.goals(figures)) == 8
    assert "3,000 characters" in latency.table(figures)
    assert msgspec.json.encode(latency.document(figures))


def test_without_data_it_says_what_it_needs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["scores"]) == 2
    assert "needs a folder of outcomes" in capsys.readouterr().err
    assert main(["scores", str(tmp_path)]) == 2
    assert "no routing data in" in capsys.readouterr().err
