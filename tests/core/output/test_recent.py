"""Two orders of the same values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.output.recent import Recent


@given(st.lists(st.integers(-(2**31), 2**31 - 1) | st.integers(0, 3), max_size=60), st.integers(1, 20))
def test_it_holds_the_last_ones_in_both_orders(values: list[int], most: int) -> None:
    recent = Recent(most)
    for at, value in enumerate(values):
        gone = recent.add(value)
        assert gone == (values[at - most] if at >= most else None)
        assert list(recent.arrived) == values[max(0, at + 1 - most) : at + 1]
        assert list(recent.ranked) == sorted(recent.arrived)
        assert list(recent.above(value)) == [one for one in recent.ranked if one > value]
    while len(recent):
        oldest = recent.arrived[0]
        assert recent.drop() == oldest
        assert list(recent.ranked) == sorted(recent.arrived)
