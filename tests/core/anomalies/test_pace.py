"""Pace: hours of the week, bursts, and what a young key is held against."""

from __future__ import annotations

from random import Random

import msgspec
import pytest

from thriftgate.core.anomalies.pace import ADOPT_MINUTES, HOURS, Burst, Pace

DAY = 1440
CENT = 10**10


def busy(minute: int) -> int:
    """Calls in a minute of an office: six in working hours, one every other minute at other times."""
    hour, day = minute // 60 % 24, minute // DAY % 7
    return 6 if 9 <= hour < 17 and day < 5 else minute % 2


def office(days: int, random: Random) -> Pace:
    pace = Pace(0, 0, 0)
    for minute in range(days * DAY):
        calls = sum(random.random() < 0.5 for _ in range(2 * busy(minute)))
        if calls:
            assert max(pace.see(minute, calls, calls * CENT, None)) < 1, minute
    return pace


@pytest.fixture(scope="module")
def kept() -> bytes:
    return msgspec.msgpack.encode(office(15, Random(1)))


def copy(kept: bytes) -> Pace:
    return msgspec.msgpack.decode(kept, type=Pace)


def until_alarm(pace: Pace, start: int, calls: int, minutes: int = 60) -> int | None:
    """Minutes until so many calls a minute are an alarm."""
    overs = (max(pace.see(start + n, calls, calls * CENT, None)) for n in range(minutes))
    return next((n + 1 for n, over in enumerate(overs) if over > 1), None)


def test_days_and_nights_are_expected(kept: bytes) -> None:
    pace = copy(kept)
    pace.see(15 * DAY + 3 * 60, 1, CENT, None)
    night = pace.calls_due
    pace.see(15 * DAY + 12 * 60, 1, CENT, None)
    assert night < 1.5
    assert 4 < pace.calls_due < 8


def test_what_is_usual_by_day_is_an_alarm_at_night(kept: bytes) -> None:
    assert until_alarm(copy(kept), 15 * DAY + 11 * 60, 6) is None
    found = until_alarm(copy(kept), 15 * DAY + 2 * 60, 12)
    assert found is not None
    assert found <= 10


def test_the_unit_of_money_does_not_matter(kept: bytes) -> None:
    def spend(unit: int) -> list[float]:
        random, pace = Random(2), Pace(0, 0, 0)
        costs = [random.randrange(1, 50) * (9 if minute > 5.9 * DAY else 1) for minute in range(0, 6 * DAY, 7)]
        return [pace.see(7 * at, 1, unit * cost, None)[1] for at, cost in enumerate(costs)]

    assert spend(10**9) == pytest.approx(spend(10**13), rel=1e-4, abs=1e-6)


def test_spend_rises_without_calls(kept: bytes) -> None:
    pace = copy(kept)
    overs = [pace.see(15 * DAY + 120 + n, 1, 60 * CENT, None) for n in range(15)]
    assert max(over[0] for over in overs) < 1 < max(over[1] for over in overs)


def test_nothing_is_learned_while_an_alarm_stands_until_it_has_stood_for_a_day(kept: bytes) -> None:
    pace = copy(kept)
    start = 15 * DAY + 120
    found = until_alarm(pace, start, 20)
    assert found is not None
    pace.since = start + found
    slot = (start // 60) % HOURS
    due = memoryview(pace.hours_calls).cast("f")[slot]
    for minute in range(start + found + 1, start + ADOPT_MINUTES + found):
        assert pace.see(minute, 20, 20 * CENT, None) == (0.0, 0.0)
        assert pace.since
    assert memoryview(pace.hours_calls).cast("f")[slot] == due
    for minute in range(start + ADOPT_MINUTES + found, start + ADOPT_MINUTES + found + 200):
        assert max(pace.see(minute, 20, 20 * CENT, None)) < 1
    assert not pace.since


def test_a_new_key_is_held_against_the_whole_installation(kept: bytes) -> None:
    whole = copy(kept)
    start = 15 * DAY + 11 * 60
    whole.see(start, 6, 6 * CENT, None)
    key = Pace(start, start, start // 60)
    assert all(max(key.see(start + n, 6, 6 * CENT, whole)) < 1 for n in range(60))
    assert max(max(key.see(start + 60 + n, 40, 40 * CENT, whole)) for n in range(15)) > 1
    young = Pace(start, start, start // 60)
    assert all(max(young.see(start + n, 40, 40 * CENT, None)) == 0 for n in range(60))


def test_a_burst_that_comes_every_night_is_none() -> None:
    pace, alarms = Pace(0, 0, 0), 0
    random = Random(3)
    for night in range(28):
        begins = night * DAY + 120 + random.randrange(50)
        for n in range(15):
            over = max(pace.see(begins + n, 20, 20 * CENT, None))
            alarms += over > 1 and not pace.since
            pace.since = pace.since or (begins + n if over > 1 else 0)
    assert alarms <= 2


def test_what_was_told_twice_is_a_habit() -> None:
    burst = Burst(1.0, strays2=0.01)
    assert burst.over(2.0, 1.0) > 1
    burst.told_over(2.0)
    assert burst.over(2.0, 1.0) > 1
    burst.told_over(2.2)
    assert burst.over(2.0, 1.0) < 1 < burst.over(3.0, 1.0)
    burst.turn()
    assert burst.over(2.0, 1.0) < 1
    burst.turn()
    assert burst.over(2.0, 1.0) > 1
