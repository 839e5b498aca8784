"""The saving against a hold-out: right where the books are right, and where they are not."""

from __future__ import annotations

import random
from collections.abc import Iterator
from math import exp

import pytest

from thriftgate.quality.holdout import Holdout, Unit, estimate


def conversations(
    seed: object,
    count: int,
    *,
    chance: float = 0.8,
    drawn_at: float | None = None,
    cost: float = 0.6,
    more_calls: float = 1.0,
    own: float = 0.0,
    foretold: bool = True,
    sigma: float = 1.0,
) -> Iterator[Unit]:
    """Treated calls cost `cost` of what the books say they would have; a treated conversation has `more_calls` as many."""
    draw = random.Random(f"{seed}")
    for _ in range(count):
        size = exp(draw.gauss(0, sigma))
        calls = 1 + draw.randrange(4)
        treated = draw.random() < (chance if drawn_at is None else drawn_at)
        if treated and draw.random() < more_calls - 1:
            calls *= 2
        baseline = size * calls * exp(draw.gauss(0, 0.2))
        paid = baseline * (cost if treated else 1.0)
        pico = [round(dollars * 1e10) for dollars in (paid, baseline, size if foretold else 0.0, own if treated else 0.0)]
        yield Unit("treated" if treated else "holdout", chance, pico[0], pico[1], calls, pico[2], pico[3])


def test_where_the_books_are_right_both_agree() -> None:
    found = estimate(conversations(1, 4_000))
    assert found.treated + found.holdout == 4_000
    assert found.saving is not None
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.4 < found.high
    assert found.high - found.low < 0.25
    assert found.saving == pytest.approx(0.4, abs=0.06)
    assert found.gross == found.net == pytest.approx(0.4, abs=1e-6)
    assert found.sample_ratio_ok
    assert found.books_shift is not None
    assert found.calls_shift is not None
    assert not found.books_shift.excludes(0.0)
    assert not found.calls_shift.excludes(0.0)


def test_a_treatment_that_makes_users_ask_again_is_found_out() -> None:
    found = estimate(conversations(2, 8_000, chance=0.5, more_calls=1.6))
    assert found.gross == pytest.approx(0.4, abs=1e-6)  # the books see each call, not why it was made
    assert found.high is not None
    assert found.high < 0.4
    assert found.saving == pytest.approx(1 - 0.6 * 1.6, abs=0.08)
    assert found.books_shift is not None
    assert found.calls_shift is not None
    assert found.books_shift.low > 0
    assert found.calls_shift.low > 0


def test_its_own_cost_counts() -> None:
    free, dear = (estimate(conversations(3, 3_000, own=own)) for own in (0.0, 0.5))
    assert free.gross == dear.gross
    assert dear.net is not None
    assert free.net is not None
    assert dear.net < free.net
    assert free.saving is not None
    assert dear.saving is not None
    assert dear.saving < free.saving - 0.05


def test_what_was_known_beforehand_makes_it_narrower() -> None:
    widths = []
    for foretold in (True, False):
        found = estimate(conversations(4, 4_000, foretold=foretold))
        assert found.low is not None
        assert found.high is not None
        widths.append(found.high - found.low)
    assert widths[0] < 0.8 * widths[1]


def test_heavy_tails_at_every_look() -> None:
    """One look at each 50 conversations; one that is for a single look would miss in many streams."""
    missed = told = 0
    for stream in range(25):
        holdout, held = Holdout(), True
        for number, unit in enumerate(conversations(f"tails {stream}", 800, chance=0.7, sigma=1.5), 1):
            holdout.see(unit)
            if number % 50 == 0:
                found = holdout.result()
                if found.low is not None and found.high is not None:
                    told += 1
                    held = held and found.low <= 0.4 <= found.high
        missed += not held
    assert missed <= 2
    assert told > 25 * 8


def test_unlike_chances_are_made_up_for() -> None:
    """Dear conversations are mostly treated: the plain means would show a loss."""
    draw = random.Random(6)
    units = []
    for _ in range(6_000):
        dear = draw.random() < 0.5
        chance = 0.9 if dear else 0.3
        treated = draw.random() < chance
        baseline = round((10 if dear else 1) * exp(draw.gauss(0, 0.3)) * 1e10)
        paid = baseline * 6 // 10 if treated else baseline
        units.append(Unit("treated" if treated else "holdout", chance, paid, baseline))
    means = [
        sum(one.paid_pico for one in units if one.arm == arm) / sum(one.arm == arm for one in units)
        for arm in ("treated", "holdout")
    ]
    assert means[0] > means[1]
    found = estimate(units)
    assert found.low is not None
    assert found.high is not None
    assert found.low < 0.4 < found.high
    assert found.sample_ratio_ok


def test_a_broken_lot_is_found_out_and_a_fair_one_is_not() -> None:
    fair = [estimate(conversations(f"lot {run}", 600)).sample_ratio_ok for run in range(40)]
    assert sum(fair) >= 39
    broken = [estimate(conversations(f"lot {run}", 2_000, drawn_at=0.87)).sample_ratio_ok for run in range(10)]
    assert not any(broken)


def test_with_too_few_nothing_is_claimed() -> None:
    empty = Holdout().result()
    assert (empty.treated, empty.holdout, empty.saving, empty.low, empty.gross) == (0, 0, None, None, None)
    few = estimate(conversations(7, 60))
    assert few.saving is not None
    assert few.low is None
    assert few.books_shift is None


def test_costs_of_nothing_are_no_saving() -> None:
    units = [Unit("treated" if number % 2 else "holdout", 0.5, 0, 0) for number in range(200)]
    found = estimate(units)
    assert found.saving is found.low is found.gross is found.net is None


@pytest.mark.parametrize("chance", [0.0, 1.0, -0.1, float("nan")])
def test_a_chance_that_is_none_is_refused(chance: float) -> None:
    with pytest.raises(ValueError, match="chance"):
        Holdout().see(Unit("treated", chance, 1, 1))


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="out of range"):
        Holdout(alpha=1.0)
