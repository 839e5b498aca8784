"""The counters that this installation has."""

from __future__ import annotations

import sys

import pytest

from thriftgate.counting import CtokCounter, EstimatingCounter, best_counter

HAS_CTOK = sys.version_info >= (3, 12) and type(best_counter()) is CtokCounter
needs_ctok = pytest.mark.skipif(not HAS_CTOK, reason="ctok is not installed: it needs Python 3.12")
COUNTERS = [EstimatingCounter(), pytest.param(best_counter(), marks=needs_ctok)]
