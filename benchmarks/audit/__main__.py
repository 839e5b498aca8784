"""`python -m benchmarks.audit`: a month of Claude Code logs read, priced and replayed, beside ccusage; and traps."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.audit import goals, report
from benchmarks.audit.month import CALLS
from benchmarks.audit.run import OURS, Asked, Figures, run
from benchmarks.cache.report import conclude, goals_table
from benchmarks.options import positive

PARTS = ("import", "replay", "traps")
QUICK_CALLS = 50_000
USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Generate, measure, print, judge."""
    asked = _parse(arguments)
    if not Path("/proc/self/status").exists():
        return _refuse("memory is read from /proc: this needs Linux")
    calls = asked.calls or (QUICK_CALLS if asked.quick else CALLS)
    rounds = asked.rounds or (1 if asked.quick else 3)
    try:
        with TemporaryDirectory(prefix="audit-bench-") as temporary:
            work = asked.work.resolve() if asked.work else Path(temporary)
            figures = run(Asked(calls, asked.seed, rounds, tuple(asked.data), work, asked.parts))
    except ValueError as error:
        return _refuse(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return _print(asked, figures)


def _print(asked: argparse.Namespace, figures: Figures) -> int:
    judged = goals.judge(figures)
    print("\n\n".join([report.tables(figures), goals_table(judged)]))
    missing = OURS in figures.skipped or "replay" in figures.skipped
    document: dict[str, object] | None = None
    if asked.json:
        document = {"benchmark": "audit", "quick": asked.quick, "seed": asked.seed, **report.document(figures)}
    return conclude(judged, document, wrong=missing, judges=not asked.quick)


def _refuse(why: str) -> int:
    print(f"benchmarks.audit: {why}", file=sys.stderr)
    return USAGE_ERROR


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.audit", description=__doc__)
    parser.add_argument("data", nargs="*", type=Path, help="folders of traps: each a folder of logs, or of such folders")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK_CALLS:,} calls, one round; goals are shown, never failed"
    )
    parser.add_argument("--calls", type=positive, help=f"size of the generated month ({CALLS:,}: about 2.7 GB on disk)")
    parser.add_argument("--seed", type=int, default=1, help="the month is generated from it")
    parser.add_argument("--rounds", type=positive, help="how often import is measured (3; medians are shown)")
    parser.add_argument("--work", type=Path, help="keep the generated month in this folder for the next run")
    parser.add_argument("--parts", type=_parts, default=PARTS, help=f"of {','.join(PARTS)}")
    return parser.parse_args(arguments)


def _parts(text: str) -> tuple[str, ...]:
    chosen = tuple(text.split(","))
    for name in chosen:
        if name not in PARTS:
            raise argparse.ArgumentTypeError(f"unknown {name!r}: choose of {', '.join(PARTS)}")
    return chosen


if __name__ == "__main__":
    sys.exit(main())
