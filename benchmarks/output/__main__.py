"""`python -m benchmarks.output PART [DATA]`: shorter answers, one part at a time.

caps    learned caps: how often an answer is cut and asked for again, what runaways they stop, what they save

DATA is a folder of public traces (`azure/*.csv.gz`, `claude-code-sessions/sessions.jsonl.gz`), for real lengths beside the
simulated ones.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from time import perf_counter

from benchmarks.cache.report import conclude, goals_table, machine
from benchmarks.options import positive

PARTS = ("caps",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one part, print, judge."""
    asked = _parse(arguments)
    began = perf_counter()
    part = import_module(f"benchmarks.output.{asked.part}")
    told = {name: value for name in ("seeds", "calls") if (value := getattr(asked, name)) is not None}
    try:
        figures = part.measure(asked.data, seed=asked.seed, **told)
    except FileNotFoundError as error:
        print(f"benchmarks.output {asked.part}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    goals = part.goals(figures)
    took = perf_counter() - began
    print("\n\n".join([part.table(figures), goals_table(goals), f"{took:,.0f} s in all"]))
    document: dict[str, object] | None = None
    if asked.json:
        document = {"benchmark": f"output {asked.part}", "seed": asked.seed, "versions": machine(), "took_s": took}
        document |= {"figures": part.document(figures)}
    return conclude(goals, document)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.output", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("data", nargs="?", type=Path, help="folder of public traces")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--seeds", type=positive, help="fewer make it shorter")
    parser.add_argument("--calls", type=positive, help="of each simulated site and seed")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
