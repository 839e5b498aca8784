"""`python -m benchmarks.prune [--seeds 20] [--json]`: three prompts with planted dead sections and planted sentences that
the simulator's answers depend on. Are the dead ones found, and those that bear the load kept?

One line a seed: dead phrases found, phrases that bear the load kept, whether the shorter prompt was confirmed on cases that
the search had not seen. `--variety 0.1` has the simulator draw the outcome of one call in ten anew, as a model would that
does not always say the same. Exits 1 where a seed failed.
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from decimal import Decimal
from importlib import metadata

import msgspec

from benchmarks.prune.prompts import PROMPTS
from benchmarks.prune.run import MODEL, Outcome, Plan, pruned
from thriftgate.core.money import pico_from_usd, usd_from_pico
from thriftgate.quality.numerics import one_thread


def main(words: Sequence[str] | None = None) -> int:
    """Run all, print a line each, and a table."""
    arguments = _parse(words)
    plan = Plan(arguments.cases, arguments.margin, pico_from_usd(arguments.budget), arguments.variety)
    done: list[Outcome] = []
    with one_thread():
        for seed in range(arguments.seeds):
            for planted in PROMPTS:
                done.append(pruned(planted, seed, plan))
                print(_line(done[-1]), flush=True)
    print()
    for line in _table(done, arguments.seeds):
        print(line)
    if arguments.json:
        versions = {"python": platform.python_version(), "thriftgate": metadata.version("thriftgate")}
        runs = [one._asdict() for one in done]
        seeds = list(range(arguments.seeds))
        document = {"seeds": seeds, "model": MODEL, "plan": plan._asdict(), "versions": versions, "runs": runs}
        print(msgspec.json.encode(document).decode())
    return 0 if all(one.right for one in done) else 1


def _parse(words: Sequence[str] | None) -> argparse.Namespace:
    plan = Plan()
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prune", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--cases", type=int, default=plan.cases)
    parser.add_argument("--margin", type=float, default=plan.margin)
    parser.add_argument("--budget", type=Decimal, default=Decimal(5), help="USD a run")
    parser.add_argument("--variety", type=float, default=plan.variety)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(words)


def _line(one: Outcome) -> str:
    what = f"; missed {list(one.missed)}" if one.missed else ""
    what += f"; lost {list(one.lost)}" if one.lost else ""
    what += f"; {one.why}" if one.why else ""
    return (
        f"seed {one.seed:2} {one.prompt:8} dead found {one.dead_found:2}/{one.dead}, load kept {one.load_kept}/{one.load}, "
        f"{'confirmed' if one.confirmed else 'NOT confirmed'}, {one.cut:.0%} shorter, {one.prompts} prompts, "
        f"{one.calls:,} calls, ${usd_from_pico(one.spent_pico)}, {one.seconds:.1f} s{what}"
    )


def _table(done: Sequence[Outcome], seeds: int) -> list[str]:
    lines = [f"{'prompt':8}  all right  dead found  load kept  confirmed  shorter  calls (median)  spent = billed"]
    for planted in PROMPTS:
        found = [one for one in done if one.prompt == planted.name]
        dead = all_of(found, "dead_found", "dead")
        load = all_of(found, "load_kept", "load")
        calls = sorted(one.calls for one in found)[len(found) // 2]
        shorter = sum(one.cut for one in found) / len(found)
        exact = sum(one.spent_pico == one.billed_pico for one in found)
        lines.append(
            f"{planted.name:8}  {sum(one.right for one in found):5}/{seeds:<3}  {dead:6}/{seeds:<3}  {load:5}/{seeds:<3}  "
            f"{sum(one.confirmed for one in found):5}/{seeds:<3}  {shorter:7.0%}  {calls:14,}  {exact:10}/{seeds}"
        )
    return lines


def all_of(found: Sequence[Outcome], part: str, whole: str) -> int:
    """In how many runs all of them were."""
    return sum(getattr(one, part) == getattr(one, whole) for one in found)


if __name__ == "__main__":
    sys.exit(main())
