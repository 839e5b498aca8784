"""How many examples the property tests look at: `--hypothesis-profile=deep` or HYPOTHESIS_PROFILE=deep for many more."""

from __future__ import annotations

import gc
import os

from hypothesis import HealthCheck, settings

# No deadline: a busy machine is no failure. Fast runs repeat themselves; deep ones look somewhere new each time.
settings.register_profile("fast", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("deep", parent=settings.get_profile("fast"), derandomize=False, max_examples=2_000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "fast"))


def pytest_collection_finish() -> None:
    """What was imported and collected lives to the end: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()
