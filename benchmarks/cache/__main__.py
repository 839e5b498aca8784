"""`python -m benchmarks.cache`: what caching policies cost on recorded traffic, against a bound that knows the future."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.cache import adversarial, goals, report, runs
from benchmarks.cache.planner import CHOICES
from benchmarks.cache.runs import ALL, BELIEFS, CLAIRVOYANT, DOCUMENTED, LATE_TOLD, MAIN, OURS, Done, Job, Key
from benchmarks.cache.scores import Run, Score, score

READS = (0.1, 0.05, 0.025)
HOSTILE = ("none", "auto-5m", "habit-5m", "rule-6", OURS)
TOLD = ("none", "auto-5m", "auto-1h", "habit-5m", "habit-1h", "rule-6", OURS)
USAGE_ERROR = 2


class Scope(Struct, frozen=True):
    """What was asked for. None: the defaults of a full run."""

    quick: bool
    levels: tuple[float, ...]
    reads: tuple[float, ...]
    minimums: tuple[int, ...] | None
    policies: tuple[str, ...] | None
    worlds: tuple[str, ...] | None
    seeds: int | None

    def settings(self, read: float, belief: str = DOCUMENTED) -> tuple[runs.Setting, ...]:
        """The worlds of a read price: with the minimum of the models that have it (1,024 at 0.1, 512 below), or as asked."""
        minimums = self.minimums or ((1024,) if read == 0.1 else (512,))
        return tuple(runs.setting(read, minimum, belief) for minimum in minimums)


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay, print, judge."""
    asked = _parse(arguments)
    if not asked.data and not asked.adversarial:
        return _refuse("name a trace or a folder of traces, or ask for --adversarial")
    found, skipped = _find(asked.data)
    for path, reason in skipped.items():
        print(f"skipped {path}: {reason}", file=sys.stderr)
    missing = [str(path) for path in asked.data if not path.exists()]
    if missing:
        return _refuse(f"no such file or folder: {', '.join(missing)}")
    if asked.data and not found:
        return _refuse("nothing here can be replayed")
    scope = Scope(asked.quick, asked.levels, asked.read, asked.minimum, asked.policies, asked.worlds, asked.seeds)
    jobs = plan(scope, found, beliefs=asked.beliefs, generated=asked.adversarial)
    if asked.leave_out:
        jobs += [Job(str(path), 1.0, 1, scope.settings(0.1), tuple(f"{OURS}:{name}" for name in CHOICES)) for path in found]
    try:
        done = list(_watched(jobs, asked.processes))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    figures, choices = pool(done)
    return _print(asked, figures, _leave_out(choices) if asked.leave_out else [], skipped)


def plan(scope: Scope, found: Sequence[Path], *, beliefs: bool, generated: bool) -> list[Job]:
    """All replays, the longest first."""
    main_names = scope.policies or MAIN
    small = tuple(name for name in main_names if name != CLAIRVOYANT)
    jobs: list[Job] = []
    for path in found:
        for level in scope.levels:
            for seed in runs.draws(level, scope.seeds):
                jobs += _draw(scope, str(path), level, seed, main_names if level == 1 else small)
        if beliefs:
            settings = tuple(one for name in BELIEFS for one in scope.settings(0.1, name))
            jobs += runs.split(Job(str(path), 1.0, 1, settings, scope.policies or TOLD), 2)
    if generated:
        for source, size in adversarial.sources(quick=scope.quick):
            jobs.append(Job(source, 1.0, 1, scope.settings(0.1), scope.policies or HOSTILE, size))
    elif not scope.quick and scope.policies is None:
        distinct = f"{adversarial.PREFIX}distinct"
        jobs.append(Job(distinct, 1.0, 1, scope.settings(0.1), ("none", "habit-5m", OURS), goals.LIVE_BOUNDARIES))
    return jobs


def _draw(scope: Scope, path: str, level: float, seed: int, names: tuple[str, ...]) -> list[Job]:
    """The replays of one draw. A full run has all policies on whole traces at the first read price, the main ones elsewhere,
    and whole traces also where the late upgrade is not honoured."""
    whole = level == 1
    worlds = scope.worlds or ((DOCUMENTED, LATE_TOLD) if whole and not scope.quick else (DOCUMENTED,))
    jobs: list[Job] = []
    for at, read in enumerate(scope.reads):
        for belief in worlds:
            if belief != DOCUMENTED and scope.worlds is None:
                if at == 0:
                    jobs.append(Job(path, level, seed, scope.settings(read, belief), scope.policies or TOLD))
                continue
            everyone = whole and at == 0 and not scope.quick and scope.policies is None
            jobs.append(Job(path, level, seed, scope.settings(read, belief), ALL if everyone else names))
    if whole:
        return [part for job in jobs for part in runs.split(job, 2)]
    return [msgspec.structs.replace(jobs[0], settings=tuple(one for job in jobs for one in job.settings))]


