"""The capacity page: every figure that it calls measured stands in the benchmarks, and the rest follows from it."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "guides" / "capacity.md").read_text(encoding="utf-8")
BENCHMARKS = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
FILLED = 0.5  # of a core: the page's working point
MB_PER_CALL = 1_166 / 1_000_000


def rows(heading: str, at: int = 0) -> Iterator[list[str]]:
    """The body of a table behind a heading."""
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    tables = re.findall(r"(?:^\|.*\n)+", section, re.MULTILINE)
    for line in tables[at].splitlines()[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


def measured(what: str) -> float:
    (figure,) = (row[1] for row in rows("Measured") if row[0].startswith(what))
    return float(figure.split()[0].replace(",", ""))


@pytest.mark.parametrize("row", list(rows("Measured")), ids=lambda row: row[0][:40])
def test_what_is_called_measured_was(row: list[str]) -> None:
    _, figures, section = row
    text = BENCHMARKS.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    assert text, f"there is no benchmark {section}"
    for figure in re.findall(r"\d[\d,.]*\d|\d", figures):
        assert re.search(rf"(?<![\d.,]){re.escape(figure)}(?![\d]|[.,]\d)", text), (
            f"{figure} is not among the figures of {section}"
        )


def number(text: str) -> float:
    return float(text.replace(",", "").removesuffix(" GB"))


def test_gateways_follow_from_what_a_call_costs() -> None:
    found = list(rows("Sizing"))
    assert len(found) == 4
    for calls, small, small_gateways, large, large_gateways in found:
        for cost_us, cores, gateways in (
            (measured("CPU of a call, 2 kB of JSON"), small, small_gateways),
            (measured("CPU of a call, 200 kB of JSON"), large, large_gateways),
        ):
            needed = number(calls) * cost_us / 1e6
            assert cores == f"{needed:.2f}"
            assert int(gateways) == max(1, math.ceil(needed / FILLED))


def test_books_follow_from_what_a_call_weighs() -> None:
    for day, month, size in rows("Sizing", 1):
        assert number(month) == number(day) * 30
        assert size == f"{number(month) * MB_PER_CALL / 1e3:.1f} GB"


def test_a_process_is_given_no_more_streams_than_files() -> None:
    assert "about four thousand" in PAGE
    assert (8_192 - 64) // 2 == 4_064
