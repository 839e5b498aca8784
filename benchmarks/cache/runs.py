"""Which replays a benchmark consists of, and doing them, two processes at a time."""

from __future__ import annotations

import gc
import multiprocessing
import random
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct

from benchmarks.cache.adversarial import PREFIX, generate
from benchmarks.cache.clairvoyant import ClairvoyantPolicy, revealed
from benchmarks.cache.pings import PingingPlanner
from benchmarks.cache.planner import CHOICES, BesideClient, PlannerPolicy
from benchmarks.cache.replay import replay
from benchmarks.cache.scores import Run, run_of
from thriftgate.audit.placing import clients as policies
from thriftgate.audit.placing.bound import lower_bound
from thriftgate.audit.placing.world import PlacementPolicy, World
from thriftgate.audit.traces.loaders import load
from thriftgate.audit.traces.trace import Trace
from thriftgate.core.cache import CacheRules
from thriftgate.core.placement import CacheMode

OURS, CLAIRVOYANT, PINGING = "thriftgate", "clairvoyant", "thriftgate+pings"
BESIDE: dict[str, CacheMode] = {"habit-5m+ttl-only": "ttl-only", "habit-5m+add": "add"}
DOCUMENTED, LATE_TOLD = "documented", "no-late-upgrade"
BELIEFS: dict[str, tuple[CacheRules, CacheRules]] = {
    DOCUMENTED: (CacheRules(), CacheRules()),
    LATE_TOLD: (CacheRules(late_upgrade=False), CacheRules(late_upgrade=False)),
    "no-upgrade": (CacheRules(late_upgrade=False, free_insert=False), CacheRules(late_upgrade=False, free_insert=False)),
    "no-late-upgrade-untold": (CacheRules(late_upgrade=False), CacheRules()),
    "refresh-hit-only": (CacheRules(refresh="hit_only"), CacheRules()),
    "refresh-ancestors": (CacheRules(refresh="ancestors"), CacheRules()),
    "no-free-insert": (CacheRules(free_insert=False), CacheRules()),
}
"""By name: how the cache behaves, and how the planner believes that it does. Where only the late upgrade is not honoured, a
free entry of an hour inside the part read still is, and the bound counts on it; "no-upgrade" is without both."""

MAIN = (
    "none",
    "auto-5m",
    "auto-1h",
    "system-5m",
    "habit-5m",
    "habit-1h",
    "habit-1h-5m",
    "four-5m",
    "rule-6",
    OURS,
    PINGING,
    *BESIDE,
    CLAIRVOYANT,
)
ALL = (*policies.ROWS, OURS, PINGING, *BESIDE, CLAIRVOYANT)


class Setting(Struct, frozen=True):
    """A world to replay in; the planner believes `belief`."""

    world: World
    belief: World
    belief_name: str = DOCUMENTED

    def __str__(self) -> str:
        told = "" if self.belief_name == DOCUMENTED else f" {self.belief_name}"
        return f"r={self.world.read:g} min={self.world.minimum}{told}"


class Key(Struct, frozen=True):
    """What a score is pooled over the draws of: a trace at a level in a world."""

    trace: str
    level: float
    setting: Setting

    def __str__(self) -> str:
        return f"{self.trace} {self.level:.3g} {self.setting}"


class Job(Struct, frozen=True):
    """One draw of one source, which is a path or a generated kind with its number of requests, and what to do with it."""

    source: str
    level: float
    seed: int
    settings: tuple[Setting, ...]
    policies: tuple[str, ...]
    size: int | None = None


class Done(Struct, frozen=True):
    """One replay of a job."""

    key: Key
    seed: int
    run: Run


def setting(read: float, minimum: int, belief: str = DOCUMENTED) -> Setting:
    """The world of these prices under that belief."""
    rules, believed = BELIEFS[belief]
    world = World(read=read, minimum=minimum, rules=rules)
    return Setting(world, msgspec.structs.replace(world, rules=believed), belief)


def policy(name: str, where: Setting, trace: Trace) -> PlacementPolicy:
    """A fresh policy by name; `thriftgate:CHOICE` is the planner with another choice of its settings."""
    if name == CLAIRVOYANT:
        return ClairvoyantPolicy(trace, where.world)
    if name == OURS:
        return PlannerPolicy(where.belief)
    if name == PINGING:
        return PingingPlanner(where.belief)
    if name in BESIDE:
        return BesideClient(where.belief, policies.client("habit-5m", where.world), BESIDE[name])
    if name.startswith(f"{OURS}:"):
        return PlannerPolicy(where.belief, CHOICES[name.partition(":")[2]])
    return policies.client(name, where.world)


def discover(path: Path) -> tuple[list[Path], dict[Path, str]]:
    """The traces at a path, and what was found that is none, each with the reason."""
    try:
        load(path, random.Random(1), share=1e-9)
    except (ValueError, OSError, EOFError, msgspec.MsgspecError) as error:
        skipped = {path: str(error).removeprefix(f"{path}: ")}
    else:
        return [path], {}
    if not path.is_dir():
        return [], skipped
    inside = [discover(child) for child in sorted(path.iterdir()) if child.is_dir() or child.name.endswith(".gz")]
    found = [trace for traces, _ in inside for trace in traces]
    if not found:
        return [], skipped
    return found, {child: reason for _, reasons in inside for child, reason in reasons.items()}


def draws(level: float, seeds: int | None) -> range:
    """The seeds of a level: one for whole traces, five for a tenth, twenty below (or as many as asked for)."""
    if level >= 1:
        return range(1, 2)
    return range(1, 1 + (seeds or (5 if level > 0.05 else 20)))


def split(job: Job, parts: int) -> Iterator[Job]:
    """The same draw with the policies dealt out, so that a long one keeps all processes busy."""
    for part in range(parts):
        if mine := job.policies[part::parts]:
            yield msgspec.structs.replace(job, policies=mine)


def do(job: Job) -> list[Done]:
    """Replay each policy in each world."""
    trace = _trace(job.source, job.level, job.seed, job.size)
    gc.collect()
    gc.freeze()  # the trace is not garbage: without this, looking through it would be billed to the policies
    done: list[Done] = []
    for where in job.settings:
        bound = lower_bound(trace, where.world)
        for name in job.policies:
            seen = revealed(trace) if name == CLAIRVOYANT else trace
            acting = policy(name, where, seen)
            result = replay(seen, acting, where.world)
            size = getattr(acting, "state_bytes", None)
            run = run_of(result, bound, None if size is None else size())
            run = msgspec.structs.replace(run, policy=name)
            done.append(Done(Key(trace.name, job.level, where), job.seed, run))
    gc.unfreeze()
    return done


@lru_cache(maxsize=1)
def _trace(source: str, level: float, seed: int, size: int | None) -> Trace:
    if source.startswith(PREFIX):
        return generate(source.removeprefix(PREFIX), size, seed)
    return load(Path(source), random.Random(seed), share=level)


def run(jobs: Sequence[Job], processes: int) -> Iterable[Done]:
    """All jobs; figures come as they are ready."""
    if processes == 1:
        for job in jobs:
            yield from do(job)
        return
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for done in pool.imap_unordered(do, jobs):
            yield from done
