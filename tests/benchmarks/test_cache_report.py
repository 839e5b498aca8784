"""Scores, goals, tables and the command line of the caching benchmark."""

from __future__ import annotations

import gzip
from array import array
from pathlib import Path
from typing import Any

import msgspec
import pytest
from benchmarks.cache import adversarial, goals, report, runs
from benchmarks.cache.__main__ import Scope, main, plan, pool
from benchmarks.cache.replay import Result
from benchmarks.cache.runs import DOCUMENTED, LATE_TOLD, OURS, Done, Key, discover, setting
from benchmarks.cache.scores import Run, Score, harm, quantile, run_of, score

from thriftgate.core.usage import Tokens

WHERE = setting(0.1, 1024)


def made(cost: float, *, plain: float = 100.0, bound: float = 40.0, name: str = "p", ns: tuple[int, ...] = (1_000,)) -> Run:
    return Run(name, plain, cost, bound, 1, int(cost > plain), 0.0, max(0.0, cost - plain), 0.0, 0, array("q", ns))


def scored(cost: float, *, plain: float = 100.0, bound: float = 40.0) -> Score:
    return score([made(cost, plain=plain, bound=bound)])


def test_a_run_tells_who_loses_and_by_how_much() -> None:
    result = Result("p", 220.0, Tokens(), (130.0, 20.0, 70.0, 0.0), (100.0, 60.0, 70.0, 0.0), (3_000, 1_000), rejected=2)
    run = run_of(result, bound=90.0, state_bytes=7)
    assert (run.plain, run.cost, run.bound, run.sessions, run.rejected) == (230.0, 220.0, 90.0, 3, 2)
    assert (run.losing, run.losing_tokens, run.overpaid, run.saved) == (1, 100.0, 30.0, 40.0)
    one = score([run])
    assert one.losing_sessions == pytest.approx(1 / 3)
    assert one.losing_tokens == pytest.approx(100 / 230)
    assert one.overpaid == pytest.approx(30 / 230)
    assert one.saved_by_rest == pytest.approx(40 / 230)
    assert (one.p50_us, one.p99_us, one.requests, one.rejected, one.state_bytes) == (3.0, 3.0, 2, 2, 7)


def test_scores_are_pooled_by_sums_not_by_means_of_ratios() -> None:
    one = score([made(50.0), made(270.0, plain=300.0, bound=200.0)])
    assert (one.draws, one.cost, one.plain, one.bound) == (2, 320.0, 400.0, 240.0)
    assert one.relative == pytest.approx(0.8)
    assert one.over_bound == pytest.approx(320 / 240)
    assert one.realised == pytest.approx(80 / 160)
    assert one.sd == pytest.approx(0.2)
    assert one.state_bytes is None


def test_where_caching_can_save_nothing_no_share_of_the_saving_is_told() -> None:
    assert scored(100.0, bound=100.0).realised is None
    assert scored(125.0, bound=100.0).over_bound == 1.25


def test_quantiles_are_values_that_occurred() -> None:
    ordered = list(range(1, 101))
    assert (quantile(ordered, 0.5), quantile(ordered, 0.99), quantile([7], 0.99)) == (51.0, 100.0, 7.0)


def test_no_harm_is_measured_against_the_cheaper_of_habit_and_nothing() -> None:
    assert harm(scored(102.0), scored(120.0)) == pytest.approx(1.02)
    assert harm(scored(60.0), scored(50.0)) == pytest.approx(1.2)


def figures(
    name: str, level: float = 1.0, belief: str = DOCUMENTED, read: float = 0.1, **costs: float
) -> dict[Key, dict[str, Score]]:
    where = setting(read, 1024, belief)
    return {Key(name, level, where): {policy.replace("_", "-"): scored(cost) for policy, cost in costs.items()}}


def verdicts(judged: list[goals.Goal]) -> dict[tuple[str, bool], bool | None]:
    return {(goal.name, goal.must): goal.passed for goal in judged}


