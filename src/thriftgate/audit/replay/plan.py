"""Which calls are replayed under which policies, and what comes of it.

All calls are replayed as they were and under the planner. The placement rules of clients, and the explanation of misses, are
worked out on a sample of whole conversations where there are many: a hundredth of a per cent more precision is not worth an
hour. Sums of a sample are scaled to the whole, and the differences between groups of conversations say how sure they are.

What runs does not depend on where it runs: the same partitions and policies on one core, on several, and on a cluster.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from thriftgate.audit.calls import Calls
from thriftgate.audit.replay.engines import Where, done_by
from thriftgate.audit.replay.partitions import Partitions, partitions
from thriftgate.audit.replay.policies import Candidate
from thriftgate.audit.replay.run import Done
from thriftgate.audit.replay.work import Job, Known
from thriftgate.core.models import ModelTable
from thriftgate.core.prices import PriceBook
from thriftgate.core.stability.rewrite import LEVER as STABILISE

MAIN = ("levers", "config")  # families that are replayed over all calls
TOGETHER = 9
"""Policies of one run over the sample, at most: each remembers what its cache would hold."""


class Replays(Struct, frozen=True):
    """What came of the replays: of all calls, and of the sample with the share of all spend that it holds; both the same
    where there is no sample."""

    whole: Done
    sample: Done
    sampled: bool


def jobs(
    dealt: Partitions, main: Sequence[Candidate], others: Sequence[Candidate], both: Sequence[Candidate] = ()
) -> list[Job]:
    """How to share out the work: `main` policies see all calls, `others` at most a sample of them, and those of `main` that
    others are held against, `both`, are to be found there, too."""
    if not dealt.dealt:
        found = [Job(dealt.sample, tuple(main), explain=False, whole=True, part="the planner's policies")]
        return found + _grouped(dealt, others, "all calls")
    count = len(dealt.dealt)
    found = [
        Job(one, tuple(main), explain=False, whole=True, part=f"partition {number} of {count}", share=1 / count)
        for number, one in enumerate(dealt.dealt, start=1)
    ]
    return found + _grouped(dealt, (*others, *both), "the sample")


def _grouped(dealt: Partitions, others: Sequence[Candidate], of: str) -> list[Job]:
    """The others over the sample, some at a time; the first run explains what was missed."""
    count = max(2, -(-len(others) // TOGETHER))
    return [
        Job(
            dealt.sample,
            tuple(others[number::count]),
            explain=number == 0,
            whole=False,
            part=f"{of}, run {number + 1} of {count}",
            share=dealt.share,
        )
        for number in range(count)
    ]


def replays(
    calls: Calls, book: PriceBook, models: ModelTable, candidates: Sequence[Candidate], where: Where | None = None
) -> Replays:
    """Do them all; those that send rewritten prompts only where there are any. Closes `calls`: what is replayed are
    partitions beside its file. Raises duckdb.Error where there is no room for those, else what `done_by` does."""
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
    folder = calls.path.parent / "replay"
    folder.mkdir()
    dealt = partitions(calls, count, folder)
    calls.close()
    wanted = jobs(dealt, main, others, [one for one in main if one.name in paired])
    done = done_by(where or Where(), wanted, Known(book, models), folder)
    whole = [one for job, one in zip(wanted, done, strict=True) if job.whole]
    sample = [one for job, one in zip(wanted, done, strict=True) if not job.whole]
    found = Replays(_over_parts(whole), _beside(sample), sampled=bool(dealt.dealt))
    for one in candidates:
        for tallies in (found.whole.tallies, found.sample.tallies):
            twin = tallies.get(acting[one.acts_as].name)
            if twin is not None:
                tallies[one.name] = replace(twin, name=one.name)
    return found


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
