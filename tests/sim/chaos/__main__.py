"""Everything that can go wrong, over everything it can go wrong with, seed by seed.

    python -m tests.sim.chaos                            some seeds of each cell
    python -m tests.sim.chaos --seeds 10000              so many over all cells
    python -m tests.sim.chaos --fault deadlock --backend postgres --first 17 --each 1

Exit code 1 where anything was lost, doubled, overspent or left open.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from tests.sim.chaos import matrix
from tests.sim.chaos.grounds import BACKENDS
from tests.sim.chaos.world import FAULTS, tables_read_once

ROUNDS = 20
WEIGHTS = {"memory": 60, "sqlite": 15, "postgres": 1}
"""PostgreSQL takes longer for a seed."""


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=0, help="of all cells together")
    parser.add_argument("--each", type=int, default=3, help="of each cell, where --seeds is not given")
    parser.add_argument("--first", type=int, default=1, help="the first seed of each cell")
    parser.add_argument("--fault", action="append", choices=[one.name for one in FAULTS], default=[])
    parser.add_argument("--backend", action="append", choices=BACKENDS, default=[])
    parser.add_argument("--component", action="append", choices=matrix.COMPONENTS, default=[])
    parser.add_argument("--minutes", type=float, default=1e6, help="end then, with what there is")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    cells = matrix.cells(chosen.fault, chosen.backend or BACKENDS, chosen.component or matrix.COMPONENTS)
    weight = sum(WEIGHTS[cell.backend] for cell in cells)
    commit = _commit()
    tallies = [(cell, matrix.Tally()) for cell in cells]
    began, started = time.process_time(), time.monotonic()
    rounds = ROUNDS if chosen.seeds else 1
    with tables_read_once():
        for at in range(1, rounds + 1):
            for cell, tally in tallies:
                wanted = chosen.seeds * WEIGHTS[cell.backend] / weight if chosen.seeds else chosen.each
                while tally.seeds < wanted * at / rounds and not _is_over(chosen.minutes, started):
                    _run(cell, tally, chosen.first + tally.seeds, commit)
            print(f"round {at} of {rounds}: {_told(tallies)}", file=sys.stderr, flush=True)
    failed = sum(len(tally.failed) for _, tally in tallies)
    if chosen.json:
        told = [{"cell": cell.name} | msgspec.to_builtins(tally, str_keys=True) for cell, tally in tallies]
        print(msgspec.json.encode({"commit": commit, "cells": told}).decode())
    else:
        print(matrix.table(tallies))
        print(f"{_told(tallies)}; commit {commit}; {time.process_time() - began:.0f} s of CPU")
    return 1 if failed else 0


def _run(cell: matrix.Cell, tally: matrix.Tally, seed: int, commit: str) -> None:
    known = len(tally.failed)
    matrix.run(cell, seed, tally)
    if len(tally.failed) > known:
        again = f"--fault '{cell.fault.name}' --backend {cell.backend} --component {cell.component} --first {seed} --each 1"
        print(f"FAILED (seed {seed}, commit {commit}): {cell.name}: {tally.failed[seed]}", file=sys.stderr)
        print(f"  again: python -m tests.sim.chaos {again}", file=sys.stderr, flush=True)


def _told(tallies: list[tuple[matrix.Cell, matrix.Tally]]) -> str:
    seeds, struck, kills = (sum(getattr(one, what) for _, one in tallies) for what in ("seeds", "struck", "kills"))
    failed = sum(len(one.failed) for _, one in tallies)
    return f"{seeds:,} seeds, {struck:,} writes struck, {kills:,} kills; {failed} failed"


def _is_over(minutes: float, started: float) -> bool:
    return time.monotonic() - started > minutes * 60


def _commit() -> str:
    told = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
