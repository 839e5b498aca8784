"""How many examples the property tests look at (`--hypothesis-profile=deep` or HYPOTHESIS_PROFILE=deep for many more), and
which tests take so long that `python3 tasks.py slow` runs them apart."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No deadline: a busy machine is no failure. Fast runs repeat themselves; deep ones look somewhere new each time.
settings.register_profile(
    "fast", max_examples=40, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", parent=settings.get_profile("fast"), derandomize=False, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


HERE = Path(__file__).parent
SLOW = (
    "benchmarks",
    "sim",
    "snippets",
    "clients/test_agent_loop_caching.py",
    "core/semantic/test_stages.py",
    "dashboard/test_browser.py",
    "engine/test_history.py",
    "engine/test_output_levers.py",
    "laws/test_beliefs_follow_the_simulator.py",
    "laws/test_cache_model_is_simulator.py",
    "laws/test_history.py",
    "quality/test_calibrate.py",
    "quality/test_watch.py",
    "security/test_reuse",
)
"""Whole systems, killed and measured, and what looks at thousands of cases: minutes, together."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark them."""
    for item in items:
        if item.path.is_relative_to(HERE) and item.path.relative_to(HERE).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """What was imported and collected lives to the end: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
