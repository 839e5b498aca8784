"""`python -m benchmarks.context compaction DATA...`: what shortening a conversation's history saves, and when.

DATA are recorded conversations: a file, or a folder that holds one trace (coding sessions with prefix blocks, agent calls
with their prompts).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter

from benchmarks.cache.report import conclude, goals_table, machine
from benchmarks.context import compaction

PARTS = ("compaction",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    asked = _parse(arguments)
    missing = [str(path) for path in asked.data if not path.exists()]
    if missing:
        print(f"benchmarks.context: no such file or folder: {', '.join(missing)}", file=sys.stderr)
        return 2
    began = perf_counter()
    try:
        figures = compaction.measure(asked.data, seed=asked.seed, share=asked.share, cheap=asked.summariser)
    except ValueError as error:
        print(f"benchmarks.context: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    goals = compaction.goals(figures)
    took = perf_counter() - began
    print("\n\n".join([compaction.table(figures), goals_table(goals), f"{took:,.0f} s in all"]))
    document: dict[str, object] | None = None
    if asked.json:
        document = {"benchmark": "context compaction", "seed": asked.seed, "share": asked.share, "versions": machine()}
        document |= {"took_s": took, "figures": compaction.document(figures)}
    return conclude(goals, document)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.context", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("data", nargs="+", type=Path, help="a trace: a file, or a folder that holds one")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--share", type=_share, default=1.0, help="of the sessions, drawn by the seed: less is shorter")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--summariser", default=compaction.CHEAP, help="the cheaper model, or `own` for none")
    return parser.parse_args(arguments)


def _share(text: str) -> float:
    value = float(text)
    if not 0.0 < value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r}: above 0, at most 1")
    return value


if __name__ == "__main__":
    sys.exit(main())
