import pytest

from thriftgate.simulator.clock import DEFAULT_FROZEN_START, SimClock, parse_moment, rfc3339


def test_frozen_clock_moves_only_when_told() -> None:
    clock = SimClock.frozen(1000.0)
    assert clock() == clock() == 1000.0
    assert clock.advance(5) == 1005.0
    assert clock.set(20.0) == clock() == 20.0


def test_running_clock_keeps_its_offset() -> None:
    readings = iter([10.0, 11.0, 12.0, 13.0, 14.0])
    clock = SimClock(lambda: next(readings))
    assert clock() == 10.0
    clock.advance(100)
    assert clock() == 112.0


def test_real_clock_runs_after_the_year_2025() -> None:
    assert SimClock.real()() > 1_735_689_600


async def test_sleep_moves_a_frozen_clock() -> None:
    clock = SimClock.frozen(0.0)
    await clock.sleep(7)
    await clock.sleep(-1)
    assert clock() == 7.0
    await SimClock(lambda: 0.0).sleep(0)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (12, 12.0),
        (1.5, 1.5),
        ("2026-11-21T12:00:00Z", DEFAULT_FROZEN_START),
        ("1970-01-01T01:00:00+01:00", 0.0),
        ("1970-01-02", 86400.0),
    ],
)
def test_parse_moment(value: object, moment: float) -> None:
    assert parse_moment(value) == moment


@pytest.mark.parametrize(("value", "kind"), [(True, TypeError), (None, TypeError), ("noon", ValueError)])
def test_parse_moment_says_what_is_wrong(value: object, kind: type[Exception]) -> None:
    with pytest.raises(kind, match=r"time"):
        parse_moment(value)


def test_rfc3339() -> None:
    assert rfc3339(DEFAULT_FROZEN_START) == "2026-11-21T12:00:00.000000Z"
    assert rfc3339(0.25, micros=False) == "1970-01-01T00:00:00Z"
