"""`python -m benchmarks.soak`: a day of mixed traffic in minutes, and whether anything grew, slowed down or got lost.

The gateway, with everything on, and the simulator are processes of their own, on clocks that run faster than the machine's:
at the usual speed of 40 and one call in each of their seconds, 36 minutes are a day of 86,400 calls.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import asdict

from benchmarks.cache.report import align, conclude, goals_table, machine
from benchmarks.gateway.process import StartError
from benchmarks.options import positive
from benchmarks.soak.run import Asked, Soaked, soak
from benchmarks.soak.verdict import SLOPE_MB, Verdict, verdict


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, print, judge."""
    asked, as_json, kept = _parse(arguments)
    try:
        if kept is not None:
            kept.mkdir(parents=True, exist_ok=True)
            soaked = soak(asked, kept)
        else:
            with TemporaryDirectory(prefix="soak-") as folder:
                soaked = soak(asked, Path(folder))
        judged = verdict(soaked)
    except (StartError, ValueError) as error:
        print(f"benchmarks.soak: {error}", file=sys.stderr)
        return 1
    print(f"{tables(soaked, judged)}\n\n{goals_table(judged.goals)}")
    return conclude(judged.goals, _document(soaked, judged) if as_json else None)


def tables(soaked: Soaked, judged: Verdict) -> str:
    """The figures, for people."""
    asked, looks, seen, books, slope = soaked.asked, soaked.looks, soaked.seen, soaked.books, judged.slope
    rows = [["latency, ms", "first third p50", "p99", "last third p50", "p99"]]
    rows += [[one.kind, *(f"{figure:,.1f}" for figure in one[1:])] for one in judged.drifts]
    hours = asked.seconds * asked.speed / 3600
    first, last = looks[0], looks[-1]
    mb = (f"{slope.slope:+.1f} MB per million calls", f"{slope.low:+.1f} to {slope.high:+.1f}", f"bound {SLOPE_MB:g}")
    booked = f"{books.entries:,} entries, {books.exact:,} exact at ${books.booked_usd}, billed ${books.billed_usd}"
    broke = f"{books.estimated} broke off, booked at ${books.estimated_booked_usd}, billed ${books.estimated_billed_usd}"
    lines = [
        f"{hours:.1f} h in {asked.seconds / 60:.1f} min: {seen.answered:,} calls, {asked.keys} keys, {asked.rate:g} a s",
        f"memory, MB: idle {soaked.idle_mb:.0f}, memories filled {soaked.filled_mb:.0f}, at the end {last.rss_mb:.0f}",
        f"after warm-up: {mb[0]}, 95 % interval {mb[1]} ({mb[2]})",
        f"file descriptors {first.descriptors} to {last.descriptors}, threads {first.threads} to {last.threads}",
        f"tasks {first.tasks} to {last.tasks}, {soaked.tasks_after} when idle again",
        f"books: {booked}; {broke}",
        f"answers: {', '.join(f'{name}: {count:,}' for name, count in sorted(seen.statuses.items()))}",
        f"calls not made in time: {seen.late}; wrong: {dict(seen.wrong) or 'none'}",
        f"collector: {soaked.collector}",
        *seen.examples,
        "",
        align(rows),
    ]
    return "\n".join(lines)


def _document(soaked: Soaked, judged: Verdict) -> dict[str, object]:
    return {
        "benchmark": "soak",
        "versions": machine(),
        **asdict(soaked.asked),
        "calls": soaked.seen.answered,
        "slope_mb_per_million_calls": judged.slope._asdict(),
        "drift": [one._asdict() for one in judged.drifts],
        "books": asdict(soaked.books),
        "statuses": dict(soaked.seen.statuses),
        "wrong": dict(soaked.seen.wrong),
        "collector": soaked.collector,
        "idle_mb": soaked.idle_mb,
        "filled_mb": soaked.filled_mb,
        "tasks_after": soaked.tasks_after,
        "looks": [one._asdict() for one in soaked.looks],
    }


def _parse(arguments: Sequence[str] | None) -> tuple[Asked, bool, Path | None]:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=36.0, help="of load; 36 are a day at the usual speed")
    parser.add_argument("--speed", type=float, default=40.0, help="seconds that pass for gateway and simulator in one")
    parser.add_argument("--rate", type=float, default=1.0, help="calls in each of their seconds")
    parser.add_argument("--fill", type=int, default=80_000, help="calls that fill the gateway's memories before")
    parser.add_argument("--keys", type=positive, default=40, help="virtual keys")
    parser.add_argument("--short", action="store_true", help="one minute and 1,500 calls before it; no slope is judged")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep ledger and logs in this folder")
    parser.add_argument("--json", action="store_true")
    found = parser.parse_args(arguments)
    seconds, fill = (60.0, 1_500) if found.short else (found.minutes * 60, found.fill)
    asked = Asked(seconds, found.speed, found.rate, fill, found.keys, found.seed, found.short)
    return asked, found.json, found.keep


if __name__ == "__main__":
    sys.exit(main())
