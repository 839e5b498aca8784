"""The side-by-side of small logs: every case has its figure and its reason, and every difference must be a known one."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from benchmarks.audit import goals, report
from benchmarks.audit.run import Figures
from benchmarks.audit.traps import EXPECTED, Compared, compare, find

AGREED = {
    "haiku45",
    "noreq",
    "opus46_fast",
    "opus48",
    "partial",
    "sonnet5",
    "synthetic",
    "toolresult_only",
    "claude-code-logs",
}
BROKEN = {"1h", "batch", "iterations", "noreqnull", "over200k_class", "residual", "samemsg_diffreq", "us_geo", "websearch"}


def test_the_table_covers_every_case_with_a_figure_and_a_sentence() -> None:
    assert set(EXPECTED) == AGREED | BROKEN | {"zero_breakdown"}
    for name, expected in EXPECTED.items():
        assert Decimal(expected.usd) >= 0
        assert 20 < len(expected.why) < 200
        assert "\n" not in expected.why
        assert bool(expected.breaks) is (name not in AGREED), name


def test_right_figures_are_sums_of_list_prices() -> None:
    million = 10**6
    sums = {
        "1h": Decimal(million * 3 * 2 * 2) / million,
        "batch": Decimal(million * 15) / 2 / million,
        "iterations": Decimal(180_000 * 3 + 3_500 * 15 + 100 * 3 + 100 * 15) / million,
        "noreqnull": Decimal(10 * 3 + 1_000 * 15) / million,
        "over200k_class": (Decimal(150_000 * 6 + 1_000) + 150_000 * Decimal("0.6") + 1_000 * Decimal("21.5")) / million,
        "residual": 184_457 * Decimal("3.75") / million,
        "us_geo": Decimal(25) * Decimal("1.1"),
        "websearch": 1_000 * Decimal("0.01"),
        "zero_breakdown": Decimal("3.75") * 2,
    }
    assert {name: Decimal(EXPECTED[name].usd) for name in sums} == sums


def case(folder: Path, name: str, *, flat: bool = False) -> Path:
    place = folder / name if flat else folder / name / "projects" / "-p"
    place.mkdir(parents=True)
    (place / "a.jsonl").write_text('{"type":"summary"}\n')
    return folder / name


def test_cases_are_found_by_their_logs(tmp_path: Path) -> None:
    one, two = case(tmp_path, "batch"), case(tmp_path, "anything", flat=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "README.txt").write_text("no case")
    assert find(tmp_path) == [two, one]
    assert find(one) == [one]
    assert find(two) == [two]
    for nothing in (tmp_path / "empty", tmp_path / "README.txt", tmp_path / "absent"):
        with pytest.raises(ValueError, match="no Claude Code logs"):
            find(nothing)


def test_log_files_without_a_project_are_given_one(tmp_path: Path) -> None:
    seen: list[list[str]] = []

    def look(config: Path) -> Decimal:
        seen.append([path.name for path in (config / "projects").rglob("*.jsonl")])
        return Decimal(1)

    compared = compare([case(tmp_path, "flat", flat=True), case(tmp_path, "batch")], look, None)
    assert seen == [["a.jsonl"], ["a.jsonl"]]
    assert [(one.name, one.ours, one.theirs, one.correct) for one in compared] == [
        ("flat", Decimal(1), None, None),
        ("batch", Decimal(1), None, False),
    ]
    assert sorted(path.name for path in (tmp_path / "flat").iterdir()) == ["a.jsonl"]


def test_a_tool_that_fails_has_no_figure_and_says_why(tmp_path: Path) -> None:
    def broken(config: Path) -> Decimal:
        raise RuntimeError("code 2: no such verb")

    (one,) = compare([case(tmp_path, "batch")], broken, lambda config: Decimal(21))
    assert (one.ours, one.theirs, one.failed) == (None, Decimal(21), "code 2: no such verb")
    assert one.correct is False
    judged = {goal.name: goal.passed for goal in goals.judge(Figures(cases=[one]))}
    assert judged["traps: not right to the cent"] is False
    assert judged["traps: differences from ccusage not explained"] is None


def compared(name: str, ours: str, theirs: str) -> Compared:
    expected = EXPECTED.get(name)
    right = Decimal(expected.usd) if expected else None
    why, breaks = (expected.why, expected.breaks) if expected else ("", "")
    return Compared(name, Decimal(ours), Decimal(theirs), right, why, breaks)


def test_a_difference_is_explained_only_where_we_are_right_and_the_broken_rule_is_known() -> None:
    assert compared("batch", "7.5", "21").explained
    assert not compared("batch", "7.6", "21").explained
    assert not compared("haiku45", "5", "4").explained  # ccusage was right there: something changed
    assert not compared("of-somebody-else", "5", "4").explained
    same = compared("haiku45", "5", "5.0000000001")
    assert same.explained
    assert not same.differs


def test_right_to_the_cent_is_less_than_half_a_cent() -> None:
    assert compared("batch", "7.5049", "21").correct
    assert compared("batch", "7.505", "21").correct is False


def test_the_report_shows_every_case_and_explains_every_difference() -> None:
    cases = [compared("batch", "7.5", "21"), compared("haiku45", "5", "5"), compared("us_geo", "25", "25")]
    text = report.tables(Figures(cases=cases))
    batch, haiku, us = (
        next(line for line in text.splitlines() if line.startswith(name)) for name in ("batch", "haiku", "us_")
    )
    assert batch.split() == ["batch", "7.500000", "7.500000", "21.000000", "right"]
    assert haiku.endswith("right")
    assert us.endswith("WRONG")
    assert EXPECTED["batch"].breaks in text
    assert EXPECTED["us_geo"].why in text
    assert EXPECTED["haiku45"].why not in text
    judged = {goal.name: goal.value for goal in goals.judge(Figures(cases=cases))}
    assert judged["traps: not right to the cent"] == 1
    assert judged["traps: differences from ccusage not explained"] == 0
