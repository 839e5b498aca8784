"""The table of rewrites: each is a lever of its own name."""

from __future__ import annotations

from thriftgate.core.levers import LEVERS
from thriftgate.core.reduced import Shortened
from thriftgate.core.reduction.rewrites import REWRITES


def test_each_is_a_lever_that_shortens_prompts() -> None:
    levers = {lever.id: lever for lever in LEVERS}
    assert all(isinstance(levers[name], Shortened) for name in REWRITES)


def test_what_is_selected_is_compressed_and_what_is_left_is_trimmed() -> None:
    names = list(REWRITES)
    assert names[0] == "context.select"
    assert names.index("compress.json") < names.index("context.trim_tools") < names.index("compress.text")
    assert names.index("compress.markup") < names.index("compress.tables") < names.index("compress.json")
