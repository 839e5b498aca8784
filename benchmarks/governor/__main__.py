"""`python -m benchmarks.governor`: three times as many calls as the provider's rate limits allow, with and without the
governor, on one and on three upstream keys.

The provider is the simulator on a loopback socket, its clock running faster than the machine's; the calls go through an
engine of this process. What the limits allow is measured in the minute after the buckets' first content is used up.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from msgspec.structs import asdict

from benchmarks.audit.run import Failed
from benchmarks.cache.goals import Goal
from benchmarks.cache.report import align, conclude, goals_table, machine
from benchmarks.governor.runs import Case, Result, run
from benchmarks.governor.traffic import KINDS, OVER

THROUGHPUT, LIMITED, FAIR, READ, WARM = 0.95, 0.001, 0.99, 0.95, 0.8


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, judge."""
    asked = _parse(arguments)
    results = []
    try:
        for kind in asked.kinds:
            for keys in (1, 3):
                for governed in (True, False):
                    print(f"{kind}, {keys} keys, {'with' if governed else 'without'} the governor", file=sys.stderr)
                    speed = asked.speed / 2 if kind == "mixed" else asked.speed  # its prompts are the longest
                    results.append(run(Case(kind, keys, governed), speed, asked.seed))
    except Failed as error:
        print(f"benchmarks.governor: {error}", file=sys.stderr)
        return 1
    goals = judge(results)
    print(f"{table(results)}\n\n{goals_table(goals)}")
    document: dict[str, object] | None = None
    if asked.json:
        document = {"benchmark": "governor", "seed": asked.seed, "speed": asked.speed, "over": OVER, "versions": machine()}
        document["figures"] = [asdict(one) | asdict(one.case) | {"case": None} for one in results]
    return conclude(goals, document)


def judge(results: Sequence[Result]) -> list[Goal]:
    """The worst of all governed runs."""
    governed = [one for one in results if one.case.governed]
    several = [one for one in governed if one.case.kind == "mixed" and one.case.keys > 1]
    alone = {one.case.kind: one.read for one in governed if one.case.keys == 1}
    reads = [one.read / alone["mixed"] for one in several if alone.get("mixed")]
    return [
        Goal("throughput / allowed", THROUGHPUT, False, True, min(one.throughput for one in governed)),
        Goal("429s seen by clients, share", LIMITED, True, True, max(one.limited for one in governed)),
        Goal("answered of what quiet keys asked", FAIR, False, True, min(one.fairness for one in governed)),
        Goal("calls on the key that is warm", WARM, False, False, min([one.warm for one in several], default=None)),
        Goal("read from caches / with one key", READ, False, True, min(reads, default=None)),
    ]


def table(results: Sequence[Result]) -> str:
    """A line a run."""
    head = "traffic|keys|governor|used|429|crowded|other|p50 s|p99 s|quiet p99 s|quiet got|noisy got|warm|read|late s"
    rows = [head.split("|")]
    for one in results:
        shares = [one.throughput, one.limited, one.crowded, one.other]
        rest = [one.fairness, one.noisy, one.warm, one.read]
        rows.append(
            [one.case.kind, str(one.case.keys), "with" if one.case.governed else "without"]
            + [f"{share:.2%}" for share in shares]
            + [f"{wait:.1f}" for wait in (one.wait_p50_s, one.wait_p99_s, one.quiet_p99_s)]
            + [f"{share:.1%}" for share in rest]
            + [f"{one.late_s:.1f}"]
        )
    return align(rows)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.governor", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--seed", type=int, default=1, help="calls are drawn from it")
    parser.add_argument("--speed", type=float, default=5.0, help="simulated seconds in one of the machine's")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS, help="of traffic")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
