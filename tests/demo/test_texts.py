"""What the workloads send."""

from __future__ import annotations

from importlib.resources import files

import pytest

from thriftgate.counting import EstimatingCounter
from thriftgate.demo.texts import text

LONG = [item.name for item in files("thriftgate.demo.texts").iterdir() if item.name.endswith(".md")]


@pytest.mark.parametrize("name", LONG)
def test_each_is_long_enough_to_be_cached(name: str) -> None:
    assert EstimatingCounter().count(text(name), "claude47") > 2 * 512  # twice the minimum of the models that get them


def test_they_are_all_there() -> None:
    assert set(LONG) == {"agreement.md", "handbook.md", "incident.md", "taxonomy.md", "travel.md"}
    assert text("tickets.txt")
