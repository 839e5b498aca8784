"""Prices as ratios."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.audit.placing.world import World
from thriftgate.core.usage import Tokens

COUNT = st.integers(0, 200_000)


def test_by_hand() -> None:
    tokens = Tokens(input=100, write_5m=1_000, write_1h=10_000, read=50_000, output=9_999)
    assert World().cost(tokens) == pytest.approx(100 + 1_250 + 20_000 + 5_000)
    assert World(read=0.05, write_5m=2.0, write_1h=3.0).cost(tokens) == pytest.approx(100 + 2_000 + 30_000 + 2_500)


@given(COUNT, COUNT, COUNT, COUNT)
def test_reading_is_cheapest_and_an_hour_is_dearest(plain: int, five: int, hour: int, read: int) -> None:
    world = World()
    tokens = Tokens(plain, five, hour, read)
    total = tokens.prompt
    assert world.cost(Tokens(read=total)) <= world.cost(tokens) <= world.cost(Tokens(write_1h=total)) + 1e-6
    assert world.cost(tokens.uncached()) == total
