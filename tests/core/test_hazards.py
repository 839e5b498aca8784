"""What is learned of the gaps between uses: by hand, and against processes whose distribution is known."""

from __future__ import annotations

from math import exp
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.hazards import (
    BINS,
    EDGES_S,
    FIVE_MINUTES,
    ONE_HOUR,
    Event,
    Gaps,
    Hazards,
    KeptGaps,
    Learning,
    chance_by,
    cumulated,
)

T = 1_000_000.0
CHANCES = st.lists(st.floats(0, 1), min_size=BINS, max_size=BINS)


def gaps_of(exposures: float, hits: float, at_s: float = T) -> Gaps:
    """The same counts in every bin."""
    return Gaps.restored(KeptGaps(at_s, (exposures,) * BINS, (hits,) * BINS))


# --- before anything was seen ---------------------------------------------------------------------------------------------


def test_the_prior_says_what_learning_says() -> None:
    hazards = Hazards(Learning(within_5m=0.4, alone_within_5m=0.2, rest_of_hour=0.15, later=0.03))
    curve, alone = hazards.curve([]), hazards.curve([], alone=True)
    assert [curve[FIVE_MINUTES], alone[FIVE_MINUTES]] == pytest.approx([0.4, 0.2])
    assert [curve[ONE_HOUR], alone[ONE_HOUR]] == pytest.approx([0.55, 0.35])
    assert curve[ONE_HOUR + 1] == pytest.approx(1 - 0.45 * 0.97)
    assert hazards.curve([None, None]) == curve


def test_a_cache_life_ends_at_an_edge() -> None:
    assert (EDGES_S[FIVE_MINUTES], EDGES_S[ONE_HOUR]) == (300.0, 3_600.0)


# --- when an outcome is booked --------------------------------------------------------------------------------------------


def test_a_hit_is_booked_when_its_bin_closes_and_not_before() -> None:
    hazards, gaps = Hazards(), Gaps(T)
    event = hazards.use(T, (gaps,))
    event.next_s = T + 10
    hazards.advance(T + 29.9)
    assert (gaps.exposures[0], gaps.hits[0]) == (0, 0)
    hazards.advance(T + 30)
    assert (gaps.exposures[0], gaps.hits[0]) == (1, 1)
    hazards.advance(T + 100_000)
    assert (sum(gaps.exposures), sum(gaps.hits)) == (1, 1), "after its hit a use is exposed no more"


def test_a_use_counts_as_silent_for_each_bin_before_its_hit() -> None:
    hazards, gaps = Hazards(), Gaps(T)
    event = hazards.use(T, (gaps,))
    hazards.advance(T + 150)
    assert list(gaps.exposures[:4]) == [1, 1, 1, 0]
    event.next_s = T + 150
    hazards.advance(T + 300)
    assert list(gaps.exposures[:5]) == [1, 1, 1, 1, 0]
    assert list(gaps.hits[:5]) == [0, 0, 0, 1, 0]


def test_one_late_look_books_all_that_has_closed() -> None:
    hazards, gaps = Hazards(), Gaps(T)
    hazards.use(T, (gaps,))
    hazards.advance(T + 43_200)
    assert list(gaps.exposures) == [1.0] * BINS
    assert list(gaps.hits) == [0.0] * BINS


def test_a_return_counts_for_its_own_bin_however_late_it_is_booked() -> None:
    hazards, gaps = Hazards(), Gaps(T)
    hazards.use(T, (gaps,)).next_s = T + 400
    hazards.advance(T + 50_000)
    assert list(gaps.exposures) == [1.0] * 5 + [0.0] * (BINS - 5)
    assert list(gaps.hits) == [0.0] * 4 + [1.0] + [0.0] * (BINS - 5)


def test_a_return_at_the_very_end_of_a_life_is_too_late_for_it() -> None:
    """An entry is gone 300 s after its use (core/cache.py), so that gap belongs to the next bin."""
    hazards, gaps = Hazards(), Gaps(T)
    event = hazards.use(T, (gaps,))
    hazards.advance(T + 300)
    event.next_s = T + 300
    hazards.advance(T + 600)
    assert list(gaps.hits[FIVE_MINUTES : FIVE_MINUTES + 2]) == [0, 1]


def test_a_use_counts_for_all_its_classes() -> None:
    hazards, one, other = Hazards(), Gaps(T), Gaps(T)
    hazards.use(T, (one, other)).next_s = T + 1
    hazards.advance(T + 30)
    assert one.kept() == other.kept()
    assert one.hits[0] == 1


@pytest.mark.parametrize("per_hour", [2.0, 6.0, 30.0])
def test_of_a_poisson_process_the_chances_are_found(per_hour: float) -> None:
    """40 prefixes, 4,000 gaps within some days: three standard deviations are 0.024 at most."""
    random, hazards, gaps = Random(int(per_hour)), Hazards(), Gaps(T)
    rate = per_hour / 3_600
    uses = sorted((when, prefix) for prefix in range(40) for when in _arrivals(random, rate, 4_000 / 40 / rate))
    waiting: dict[int, Event] = {}
    for when, prefix in uses:
        hazards.advance(T + when)
        if prefix in waiting:
            waiting[prefix].next_s = T + when
        waiting[prefix] = hazards.use(T + when, (gaps,))
    curve = hazards.curve([gaps])
    assert curve[FIVE_MINUTES] == pytest.approx(1 - exp(-300 * rate), abs=0.025)
    assert curve[ONE_HOUR] == pytest.approx(1 - exp(-3_600 * rate), abs=0.025)


