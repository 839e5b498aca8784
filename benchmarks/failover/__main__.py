"""`python -m benchmarks.failover`: conversations over three targets, of which one fails for a while in one of many ways.

Simulated time and simulators in this process, so what is measured is what the engine decides: no call lost, none booked
twice, how much longer calls take, and whether conversations stay where they are warm.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from msgspec.structs import asdict

from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align, conclude, goals_table, machine
from benchmarks.failover.incidents import KINDS
from benchmarks.failover.runs import CONNECT_S, READ_S, Result, run
from benchmarks.options import positive

AFFINITY = 0.99
WAIT_S = 1.5  # added to 99 of 100 calls, where a failure takes no time of its own
SLOW = ("black hole", "time-out")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.failover")
    parser.add_argument("--seeds", type=positive, default=10, help="runs of each kind of fault")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    asked = parser.parse_args(arguments)
    results: list[Result] = []
    for kind in asked.kinds:
        print(kind, file=sys.stderr)
        results += [run(kind, seed) for seed in range(asked.seeds)]
    goals = judge(results)
    print(f"{table(results)}\n\n{goals_table(goals)}")
    document: dict[str, object] | None = None
    if asked.json:
        document = {"benchmark": "failover", "seeds": asked.seeds, "versions": machine()}
        document["figures"] = [asdict(one) for one in results]
    return conclude(goals, document)


def judge(results: Sequence[Result]) -> list[Goal]:
    """Over all runs; waits by the worst of them."""
    quick = [one for one in results if one.kind not in SLOW]
    slow = [one for one in results if one.kind in SLOW]
    eligible = sum(one.eligible for one in results)
    longest = 2 * max(CONNECT_S, READ_S) + WAIT_S
    waited_s = max([one.wait_max_s for one in slow], default=None)
    return [
        Goal("calls lost", 0, True, True, sum(one.lost for one in results)),
        Goal("calls booked twice or not", 0, True, True, sum(one.twice for one in results)),
        Goal("books - bill of answered calls (pico-USD)", 0, True, True, sum(one.off_pico for one in results)),
        Goal("holds left open", 0, True, True, sum(one.open_holds for one in results)),
        Goal("turns that stayed where they were warm", AFFINITY, False, True, sum(one.stayed for one in results) / eligible),
        Goal("added seconds, p99", WAIT_S, True, True, max([one.wait_p99_s for one in quick], default=None)),
        Goal(
            "added seconds where failing takes long, max",
            longest,
            True,
            True,
            waited_s,
        ),
    ]


def table(results: Sequence[Result]) -> str:
    """A line a kind of fault."""
    rows = [["fault", "calls", "struck", "lost", "twice", "off", "moved", "affinity", "added p50 s", "p99 s", "max s"]]
    for kind in dict.fromkeys(one.kind for one in results):
        same = [one for one in results if one.kind == kind]
        sums = [
            sum(getattr(one, name) for one in same) for name in ("calls", "struck", "lost", "twice", "off_pico", "moved")
        ]
        stayed = sum(one.stayed for one in same) / max(1, sum(one.eligible for one in same))
        waits = [max(getattr(one, name) for one in same) for name in ("wait_p50_s", "wait_p99_s", "wait_max_s")]
        rows.append([kind, *[f"{count:,}" for count in sums], f"{stayed:.2%}", *[f"{wait:.2f}" for wait in waits]])
    return align(rows)


if __name__ == "__main__":
    sys.exit(main())
