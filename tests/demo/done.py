"""One run of the demo for all who look at it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from thriftgate.demo.clock import DemoClock
from thriftgate.demo.run import Demo, run_demo

START_S = 1_795_262_400.0  # 2026-11-21T12:00:00Z


@cache
def demo_done() -> Demo:
    """The whole demo, on simulated time."""
    folder = Path(tempfile.mkdtemp(prefix="thriftgate-test-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return run_demo(str(folder / "demo.db"), clock=DemoClock(START_S))
