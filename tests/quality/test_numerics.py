"""Numerics on one thread, and as before afterwards."""

from __future__ import annotations

import numpy as np  # noqa: F401  loads the libraries that are limited
from threadpoolctl import threadpool_info

from thriftgate.quality.numerics import one_thread


def test_one_thread_within_the_block() -> None:
    before = [library["num_threads"] for library in threadpool_info()]
    with one_thread():
        assert {library["num_threads"] for library in threadpool_info()} == {1}
    assert [library["num_threads"] for library in threadpool_info()] == before
