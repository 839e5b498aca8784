"""How the numerics of desk work run: on one thread. The matrices here are small, and threads that wait for each other made a
calibration fifty times slower on a busy machine of two cores (2026-11-22).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """Within this block."""
    with threadpool_limits(limits=1):
        yield