def pool(done: Sequence[Done]) -> tuple[dict[Key, dict[str, Score]], dict[Key, dict[str, Score]]]:
    """Scores by trace, level and world; apart from them those of the planner's choices of settings."""
    drawn: dict[Key, dict[str, dict[int, Run]]] = {}
    for one in done:
        drawn.setdefault(one.key, {}).setdefault(one.run.policy, {})[one.seed] = one.run
    order = {name: at for at, name in enumerate(ALL)}
    figures: dict[Key, dict[str, Score]] = {}
    choices: dict[Key, dict[str, Score]] = {}
    for key in sorted(drawn, key=lambda key: (key.trace, -key.level, -key.setting.world.read, str(key.setting))):
        names = sorted(drawn[key], key=lambda name: order.get(name, len(order)))
        scores = {name: score(list(drawn[key][name].values())) for name in names}
        figures[key] = {name: each for name, each in scores.items() if ":" not in name}
        choices[key] = {name.partition(":")[2]: each for name, each in scores.items() if ":" in name}
    return {key: each for key, each in figures.items() if each}, {key: each for key, each in choices.items() if each}


def _leave_out(choices: dict[Key, dict[str, Score]]) -> list[report.LeftOut]:
    """For each trace the settings that are best on the others: by the mean of cost over bound."""
    left_out: list[report.LeftOut] = []
    for key, scores in choices.items():
        others = [choices[other] for other in choices if other != key and other.setting == key.setting]
        chosen = min(scores, key=lambda name: sum(other[name].over_bound for other in others)) if others else "default"
        left_out.append(report.LeftOut(key.trace, chosen, scores[chosen].over_bound, scores["default"].over_bound))
    return left_out


def _print(
    asked: argparse.Namespace, figures: dict[Key, dict[str, Score]], left_out: list[report.LeftOut], skipped: dict[Path, str]
) -> int:
    names = list(dict.fromkeys(name for scores in figures.values() for name in scores))
    judged = goals.judge(figures) if OURS in names else []
    parts = [report.tables(figures), report.sources(names)]
    parts += [report.left_out_table(left_out)] if left_out else []
    parts += [report.goals_table(judged)] if judged else []
    print("\n\n".join(parts))
    document: dict[str, object] | None = None
    if asked.json:
        document = {
            "benchmark": "cache",
            "quick": asked.quick,
            "seeds": {f"{level:g}": list(runs.draws(level, asked.seeds)) for level in asked.levels},
            "versions": report.machine(),
            "skipped": {str(path): reason for path, reason in skipped.items()},
            "figures": report.figures_document(figures),
            "left_out": [msgspec.to_builtins(one) for one in left_out],
        }
    return report.conclude(judged, document, judges=not asked.quick)


def _watched(jobs: list[Job], processes: int) -> list[Done]:
    done: list[Done] = []
    total = sum(len(job.settings) * len(job.policies) for job in jobs)
    for one in runs.run(jobs, processes):
        done.append(one)
        if sys.stderr.isatty():
            print(f"\r{len(done)} of {total} replays ", end="", file=sys.stderr, flush=True)
    return done


def _find(data: Sequence[Path]) -> tuple[list[Path], dict[Path, str]]:
    found: list[Path] = []
    skipped: dict[Path, str] = {}
    for path in data:
        if path.exists():
            traces, reasons = runs.discover(path)
            found += traces
            skipped |= reasons
    return list(dict.fromkeys(found)), skipped


def _refuse(why: str) -> int:
    print(f"benchmarks.cache: {why}", file=sys.stderr)
    return USAGE_ERROR


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.cache", description=__doc__)
    parser.add_argument("data", nargs="*", type=Path, help="traces, or folders of them")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    parser.add_argument("--quick", action="store_true", help="whole traces at read price 0.1; goals are shown, never failed")
    parser.add_argument("--levels", type=_numbers, help="shares of the sessions, 1,0.1,0.01 unless --quick")
    parser.add_argument("--seeds", type=int, help="draws of each level below 1 (5 at 0.1, 20 at 0.01)")
    parser.add_argument("--read", type=_numbers, help="read prices, 0.1,0.05,0.025 unless --quick")
    parser.add_argument("--minimum", type=_tokens, help="minimum prefixes in tokens (1024 at read price 0.1, else 512)")
    parser.add_argument("--policies", type=_names(ALL), help=f"of {','.join(ALL)}")
    parser.add_argument("--worlds", type=_names(tuple(BELIEFS)), help=f"of {','.join(BELIEFS)}")
    parser.add_argument("--beliefs", action="store_true", help="also: worlds in which a belief about the cache is wrong")
    parser.add_argument("--adversarial", action="store_true", help="also, or without DATA only: generated hostile traffic")
    parser.add_argument("--leave-out", action="store_true", help="also: settings chosen on all traces but the one judged")
    parser.add_argument("--processes", type=int, default=2, help="replays side by side")
    asked = parser.parse_args(arguments)
    asked.levels = asked.levels or ((1.0,) if asked.quick else (1.0, 0.1, 0.01))
    asked.read = asked.read or (READS[:1] if asked.quick else READS)
    return asked


def _numbers(text: str) -> tuple[float, ...]:
    values = tuple(float(each) for each in text.split(","))
    if not all(0 < value <= 1 for value in values):
        raise argparse.ArgumentTypeError(f"{text!r}: more than 0, at most 1")
    return values


def _tokens(text: str) -> tuple[int, ...]:
    return tuple(int(each) for each in text.split(","))


def _names(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    def names(text: str) -> tuple[str, ...]:
        chosen = tuple(text.split(","))
        for name in chosen:
            if name not in known:
                raise argparse.ArgumentTypeError(f"unknown {name!r}: choose of {', '.join(known)}")
        return chosen

    return names


if __name__ == "__main__":
    sys.exit(main())