def test_goals_of_a_coding_trace() -> None:
    good = verdicts(goals.judge(figures("claude-code", thriftgate=42.5, habit_5m=55.0, auto_5m=57.0)))
    assert good["claude-code 1 r=0.1 min=1024: cost / bound", True] is True
    assert good["claude-code 1 r=0.1 min=1024: cost / bound", False] is False  # 1.0625: the aim is 1.05
    assert good["claude-code 1 r=0.1 min=1024: cost / automatic 5m", True] is True
    assert good["claude-code 1 r=0.05 documented: cost / automatic 5m", True] is None
    assert good["mooncake 1 r=0.1 documented: saving realised", True] is None
    bad = verdicts(goals.judge(figures("claude-code", thriftgate=44.0, habit_5m=55.0, auto_5m=57.0)))
    assert bad["claude-code 1 r=0.1 min=1024: cost / bound", True] is False
    assert bad["claude-code 1 r=0.1 min=1024: cost / automatic 5m", True] is False


def test_goals_of_samples_worlds_and_other_traces() -> None:
    every = {
        **figures("claude-code", level=0.1, thriftgate=41.3),
        **figures("claude-code", belief=LATE_TOLD, thriftgate=41.3),
        **figures("claude-code", belief="no-late-upgrade-untold", thriftgate=99.0),
        **figures("claude-code", read=0.05, thriftgate=66.0, auto_5m=100.0),
        **figures("mooncake", thriftgate=75.0),
        **figures("agent-texts", thriftgate=44.9),
    }
    found = verdicts(goals.judge(every))
    assert found["claude-code 0.1 r=0.1 min=1024: saving realised", True] is False  # 97.8 %
    assert found[f"claude-code 1 r=0.1 min=1024 {LATE_TOLD}: saving realised", True] is True
    assert found["claude-code 1 r=0.05 min=1024: cost / automatic 5m", True] is True
    assert found["claude-code 1 r=0.05 min=1024: cost / automatic 5m", False] is False
    assert found["mooncake 1 r=0.1 min=1024: saving realised", True] is True  # 41.7 %: the aim is 45 %
    assert found["mooncake 1 r=0.1 min=1024: saving realised", False] is False
    assert found["agent-texts 1 r=0.1 min=1024: cost / bound", True] is False


def test_each_breach_of_no_harm_is_named_and_without_one_the_worst_case_is() -> None:
    fine = figures("a", thriftgate=90.0, habit_5m=95.0) | figures("b", thriftgate=101.0, habit_5m=120.0)
    worst = [goal for goal in goals.judge(fine) if goal.name.startswith("no harm")]
    assert [(goal.name.endswith("b 1 r=0.1 min=1024"), goal.passed) for goal in worst] == [(True, True)]
    broken = figures("a", thriftgate=98.0, habit_5m=95.0) | figures("b", level=0.01, thriftgate=103.0, habit_5m=120.0)
    found = [goal for goal in goals.judge(broken) if goal.name.startswith("no harm")]
    assert [(goal.must, goal.passed) for goal in found] == [(True, False), (True, False)]
    assert found[1].name.endswith("b 0.01 r=0.1 min=1024")


def test_state_is_judged_at_as_many_boundaries_as_were_seen() -> None:
    def judged(requests: int, size: int) -> bool | None:
        run = msgspec.structs.replace(made(100.0, ns=(1,) * requests), state_bytes=size)
        found = goals.judge({Key(goals.DISTINCT, 1.0, WHERE): {OURS: score([run])}})
        return next(goal.passed for goal in found if goal.name.startswith("state"))

    assert judged(250_000, 50_000_000) is True
    assert judged(250_000, 50_100_000) is False
    assert judged(125_000, 26_000_000) is False  # as 52 MB at 250,000
    assert judged(1_000_000, 49_000_000) is True
    assert judged(1_000_000, 51_000_000) is False


def test_times_are_a_must_on_recorded_traffic_and_an_aim_on_generated() -> None:
    slow = score([made(50.0, ns=(2_000_000,) * 3)])
    found = verdicts(goals.judge({Key("adversarial/unique", 1.0, WHERE): {OURS: slow}}))
    assert found["placement p99, us (worst generated trace)", False] is False
    assert not any("recorded" in name or "claude-code" in name for name, _ in found)
    found = verdicts(goals.judge({Key("mooncake", 1.0, WHERE): {OURS: slow}}))
    assert found["placement p50, us (worst recorded trace)", True] is False


