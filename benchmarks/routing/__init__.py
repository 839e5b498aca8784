"""Routing on public per-query outcomes. On one thread: threads only wait for each other here (`quality/numerics.py`)."""

from __future__ import annotations

from threadpoolctl import threadpool_limits

threadpool_limits(limits=1)
