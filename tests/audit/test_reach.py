"""What a depth allows to judge."""

from __future__ import annotations

from itertools import pairwise

from thriftgate.audit.reach import judged
from thriftgate.audit.records import DEPTHS


def test_deeper_logs_allow_more() -> None:
    allowed = [{lever.id for lever in judged(depth) if lever.judged} for depth in DEPTHS]
    assert all(less < more for less, more in pairwise(allowed))
    assert len(allowed[-1]) == len(judged("day"))


def test_each_is_judged_from_what_it_needs_on() -> None:
    for depth in DEPTHS:
        for lever in judged(depth):
            assert lever.judged == (DEPTHS.index(depth) >= DEPTHS.index(lever.needs))
            assert lever.reason
