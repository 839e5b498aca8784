"""The page on how the numbers were measured claims nothing that the benchmarks' page does not say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BENCHMARKS = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "concepts" / "measured.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.partition("| figure |")[2].splitlines() if line.startswith("| **")]
HEADLINES = (ROOT / "README.md").read_text(encoding="utf-8").partition("\n## Measured\n")[2].partition("\n## ")[0]


def test_there_is_something_to_look_at() -> None:
    assert len(ROWS) > 12


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0].split("**")[1])
def test_a_figure_its_command_and_its_day_stand_with_the_benchmarks(row: list[str]) -> None:
    figure, command, _kind, when = row
    for number in re.findall(r"\d[\d,]*\.\d+|\d{1,3}(?:,\d{3})+|\b\d{3,}\b", figure):
        assert re.search(rf"(?<![\d.]){re.escape(number)}(?!\d)", BENCHMARKS), number
    for program in re.findall(r"`(python -m benchmarks\.\w+)", command):
        assert program in BENCHMARKS
    for day in re.findall(r"2026-\d\d-\d\d", when):
        assert day in BENCHMARKS


def test_the_commands_of_the_headlines_are_those_of_the_page() -> None:
    commands = set(re.findall(r"`(python -m benchmarks[^`]*)`", HEADLINES))
    assert commands
    shown = set(re.findall(r"`(python -m benchmarks[^`]*)`", PAGE))
    assert {one for one in commands if not any(known.startswith(one) for known in shown)} == set()
