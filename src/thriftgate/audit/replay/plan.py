"""Which calls are replayed under which policies, in how many processes; and what comes of it.

All calls are replayed as they were and under the planner. The placement rules of clients, and the explanation of misses, are
worked out on a sample of whole conversations where there are many: a hundredth of a per cent more precision is not worth an
hour. Sums of a sample are scaled to the whole, and the differences between groups of conversations say how sure they are.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.audit.calls import Calls
from thriftgate.audit.replay.asks import asked
from thriftgate.audit.replay.policies import Candidate
from thriftgate.audit.replay.run import Done, run
from thriftgate.core.models import ModelTable
from thriftgate.core.prices import PriceBook
from thriftgate.core.stability.rewrite import LEVER as STABILISE

MAIN = ("levers", "config")  # families that are replayed over all calls
PARALLEL_CALLS = 4_000  # fewer are replayed before a second process has started
WHOLE_MAX = 60_000  # calls up to which every policy sees all of them
SHARD_CALLS = 250_000

BUCKETS = 1_024
LARGEST = 0.6  # of all calls: a workspace and model with more of them is shared out, too
WINDOW_US = 6 * 3_600_000_000
SCOPE = "workspace || chr(0) || key || chr(0) || model"
"""What a cache keeps apart."""
CONVERSATION = (
    "workspace || chr(0) || key || chr(0) ||"
    f" case when session <> '' then session else model || chr(0) || (at_us // {WINDOW_US}) end"
)
"""What must not be torn apart: a session; without one, what a workspace asks of a model within some hours."""


class Job(Struct, frozen=True):
    """One run over a part of the calls. `where` is SQL; `whole` tells runs over all calls from those over the sample.
    `share` is about what it holds of all calls."""

    where: str
    candidates: tuple[Candidate, ...]
    explain: bool
    whole: bool
    part: str
    share: float = 1.0

    def candidate(self, one: Candidate) -> Candidate:
        """The candidate over this part alone."""
        return one.over(self.share, every_key=not self.whole)


class Replays(Struct, frozen=True):
    """What came of the replays: of all calls, and of the sample with the share of all spend that it holds; both the same
    where there is no sample."""

    whole: Done
    sample: Done
    sampled: bool


class Parts(Struct, frozen=True):
    """Conditions, in SQL: those of `shards` deal out all calls, `sample` picks some, `share` of all."""

    shards: tuple[str, ...] = ()
    sample: str = "true"
    share: float = 1.0


def parts(calls: Calls, count: int) -> Parts:
    """How to take so many calls apart: by what their cache keeps apart, so that nothing is torn that is shared, or, where
    nearly all are of one workspace and model, by conversation. The sample is of whole conversations, at least one."""
    if count <= WHOLE_MAX:
        return Parts()
    sample, sizes = _buckets(calls, f"'sample' || {CONVERSATION}")
    chosen: list[int] = []
    taken = 0
    for number, size in sorted(sizes):
        if not chosen or taken + size <= WHOLE_MAX:
            chosen.append(number)
            taken += size
    bucket, sizes = _buckets(calls, SCOPE)
    if max(size for _, size in sizes) > max(LARGEST * count, SHARD_CALLS):
        bucket, sizes = _buckets(calls, CONVERSATION)
    dealt: list[list[int]] = [[] for _ in range(max(2, -(-count // SHARD_CALLS)))]
    loads = [0] * len(dealt)
    for number, size in sizes:
        least = loads.index(min(loads))
        dealt[least].append(number)
        loads[least] += size
    return Parts(tuple(_among(bucket, numbers) for numbers in dealt if numbers), _among(sample, chosen), taken / count)


def _buckets(calls: Calls, place: str) -> tuple[str, list[tuple[int, int]]]:
    """An expression that sorts calls into buckets, and how many are in each, the fullest first."""
    bucket = f"hash({place}) % {BUCKETS}"
    query = f"select {bucket} as bucket, count(*) as size from calls where kind = 'call' group by bucket"
    return bucket, [(number, size) for number, size in calls.rows(f"{query} order by size desc, bucket")]


def _among(bucket: str, numbers: Sequence[int]) -> str:
    return f"{bucket} in ({', '.join(map(str, numbers))})"


def jobs(dealt: Parts, main: Sequence[Candidate], others: Sequence[Candidate], both: Sequence[Candidate] = ()) -> list[Job]:
    """How to share out the work: `main` policies see all calls, `others` at most a sample of them, and those of `main` that
    others are held against, `both`, are to be found there, too."""
    if not dealt.shards:
        half = len(others) // 2
        return [
            Job("true", tuple(main), explain=False, whole=True, part="main"),
            Job("true", tuple(others[:half]), explain=True, whole=False, part="one"),
            Job("true", tuple(others[half:]), explain=False, whole=False, part="two"),
        ]
    found = [
        Job(where, tuple(main), explain=False, whole=True, part=f"shard {number}", share=1 / len(dealt.shards))
        for number, where in enumerate(dealt.shards)
    ]
    sampled = (*others, *both)
    for number, part in enumerate((sampled[::2], sampled[1::2])):
        explain = number == 0
        found.append(Job(dealt.sample, part, explain=explain, whole=False, part=f"sample {number}", share=dealt.share))
    return found


def replays(calls: Calls, book: PriceBook, models: ModelTable, candidates: Sequence[Candidate]) -> Replays:
    """Do them all; those that send rewritten prompts only where there are any. Closes `calls` where other processes are to
    read it."""
    if not calls.count("calls where kind = 'call' and stabilised not in ('', '[]')"):
        candidates = [one for one in candidates if one.adds != STABILISE]
    count = calls.count("calls where kind = 'call'")
    ranked = sorted(candidates, key=lambda one: one.family not in MAIN)
    acting: dict[object, Candidate] = {}
    for one in ranked:
        acting.setdefault(one.acts_as, one)
    main = [one for one in acting.values() if one.family in MAIN]
    others = [one for one in acting.values() if one not in main]
    names = {one.name for one in candidates}
    pairs = {name for one in candidates if one.beside in names for name in (one.name, one.beside)}
    paired = {acting[one.acts_as].name for one in candidates if one.name in pairs}
    wanted = jobs(parts(calls, count), main, others, [one for one in main if one.name in paired])
    if count < PARALLEL_CALLS or (os.cpu_count() or 1) < 2:
        done = [_do(job, calls, book, models) for job in wanted]
    else:
        calls.close()
        with ProcessPoolExecutor(
            min(os.cpu_count() or 1, len(wanted)),
            mp_context=multiprocessing.get_context("spawn"),
            max_tasks_per_child=1,  # what one has learned is not to lie about while the next is replayed
        ) as pool:
            done = list(
                pool.map(_do_in_process, wanted, [calls.path] * len(wanted), [book] * len(wanted), [models] * len(wanted))
            )
    whole = [one for job, one in zip(wanted, done, strict=True) if job.whole]
    sample = [one for job, one in zip(wanted, done, strict=True) if not job.whole]
    found = Replays(_over_parts(whole), _beside(sample), sampled=count > WHOLE_MAX)
    for one in candidates:
        for tallies in (found.whole.tallies, found.sample.tallies):
            twin = tallies.get(acting[one.acts_as].name)
            if twin is not None:
                tallies[one.name] = replace(twin, name=one.name)
    return found


def _do_in_process(job: Job, path: Path, book: PriceBook, models: ModelTable) -> Done:
    calls = Calls(path, read_only=True)
    try:
        return _do(job, calls, book, models)
    finally:
        calls.close()


def _do(job: Job, calls: Calls, book: PriceBook, models: ModelTable) -> Done:
    collecting = gc.isenabled()
    gc.disable()  # a replay makes no cycles, and looking for some takes a seventh of its time
    try:
        candidates = [job.candidate(one) for one in job.candidates]
        stream = asked(calls, book, where=job.where, rewritten=any(one.rewrites for one in candidates))
        return run(stream, candidates, book, models, explain=job.explain)
    finally:
        if collecting:
            gc.enable()


def _over_parts(done: Sequence[Done]) -> Done:
    """The same policies over different calls."""
    first, *rest = done
    for one in rest:
        first = first.merged(one)
    return first


def _beside(done: Sequence[Done]) -> Done:
    """Different policies over the same calls."""
    first, *rest = done
    for one in rest:
        first.tallies.update(one.tallies)
        first.misses.update(one.misses)
    return first
