"""The matrix: fault x back end x component; what came of each cell, as a table."""

from __future__ import annotations

import asyncio
import tempfile
import traceback
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.cache.report import align
from msgspec import Struct

from tests.sim.chaos import calls, judge
from tests.sim.chaos.grounds import BACKENDS
from tests.sim.chaos.world import FAULTS, Fault, World

COMPONENTS = ("calls", "budgets", "batches")


class Cell(NamedTuple):
    fault: Fault
    backend: str
    component: str

    @property
    def name(self) -> str:
        return f"{self.fault.name} / {self.backend} / {self.component}"


class Tally(Struct):
    """What came of one cell. `failed` are seeds, each with what was wrong."""

    seeds: int = 0
    struck: int = 0
    kills: int = 0
    failed: dict[int, str] = {}


def cells(
    faults: Sequence[str] = (), backends: Sequence[str] = BACKENDS, components: Sequence[str] = COMPONENTS
) -> list[Cell]:
    """Those that there are of these faults (all where none is named)."""
    return [
        Cell(fault, backend, component)
        for fault in FAULTS
        if not faults or fault.name in faults
        for backend in backends
        if backend in fault.on
        for component in components
        if component in fault.of
    ]


def run(cell: Cell, seed: int, tally: Tally) -> None:
    """One seed of one cell."""
    tally.seeds += 1
    try:
        wrong = asyncio.run(_run(cell, seed, tally))
    except Exception:  # noqa: BLE001  whatever it is, it is what was looked for
        wrong = [traceback.format_exc(limit=-6)]
    if wrong:
        tally.failed[seed] = "; ".join(wrong)


async def _run(cell: Cell, seed: int, tally: Tally) -> list[str]:
    with tempfile.TemporaryDirectory(prefix="tg-chaos-") as folder:
        world = World(cell.fault, cell.backend, seed, cell.name, Path(folder))
        try:
            if cell.component == "batches":
                from tests.sim.chaos import batches

                return await batches.run(world)
            office = await calls.run(world, budget=cell.component == "budgets")
            return await judge.wrong_calls(world, office)
        finally:
            tally.struck += world.strikes.struck
            tally.kills += world.kills
            world.close()


def table(tallies: Iterable[tuple[Cell, Tally]]) -> str:
    """For people: seeds and failures of each fault, by back end and component."""
    found = {(one.fault.name, one.backend, one.component): tally for one, tally in tallies}
    columns = sorted({(backend, component) for _, backend, component in found}, key=_place)
    rows: list[list[str]] = [["fault", *(f"{backend} {component}" for backend, component in columns)]]
    for fault in FAULTS:
        row = [found.get((fault.name, *column)) for column in columns]
        if any(row):
            rows.append([fault.name, *("-" if one is None else _cell(one) for one in row)])
    return align(rows)


def _place(column: tuple[str, str]) -> Any:
    return BACKENDS.index(column[0]), COMPONENTS.index(column[1])


def _cell(tally: Tally) -> str:
    return f"{tally.seeds} ok" if not tally.failed else f"{len(tally.failed)} of {tally.seeds} FAILED"