def _arrivals(random: Random, rate: float, until_s: float) -> list[float]:
    when, found = random.expovariate(rate), []
    while when < until_s:
        found.append(when)
        when += random.expovariate(rate)
    return found


def test_early_in_the_day_nothing_is_overstated() -> None:
    """A use a second for ten minutes, each prefix new, three in ten used again within five minutes. A count that takes hits
    at once and misses when five minutes are over says 0.4 and more then."""
    random = Random(7)
    hazards, gaps = Hazards(Learning(weight=0.001)), Gaps(T)
    returns: dict[float, Event] = {}
    hits_at_once = 0
    for second in range(600):
        now_s = T + second
        hazards.advance(now_s)
        for due in [due for due in returns if due <= now_s]:
            returns.pop(due).next_s = due
            hits_at_once += 1
        event = hazards.use(now_s, (gaps,))
        if random.random() < 0.3:
            returns[now_s + random.uniform(0, 300)] = event
    misses = gaps.exposures[FIVE_MINUTES] - gaps.hits[FIVE_MINUTES]
    assert hits_at_once / (hits_at_once + misses) > 0.4
    assert hazards.curve([gaps])[FIVE_MINUTES] == pytest.approx(0.3, abs=0.03)


# --- forgetting, shrinking ------------------------------------------------------------------------------------------------


def test_what_was_seen_a_half_life_ago_counts_half() -> None:
    hazards = Hazards(Learning(half_life_s=86_400.0))
    gaps = gaps_of(100, 40)
    hazards.use(T + 86_370, (gaps,)).next_s = T + 86_380
    hazards.advance(T + 86_400)
    assert list(gaps.exposures) == pytest.approx([51.0] + [50.0] * (BINS - 1))
    assert list(gaps.hits) == pytest.approx([21.0] + [20.0] * (BINS - 1))
    assert gaps.at_s == T + 86_400


def test_each_level_is_shrunk_towards_the_one_before() -> None:
    """Weight 6; 12 exposures with 3 hits below a prior of h: (3 + 6 h) / 18; then 2 exposures with 2 hits: (2 + 6 x) / 8."""
    hazards = Hazards(Learning(weight=6))
    prior = hazards.curve([])[0]
    first = (3 + 6 * prior) / 18
    second = (2 + 6 * first) / 8
    assert hazards.curve([gaps_of(12, 3)])[0] == pytest.approx(first)
    assert hazards.curve([gaps_of(12, 3), gaps_of(2, 2)])[0] == pytest.approx(second)
    assert hazards.curve([gaps_of(12, 3), None, gaps_of(2, 2)])[0] == pytest.approx(second)


def test_the_own_history_of_a_prefix_gives_way_sooner_and_its_last_gap_counts_at_once() -> None:
    """Own weight 1. A gap of 150 s: silent through three bins, a hit in the fourth, and nothing known of those behind."""
    hazards = Hazards(Learning(own_weight=1))
    before = hazards.curve([])
    early, late = before[0], 1 - (1 - before[4]) / (1 - before[3])
    expected = cumulated([early / 2] * 3 + [(1 + early) / 2, late])
    assert hazards.curve_of_one(hazards.of([]), None, 150)[:5] == pytest.approx(expected)
    own = gaps_of(3, 0)
    expected = cumulated([early / 5] * 3 + [(1 + early) / 5, late / 4])
    assert hazards.curve_of_one(hazards.of([]), own, 150)[:5] == pytest.approx(expected)
    assert own.kept() == gaps_of(3, 0).kept()


def test_after_a_lapse_within_the_hour_an_hour_is_the_better_guess() -> None:
    hazards = Hazards()
    lapsed, soon = (hazards.curve_of_one(hazards.of([]), None, gap_s) for gap_s in (1_000, 20))
    assert lapsed[FIVE_MINUTES] < 0.25
    assert lapsed[ONE_HOUR] > 0.5
    assert soon[FIVE_MINUTES] > 0.5


def test_bins_make_a_chance_by_their_silences() -> None:
    assert cumulated([0.5, 0.5, 0.0, 1.0]) == pytest.approx([0.5, 0.75, 0.75, 1.0])


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1)), max_size=5))
def test_a_curve_is_a_distribution_whatever_was_counted(counts: list[tuple[float, float]]) -> None:
    curve = Hazards().curve([gaps_of(exposures, exposures * share) for exposures, share in counts])
    assert len(curve) == BINS
    assert all(0 <= value <= 1 for value in curve)
    assert list(curve) == sorted(curve)


# --- a chance at any age --------------------------------------------------------------------------------------------------

