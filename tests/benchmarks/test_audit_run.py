"""The runs of the auditor's benchmark: commands timed with their memory, goals, tables, the command line."""

from __future__ import annotations

import os
import resource
import sys
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from benchmarks.audit import goals, report
from benchmarks.audit.__main__ import main
from benchmarks.audit.ccusage import Totals
from benchmarks.audit.month import Truth, generate
from benchmarks.audit.run import OURS, THEIRS, Audit, Failed, Figures, Run, audited, made, timed, warm
from benchmarks.cache.goals import Goal

HOLD_100_MB = "import time; held = bytearray(b'x') * 100_000_000; print('done'); time.sleep(0.4)"
TWO_OF_THEM = f"""
import subprocess, sys
both = [subprocess.Popen([sys.executable, "-c", {HOLD_100_MB!r}]) for _ in range(2)]
sys.exit(sum(one.wait() for one in both))
"""


def test_a_command_is_timed_and_its_output_kept() -> None:
    run = timed([sys.executable, "-c", "print(sum(i for i in range(3_000_000)))"], os.environ)
    assert run.output == b"4499998500000\n"
    assert 0.02 < run.cpu_s < 10
    assert run.wall_s > 0.02


def test_memory_is_that_of_the_largest_process_and_of_all_at_once() -> None:
    run = timed([sys.executable, "-c", TWO_OF_THEM], os.environ)
    own_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # a child begins so large
    assert 100 < run.largest_mb < max(200, own_mb + 100)
    assert run.peak_mb > 200
    assert run.output == b"done\ndone\n"


def test_a_command_that_ends_badly_says_what_it_said() -> None:
    with pytest.raises(Failed, match=r"code 3: it broke here$"):
        timed([sys.executable, "-c", "import sys; print('│ it broke   here │', file=sys.stderr); sys.exit(3)"], os.environ)


def truth_of(tmp_path: Path) -> Truth:
    return generate(tmp_path, 100, seed=1)


def run_of(wall: float, cpu: float, peak: float = 300.0) -> Run:
    return Run(wall, cpu, peak, peak)


def measured(truth: Truth, *, off_pico: int = 0) -> Figures:
    right = Decimal(truth.pico + off_pico) / 10**12
    policies = [{"name": "as-is", "family": "as-is", "calls": 100}, {"name": "all", "family": "levers", "calls": 80}]
    runs = {OURS: [run_of(2.0, 0.001), run_of(1.0, 0.002), run_of(9.0, 0.1, 900.0)], THEIRS: [run_of(4.0, 0.004)] * 3}
    totals = Totals(1, 2, 3, 4, Decimal(truth.models["claude-opus-4-8"].pico) / 10**12, {}, ("claude-sonnet-5",))
    audit = Audit(calls=100, cost_usd=right)
    replayed = Audit(calls=100, cost_usd=right, policies=policies)
    return Figures(truth, runs, audit, totals, replay=run_of(2.01, 2.0, 1200.0), replay_audit=replayed)


def by_name(judged: list[Goal]) -> dict[str, Goal]:
    return {goal.name: goal for goal in judged}


def test_goals_are_judged_on_medians_and_the_worst_memory(tmp_path: Path) -> None:
    judged = by_name(goals.judge(measured(truth_of(tmp_path))))
    assert judged["calls imported and priced per core and second"].value == pytest.approx(100 / 0.002)
    assert judged["wall clock per GB, ccusage's / ours"].value == 2
    assert judged["CPU per GB, ccusage's / ours"].value == 2
    assert judged["calls replayed a second, each policy counted"].value == pytest.approx((100 + 80) / 0.01)
    assert judged["calls of the log a second, whole verb"].value == pytest.approx(100 / 2.01)
    assert judged["memory, import and price, MB (all processes)"].value == 900
    assert judged["memory, import and replay, MB (all processes)"].passed is False
    assert judged["month, import: off by, dollars"].passed
    assert judged["month, replay: calls too many or too few"].passed


def test_a_cent_off_is_wrong(tmp_path: Path) -> None:
    judged = by_name(goals.judge(measured(truth_of(tmp_path), off_pico=-(10**10))))
    assert judged["month, import: off by, dollars"].value == pytest.approx(0.01)
    assert judged["month, import: off by, dollars"].passed is False


def test_what_was_not_measured_is_neither_met_nor_missed() -> None:
    assert {goal.passed for goal in goals.judge(Figures())} == {None}
    assert report.tables(Figures(skipped={THEIRS: "no npm"})) == "ccusage skipped: no npm"


def test_tables_and_document_tell_the_same(tmp_path: Path) -> None:
    figures = measured(truth_of(tmp_path))
    text = report.tables(figures)
    ours = next(line for line in text.splitlines() if line.startswith(OURS)).split()
    assert ours[1:5] == ["2.00", "0.00", "50", "50,000"]
    ratio = next(line for line in text.splitlines() if line.startswith("ccusage / thriftgate")).split()
    assert ratio[3:5] == ["2.00", "2.00"]
    document = msgspec.json.decode(msgspec.json.encode(report.document(figures)))
    assert document["import"][OURS]["calls_per_s"] == 50
    assert [one["wall_s"] for one in document["import"][OURS]["rounds"]] == [2.0, 1.0, 9.0]
    assert document["ratios"]["wall_s"] == 2
    assert Decimal(document["month"]["usd"]) == Decimal(document["bills"][OURS])
    assert document["replay"]["replayed_calls"] == 180


def test_the_month_is_kept_and_one_cut_short_is_made_again(tmp_path: Path) -> None:
    folder, truth = made(tmp_path, 60, 2)
    stamp = (folder / "truth.json").stat().st_mtime_ns
    assert made(tmp_path, 60, 2) == (folder, truth)
    assert (folder / "truth.json").stat().st_mtime_ns == stamp
    (folder / "truth.json").unlink()
    next((folder / "projects").rglob("*.jsonl")).write_text("cut")
    assert made(tmp_path, 60, 2) == (folder, truth)
    assert warm(folder / "projects") == truth.bytes


def test_the_real_verb_gives_the_true_bill(tmp_path: Path) -> None:
    pytest.importorskip("thriftgate.cli.audit")
    truth = generate(tmp_path / "logs", 300, seed=5)
    _, audit = audited(tmp_path / "logs", "--no-replay")
    assert audit.calls == truth.calls
    assert audit.cost_usd == Decimal(truth.pico) / 10**12


def test_figures_may_be_numbers_or_texts() -> None:
    for cost in ('"12.5"', "12.5"):
        told = f'{{"calls": 1, "cost_usd": {cost}, "by_model": [], "policies": [{{"name": "as-is", "family": "as-is"}}]}}'
        audit = msgspec.json.decode(told.encode(), type=Audit, strict=False)
        assert (audit.cost_usd, audit.replayed) == (Decimal("12.5"), 1)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--parts", "import,everything"], "unknown 'everything'"),
        (["--calls", "0"], "at least 1"),
        (["/nowhere/at/all", "--parts", "traps"], "no Claude Code logs here"),
    ],
)
def test_wrong_arguments_are_refused(capsys: pytest.CaptureFixture[str], arguments: list[str], said: str) -> None:
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = int(str(ended.code))
    assert code == 2
    assert said in capsys.readouterr().err
