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

import msgspec

from benchmarks.cache.report import goals_document, goals_table, machine, rounded

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
    failed = any(goal.must and goal.passed is False for goal in goals)
    if asked.json:
        document = {"benchmark": f"output {asked.part}", "seed": asked.seed, "versions": machine(), "took_s": took}
        document |= {"figures": part.document(figures), "goals": goals_document(goals), "failed": failed}
        print(msgspec.json.encode(rounded(document)).decode())
    return 1 if failed else 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.output", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("data", nargs="?", type=Path, help="folder of public traces")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--seed", type=int, default=1, help="the first one")
    parser.add_argument("--seeds", type=_positive, help="fewer make it shorter")
    parser.add_argument("--calls", type=_positive, help="of each simulated site and seed")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    value = int(text.replace("_", "").replace(",", ""))
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: at least 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
