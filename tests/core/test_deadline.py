"""Batch or synchronous, how long to gather, and how lengths of time are written."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from thriftgate.core.deadline import (
    DAY_S,
    EDGES_S,
    Choice,
    Completions,
    Reserve,
    Window,
    choose,
    parse_duration,
    rescue_at_s,
    urgency,
    words,
)
from thriftgate.core.errors import InputError

DURATIONS = st.lists(st.floats(0, 2 * DAY_S), max_size=60)
NOW_S = 1_795_262_400.0


def seen(*durations_s: float) -> Completions:
    made = Completions()
    for one in durations_s:
        made.observe(one)
    return made


# --- how long batches take ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("within_s", "share"),
    [(-1, 0.0), (0, 0.0), (59, 0.0), (60, 0.1), (299, 0.1), (300, 0.3), (900, 0.5), (1_800, 0.7), (3_600, 0.85),
     (10_800, 0.95), (DAY_S - 1, 0.95), (DAY_S, 1.0), (2 * DAY_S, 1.0)],
)  # fmt: skip
def test_before_any_was_seen_most_end_within_the_hour(within_s: float, share: float) -> None:
    assert Completions().chance(within_s) == pytest.approx(share)


def test_what_was_seen_outweighs_what_was_assumed() -> None:
    """After n batches, five are still assumed."""
    quick = seen(*[100.0] * 10)
    weight = sum(0.98**n for n in range(10))
    assert quick.chance(90.0) == pytest.approx(0.5 / (weight + 5))  # 100 s counts when its bin, up to 120 s, is over
    assert quick.chance(120.0) == pytest.approx((weight + 0.5) / (weight + 5))
    slow = seen(*[50_000.0] * 200)
    assert slow.chance(3_600.0) < 0.09
    assert slow.chance(64_800.0) > 0.95


def test_it_forgets() -> None:
    """About the last fifty count."""
    changed = seen(*[30_000.0] * 500, *[100.0] * 100)
    assert changed.chance(120.0) > 0.75
    assert sum(changed._seen) == pytest.approx(50.0, rel=0.01)


def test_one_that_was_canceled_counts_where_longer_ones_end() -> None:
    """After half an hour: of what ends later, half is expected within the hour, a third within three, a sixth in a day."""
    known = Completions()
    known.outlasted(1_800.0)
    assert known.chance(1_800.0) == pytest.approx(3.5 / 6)
    assert known.chance(3_600.0) == pytest.approx((4.25 + 0.5) / 6)
    assert known.chance(10_800.0) == pytest.approx((4.75 + 0.5 + 1 / 3) / 6)
    assert known.chance(DAY_S) == pytest.approx(1.0)
    late = Completions()
    late.outlasted(2 * DAY_S)
    assert late.chance(DAY_S - 1) == pytest.approx(4.75 / 6)


@given(DURATIONS, st.floats(0, 2 * DAY_S))
def test_one_that_was_canceled_makes_no_batch_look_quicker(durations_s: list[float], after_s: float) -> None:
    known, before = seen(*durations_s), seen(*durations_s)
    known.outlasted(after_s)
    for edge in EDGES_S:
        if edge <= after_s:
            assert known.chance(edge) <= before.chance(edge) + 0.02
    assert sum(known._seen) == pytest.approx(sum(before._seen) * 0.98 + 1.0)


def test_one_that_took_longer_than_a_day_took_a_day() -> None:
    late = seen(10 * DAY_S)
    assert late.chance(DAY_S) == 1.0
    assert late.chance(DAY_S - 1) == pytest.approx(0.95 * 5 / 6)


@given(DURATIONS)
def test_a_longer_wait_is_never_less_likely(durations_s: list[float]) -> None:
    known = seen(*durations_s)
    chances = [known.chance(at) for at in (0.0, *EDGES_S)]
    assert chances == sorted(chances)
    assert chances[0] == 0.0
    assert chances[-1] == pytest.approx(1.0)


@given(DURATIONS, st.floats(0.01, 1.0))
def test_a_quantile_is_the_first_edge_that_reaches_it(durations_s: list[float], share: float) -> None:
    known = seen(*durations_s)
    edge = known.quantile(share)
    assert edge in EDGES_S
    assert known.chance(edge) >= share or edge == DAY_S
    assert all(known.chance(one) < share for one in EDGES_S if one < edge)


@given(DURATIONS)
def test_what_is_kept_comes_back(durations_s: list[float]) -> None:
    known, again = seen(*durations_s), Completions()
    again.restore(known.kept())
    assert [again.chance(at) for at in EDGES_S] == [known.chance(at) for at in EDGES_S]


@pytest.mark.parametrize(
    "value",
    [[], [1.0], [1.0] * 25, [-1.0] + [0.0] * 23, [float("nan")] + [0.0] * 23, [float("inf")] + [0.0] * 23, {"a": 1}, None],
)
def test_what_is_none_is_not_taken_up(value: object) -> None:
    known = seen(100.0)
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        known.restore(msgspec.msgpack.encode(value))
    with pytest.raises((ValueError, msgspec.MsgspecError)):
        known.restore(b"\xff garbage")
    assert known.chance(120.0) == pytest.approx(1.5 / 6)


# --- the choice -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("jobs", "seconds"), [(-3, 420), (0, 420), (1, 420), (16, 420), (17, 540), (160, 1_500)])
def test_the_reserve_is_for_all_jobs_twice_over(jobs: int, seconds: float) -> None:
    """300 s until a canceled batch has ended, then 16 at once, a minute each, tried twice."""
    assert Reserve().seconds(jobs) == seconds


def test_a_reserve_of_nothing_at_once_is_one_at_a_time() -> None:
    assert Reserve(0.0, 10.0, parallel=0).seconds(3) == 60.0


@pytest.mark.parametrize(
    ("left_s", "batch", "chance", "reason"),
    [
        (-5, False, 0.0, "due in 0 s: no time to wait for a batch"),
        (300, False, 0.0, "due in 5 min: no time to wait for a batch"),
        (420, False, 0.0, "due in 7 min: no time to wait for a batch"),
        (450, False, 0.0, "a batch ends within 30 s only 0% of the time"),
        (480, True, 0.1, "a batch ends within 60 s 10% of the time"),
        (6 * 3_600, True, 0.95, "a batch ends within 5.9 h 95% of the time"),
        (3 * DAY_S, True, 1.0, "a batch ends within 71.9 h 100% of the time"),
    ],
)
def test_a_batch_down_to_a_small_chance(left_s: float, batch: bool, chance: float, reason: str) -> None:
    choice = choose(NOW_S, NOW_S + left_s, Completions(), Reserve())
    assert choice._replace(chance=0.0) == Choice(batch, NOW_S + left_s - 420, 0.0, reason)
    assert choice.chance == pytest.approx(chance)


@pytest.mark.parametrize(
    ("left_s", "jobs", "reserve_s"),
    [
        (3_600, 1, 420),
        (3_600, 160, 1_500),
        (3_600, 192, 1_740),
        (3_600, 200, 1_800),  # 1,860 s would be before half-way
        (3_600, 1_000_000, 1_800),
        (100_000, 160, 1_500),
        (600, 160, 420),  # half-way would leave too little for a single one
        (0, 1, 420),
        (-50, 1_000, 420),
    ],
)
def test_many_jobs_need_a_longer_reserve_but_never_more_than_half(left_s: float, jobs: int, reserve_s: float) -> None:
    deadline_s = NOW_S + left_s
    assert rescue_at_s(NOW_S, deadline_s, Reserve(), jobs) == deadline_s - reserve_s
    assert choose(NOW_S, deadline_s, Completions(), Reserve(), jobs=jobs).rescue_at_s == deadline_s - reserve_s


def test_the_least_chance_is_the_callers_to_name() -> None:
    assert not choose(NOW_S, NOW_S + 480, Completions(), Reserve(), chance_min=0.11).batch
    assert choose(NOW_S, NOW_S + 480, Completions(), Reserve(), chance_min=0.09).batch


@given(DURATIONS, st.floats(-1e6, 1e6), st.integers(0, 10_000))
def test_a_batch_is_always_rescued_before_the_deadline(durations_s: list[float], left_s: float, jobs: int) -> None:
    choice = choose(NOW_S, NOW_S + left_s, seen(*durations_s), Reserve(), jobs=jobs)
    assert choice.rescue_at_s <= NOW_S + left_s - 420 + 1e-3
    if choice.batch:
        assert choice.rescue_at_s > NOW_S
        assert choice.chance >= 0.05


# --- gathering ------------------------------------------------------------------------------------------------------------

HOUR_S = 3_600.0


@pytest.mark.parametrize(
    ("urgent_s", "arrivals_s", "waits_s"),
    [
        (HOUR_S, [], 1.0),  # alone, as far as one can tell
        (HOUR_S, [0.0], 1.0),
        (HOUR_S, [-100.0, 0.0], 1.0),  # one in 100 s: nobody is expected within the minute
        (HOUR_S, [-20.0, 0.0], 60.0),
        (HOUR_S, [-1.0, 0.0], 60.0),  # 1,000 would take 1,000 s
        (HOUR_S, [-0.1, 0.0], 60.0),
        (HOUR_S, [-0.01, 0.0], 10.0),  # 100 a second: 1,000 in 10 s
        (HOUR_S, [-0.0001, 0.0], 1.0),  # they are there at once, but the least is the least
        (HOUR_S, [0.0] * 50, 20.0),  # all at once: 50 a second
        (1_000.0, [-0.1, 0.0], 20.0),  # a fiftieth of the time that is left
        (10.0, [-0.1, 0.0], 0.2),
        (10.0, [], 0.2),
        (0.0, [-0.1, 0.0], 0.0),
        (-50.0, [-0.1, 0.0], 0.0),  # too late already: it leaves now
        (float("inf"), [-0.1, 0.0], 60.0),
    ],
)
def test_how_long_calls_are_gathered(urgent_s: float, arrivals_s: list[float], waits_s: float) -> None:
    closes_s = Window().closes_at_s(NOW_S, NOW_S + urgent_s, [NOW_S + at for at in arrivals_s])
    assert closes_s - NOW_S == pytest.approx(waits_s, rel=0.02, abs=1e-3)


@given(
    st.floats(-1e5, 1e5), st.lists(st.floats(-1e4, 0), max_size=20).map(sorted), st.integers(1, 10_000), st.floats(0, 100)
)
def test_a_window_closes_within_its_bounds(urgent_s: float, arrivals_s: list[float], items: int, least_s: float) -> None:
    window = Window(least_s=least_s, items=items)
    waits_s = window.closes_at_s(0.0, urgent_s, arrivals_s)
    assert 0.0 <= waits_s <= min(60.0, max(0.0, urgent_s) * 0.02)


# --- lengths of time ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("45m", 2_700), ("6h", 21_600), ("2d", 172_800), ("1h30m", 5_400), (" 1D12H ", 129_600), ("0s", 0),
     ("1.5h", 5_400), (".5m", 30), ("1h1h", 7_200)],
)  # fmt: skip
def test_lengths_of_time(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", " ", "6", "h", "6 h", "6w", "-6h", "+6h", "1e3s", "6h30", ".h", "1.2.3s", "1_0s", "٣h", "inf", "nan", "tomorrow",
     "9" * 400 + "d"],
)  # fmt: skip
def test_what_is_no_length_of_time(text: str) -> None:
    with pytest.raises(InputError, match=r"is no length of time; write 90s, 45m, 6h, 2d or 1h30m"):
        parse_duration(text)


@given(st.text("0123456789.smhd ", max_size=12) | st.text(max_size=12))
def test_any_text_is_a_length_of_time_or_an_error_in_words(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except InputError as error:
        seconds = 0.0 if repr(text) in str(error) else -1.0
    assert 0.0 <= seconds < float("inf")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-5, "0 s"), (0, "0 s"), (45, "45 s"), (119.4, "119 s"), (120, "2 min"), (720, "12 min"), (7_199, "120 min"),
     (7_200, "2.0 h"), (20_880, "5.8 h")],
)  # fmt: skip
def test_for_people(seconds: float, text: str) -> None:
    assert words(seconds) == text


def test_what_a_batch_had_to_leave_is_not_put_into_another_one() -> None:
    deadline_s, many = NOW_S + 7_200, 1_000
    assert choose(NOW_S, deadline_s, Completions(), Reserve(), jobs=many).rescue_at_s == NOW_S + 3_600
    later_s = NOW_S + 3_601
    assert choose(later_s, deadline_s, Completions(), Reserve(), jobs=many).batch, "half of what is left is still some time"
    assert not choose(later_s, deadline_s, Completions(), Reserve(), jobs=many, begun_s=NOW_S).batch


@given(st.floats(60, 1e7), st.floats(60, 1e7))
def test_calls_of_one_urgency_are_due_at_about_the_same_time(one_s: float, other_s: float) -> None:
    if urgency(one_s) == urgency(other_s):
        assert 0.5 < one_s / other_s < 2
    else:
        assert (urgency(one_s) < urgency(other_s)) == (one_s < other_s)


@pytest.mark.parametrize("left_s", [-1e9, 0.0, 59.0])
def test_what_is_over_is_most_urgent(left_s: float) -> None:
    assert urgency(left_s) == 0
