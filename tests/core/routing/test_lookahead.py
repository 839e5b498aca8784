"""What is expected of the turns to come: lives of entries, and the way back from the last turn."""

from __future__ import annotations

from math import exp

import pytest

from thriftgate.core.hazards import EDGES_S
from thriftgate.core.routing.lookahead import PHASES, Life, Pair, Turn, later, life

NEVER_DIES = Life(1.0, 0.0, (0.0,) * (PHASES - 1) + (1.0,), 1.0)


def test_an_entry_outlives_most_gaps_that_are_short() -> None:
    entries = life(300.0, 120.0)
    assert entries.alive == pytest.approx(1 - exp(-2.5))
    assert sum(entries.left) == pytest.approx(1.0)
    assert life(3600.0, 120.0).alive > 0.999
    assert life(300.0, 1e9).alive < 0.001
    assert life(300.0, 0.0).alive == pytest.approx(1.0)


def test_where_nothing_is_cached_nothing_lives() -> None:
    assert life(0.0, 120.0).alive == 0.0


def test_a_learned_curve_tells_lapses_from_short_gaps() -> None:
    """Half of all gaps last twenty seconds, half hours: their mean alone would say that no entry outlives any."""
    curve = [0.5 if edge < 7200 else 1.0 for edge in EDGES_S]
    entries = life(300.0, 3_000.0, curve)
    assert entries.alive == pytest.approx(0.5)
    assert entries.turns > life(300.0, 3_000.0).turns
    assert life(300.0, 60.0, [0.0] * (len(EDGES_S) - 1) + [1.0]).alive == 0.0


def test_with_the_same_costs_at_both_it_does_not_matter_who_serves() -> None:
    turns = [(Turn(10.0, 10.0), Turn(10.0, 10.0))] * 3
    after_stay, after_go = later(turns, Pair(NEVER_DIES, NEVER_DIES, 0.5, 0.5))
    assert after_stay == pytest.approx(after_go)
    assert after_stay[0] == pytest.approx(10.0)  # one turn is expected to follow


def test_a_parked_entry_never_makes_things_worse() -> None:
    turns = [(Turn(5.0, 60.0, 2.0), Turn(1.0, 12.0, 0.5))] * 5
    for gap_s in (10.0, 120.0, 900.0):
        for worths in later(turns, Pair(life(300.0, gap_s), life(300.0, gap_s), 0.6, 0.9)):
            assert max(worths) == worths[0]


def test_without_easy_turns_the_parked_entry_of_the_cheap_model_is_worth_nothing() -> None:
    turns = [(Turn(5.0, 60.0), Turn(1.0, 12.0))] * 5
    after_stay, after_go = later(turns, Pair(NEVER_DIES, NEVER_DIES, 0.0, 0.9))
    assert max(after_stay) == pytest.approx(min(after_stay))
    assert after_go[0] > after_go[PHASES]


def test_the_longer_life_of_one_entry_counts() -> None:
    """What the parked entry of the model asked for is worth, with gaps of ten minutes: more if it lives for an hour, be the
    other's life as short as it may; and the cheap one's likewise."""
    turns = [(Turn(5.0, 60.0), Turn(1.0, 12.0))] * 5
    short, hour = life(300.0, 600.0), life(3600.0, 600.0)
    _, five_minutes = later(turns, Pair(short, short, 0.3, 0.9))
    _, an_hour = later(turns, Pair(hour, short, 0.3, 0.9))
    assert an_hour[0] - an_hour[PHASES] > 1.5 * (five_minutes[0] - five_minutes[PHASES]) > 0
    five_minutes, _ = later(turns, Pair(short, short, 0.3, 0.9))
    an_hour, _ = later(turns, Pair(short, hour, 0.3, 0.9))
    assert an_hour[0] - an_hour[PHASES] > five_minutes[0] - five_minutes[PHASES] > 0


def test_tries_never_cost_more_than_none() -> None:
    turns = [(Turn(5.0, 60.0), Turn(1.0, 12.0))] * 5
    for gap_s, easy in ((20.0, 0.1), (120.0, 0.6), (600.0, 0.9)):
        entries = life(300.0, gap_s)
        with_tries = later(turns, Pair(entries, entries, easy, 0.9, tries=True))
        without = later(turns, Pair(entries, entries, 0.0, 0.9))
        for tried, none in zip(with_tries, without, strict=True):
            assert all(one <= other + 1e-9 for one, other in zip(tried, none, strict=True))


def test_a_try_that_is_dear_is_not_taken() -> None:
    dear = [(Turn(5.0, 60.0), Turn(4.9, 60.0))] * 5
    entries = life(300.0, 60.0)
    tried, _ = later(dear, Pair(entries, entries, 0.5, 0.9, tries=True))
    none, _ = later(dear, Pair(entries, entries, 0.0, 0.9))
    assert tried[0] == pytest.approx(none[0])
