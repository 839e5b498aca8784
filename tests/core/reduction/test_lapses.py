import pytest

from thriftgate.core.prices import Rates
from thriftgate.core.reduction.lapses import Lives, hold_for_an_hour, lapse_pico

USD = 10**12
RATES = Rates(5 * USD, 25 * USD // 4, 10 * USD, USD // 2, 25 * USD)


def units(lives: Lives) -> float:
    return lapse_pico(lives, RATES) * 1e6 / RATES.input


def test_a_short_prompt_that_lapses_is_written_where_the_long_one_is_read() -> None:
    assert units(Lives(100_000, 100_000, 20_000)) == pytest.approx(2 * 20_000 - 0.1 * 100_000)
    assert units(Lives(100_000, 100_000, 20_000, hour=15_000)) == pytest.approx(0.1 * 15_000 + 2 * 5_000 - 10_000)


def test_nothing_is_at_risk_where_both_live_or_neither_does() -> None:
    assert units(Lives(100_000, 0, 20_000)) == 0.0
    assert units(Lives(100_000, 100_000, 20_000, hour=20_000)) == 0.0
    assert units(Lives(500_000, 500_000, 20_000)) == 0.0  # reading that much costs more than writing little


def test_what_would_lapse_in_both_is_written_by_both() -> None:
    """30,000 new tokens at the end are kept for five minutes in either."""
    assert units(Lives(100_000, 70_000, 50_000)) == pytest.approx(2 * 20_000 - 0.1 * 70_000)


def hold(lives: Lives, warm: int, room: float) -> int:
    return hold_for_an_hour(lives, RATES, warm=warm, regret_pico=0.0, limit_pico=room * RATES.input / 1e6)


def test_the_dearer_mark_is_only_made_where_the_budget_has_no_room() -> None:
    lives = Lives(100_000, 100_000, 20_000)
    assert hold(lives, 19_000, 30_001) == 0
    assert hold(lives, 19_000, 29_999) == 20_000


def test_a_cold_prompt_is_held_as_far_as_the_whole_would_live() -> None:
    lives = Lives(100_000, 70_000, 50_000)
    assert hold(lives, 0, 100) == 20_000
    assert hold(lives, 20_000, 100) == 50_000  # what is warm is kept longer only by a mark behind it


def test_a_mark_dearer_than_the_lapse_is_not_made() -> None:
    assert hold(Lives(101_000, 1_000, 100_500, hour=0), 90_000, 0) == 0
