"""`python -m benchmarks.profile`: where each microsecond of a call goes, by stage, in a served gateway.

Clocks that count CPU time are put around the functions of each stage, and their own cost is taken out: it is what a call
costs more than in a gateway without clocks, which is measured in turn with it, shared out as clocks cost in an empty loop.
The rows add up to what a call costs; what no stage names is shown as such.
"""  # noqa: A005  what the command is called

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import uvloop

from benchmarks.cache.report import align, machine, rounded
from benchmarks.gateway.process import StartError
from benchmarks.profile.account import Account
from benchmarks.profile.clocks import calibrated
from benchmarks.profile.run import CHOSEN, Profiler

OFF_MAX = 0.03
FACTOR_MAX = 4.0  # a clock cannot cost so many times what it does in an empty loop: then something else differs
_LEAST_US = 0.5


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print; 1 where what is accounted for is not what a call costs."""
    asked = _parse(arguments)
    try:
        with TemporaryDirectory(prefix="profile-") as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            accounts = runner.run(_measured(asked, Path(folder)))
    except StartError as error:
        print(f"benchmarks.profile: {error}", file=sys.stderr)
        return 1
    print(table(accounts))
    if asked.json:
        document = {"benchmark": "profile", "seed": asked.seed, "all_on": asked.all_on, "versions": machine()}
        cases = [one._asdict() | {"off": one.off, "rows": [row._asdict() for row in one.rows]} for one in accounts]
        print(msgspec.json.encode(rounded(document | {"cases": cases})).decode())
    return 1 if any(abs(one.off) > OFF_MAX or one.factor > FACTOR_MAX for one in accounts) else 0


async def _measured(asked: argparse.Namespace, work: Path) -> list[Account]:
    costs = calibrated()
    async with Profiler(work, asked.seconds, all_on=asked.all_on, seed=asked.seed) as profiler:
        found = []
        for chosen in CHOSEN:
            if asked.cases in chosen.name:
                print(chosen.name, file=sys.stderr, flush=True)
                found.append(await profiler.profile(chosen, costs))
        return found


def table(accounts: Sequence[Account]) -> str:
    """Microseconds a call: stages down, cases across. What is under half a microsecond in all cases is added up."""
    us = {one.case: {row.stage: row.us for row in one.rows} for one in accounts}
    names = list(dict.fromkeys(row.stage for one in accounts for row in one.rows))
    most = {name: max(us[one.case].get(name, 0.0) for one in accounts) for name in names}
    shown = sorted((name for name in names if most[name] >= _LEAST_US), key=lambda name: (name.split(":")[0], -most[name]))
    rows = [["us of CPU a call", *(one.case for one in accounts)]]
    rows += [[name, *(f"{us[one.case].get(name, 0.0):,.1f}" for one in accounts)] for name in shown]
    small = [sum(us[one.case].get(name, 0.0) for name in names if most[name] < _LEAST_US) for one in accounts]
    rows.append(["all smaller ones", *(f"{figure:,.1f}" for figure in small)])
    rows.append(["accounted for", *(f"{one.accounted_us:,.1f}" for one in accounts)])
    rows.append(["a call without clocks", *(f"{one.plain_us:,.1f}" for one in accounts)])
    rows.append(["off by", *(f"{one.off:+.1%}" for one in accounts)])
    rows.append(["clocks, taken out", *(f"{one.clocks_us:,.1f}" for one in accounts)])
    rows.append(["… times an empty loop's", *(f"{one.factor:.2f}" for one in accounts)])
    rows.append(["calls", *(f"{one.calls:,}" for one in accounts)])
    return align(rows)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="of load, for each case and gateway")
    parser.add_argument("--cases", default="", help="only those whose name holds this, such as: 2kB")
    parser.add_argument("--all-on", action="store_true", help="with limits, earlier answers, pings and compression as well")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
