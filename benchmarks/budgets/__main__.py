"""Prints one line a back end; exits with 1 where a budget was overspent, a hold was left, or too little could be used."""

from __future__ import annotations

import argparse
import asyncio
import sys

import msgspec

from benchmarks.budgets.gateway import through_the_gateway
from benchmarks.budgets.processes import Outcome, in_memory, over_processes
from benchmarks.options import positive
from thriftgate import __version__
from thriftgate.core.money import usd_from_pico

USABLE_GOAL = 0.97


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.budgets", description=__doc__)
    parser.add_argument("--callers", type=positive, default=500)
    parser.add_argument("--kills", type=positive, default=20)
    parser.add_argument("--dollars", type=positive, default=1_000, help="the budget of callers without a network")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--gateway-kills", type=int, default=2)
    parser.add_argument("--without-gateway", action="store_true")
    parser.add_argument("--postgres", metavar="URL", help="an empty database, for a fourth back end")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    limit, found = asked.dollars * 10**12, []
    runs = [
        in_memory(asked.callers, asked.kills * 10, limit, asked.seed),
        over_processes("normal", asked.callers, asked.kills, limit, asked.seed),
        over_processes("full", asked.callers, asked.kills, limit, asked.seed),
    ]
    if asked.postgres:
        runs.append(over_processes("normal", asked.callers, asked.kills, limit, asked.seed, books=asked.postgres))
    for run in runs:
        found.append(asyncio.run(run))
        tell(found[-1])
    if not asked.without_gateway:
        found.append(asyncio.run(through_the_gateway(asked.callers, asked.gateway_kills, asked.seed)))
        tell(found[-1])
    if asked.json:
        documents = [one._asdict() | {"overspent": one.overspent, "usable": round(one.usable, 4)} for one in found]
        document = {"seed": asked.seed, "thriftgate": __version__, "runs": documents}
        print(msgspec.json.encode(document).decode())
    return 0 if all(map(kept, found)) else 1


def kept(one: Outcome) -> bool:
    """Whether it did what a hard budget must."""
    return not one.overspent and not one.held and not one.open_holds and one.usable >= USABLE_GOAL


def tell(one: Outcome) -> None:
    doubt, billed = usd_from_pico(one.doubt), usd_from_pico(one.billed)
    print(
        f"{one.back_end:20} {one.callers} callers, {one.kills} kills ({one.swept} calls swept): {one.calls} calls in "
        f"{one.seconds:.1f} s; billed ${billed} of ${usd_from_pico(one.limit)} = {100 * one.usable:.2f} %, "
        f"in doubt ${doubt}, "
        f"overspent ${usd_from_pico(one.overspent)}, held ${usd_from_pico(one.held)}, open holds {one.open_holds}: "
        f"{'ok' if kept(one) else 'FAILED'}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
