"""The chaos matrix in short: a few seeds of each cell. `python -m tests.sim.chaos` is the long form."""

from __future__ import annotations

import random

import pytest

from tests.sim.chaos import matrix
from tests.sim.chaos.stores import Strikes
from tests.sim.chaos.world import FAULTS, tables_read_once

pytestmark = [  # a worker that dies while it begins leaves its files to the system to close
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

SEEDS = {"memory": 3, "sqlite": 1}
SERVER = ("process killed", "connection cut at commit", "server crashes", "one of two replicas killed")
"""On PostgreSQL a seed takes longer: those that only it can have."""


@pytest.mark.parametrize("backend", SEEDS)
def test_nothing_is_lost_doubled_overspent_or_left_open(backend: str) -> None:
    tallies = [(cell, matrix.Tally()) for cell in matrix.cells(backends=[backend])]
    with tables_read_once():
        for cell, tally in tallies:
            for seed in range(1, SEEDS[backend] + 1):
                matrix.run(cell, seed, tally)
    assert not {cell.name: tally.failed for cell, tally in tallies if tally.failed}, matrix.table(tallies)
    assert sum(tally.kills for _, tally in tallies) > 5
    assert sum(tally.struck for _, tally in tallies) > 20


def test_nor_on_a_server_that_crashes() -> None:
    components = dict(zip(SERVER, ("batches", "budgets", "calls", "budgets"), strict=True))
    tallies = [
        (cell, matrix.Tally())
        for cell in matrix.cells(SERVER, ["postgres"])
        if components[cell.fault.name] == cell.component
    ]
    assert len(tallies) == len(SERVER)
    with tables_read_once():
        for cell, tally in tallies:
            matrix.run(cell, 1, tally)
    assert not {cell.name: tally.failed for cell, tally in tallies if tally.failed}, matrix.table(tallies)


def test_a_seed_is_the_same_again_and_what_fails_is_shown() -> None:
    one, other = ([Strikes("away", random.Random(7)).next() for _ in range(20)] for _ in range(2))
    assert one == other
    cell = matrix.Cell(FAULTS[0], "memory", "calls")
    failed = matrix.Tally(seeds=2, failed={7: "a call is lost"})
    assert "1 of 2 FAILED" in matrix.table([(cell, failed)])


def test_what_is_looked_for_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines that book only every second entry are told on."""
    from thriftgate.ledger.sql_writing import Booking

    booked, entry = [0], Booking.entry

    def forgetful(self: Booking, one: object) -> None:
        booked[0] += 1
        if booked[0] % 2:
            entry(self, one)  # type: ignore[arg-type]

    monkeypatch.setattr(Booking, "entry", forgetful)
    tally = matrix.Tally()
    with tables_read_once():
        matrix.run(matrix.Cell(FAULTS[0], "memory", "calls"), 1, tally)
    assert "booked as nothing" in tally.failed[1]
