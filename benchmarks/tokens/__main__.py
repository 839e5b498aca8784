"""`python -m benchmarks.tokens DATA... [--json]`: the estimator against ctok, by source. Needs Python 3.12 and ctok.

DATA are files, folders of text files, or agent traces (`.jsonl.gz`). With `--made N` N made-up texts of each odd kind join.
`--leave-out` fits anew without each source in turn and tells the error on it: how a kind of text never seen would fare.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter

import msgspec
from msgspec import Struct

from benchmarks.tokens.corpus import as_json, from_paths, made_up
from benchmarks.tokens.fit import mean_error_without
from benchmarks.tokens.truth import FAMILIES, Counted, count_all
from thriftgate.core.tokens import Family, estimate_text

ALL = "all"


class Figures(Struct, frozen=True):
    """Of one source and family. Percentages; `below_upper` of texts, `slack` the median of upper over truth, less one."""

    texts: int
    mape: float
    bias: float
    error_p99: float
    below_upper: float
    slack: float


class Speed(Struct, frozen=True):
    """MB/s of the input on texts of a size, and µs a text."""

    bytes: int
    mb_s: float
    us: float


def main() -> int:
    """Collect, count, compare, print."""
    arguments = _parse()
    if find_spec("ctok") is None:
        print(
            "this benchmark takes ctok for the truth: it needs Python 3.12 with thriftgate's dependencies", file=sys.stderr
        )
        return 2
    rng = random.Random(arguments.seed)
    texts = [*from_paths(arguments.data, rng, arguments.files, arguments.segments), *made_up(rng, arguments.made)]
    counted = count_all(texts, arguments.processes)
    if not counted:
        print("no text found in these paths", file=sys.stderr)
        return 2
    figures = {family: _by_source(counted, family) for family in FAMILIES}
    speeds = _speeds(counted)
    left_out = _leave_out(counted) if arguments.leave_out else {}
    _print(figures, speeds, left_out)
    if arguments.json:
        versions = {
            "python": platform.python_version(),
            "ctok": metadata.version("ctok"),
            "thriftgate": metadata.version("thriftgate"),
        }
        document = {
            "seed": arguments.seed,
            "versions": versions,
            "families": figures,
            "speed": speeds,
            "left_out_mape": left_out,
        }
        print(msgspec.json.encode(document).decode())
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tokens", description=__doc__)
    parser.add_argument("data", nargs="+", type=Path)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--files", type=int, default=60, help="files taken from each path")
    parser.add_argument("--segments", type=int, default=2, help="segments cut from each text")
    parser.add_argument("--made", type=int, default=0, help="made-up texts of each kind")
    parser.add_argument("--leave-out", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _by_source(counted: list[Counted], family: Family) -> dict[str, Figures]:
    groups: dict[str, list[Counted]] = {ALL: counted}
    for each in counted:
        groups.setdefault(each.source, []).append(each)
    return {source: _figures(group, family) for source, group in sorted(groups.items())}


def _figures(counted: list[Counted], family: Family) -> Figures:
    errors: list[float] = []
    slacks: list[float] = []
    below = guessed = true = 0
    for at, each in enumerate(counted):
        data = as_json(each.text) if at % 2 else each.text.encode("utf-8", "replace")
        estimate, truth = estimate_text(data, family), each.tokens[family]
        errors.append(100 * abs(estimate.tokens - truth) / truth)
        slacks.append(100 * (estimate.upper / truth - 1))
        below += truth <= estimate.upper
        guessed += estimate.tokens
        true += truth
    errors.sort()
    return Figures(
        texts=len(counted),
        mape=round(statistics.fmean(errors), 2),
        bias=round(100 * (guessed / true - 1), 2),
        error_p99=round(errors[min(len(errors) - 1, int(0.99 * len(errors)))], 1),
        below_upper=round(100 * below / len(counted), 2),
        slack=round(statistics.median(slacks), 1),
    )


def _speeds(counted: list[Counted]) -> list[Speed]:
    """Best of several runs over the corpus joined to one text, cut to a size."""
    joined = b"".join(as_json(each.text) for each in counted)
    speeds: list[Speed] = []
    for size in (200, 1_000, 5_000, 50_000, 200_000):
        data = joined[:size] if len(joined) >= size else joined * (size // len(joined) + 1)
        best = min(_timed(data) for _ in range(50))
        speeds.append(Speed(size, round(len(data) / best / 1e6, 1), round(best * 1e6, 1)))
    return speeds


def _timed(data: bytes) -> float:
    start = perf_counter()
    estimate_text(data, "claude47")
    return perf_counter() - start


def _leave_out(counted: list[Counted]) -> dict[Family, dict[str, float]]:
    sources = sorted({each.source for each in counted})
    return {
        family: {source: round(100 * mean_error_without(counted, source, family), 2) for source in sources}
        for family in FAMILIES
    }


def _print(figures: dict[Family, dict[str, Figures]], speeds: list[Speed], left_out: dict[Family, dict[str, float]]) -> None:
    for family, by_source in figures.items():
        print(
            f"\n{family:24} texts   MAPE %   bias %  p99 %  below upper %  slack %"
            + ("  left out MAPE %" if left_out else "")
        )
        for source, each in by_source.items():
            tail = f"{left_out[family].get(source, float('nan')):12.1f}" if left_out else ""
            print(
                f"{source:24} {each.texts:5} {each.mape:8.1f} {each.bias:8.1f} {each.error_p99:6.0f} "
                f"{each.below_upper:14.2f} {each.slack:8.0f} {tail}"
            )
    print()
    for speed in speeds:
        print(f"{speed.bytes:8,} bytes: {speed.us:7.1f} us, {speed.mb_s:6.0f} MB/s")


if __name__ == "__main__":
    sys.exit(main())