def line(at_s: float, tokens: int, ids: list[int]) -> dict[str, Any]:
    return {"timestamp": int(at_s * 1000), "input_length": tokens, "output_length": 10, "hash_ids": ids}


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Forty conversations of five turns in the form of the Mooncake traces."""
    calls = []
    for session in range(40):
        ids: list[int] = []
        for turn in range(5):
            ids = [*ids, *range(100 * session + 4 * turn, 100 * session + 4 * turn + 4)]
            calls.append(line(20.0 * session + 70.0 * turn, 512 * len(ids), list(ids)))
    calls.sort(key=lambda call: call["timestamp"])
    path = tmp_path / "traces" / "mooncake" / "conversation.jsonl.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(gzip.compress(b"\n".join(msgspec.json.encode(call) for call in calls)))
    return path


def test_folders_are_walked_and_what_is_no_trace_is_named(trace: Path) -> None:
    root = trace.parents[1]
    (root / "notes").mkdir()
    (root / "notes" / "a.txt").write_text("nothing")
    (root / "broken").mkdir()
    (root / "broken" / "x.jsonl.gz").write_bytes(b"no gzip")
    (root / "LICENSE").write_text("x")
    found, skipped = discover(root)
    assert found == [trace.parent]
    assert set(skipped) == {root / "notes", root / "broken"}
    assert all(skipped.values())
    assert discover(trace) == ([trace], {})


def run(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main([str(argument) for argument in (*arguments, "--processes", 1)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_quick_run_prints_tables_and_goals_and_one_json_line(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, trace.parents[1], "--quick", "--json")
    assert code == 0
    document = msgspec.json.decode(out.splitlines()[-1])
    assert (document["benchmark"], document["quick"], document["seeds"]) == ("cache", True, {"1": [1]})
    assert {"thriftgate", "python"} <= document["versions"].keys()
    by_policy = {one["policy"]: one for one in document["figures"]}
    assert tuple(by_policy) == runs.MAIN
    assert by_policy["none"]["relative_cost"] == 1.0
    # Each turn adds 2,048 tokens to 2,048 × (turn - 1): written once, read from then on.
    reads = 0.1 * 2_048 * (1 + 2 + 3 + 4)
    assert by_policy["auto-5m"]["cost"] == pytest.approx(40 * (1.25 * 5 * 2_048 + reads))
    for one in by_policy.values():
        assert one["cost"] >= one["bound"] * (1 - 1e-9)
    assert "lower bound" in out
    assert "no harm" in out
    assert {goal["passed"] for goal in document["goals"]} <= {True, False, None}


def test_a_full_run_fails_with_a_goal_that_is_missed_and_a_quick_one_does_not(
    trace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    some = ("--levels", "1", "--read", "0.1", "--policies", f"habit-5m,{OURS}", "--json")
    code, out, _ = run(capsys, trace, *some)
    document = msgspec.json.decode(out.splitlines()[-1])
    missed = [goal for goal in document["goals"] if goal["must"] and goal["passed"] is False]
    assert code == int(document["failed"]) == int(bool(missed))
    monkeypatch.setattr(goals, "judge", lambda _: [goals.Goal("x", 1.0, True, True, 2.0)])
    assert run(capsys, trace, *some)[0] == 1
    assert run(capsys, trace, *some, "--quick")[0] == 0
    monkeypatch.setattr(goals, "judge", lambda _: [goals.Goal("x", 1.0, True, False, 2.0)])
    assert run(capsys, trace, *some)[0] == 0


def test_samples_draw_with_several_seeds_and_pool(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = (
        "--levels",
        "0.25",
        "--seeds",
        "3",
        "--read",
        "0.1,0.05",
        "--minimum",
        "512,1024",
        "--policies",
        "none,auto-5m",
    )
    code, out, _ = run(capsys, trace, *wanted, "--json")
    document = msgspec.json.decode(out.splitlines()[-1])
    assert code == 0
    assert document["seeds"] == {"0.25": [1, 2, 3]}
    assert {(one["read"], one["minimum"]) for one in document["figures"]} == {
        (0.1, 512),
        (0.1, 1024),
        (0.05, 512),
        (0.05, 1024),
    }
    assert all((one["draws"], one["requests"]) == (3, 150) for one in document["figures"])
    assert document["goals"] == []


def test_beliefs_show_worlds_in_which_the_planner_is_wrong(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, trace, "--quick", "--beliefs", "--policies", f"auto-5m,{OURS}", "--json")
    document = msgspec.json.decode(out.splitlines()[-1])
    assert {one["world"] for one in document["figures"]} == set(runs.BELIEFS)


def test_leave_out_judges_each_trace_by_what_the_others_chose(trace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, trace, "--quick", "--leave-out", "--policies", "none", "--json")
    left_out = msgspec.json.decode(out.splitlines()[-1])["left_out"]
    assert code == 0
    assert [(one["trace"], one["chosen"]) for one in left_out] == [("mooncake", "default")]
    assert left_out[0]["over_bound"] == left_out[0]["default_over_bound"] >= 1


def test_the_choice_for_a_trace_is_the_best_on_the_others() -> None:
    from benchmarks.cache.__main__ import _leave_out

    choices = {
        Key("a", 1.0, WHERE): {"default": scored(50.0), "bold": scored(60.0)},
        Key("b", 1.0, WHERE): {"default": scored(50.0), "bold": scored(44.0)},
        Key("c", 1.0, WHERE): {"default": scored(50.0), "bold": scored(42.0)},
    }
    found = {one.trace: one for one in _leave_out(choices)}
    assert {trace: one.chosen for trace, one in found.items()} == {"a": "bold", "b": "default", "c": "default"}
    assert (found["a"].over_bound, found["a"].default_over_bound) == (1.5, 1.25)


def test_generated_traffic_needs_no_data(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    small = {name: (make, 60) for name, (make, _) in adversarial.GENERATORS.items()}
    monkeypatch.setattr(adversarial, "GENERATORS", small)
    code, out, _ = run(capsys, "--adversarial", "--quick", "--policies", f"none,auto-5m,habit-5m,{OURS}")
    assert code == 0
    table = [row for row in out.splitlines() if "no harm" in row or "HARM" in row]
    assert len([row for row in table if "r=0.1" in row and "goal" not in row]) >= len(adversarial.GENERATORS)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("nowhere.jsonl.gz",), "no such file or folder: nowhere.jsonl.gz"),
        ((), "name a trace"),
    ],
)
def test_what_cannot_be_read_is_refused_with_exit_2(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert words in err


def test_a_folder_without_a_trace_is_refused_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, tmp_path)
    assert code == 2
    assert "nothing here can be replayed" in err
    assert f"skipped {tmp_path}: no trace" in err


def test_unknown_policies_and_levels_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (("--policies", "best"), ("--levels", "2"), ("--worlds", "flat")):
        with pytest.raises(SystemExit) as left:
            main([str(tmp_path), *wrong])
        assert left.value.code == 2
        assert wrong[1] in capsys.readouterr().err
    with pytest.raises(SystemExit) as helped:
        main(["--help"])
    assert helped.value.code == 0


FULL = Scope(False, (1.0, 0.1, 0.01), (0.1, 0.05, 0.025), None, None, None, None)


def test_the_plan_of_a_full_run() -> None:
    jobs = plan(FULL, [Path("t")], beliefs=False, generated=False)
    whole = [job for job in jobs if job.source == "t" and job.level == 1]
    first = {name for job in whole if job.settings == (WHERE,) for name in job.policies}
    assert first == set(runs.ALL)
    assert {one for job in whole for one in job.settings} == {
        WHERE,
        setting(0.05, 512),
        setting(0.025, 512),
        setting(0.1, 1024, LATE_TOLD),
    }
    samples = [job for job in jobs if job.level < 1]
    assert [len([job for job in samples if job.level == level]) for level in (0.1, 0.01)] == [5, 20]
    assert all(len(job.settings) == 3 and OURS in job.policies for job in samples)
    assert [job.size for job in jobs if job.source == goals.DISTINCT] == [goals.LIVE_BOUNDARIES]


def test_a_draw_that_was_dealt_out_is_put_together_again() -> None:
    key = Key("t", 1.0, WHERE)
    done = [
        Done(key, 1, made(50.0, name=OURS)),
        Done(key, 1, made(100.0, name="none")),
        Done(key, 1, made(60.0, name=OURS + ":x")),
    ]
    found, choices = pool(done)
    assert list(found[key]) == ["none", OURS]
    assert list(choices[key]) == ["x"]


def test_tables_line_up() -> None:
    text = report.align([["a", "bb"], ["ccc", "d"]])
    assert text == "a    bb\nccc   d"