CURVE = [0.1, 0.2, 0.4, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.96, 0.97, 0.98]
AGES = [(0.0, 0.0), (15.0, 0.05), (30.0, 0.1), (210.0, 0.5), (300.0, 0.6), (2_850.0, 0.875), (43_200.0, 0.98), (1e6, 0.98)]


@pytest.mark.parametrize(("age_s", "chance"), AGES)
def test_a_chance_between_edges_lies_on_a_line(age_s: float, chance: float) -> None:
    assert chance_by(CURVE, age_s) == pytest.approx(chance)


@given(CHANCES, st.floats(0, 1e5), st.floats(0, 1e5))
def test_a_chance_never_falls_with_age(hazards: list[float], age_s: float, more_s: float) -> None:
    curve = cumulated(hazards)
    assert chance_by(curve, age_s) <= chance_by(curve, age_s + more_s) + 1e-12


# --- bounded, kept, merged ------------------------------------------------------------------------------------------------


def test_past_the_bound_the_longest_waiting_go_unbooked() -> None:
    hazards, gaps = Hazards(waiting_max=3), Gaps(T)
    for second in range(5):
        hazards.use(T + second, (gaps,))
    hazards.advance(T + 100_000)
    assert list(gaps.exposures) == [3.0] * BINS


def test_what_is_booked_waits_no_more() -> None:
    hazards, gaps = Hazards(waiting_max=3), Gaps(T)
    for number in range(10):
        hazards.use(T + 40 * number, (gaps,)).next_s = T + 40 * number + 1
        hazards.advance(T + 40 * number + 30)
    silent = Gaps(T)
    for number in range(3):
        hazards.use(T + 400 + number, (silent,))
    hazards.advance(T + 50_000)
    assert list(silent.exposures) == [3.0] * BINS


def test_the_newest_use_is_never_the_one_that_makes_room() -> None:
    hazards, old, new = Hazards(waiting_max=2), Gaps(T), Gaps(T)
    hazards.use(T, (old,))
    hazards.use(T + 1, (old,))
    hazards.advance(T + 31)
    assert list(old.exposures[:2]) == [2, 0]
    hazards.use(T + 31, (new,))
    hazards.advance(T + 100)
    assert (list(old.exposures[:2]), list(new.exposures[:2])) == ([2, 1], [1, 1])


@given(st.lists(st.floats(0, 100_000), max_size=60), st.integers(1, 5))
def test_no_more_outcomes_are_awaited_than_the_bound(delays: list[float], waiting_max: int) -> None:
    hazards, gaps = Hazards(waiting_max=waiting_max), Gaps(T)
    for delay in sorted(delays):
        hazards.advance(T + delay)
        hazards.use(T + delay, (gaps,))
    before = list(gaps.exposures)
    hazards.advance(T + 1_000_000)
    booked = [after - earlier for after, earlier in zip(gaps.exposures, before, strict=True)]
    assert max(booked) <= waiting_max + 1e-9


@given(CHANCES, CHANCES)
def test_kept_and_restored_is_the_same(exposures: list[float], hits: list[float]) -> None:
    kept = KeptGaps(T, tuple(exposures), tuple(hits))
    assert Gaps.restored(kept).kept() == kept


def test_what_two_processes_learned_adds_up() -> None:
    gaps = gaps_of(10, 4)
    Hazards().merge(gaps, Gaps.restored(KeptGaps(T, tuple(float(at) for at in range(BINS)), (1.0,) * BINS)))
    assert list(gaps.exposures) == [10.0 + at for at in range(BINS)]
    assert list(gaps.hits) == [5.0] * BINS


@pytest.mark.parametrize(("mine_s", "theirs_s"), [(T, T + 86_400), (T + 86_400, T)])
def test_what_was_learned_a_half_life_earlier_counts_half(mine_s: float, theirs_s: float) -> None:
    """10 and 4 of mine, 2 and 1 of theirs, whichever is the older."""
    hazards = Hazards(Learning(half_life_s=86_400.0))
    gaps = gaps_of(10, 4, mine_s)
    hazards.merge(gaps, gaps_of(2, 1, theirs_s))
    mine, theirs = (0.5, 1.0) if mine_s < theirs_s else (1.0, 0.5)
    assert list(gaps.exposures) == pytest.approx([10 * mine + 2 * theirs] * BINS)
    assert list(gaps.hits) == pytest.approx([4 * mine + 1 * theirs] * BINS)
    assert gaps.at_s == T + 86_400


def test_counts_of_other_bins_are_refused() -> None:
    with pytest.raises(ValueError, match="bins"):
        Gaps.restored(KeptGaps(T, (1.0,) * (BINS - 1), (0.0,) * (BINS - 1)))


def test_what_is_not_booked_at_once_is_booked_the_next_time() -> None:
    hazards, gaps = Hazards(), Gaps(0.0)
    for _ in range(10):
        hazards.use(0.0, (gaps,))
    hazards.advance(30.0, at_most=4)
    assert gaps.exposures[0] == 4
    hazards.advance(30.0, at_most=100)
    assert gaps.exposures[0] == 10
