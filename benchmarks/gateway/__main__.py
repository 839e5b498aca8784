"""`python -m benchmarks.gateway`: thriftgate against nginx, LiteLLM and Portkey on this machine, in one run."""

import argparse
import asyncio
import signal
import statistics
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import uvloop

from benchmarks.gateway import goals, report
from benchmarks.gateway.bodies import CASES
from benchmarks.gateway.runner import QUICK, Effort, Outcome, Session
from benchmarks.gateway.sampler import Sampler
from benchmarks.gateway.targets import TARGETS, Target, Thriftgate


def main() -> int:
    """Measure, print, judge."""
    arguments = _parse()
    if not Path("/proc/self/smaps_rollup").exists():
        print("this benchmark reads CPU time and memory from /proc: it needs Linux", file=sys.stderr)
        return 2
    with TemporaryDirectory(prefix="gateway-bench-") as temporary:
        installs = Path(arguments.work).resolve() if arguments.work else Path(temporary) / "installs"
        names = ["thriftgate"] if arguments.profile or arguments.against else arguments.targets
        targets = [TARGETS[name](Path(temporary), installs) for name in names]
        if arguments.against:
            targets.append(Thriftgate(Path(temporary), installs, Path(arguments.against).resolve()))
        work = _against if arguments.against else _profile if arguments.profile else _compare
        signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))  # stop the children then too
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(work(targets, Path(temporary), arguments))
        except KeyboardInterrupt:
            print("interrupted: all that was started has been stopped", file=sys.stderr)
            return 130


async def _compare(targets: list[Target], work: Path, arguments: argparse.Namespace) -> int:
    effort = QUICK if arguments.quick else Effort(rounds=arguments.rounds)
    async with Session(targets, work, arguments.seed, effort) as session:
        outcome = await session.run()
    summaries = {name: report.summarise(figures) for name, figures in outcome.figures.items()}
    errors = sum(sum(each.errors.values()) for each in summaries.values())
    judged = goals.judge(summaries, outcome.books, errors) if "thriftgate" in arguments.targets else []
    print(report.tables(summaries, outcome))
    print("\n" + "\n".join(_goal_line(goal) for goal in judged))
    if arguments.json:
        print(msgspec.json.encode(report.rounded(_document(summaries, outcome, judged, arguments))).decode())
    missing = "thriftgate" in outcome.skipped
    failed = missing or any(goal.passed is False for goal in judged)
    return 1 if failed and not arguments.quick else 0


async def _profile(targets: list[Target], work: Path, arguments: argparse.Namespace) -> int:
    effort = Effort(starts=1, warm_s=arguments.seconds / 4)
    async with Session(targets, work, arguments.seed, effort) as session:
        runs = await session.profile(arguments.seconds, Sampler(targets[0].installs) if arguments.where else None)
    outcome = session.outcome
    for case, run in runs.items():
        print(f"{case:12} {run.us_per_call:9,.1f} us CPU per call  {run.rate:9,.0f} calls/s  {run.calls:,} calls")
    if outcome.skipped:
        return 1
    figures = outcome.figures["thriftgate"]
    print(f"errors: {dict(figures.errors) or 0}; {figures.calls} calls; {outcome.books}")
    if arguments.json:
        document = {case: {"cpu_us": run.us_per_call, "calls": run.calls} for case, run in runs.items()}
        print(msgspec.json.encode({"benchmark": "gateway-profile", "seed": arguments.seed, "cases": document}).decode())
    return 1 if figures.errors or outcome.books is None or outcome.books.wrong(figures.calls) else 0


async def _against(targets: list[Target], work: Path, arguments: argparse.Namespace) -> int:
    """This version and another checkout in turn: the ratio of each round, since absolute figures drift with foreign load."""
    effort = Effort(starts=1, rounds=arguments.rounds, warm_s=arguments.seconds / 4)
    async with Session(targets, work, arguments.seed, effort) as session:
        ratios = await session.compare(arguments.seconds)
    for name, why in session.outcome.skipped.items():
        print(f"{name}: {why}", file=sys.stderr)
    cpu = {name: figures.cpu for name, figures in session.outcome.figures.items()}
    document: dict[str, object] = {}
    for case, rounds in ratios.items():
        us = {name: statistics.median(run.us_per_call for run in runs[case]) for name, runs in cpu.items()}
        shown = f"{us['thriftgate']:8,.0f} us, other {us['other']:8,.0f} us CPU per call"
        print(f"{case:12} {shown}; ratio {statistics.median(rounds):.3f} ({min(rounds):.3f} to {max(rounds):.3f})")
        document[case] = {"cpu_us": us["thriftgate"], "other_cpu_us": us["other"], "ratios": rounds}
    if arguments.json:
        print(msgspec.json.encode({"benchmark": "gateway-against", "seed": arguments.seed, "cases": document}).decode())
    failed = any(figures.errors for figures in session.outcome.figures.values())
    return 1 if failed or not ratios else 0


def _goal_line(goal: goals.Goal) -> str:
    verdict = {True: "pass", False: "FAIL", None: "not measured"}[goal.passed]
    value = "-" if goal.value is None else f"{goal.value:,.4g}"
    return f"{verdict:12}  {goal.name}: {value} (goal: {'at most' if goal.at_most else 'at least'} {goal.limit:g})"


def _document(
    summaries: dict[str, report.Summary], outcome: Outcome, judged: list[goals.Goal], arguments: argparse.Namespace
) -> dict[str, object]:
    return {
        "benchmark": "gateway",
        "seed": arguments.seed,
        "rounds": 1 if arguments.quick else arguments.rounds,
        "quick": arguments.quick,
        "sched_fifo": outcome.fifo,
        "machine": report.machine(),
        "versions": {name: each.version for name, each in summaries.items()},
        "cases": [case.name for case in CASES],
        "targets": {name: report.target_document(each) for name, each in summaries.items()},
        "ratios": report.ratios(summaries),
        "skipped": outcome.skipped,
        "books": None if outcome.books is None else asdict(outcome.books),
        "goals": [
            {"name": goal.name, "limit": goal.limit, "at_most": goal.at_most, "value": goal.value, "passed": goal.passed}
            for goal in judged
        ],
    }


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway", description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--quick", action="store_true", help="one short round; goals are shown, never failed")
    parser.add_argument("--targets", type=_targets, default=list(TARGETS), help=f"of {','.join(TARGETS)}")
    parser.add_argument("--work", help="keep the peers' installs in this folder for the next run")
    parser.add_argument("--rounds", type=int, default=3, help="how often everything is measured (medians are shown)")
    parser.add_argument("--seed", type=int, default=1, help="the request bodies are built from it")
    parser.add_argument("--profile", action="store_true", help="thriftgate alone: CPU per call of the four cases")
    parser.add_argument(
        "--against", metavar="DIR", help="this version and another checkout in turn: CPU per call, the ratio"
    )
    parser.add_argument("--where", action="store_true", help="with --profile: sample the stacks and show what costs most")
    parser.add_argument("--seconds", type=float, default=4.0, help="with --profile and --against: seconds per case")
    return parser.parse_args()


def _targets(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in TARGETS:
            raise argparse.ArgumentTypeError(f"unknown target {name!r}: choose of {', '.join(TARGETS)}")
    return names


if __name__ == "__main__":
    sys.exit(main())
