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

WEIGHTS = {"memory": 10, "sqlite": 4, "postgres": 1}
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
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    cells = matrix.cells(chosen.fault, chosen.backend or BACKENDS, chosen.component or matrix.COMPONENTS)
    weight = sum(WEIGHTS[cell.backend] for cell in cells)
    commit = _commit()
    tallies = [(cell, matrix.Tally()) for cell in cells]
    began = time.process_time()
    with tables_read_once():
        for cell, tally in tallies:
            seeds = -(-chosen.seeds * WEIGHTS[cell.backend] // weight) if chosen.seeds else chosen.each
            for seed in range(chosen.first, chosen.first + seeds):
                known = len(tally.failed)
                matrix.run(cell, seed, tally)
                if len(tally.failed) > known:
                    again = f"--fault '{cell.fault.name}' --backend {cell.backend} --component {cell.component}"
                    print(f"FAILED (seed {seed}, commit {commit}): {cell.name}: {tally.failed[seed]}", file=sys.stderr)
                    print(f"  again: python -m tests.sim.chaos {again} --first {seed} --each 1", file=sys.stderr, flush=True)
            print(f"{cell.name}: {matrix.told(tally)}", file=sys.stderr, flush=True)
    seeds = sum(tally.seeds for _, tally in tallies)
    failed = sum(len(tally.failed) for _, tally in tallies)
    if chosen.json:
        told = [{"cell": cell.name} | msgspec.to_builtins(tally, str_keys=True) for cell, tally in tallies]
        print(msgspec.json.encode({"commit": commit, "cells": told}).decode())
    else:
        print(matrix.table(tallies))
        print(f"{seeds:,} seeds, {failed} failed; commit {commit}; {time.process_time() - began:.0f} s of CPU")
    return 1 if failed else 0


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
