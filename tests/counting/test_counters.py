"""Counters: what each counts, and that nothing heavy is loaded before it must be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.counting.support import COUNTERS, HAS_CTOK, needs_ctok
from thriftgate.core.tokens import Family, TextCounter
from thriftgate.counting import CtokCounter, EstimatingCounter, best_counter


def test_best_counter_by_version() -> None:
    counter = best_counter()
    assert counter.exact is HAS_CTOK
    assert counter.method.startswith("ctok 1" if HAS_CTOK else "estimate")


def test_nothing_heavy_is_imported_before_the_first_count() -> None:
    script = (
        "import sys; from thriftgate.counting import best_counter; best_counter(); "
        "sys.exit('ctok.main' in sys.modules or 'ctok' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("counter", COUNTERS)
@pytest.mark.parametrize("family", ["claude3", "claude47"])
def test_counters_count(counter: TextCounter, family: Family) -> None:
    assert counter.count("", family) == 0
    assert 1 <= counter.count("hello, world", family) <= 8
    assert counter.count("lone surrogate \ud800 here", family) > 2
    assert counter.count("word " * 100, family) > 10 * counter.count("word", family)


@needs_ctok
def test_ctok_counts_without_the_frame_of_a_message() -> None:
    """The README of ctok 1.3: `hello, world` is 3 and 4 tokens besides the frame."""
    assert [CtokCounter().count("hello, world", family) for family in ("claude3", "claude47")] == [3, 4]


@needs_ctok
@pytest.mark.parametrize("family", ["claude3", "claude47"])
def test_the_estimate_holds_on_the_standard_library(family: Family) -> None:
    """Not the files of one folder it was tuned to: docstrings, code and tables, cut anew."""
    exact, guess = CtokCounter(), EstimatingCounter()
    errors = []
    for name in ("bisect", "calendar", "colorsys", "fnmatch", "heapq", "keyword", "sched", "this"):
        text = Path(os.__file__).with_name(f"{name}.py").read_text("utf-8")[:6_000]
        errors.append(guess.count(text, family) / exact.count(text, family) - 1)
    assert max(map(abs, errors)) < 0.35
    assert sum(map(abs, errors)) / len(errors) < 0.15
