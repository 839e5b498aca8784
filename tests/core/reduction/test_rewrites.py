"""The table of rewrites: each is a lever of its own name."""

from __future__ import annotations

from thriftgate.core.levers import LEVERS
from thriftgate.core.reduced import Shortened
from thriftgate.core.reduction.rewrites import REWRITES


def test_each_is_a_lever_that_shortens_prompts() -> None:
    levers = {lever.id: lever for lever in LEVERS}
    assert all(isinstance(levers[name], Shortened) for name in REWRITES)


def test_images_come_last_and_trimming_sees_what_is_left() -> None:
    names = list(REWRITES)
    assert names.index("compress.json") >= 0
