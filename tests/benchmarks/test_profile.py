"""The clocks of `benchmarks.profile`: what they count, and that all they are put on is there."""

from __future__ import annotations

import asyncio
import time

import pytest
from benchmarks.profile.account import REST_LOOP, Account, Read, account
from benchmarks.profile.clocks import Clocks, Cost, Spent, calibrated, place_of
from benchmarks.profile.stages import STAGES


@pytest.mark.parametrize("place", [place for _, places in STAGES for place in places])
def test_every_stage_names_functions_that_are_there(place: str) -> None:
    assert callable(place_of(place).function)


def test_no_function_stands_in_two_stages() -> None:
    places = [place for _, places in STAGES for place in places]
    assert len(places) == len(set(places))


def _spin(milliseconds: float) -> None:
    until = time.thread_time() + milliseconds / 1000
    while time.thread_time() < until:
        pass


def _only(clocks: Clocks) -> dict[str, Spent]:
    (stages,) = clocks.spent().values()
    return stages


def test_a_stage_within_another_counts_once() -> None:
    clocks = Clocks()
    inner = clocks.timed("inner", _spin)

    def work() -> None:
        inner(20.0)
        _spin(10.0)

    clocks.timed("outer", work)()
    stages = _only(clocks)
    assert stages["inner"].own_ns >= 20e6
    assert 10e6 <= stages["outer"].own_ns < 20e6
    assert (stages["outer"].entered, stages["outer"].within) == (1, 1)


def test_waiting_is_no_time_and_errors_pass() -> None:
    clocks = Clocks()

    async def waits() -> str:
        _spin(5.0)
        await asyncio.sleep(0.05)
        raise ValueError("as it was")

    with pytest.raises(ValueError, match="as it was"):
        asyncio.run(clocks.timed("waits", waits)())
    spent = _only(clocks)["waits"]
    assert 5e6 <= spent.own_ns < 45e6
    assert spent.entered_steps == 2


def test_what_clocks_cost_is_more_than_nothing() -> None:
    plain, steps = calibrated()
    assert plain.inside > 0
    assert steps.inside + steps.outside > 0


def _account(plain_us: float) -> Account:
    before = Read(0, 0, 0, "MainThread", {})
    stages = {"MainThread": {"parse": Spent(300_000, 1_000), "plan": Spent(500_000, 1_000, within=1_000)}}
    after = Read(2_000_000, 1_500_000, 300_000, "MainThread", stages)
    return account("case", 1_000, plain_us, (before, after), (Cost(10, 10), Cost(10, 10)))


def test_the_rows_add_up_to_what_a_call_costs() -> None:
    found = _account(plain_us=1.97)  # with clocks it was 2 us
    assert found.accounted_us == pytest.approx(1.97)
    assert found.clocks_us == pytest.approx(0.03)
    rows = {row.stage: row.us for row in found.rows}
    assert rows["parse"] == pytest.approx(0.3 - 0.01 * found.factor)
    assert rows[REST_LOOP] == pytest.approx(0.7, abs=0.02)


def test_clocks_that_seem_to_cost_nothing_show() -> None:
    found = _account(plain_us=2.5)  # the gateway without clocks had the worse time
    assert found.factor == 0.0
    assert found.off == pytest.approx(-0.2)
