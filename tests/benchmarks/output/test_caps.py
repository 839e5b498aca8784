"""The short form of the benchmark of learned caps: its worlds are what they say, and its goals hold."""

from __future__ import annotations

import gzip
from pathlib import Path

import msgspec
import numpy as np
import pytest
from benchmarks.output.__main__ import main
from benchmarks.output.worlds import LIMIT, WORLDS, Calls, World, recorded

from benchmarks.output import caps


def test_log_normal_lengths_and_their_repeats() -> None:
    calls = World("w", 0.8).calls(1)
    assert float(np.median(calls.first)) == pytest.approx(400, rel=0.03)
    logs = np.log(calls.first), np.log(calls.again)
    assert float(logs[0].std()) == pytest.approx(0.8, rel=0.03)
    assert float(np.corrcoef(*logs)[0, 1]) == pytest.approx(0.8, abs=0.02)
    assert not calls.runaway.any()


def test_pareto_tails() -> None:
    first = World("w", 0.0, tail=1.5).calls(1).first
    assert float(np.median(first)) == pytest.approx(400, rel=0.03)
    over = [float((first > level).mean()) for level in (1_000, 2_000, 4_000)]
    assert over[0] / over[1] == pytest.approx(2**1.5, rel=0.1)
    assert over[1] / over[2] == pytest.approx(2**1.5, rel=0.15)


def test_runaways_and_drift() -> None:
    calls = World("w", 0.8, 0.02).calls(1)
    assert float(calls.runaway.mean()) == pytest.approx(0.02, abs=0.003)
    assert set(calls.first[calls.runaway].tolist()) == {LIMIT}
    assert float((calls.again[calls.runaway] == LIMIT).mean()) < 0.1
    endless = World("w", 0.8, endless=0.02).calls(1)
    assert set(endless.again[endless.runaway].tolist()) == {LIMIT}
    steps = World("w", 0.0, medians=(100.0, 300.0)).calls(1, 10).first
    assert steps.tolist() == pytest.approx([100] * 5 + [300] * 5, abs=1)
    slope = World("w", 0.0, medians=(100.0, 400.0, 100.0), gradual=True).calls(1, 5).first
    assert slope.tolist() == pytest.approx([100, 200, 400, 200, 100], abs=1)


def test_costs_of_a_fixed_cap() -> None:
    calls = Calls("c", np.array([10, 500, 90]), np.array([10, 30, 90]), np.array([False, True, False]), 500)
    assert caps.fixed(calls, None) == caps.Play(600, 600, 0, 0, 0)
    assert caps.fixed(calls, 100) == caps.Play(10 + 100 + 30 + 90, 230 + caps.AGAIN, 1 / 3, 1, 1)


def test_recorded_lengths(tmp_path: Path) -> None:
    (tmp_path / "azure").mkdir()
    with gzip.open(tmp_path / "azure" / "conv.csv.gz", "wt") as file:
        file.write("TIMESTAMP,ContextTokens,GeneratedTokens\n1,2,30\n2,2,40\n")
    (tmp_path / "claude-code-sessions").mkdir()
    nested = {"type": "subagent", "requests": [{"type": "n", "out": 7}]}
    with gzip.open(tmp_path / "claude-code-sessions" / "sessions.jsonl.gz", "wb") as file:
        file.write(msgspec.json.encode({"requests": [{"type": "n", "out": 5}, nested]}) + b"\n")
    assert [(one.name, one.first.tolist()) for one in recorded(tmp_path, 1)] == [
        ("recorded: conv", [30, 40]),
        ("recorded: claude-code", [5, 7]),
    ]
    with pytest.raises(FileNotFoundError, match="has neither"):
        recorded(tmp_path / "azure", 1)


def test_the_whole_in_short(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    worlds = {"log-normal 0.8", "log-normal 0.8, runaways 1 %", "median jumps every 2,000, runaways 1 %"}
    monkeypatch.setattr(caps, "WORLDS", [world for world in WORLDS if world.name in worlds])
    assert main(["caps", "--seeds", "1", "--calls", "10_000", "--json"]) == 0
    document = msgspec.json.decode(capsys.readouterr().out.splitlines()[-1])
    rows = {(row["world"], row["way"], row["rate"]): row for row in document["figures"]["rows"]}
    ours = rows["log-normal 0.8, runaways 1 %", caps.OURS, 0.02]
    assert ours["cost"] < 0.92
    assert ours["runaways"] > 0.6
    assert all(row["cut_worst"] < row["rate"] for row in rows.values() if row["rate"])
    assert rows["log-normal 0.8", caps.OURS, 0.02]["cost"] < 1.005
    assert rows["log-normal 0.8", "fixed, 2 x mean", None]["cost"] > 1.15
    assert document["failed"] is False


def test_data_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["caps", str(tmp_path), "--seeds", "1", "--calls", "10"]) == 2
    assert "has neither" in capsys.readouterr().err
