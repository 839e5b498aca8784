"""Who goes next."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from thriftgate.core.governing.gate import Need
from thriftgate.core.governing.line import PRIORITIES, Line, Waiting

HIGH, NORMAL, LOW = PRIORITIES.values()
NEED = Need(10.0, 1.0)


def waiting(key: str, priority: int = NORMAL, deadline_s: float = 30.0, cost: float = 1.0) -> Waiting:
    return Waiting(key, priority, NEED, cost=cost, deadline_s=deadline_s)


def emptied(line: Line) -> list[Waiting]:
    gone = []
    while (one := line.first()) is not None:
        line.take(one)
        gone.append(one)
    return gone


def line_of(*those: Waiting) -> Line:
    line = Line()
    for one in those:
        line.add(one)
    return line


def test_one_key_by_priority_then_deadline_then_age() -> None:
    low, late, soon, first, second, high = (
        waiting("a", LOW, 5.0),
        waiting("a", deadline_s=40.0),
        waiting("a", deadline_s=10.0),
        waiting("a"),
        waiting("a"),
        waiting("a", HIGH, 90.0),
    )
    assert emptied(line_of(low, late, first, second, soon, high)) == [high, soon, first, second, late, low]


def test_a_noisy_key_delays_itself_and_nobody_else() -> None:
    line = line_of(*[waiting("noisy", HIGH) for _ in range(1_000)])
    for _ in range(50):
        line.take(line.first())  # type: ignore[arg-type]
    quiet = waiting("quiet")
    line.add(quiet)
    ahead = 0
    while (one := line.first()) is not quiet:
        assert one is not None
        line.take(one)
        ahead += 1
    assert ahead <= 1


@settings(max_examples=30)
@given(st.lists(st.sampled_from("abcd"), min_size=50, max_size=100), st.integers(1, 5))
def test_keys_that_all_wait_get_the_same(keys: list[str], cost: int) -> None:
    line = line_of(*[waiting(key, cost=float(cost)) for key in keys])
    left = Counter(keys)
    got: Counter[str] = Counter()
    while all(left.values()) and (one := line.first()) is not None:
        line.take(one)
        left[one.key] -= 1
        got[one.key] += 1
        assert max(got.values()) - min(got[key] for key in left) <= 1


def test_priorities_weigh_between_keys_but_starve_nobody() -> None:
    keys = (("h", HIGH), ("n", NORMAL), ("l", LOW))
    line = line_of(*[waiting(key, priority) for key, priority in keys for _ in range(400)])
    got = Counter(one.key for one in emptied(line)[:210])
    assert got["h"] == pytest.approx(160, abs=3)
    assert got["n"] == pytest.approx(40, abs=3)
    assert got["l"] == pytest.approx(10, abs=3)


def test_who_sends_large_calls_sends_fewer() -> None:
    line = line_of(*[waiting("large", cost=5.0) for _ in range(50)], *[waiting("small") for _ in range(100)])
    got = Counter(one.key for one in emptied(line)[:60])
    assert got["large"] == pytest.approx(10, abs=1)


def test_a_key_that_was_away_has_saved_nothing_up() -> None:
    line = line_of(*[waiting("busy") for _ in range(100)])
    for _ in range(50):
        line.take(line.first())  # type: ignore[arg-type]
    for _ in range(50):
        line.add(waiting("back"))
    got = Counter(one.key for one in emptied(line)[:40])
    assert got["busy"] == pytest.approx(20, abs=1)


def test_who_leaves_is_passed_over() -> None:
    those = [waiting("a"), waiting("b"), waiting("a")]
    line = line_of(*those)
    line.remove(those[0])
    line.remove(those[0])
    assert len(line) == 2
    assert emptied(line) == [those[2], those[1]]
    assert (len(line), line.first(), line.next_deadline_s()) == (0, None, float("inf"))


def test_whose_time_is_over() -> None:
    soon, late = waiting("a", deadline_s=10.0), waiting("a", deadline_s=20.0)
    line = line_of(late, soon)
    assert (line.overdue(9.0), line.next_deadline_s()) == (None, 10.0)
    assert line.overdue(10.0) is soon
    line.remove(soon)
    assert (line.overdue(10.0), line.next_deadline_s()) == (None, 20.0)


def test_who_comes_back_keeps_its_age() -> None:
    first, second = waiting("a"), waiting("a")
    line = line_of(first, second)
    line.take(first)
    line.add(first)
    assert line.first() is first


def test_how_much_is_ahead_of_a_key() -> None:
    line = line_of(*[waiting("noisy") for _ in range(10)])
    assert line.ahead("quiet", NEED) == [2.0, 20.0, 2.0, 22.0]  # one of each key
    assert line.ahead("noisy", NEED) == [11.0, 110.0, 11.0, 121.0]


STEP = st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.floats(0, 100), st.sampled_from("atr"))


@given(st.lists(STEP, max_size=80))
def test_it_never_loses_or_doubles_a_call(steps: list[tuple[str, int, float, str]]) -> None:
    line, there = Line(), set[Waiting]()
    for key, priority, deadline_s, what in steps:
        first = line.first()
        assert (first is None) == (not there)
        if what == "a" or first is None:
            one = waiting(key, priority, deadline_s)
            line.add(one)
            there.add(one)
        else:
            (line.take if what == "t" else line.remove)(first)
            there.remove(first)
        assert len(line) == len(there)
        assert line.next_deadline_s() == min([one.deadline_s for one in there], default=float("inf"))
    assert set(emptied(line)) == there
