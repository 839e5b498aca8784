"""`python -m benchmarks.routing PART [DATA]`: which model may serve a call, one part at a time.

scores      how well a score tells beforehand what the cheap model can do, beside simple and published ones (DATA)
guarantee   are promises of quality kept, and what do they leave of the saving (DATA)
drift       are changes seen soon, and false alarms few (DATA where there is any)
sessions    when a change of model pays in mid-conversation, beside the optimum
latency     what a decision costs on the hot path
live        calibrate, serve, change for the worse, roll back: on the simulator, --splits runs

DATA is a folder of public per-query outcomes: routellm/*.parquet, zeroeval_claude/*.parquet.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

from benchmarks.cache.report import conclude, goals_table, machine
from benchmarks.options import positive
from benchmarks.routing.data import DataSet, data_sets

# What each part needs to be told besides the seed; it is only imported when it is asked for.
PARTS: dict[str, tuple[str, ...]] = {
    "scores": ("sets", "splits"),
    "guarantee": ("sets", "splits"),
    "drift": ("sets", "splits"),
    "sessions": ("splits",),
    "latency": (),
    "live": ("splits",),
}
_WITHOUT_DATA = ("drift",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one part, print, judge."""
    asked = _parse(arguments)
    began = perf_counter()
    try:
        sets = _sets(asked)
    except FileNotFoundError as error:
        print(f"benchmarks.routing {asked.part}: {error}", file=sys.stderr)
        return 2
    part = import_module(f"benchmarks.routing.{asked.part}")
    try:
        figures = _measured(part.measure, asked, sets)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    goals = part.goals(figures)
    took = perf_counter() - began
    print("\n\n".join([part.table(figures), goals_table(goals), f"{took:,.0f} s in all"]))
    document: dict[str, object] | None = None
    if asked.json:
        document = {"benchmark": f"routing {asked.part}", "seed": asked.seed, "versions": machine(), "took_s": took}
        document |= {"figures": part.document(figures)}
    return conclude(goals, document)


def _sets(asked: argparse.Namespace) -> list[DataSet]:
    if "sets" not in PARTS[asked.part] or (asked.data is None and asked.part in _WITHOUT_DATA):
        return []
    if asked.data is None:
        raise FileNotFoundError("this part needs a folder of outcomes: python -m benchmarks.routing PART DATA")
    return [one for one in data_sets(asked.data) if not asked.only or one.name in asked.only]


def _measured(measure: Callable[..., Any], asked: argparse.Namespace, sets: Sequence[DataSet]) -> Any:
    told: dict[str, Any] = {"seed": asked.seed}
    if asked.splits is not None and "splits" in PARTS[asked.part]:
        told["splits"] = asked.splits
    return measure(sets, **told) if "sets" in PARTS[asked.part] else measure(**told)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.routing", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("data", nargs="?", type=Path, help="folder of public outcomes")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--seed", type=int, default=1, help="splits and simulations are drawn from it")
    parser.add_argument("--splits", type=positive, help="fewer make it shorter; each part has its own default")
    parser.add_argument("--only", action="append", default=[], help="a data set by its name; may be given again")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
