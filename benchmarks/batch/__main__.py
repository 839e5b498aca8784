"""`python -m benchmarks.batch PART`: the batch runner, one part at a time.

speed       jobs prepared and results booked a second and core
memory      the worker's memory at 10,000 and at 1,000,000 jobs
waves       what jobs that share prefixes cost, beside the optimum and beside one batch
kill        kill -9 again and again: nothing lost, nothing billed twice
deadlines   deadlines kept, at batch price
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from benchmarks.audit.run import Failed
from benchmarks.batch import deadlines, kill, memory, speed, waves
from benchmarks.cache.goals import Goal
from benchmarks.cache.report import conclude, goals_table, machine
from benchmarks.options import positive


class Found(NamedTuple):
    """What a part has measured: for people, for machines, and whether its goals were met."""

    table: str
    figures: Any
    goals: Sequence[Goal] = ()
    wrong: bool = False


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one part, print, judge."""
    asked = _parse(arguments)
    try:
        found = PARTS[asked.part](asked)
    except (Failed, RuntimeError) as error:
        print(f"benchmarks.batch {asked.part}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    print("\n\n".join([found.table, *([goals_table(found.goals)] if found.goals else [])]))
    document: dict[str, object] | None = None
    if asked.json:
        document = {"benchmark": f"batch {asked.part}", "seed": asked.seed, "versions": machine(), "figures": found.figures}
    return conclude(found.goals, document, wrong=found.wrong)


def _speed(asked: argparse.Namespace) -> Found:
    count = asked.jobs or 100_000
    speeds = speed.measure(count, max(1, count // 10), asked.rounds)
    return Found(speed.table(speeds), speed.document(speeds), speed.goals(speeds))


def _memory(asked: argparse.Namespace) -> Found:
    _needs_proc()
    runs = memory.measure((memory.FEW, asked.jobs or memory.MANY))
    return Found(memory.table(runs), memory.document(runs), memory.goals(runs))


def _waves(asked: argparse.Namespace) -> Found:
    shapes = waves.SHAPES[:1] if asked.quick else waves.SHAPES
    cells = list(waves.measure(shapes, seed=asked.seed))
    return Found(waves.table(cells), waves.document(cells), waves.goals(cells))


def _kill(asked: argparse.Namespace) -> Found:
    proof = kill.Asked(asked.jobs or kill.JOBS, asked.kills, asked.seed, asked.faults)
    with TemporaryDirectory(prefix="batch-bench-") as folder:
        outcome = kill.run(proof, Path(folder))
    return Found(kill.table(outcome), kill.document(outcome), wrong=bool(outcome.wrong))


def _deadlines(asked: argparse.Namespace) -> Found:
    cases = deadlines.measure(asked.jobs or deadlines.JOBS, asked.seed)
    return Found(deadlines.table(cases), deadlines.document(cases), deadlines.goals(cases))


PARTS = {"speed": _speed, "memory": _memory, "waves": _waves, "kill": _kill, "deadlines": _deadlines}


def _needs_proc() -> None:
    if not Path("/proc/self/status").exists():
        raise Failed("memory is read from /proc: this needs Linux")


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.batch", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--seed", type=int, default=1, help="jobs, provider and kills are drawn from it")
    parser.add_argument("--jobs", type=positive, help="how many; each part has its own default")
    parser.add_argument("--rounds", type=positive, default=3, help="of speed, whose medians are shown")
    parser.add_argument("--quick", action="store_true", help="of waves: one shared prefix alone")
    parser.add_argument("--kills", type=positive, default=kill.KILLS, help="of kill")
    parser.add_argument("--faults", action="store_true", help="of kill: the provider loses answers, fails and cuts off")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
