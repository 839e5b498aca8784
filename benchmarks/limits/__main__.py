"""Prints how many microseconds of processor time so many limits take of a call that counts under them: to let it in, to tell
the client, and to put right what it used. Exits with 1 where five of them take more than the goal."""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import time
from statistics import median

import msgspec

from benchmarks.options import positive
from thriftgate import __version__
from thriftgate.clock import SystemClock
from thriftgate.core.control.limit_shelf import Caller
from thriftgate.core.control.limits import Limit, Needs
from thriftgate.core.control.whose import Whose
from thriftgate.core.usage import Tokens, Usage
from thriftgate.engine.admission import Admission
from thriftgate.engine.limiting import Limiting, LimitsTable
from thriftgate.engine.tasks import Tasks
from thriftgate.ledger.entries import Entry, balanced

GOAL_US = 15.0
ROUNDS = 7
PLENTY = 10**15
LIMITS = (
    Limit("1", "requests of each key", "requests", PLENTY, scope=("key=*",)),
    Limit("2", "input of each key and model", "input_tokens", PLENTY, scope=("key=*", "model=*")),
    Limit("3", "output of a team", "output_tokens", PLENTY, scope=("team=search",)),
    Limit("4", "money", "usd", PLENTY),
    Limit("5", "calls at once", "concurrency", PLENTY, scope=("key=*",)),
    *(Limit(f"x{number}", f"tag {number}", "tokens", PLENTY, scope=(f"tag=t{number}",)) for number in range(15)),
)
NEEDS = Needs(1, 1000, 300, 1300, 10**10, 1)


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.limits", description=__doc__)
    parser.add_argument("--calls", type=positive, default=20_000)
    parser.add_argument("--keys", type=positive, default=1_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args(arguments)
    found = {count: asyncio.run(measured(LIMITS[:count], asked.calls, asked.keys)) for count in (1, 5, 20)}
    for count, us in found.items():
        print(f"{count:2} limits: {us:5.1f} µs a call")
    if asked.json:
        document = {"calls": asked.calls, "keys": asked.keys, "us": found, "thriftgate": __version__}
        print(msgspec.json.encode(document).decode())
    return 0 if found[5] <= GOAL_US else 1


async def measured(limits: tuple[Limit, ...], calls: int, keys: int) -> float:
    """Microseconds a call, the median of some rounds."""
    clock = SystemClock()
    limiting = Limiting(LimitsTable(limits), clock, Tasks())
    tags = tuple(f"t{number}" for number in range(15)) if len(limits) > 5 else ("env=prod",)
    whose = Whose("usr_1", "search", "org_1", tags)
    callers = [Caller(f"key_{number}", whose, "claude-opus-5-5", "anthropic", "") for number in range(keys)]
    entries = [_entry(f"tg_{number}") for number in range(calls)]
    rounds = []
    for _ in range(ROUNDS):
        gc.collect()
        began_s = time.process_time()
        for at, entry in enumerate(entries):
            admission = Admission(limiting)
            await limiting.let_in(admission, entry.id, callers[at % keys], NEEDS)
            admission.told()
            admission.settled(entry)
            admission.leave()
        rounds.append((time.process_time() - began_s) / calls * 1e6)
    return round(median(rounds), 2)


def _entry(name: str) -> Entry:
    return Entry(
        id=name,
        opened_us=0,
        settled_us=0,
        key="",
        model="",
        endpoint="",
        outcome="answered",
        resolution="post",
        usage_source="exact",
        usage=Usage(Tokens(input=900, output=200)),
        postings=balanced(10**9, 10**9, {}),
        provider="anthropic",
        price_book="",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
