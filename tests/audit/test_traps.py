"""Eighteen Claude Code logs that are easily counted wrong, through the whole audit, right to the pico-dollar.

The figures are worked out here by hand from the list prices of the day, in millionths of a dollar a token: a price of $3 a
million tokens is 3 (platform.claude.com/docs/en/about-claude/pricing, 2026-10).
"""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
from msgspec import Struct

from tests.audit.importers.reading import GOLDEN
from thriftgate.audit.audit import Wanted, audit
from thriftgate.audit.findings import Findings
from thriftgate.pricing.load import load_book, load_models

LOGS = GOLDEN / "claude-code"
PICO = 1_000_000  # in a millionth of a dollar


class Right(Struct, frozen=True):
    """What a log costs, in millionths of a dollar, and how many calls it holds."""

    cost: Fraction | int
    calls: int = 1
    copies: int = 0


def tenths(count: int) -> Fraction:
    return Fraction(count, 10)


TRAPS = {
    # Sonnet 4.5: 3 in, 3.75 and 6 to write, 0.3 to read, 15 out; with prompts above 200,000 tokens twice that, and 22.5 out
    "hour": Right(4 * 6 + 250_000 * 12 + 200 * tenths(225)),
    "batch": Right(Fraction(1_000 * 3 + 40_000 * 15, 2)),
    "iterations": Right((150_000 + 120) * 3 + (2_800 + 240) * 15),
    "no-request-id": Right(30 * 3 + 1_500 * 15, copies=1),
    "request-id-null": Right(25 * 3 + 900 * 15),
    "over-200k": Right(120_000 * 6 + 90_000 * tenths(6) + 2_000 * tenths(225)),
    "partial": Right(12 * 3 + 640 * 15, copies=2),
    "residual": Right((50_000 - 10_000) * Fraction(15, 4) + 10_000 * 6 + 10 * 15),
    "two-request-ids": Right(44 * 3 + 700 * 15, copies=1),
    "synthetic": Right(0, calls=0),
    "tool-result-only": Right(0, calls=0),
    "web-search": Right(100 * 3 + 50 * 15 + 30 * 10_000),
    "zero-breakdown": Right(1 * 3 + 80_000 * Fraction(15, 4) + 8 * 15),
    "haiku-4-5": Right(12_000 * 1 + 8_000 * 5),
    "opus-4-8": Right(5_000 * 5 + 3_000 * 25),
    "sonnet-5": Right(3_000 * 2 + 6_000 * 10),  # the rise of 2026-09-01 never came
    "fast": Right(100 * 30 + 20_000 * 150),  # Opus 4.6 as it was until 2026-06-28
    "us": Right((1_000 * 5 + 2_000 * 25) * tenths(11)),  # Opus 4.6, and a tenth more
}


@cache
def audited(folder: Path) -> Findings:
    return audit(Wanted((str(folder),), replay=False), load_book(), load_models())


def test_the_table_has_every_trap() -> None:
    assert len(TRAPS) == 18
    assert {f"trap-{name}" for name in TRAPS} == {folder.name for folder in LOGS.glob("trap-*")}


@pytest.mark.parametrize("name", TRAPS)
def test_a_trap_costs_what_it_was_billed(name: str, tmp_path: Path) -> None:
    (log,) = (LOGS / f"trap-{name}").glob("*.jsonl")
    (tmp_path / "projects").mkdir()
    (tmp_path / "projects" / log.name).write_bytes(log.read_bytes())
    right, found = TRAPS[name], audited(tmp_path)
    assert found.cost.pico == right.cost * PICO
    assert (found.cost.low, found.cost.high) == (found.cost.pico, found.cost.pico)
    assert (found.calls, found.duplicates) == (right.calls, right.copies)
    assert found.unpriced == ()


def test_all_together_cost_the_sum(tmp_path: Path) -> None:
    """Also when a fork copies each log, under another name, to another project."""
    for name in TRAPS:
        for project in ("one", "two"):
            (log,) = (LOGS / f"trap-{name}").glob("*.jsonl")
            folder = tmp_path / "projects" / project
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{project}-{name}.jsonl").write_bytes(log.read_bytes())
    found = audited(tmp_path)
    assert found.cost.pico == sum(right.cost for right in TRAPS.values()) * PICO
    assert found.calls == 16
    assert found.duplicates == 16 + 2 * sum(right.copies for right in TRAPS.values())


@pytest.mark.parametrize(
    ("case", "calls", "copies", "cost"),
    [
        # msg_F1 stands in both files
        ("fork", 3, 1, (4 + 5 + 6) * 3 + 8_150 * Fraction(15, 4) + 16_000 * tenths(3) + 183 * 15),
        ("side-question", 2, 1, 13 * 3 + 900 * Fraction(15, 4) + 904 * tenths(3) + 72 * 15),
        ("parallel", 2, 2, 9 * 3 + 140 * 15),
        # the main thread on Sonnet 4.5, the agent on Haiku 5.5 (0.1 in, 0.125 to write, 0.01 to read, 0.5 out)
        (
            "sub-agents",
            5,
            0,
            18 * 3 + 7_400 * Fraction(15, 4) + 7_000 * tenths(3) + 240 * 15
            + 20 * tenths(1) + 5_000 * Fraction(1, 8) + 5_000 * Fraction(1, 100) + 50 * tenths(5),
        ),
    ],
)  # fmt: skip
def test_copies_in_other_places_are_one_call(case: str, calls: int, copies: int, cost: Fraction) -> None:
    found = audited(LOGS / case)
    assert (found.calls, found.duplicates) == (calls, copies)
    assert found.cost.pico == cost * PICO
