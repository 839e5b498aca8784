"""Counting as exactly as this installation can, for people and files rather than for the hot path.

    counters.py   best_counter(): a tokenizer where one is installed, else the estimator; loaded at first use
    request.py    count_request(): a whole request body, with honest error bars

May import: thriftgate.core, and ctok at run time. Not pure: a tokenizer reads its vocabulary from disk.
"""

from __future__ import annotations

from thriftgate.counting.counters import CtokCounter, EstimatingCounter, best_counter
from thriftgate.counting.request import CountResult, count_request

__all__ = ["CountResult", "CtokCounter", "EstimatingCounter", "best_counter", "count_request"]
